"""Labels for grasps: candidates on a mug, would they hold, and would the hand get there at all?

A grasp is labelled on the mesh, not on an image: robustness is the share of disturbed samples (pose, friction) whose
contacts close, and it counts only where the open hand touches nothing on its way. Writes 02_label_a_grasp.png.
"""

import numpy as np
import trimesh
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Rectangle

from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.drawing import new_figure, save_png
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import invert, transform_points

rng = np.random.default_rng(2)
solid, hand = make_solid("mug", rng).scaled(0.8), load_gripper("yumi")
world_from_object = stable_poses(solid).world_from_object[0]

# p(u|x): antipodal pairs, near misses of them, and anything over the object. All come straight down.
grasps_in_world, source = sample_candidates(solid, world_from_object, hand, 2000, CandidateConfig(), rng)
grasps_in_object = grasps_in_world.transformed(invert(world_from_object))

# Where the pads' centres meet the mug, and what that is worth: 25 samples of pose, friction and centre of mass each.
contacts = ContactFinder(solid)(grasps_in_object)
gravity = world_from_object[:3, :3].T @ np.array([0.0, 0.0, -1.0])
metrics = ["robust_force_closure", "robust_epsilon"]
closure, epsilon = estimate(metrics, solid, grasps_in_object, hand, gravity, MetricConfig(), rng).values()

# Fingers, palm and table along the last 10 cm: signed distances, negative where they meet.
room = clearance(Scene((solid,), world_from_object[None]), 0, grasps_in_world, hand)
holds = (closure.mean > 0.5) & room.collision_free

print(f"{'source':13}{'grasps':>7}{'touch it':>10}{'free':>7}{'label > 0.5':>13}{'mean epsilon':>14}")
for name in ("antipodal", "near_miss", "action_space"):
    of = source == name
    shares = f"{contacts.found[of].mean():>10.0%}{room.collision_free[of].mean():>7.0%}{holds[of].mean():>13.0%}"
    print(f"{name:13}{of.sum():>7}{shares}{epsilon.mean[of].mean():>14.4f}")

# Four of them, in their own frame: from above (closing axis to the right), and cut through the closing line.
colliding = (closure.mean > 0.9) & (room.parts["fingers"] < -0.002)
slipping = (closure.mean < 0.3) & (contacts.distance > 0.015) & room.collision_free
whole = contacts.distance > 0.015
picks = {"holds": holds & (closure.mean > 0.95) & whole, "holds, by a wall": holds & (contacts.distance < 0.006)}
picks |= {"slips": slipping, "collides on the way": colliding}
figure, axes = new_figure(2, 4, width=3.2, aspect=1.0)
for column, (title, chosen) in enumerate(picks.items()):
    i = int(rng.choice(np.flatnonzero(chosen)))
    grasp_from_object = invert(grasps_in_object.poses[i])
    mesh = solid.mesh.copy().apply_transform(grasp_from_object)
    section = trimesh.intersections.mesh_plane(mesh, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    low, high = (corners[0] * 1000 for corners in hand.boxes(grasps_in_world.width[i : i + 1]))
    points = transform_points(grasp_from_object, contacts.points[i]) * 1000
    color = "tab:green" if holds[i] else "tab:red"
    for row, (x, y) in enumerate([(1, 0), (1, 2)]):
        ax = axes[row, column]
        ax.add_collection(
            PolyCollection(mesh.triangles[:, :, [x, y]] * 1000, facecolor="0.85", edgecolor="0.78", lw=0.3)
        )
        ax.add_collection(LineCollection(section[:, :, [x, y]] * 1000, colors="0.2", lw=1.2))
        for box in range(2 + row):  # the palm hides the view from above
            size = high[box] - low[box]
            ax.add_patch(Rectangle(low[box][[x, y]], size[x], size[y], facecolor=color, alpha=0.5))
        ax.plot(points[:, x], points[:, y], "o-", color="black", ms=4, lw=0.8)
        ax.set(xlim=(-60, 60), ylim=(-60, 60), aspect="equal", xlabel="closing axis y, mm")
    axes[1, column].invert_yaxis()  # the approach, z, runs down
    axes[1, column].axhline(1000 * grasps_in_world.origin[i, 2], color="0.5", lw=1)  # the table
    axes[0, column].set_title(
        f"{title}\nrobustness {closure.mean[i]:.2f}, clearance {room.smallest[i] * 1000:.1f} mm", fontsize=9
    )
save_png(figure, "02_label_a_grasp.png", dpi=80)
