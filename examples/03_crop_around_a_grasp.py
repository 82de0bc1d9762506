"""The grasp-aligned crop: what a network sees of a grasp, and that it stays the same from anywhere.

Three cameras look at the same box: from half a metre, from further away with another lens, and from 45° to the side.
The images differ; the metric crops, in units of the gripper's opening and aligned with the grasp, agree wherever a
camera saw something. What it did not see is white here. Writes 03_crop_around_a_grasp.png.
"""

import numpy as np
import trimesh
from matplotlib.figure import Figure

from graspnet.camera import Camera
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.height_map import DepthView
from graspnet.transforms import frame_from_axes, invert, rigid, rotation_about

solid = solid_from_mesh(trimesh.creation.box((0.08, 0.03, 0.04)), "box")
world_from_object = np.eye(4)
world_from_object[:3, 3] = [0.0, 0.0, 0.02]  # the box's centre: it stands on the table
scene = Scene((solid,), world_from_object[None])

# a grasp across the box's short side, straight down, the pads' centres 5 mm below its top
down, across = np.array([[0.0, 0.0, -1.0]]), np.array([[0.0, 1.0, 0.0]])
gripper = load_gripper("yumi")
grasp_in_world = Grasps.of_jaws(rigid(frame_from_axes(down, across), np.array([[0.0, 0.0, 0.035]])), np.array([0.05]))

# cameras above the table: x to the right, y towards us, z down; the last one turned about x, around the box
looking_down = np.diag([1.0, -1.0, -1.0])
aside = rotation_about(np.array([1.0, 0.0, 0.0]), np.array(np.pi / 4))
near, far = Camera(400.0, 400.0, 159.5, 119.5, 320, 240), Camera(800.0, 800.0, 319.5, 239.5, 640, 480)
views = {
    "0.5 m, f = 400 px": (near, rigid(looking_down, np.array([0.02, -0.01, 0.5]))),
    "0.9 m, f = 800 px": (far, rigid(looking_down, np.array([0.02, -0.01, 0.9]))),
    "0.6 m, 45° to the side": (near, rigid(aside @ looking_down, aside @ np.array([0.0, 0.0, 0.6]))),
}

figure = Figure(figsize=(8, 9))
axes = figure.subplots(3, 2)
crops = []
for (left, right), (title, (camera, world_from_camera)) in zip(axes, views.items(), strict=True):
    depth = RaycastRenderer().render(scene, camera, world_from_camera).depth
    grasp_in_camera = grasp_in_world.transformed(invert(world_from_camera))
    view = DepthView(depth, camera)
    seen = grasp_crops(view, grasp_in_camera.poses, gripper.sizes()[None], MetricCropConfig())
    height, measured = seen.images[0].numpy()
    crops.append(np.where(measured > 0, height, np.nan))
    left.imshow(depth, cmap="viridis_r")
    left.set_title(f"depth image, {title}")
    right.imshow(crops[-1], cmap="viridis", vmin=-0.8, vmax=0.8)
    right.set_title("crop: height over the gripper's opening")

# away from edges, where one pixel more or less decides what is seen, the crops are the same
for crop in crops[1:]:
    difference = np.nanmedian(np.abs(crop - crops[0]))
    print(f"median difference of the crops: {difference:.4f} openings")
    assert difference < 0.01
figure.tight_layout()
figure.savefig("03_crop_around_a_grasp.png")
