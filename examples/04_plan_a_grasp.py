"""From a depth image to a grasp: an observation, a quality and a policy are all that it takes.

A quality is any function that scores grasps. Here it is written by hand: hold the object near its middle, across a
narrow part. A trained network is another one; leave `model` out, and the one that ships is used. The policy cannot tell
them apart. Writes 04_plan_a_grasp.png.
"""

import numpy as np

import graspnet as gn
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.drawing import draw_depth, draw_grasps, new_figure, quality_colors, save_png
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal
from graspnet.sensors import load_sensor
from graspnet.transforms import rigid

rng = np.random.default_rng(2)
camera, gripper = gn.load_camera("primesense"), gn.load_gripper("yumi")

# what the camera sees: an object on a table, 0.6 m below, through a structured-light sensor
solid = make_solid("hammer", rng)
world_from_object = stable_poses(solid).world_from_object[:1]
world_from_camera = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 0.6]))
with RaycastRenderer() as renderer:
    seen = renderer.render(Scene((solid,), world_from_object), camera, world_from_camera)
depth = load_sensor("structured_light")(seen.depth, camera, rng)
# no mask, no pose: the table is fitted, and what rises from it is an object
observation = gn.Observation(depth, camera, gripper)


def near_the_middle_and_narrow(observation: gn.Observation, grasps_in_camera: gn.Grasps) -> np.ndarray:
    """1 for a grasp at the object's middle that closes on nothing wide; falls with both."""
    points = observation.points[observation.object_mask]
    distance = np.linalg.norm(grasps_in_camera.origin - np.median(points, axis=0), axis=1)
    steps = np.linspace(-0.5, 0.5, 33)[:, None] * gripper.max_width
    u, v = camera.project(grasps_in_camera.origin[:, None] + steps * grasps_in_camera.closing[:, None]).T.astype(int)
    filled = observation.object_mask[v.clip(0, 479), u.clip(0, 639)].mean(axis=0)  # of the opening, by the object
    return np.exp(-distance / 0.05) * (1 - filled)


candidates = sample_antipodal(observation, 15, AntipodalSamplerConfig(), rng)
plan = gn.plan(depth, camera, gripper, model=near_the_middle_and_narrow)
print(plan.summary)

figure, axes = new_figure(1, 2, width=5.0)
draw_depth(
    axes[0, 0], observation.depth, limits=(0.55, 0.61), title="where the search starts: antipodal pairs of depth edges"
)
draw_grasps(axes[0, 0], candidates, camera, gripper)
draw_depth(axes[0, 1], observation.depth, limits=(0.55, 0.61), title="the five best of the plan")
five = np.arange(min(5, len(plan)))[::-1]  # the best is drawn last
draw_grasps(axes[0, 1], plan.grasps_in_camera[five], camera, gripper, quality_colors(plan.qualities[five]))
for axis in axes[0]:
    axis.set_xlim(230, 410)
    axis.set_ylim(308, 172)
save_png(figure, "04_plan_a_grasp.png")
