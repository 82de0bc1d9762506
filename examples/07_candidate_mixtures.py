"""Which grasps does a network learn from? One object, one image, and what each source of candidates makes of them.

Antipodal pairs lie on the surface, near misses are such pairs moved a little, the action space is all that a planner
might ask about, a policy's sampler and elites are what it will ask about. Writes 07_candidate_mixtures.png.
"""

import numpy as np

from graspnet.data_gen.candidates.mixture import CandidateConfig
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.single import generate_object
from graspnet.data_gen.scenes.scenes import SceneConfig
from graspnet.drawing import draw_depth, draw_grasps, new_figure, quality_colors, save_png
from graspnet.grippers.gripper import load_gripper

hand = load_gripper("yumi")
NONE = {"antipodal": 0.0, "near_miss": 0.0, "action_space": 0.0}
MIXTURES = {name: CandidateConfig(**(NONE | {name: 1.0})) for name in NONE}
MIXTURES["policy_sampler"] = CandidateConfig(**NONE, sources={"policy_sampler": 1.0})
MIXTURES["on_policy"] = CandidateConfig(
    **NONE, sources={"on_policy": 1.0}, options={"on_policy": {"model": "parallel_jaw"}}
)

figure, axes = new_figure(3, len(MIXTURES), width=3.0, aspect=0.8)
for column, (name, mixture) in enumerate(MIXTURES.items()):
    scene = SceneConfig(camera="primesense", distance=(0.6, 0.6), tilted_share=0.0)
    config = GenerateConfig(candidates=mixture, scene=scene, views=1, grasps_per_view=300)
    # The image is drawn before its grasps: an equal generator shows the same object in the same place.
    shard = generate_object("hammer_00000", [hand], config, np.random.default_rng(1))
    images, rows = shard.images, np.flatnonzero(np.array(shard.grasps.source) == name)
    grasps_in_camera = shard.grasps.grasps_in_camera(rows)
    label = shard.grasps.robustness("robust_pad_closure")[rows]  # 0 where the hand touches something on its way
    colors = quality_colors(label)

    v, u = np.nonzero(images.instance[0])
    draw_depth(axes[0, column], images.depth[0], title=f"{name}: {np.mean(label > 0.5):.0%} of {len(rows)} hold")
    draw_grasps(axes[0, column], grasps_in_camera[:16], images.cameras[0], hand, colors[:16])
    axes[0, column].set(xlim=(u.min() - 30, u.max() + 30), ylim=(v.max() + 30, v.min() - 30))

    grasps = grasps_in_camera.transformed(images.world_from_camera[0])
    offset = np.linalg.norm(grasps.origin[:, :2] - shard.objects.world_from_object[0, :2, 3], axis=1)
    tips = grasps.origin[:, 2] - hand.pad_to_tip
    yaw = np.rad2deg(np.arctan2(grasps.closing[:, 1], grasps.closing[:, 0])) % 180
    for row, (x, reach, title) in enumerate(
        [(1000 * offset, 70, "from the middle, mm"), (yaw, 180, "closing axis, °")]
    ):
        ax = axes[row + 1, column]
        ax.scatter(x, 1000 * tips, c=colors, s=9, edgecolors="0.4", linewidths=0.2)
        ax.set(xlim=(0, reach), ylim=(0, 25), xlabel=title, ylabel="tips above table, mm")
    print(f"{name:15}{len(rows):5} grasps, {np.mean(label > 0.5):5.0%} hold")
save_png(figure, "07_candidate_mixtures.png", dpi=80)
