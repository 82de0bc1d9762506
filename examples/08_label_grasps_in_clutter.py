"""A heap in a bin: which grasps hold an object, and which of those the hand can reach without touching anything.

Writes 08_label_grasps_in_clutter.png. `graspnet generate --config bin_clutter` makes a dataset of such heaps.
"""

import numpy as np

from graspnet.data_gen.candidates.jaw_width import fitted_opening
from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.labels.label import LabelledGrasps, label_grasps
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.objects.procedural import make_solids
from graspnet.data_gen.physics.heaps import HeapConfig, drop_heap
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Bin, Scene, SceneConfig, sample_camera
from graspnet.drawing import draw_depth, draw_grasps, new_figure, save_png
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import invert

METRIC, MARGIN = "robust_pad_closure", 0.006  # metres: the jaws open that much wider than the object, on either side
rng = np.random.default_rng(4)
hand = load_gripper("yumi")
bin_ = Bin(0.32, 0.24, 0.08)

solids = tuple(s.scaled(rng.uniform(0.015, 0.035) / min(s.mesh.extents)) for s in make_solids(40, seed=4))
solids = tuple(s for s in solids if s.radius < 0.06)[:13]
heap = drop_heap(solids, bin_, HeapConfig(offset=(0.1, 0.1)), rng)
scene = Scene(tuple(solids[k] for k in heap.kept), heap.world_from_object, bin=bin_)
print(f"{len(heap.kept)} of {len(solids)} objects lie still in the bin")


def label(target: int) -> LabelledGrasps:
    """Twelve grasps of one object, judged among all that lies there."""
    solid, world_from_object = scene.solids[target], scene.world_from_object[target]
    grasps, source = sample_candidates(solid, world_from_object, hand, 12, CandidateConfig(), rng)
    opened = fitted_opening(solid, grasps.transformed(invert(world_from_object)), hand, MARGIN)
    grasps = opened.transformed(world_from_object)
    return label_grasps(scene, target, grasps, source, hand, (METRIC,), MetricConfig(), rng)


upright = (-np.pi / 2, -np.pi / 2)  # azimuth: x is to the right in the image, y is up
view = SceneConfig(
    distance=(0.65, 0.65), polar=(0.1, 0.1), tilted_share=0.0, azimuth=upright, roll=(0.0, 0.0),
    field_of_view=(0.56, 0.56),
)  # fmt: skip
camera, world_from_camera = sample_camera(view, rng)
with RaycastRenderer() as renderer:
    image = renderer.render(scene, camera, world_from_camera)

figure, axes = new_figure(1, 3, width=4.0, aspect=0.8)
limits = (0.58, 0.66)  # metres: the floor is dark, the walls end in white
draw_depth(axes[0, 0], image.depth, limits=limits, title="depth")
axes[0, 1].imshow(np.where(image.instance > 0, image.instance, np.nan), cmap="tab20", interpolation="nearest")
axes[0, 1].set_title("the number of each object", fontsize=9)
axes[0, 1].set_axis_off()
draw_depth(axes[0, 2], image.depth, limits=limits, title="holds, and is free (green) or touches something (red)")
for target in range(len(scene.solids)):
    labels = label(target)
    holds, free = labels.hold.metrics[METRIC].mean > 0.5, labels.clearance.collision_free
    print(f"object {target + 1}: {holds.sum()} of 12 hold, {(holds & free).sum()} of those can be reached")
    in_camera = labels.grasps_in_world.transformed(invert(world_from_camera))
    for chosen, color in ((holds & ~free, "tab:red"), (holds & free, "limegreen")):
        draw_grasps(axes[0, 2], in_camera[chosen], camera, hand, color)
save_png(figure, "08_label_grasps_in_clutter.png", dpi=80)
