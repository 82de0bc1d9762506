"""The grasp-aligned crop: what a network sees of a grasp, and that it stays the same from anywhere.

Two cameras look at the same box from different heights, with different lenses. The images differ; the metric crops,
in units of the hand's opening and aligned with the grasp, agree. Writes 03_crop_around_a_grasp.png.
"""

import numpy as np
import trimesh
from matplotlib.figure import Figure

from data_gen.objects.meshes import solid_from_mesh
from data_gen.scenes.rendering import RaycastRenderer
from data_gen.scenes.scenes import Scene
from graspnet.camera import Camera
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.heightmap import DepthView
from graspnet.transforms import frame_from_axes, invert, rigid

solid = solid_from_mesh(trimesh.creation.box((0.08, 0.03, 0.04)), "box")
world_from_object = np.eye(4)
world_from_object[:3, 3] = [0.0, 0.0, 0.02]  # the box's centre: it stands on the table
scene = Scene((solid,), world_from_object[None])

# a grasp across the box's short side, straight down, the pads' centres 5 mm below its top
down, across = np.array([[0.0, 0.0, -1.0]]), np.array([[0.0, 1.0, 0.0]])
gripper = load_gripper("yumi")
grasp_in_world = Grasps.of_jaws(rigid(frame_from_axes(down, across), np.array([[0.0, 0.0, 0.035]])), np.array([0.05]))

# a camera above the table: x to the right, y towards us, z down
looking_down = np.diag([1.0, -1.0, -1.0])
views = {
    "0.5 m, f = 400 px": (Camera(400.0, 400.0, 159.5, 119.5, 320, 240), 0.5),
    "0.9 m, f = 800 px": (Camera(800.0, 800.0, 319.5, 239.5, 640, 480), 0.9),
}

figure = Figure(figsize=(8, 6))
crops = []
for row, (title, (camera, height)) in enumerate(views.items()):
    world_from_camera = rigid(looking_down, np.array([0.02, -0.01, height]))
    depth = RaycastRenderer().render(scene, camera, world_from_camera).depth
    grasp_in_camera = grasp_in_world.transformed(invert(world_from_camera))
    view = DepthView(depth, camera)
    crop = grasp_crops(view, grasp_in_camera.poses, gripper.sizes()[None], MetricCropConfig()).images[0, 0]
    crops.append(crop)
    left, right = figure.subplots(2, 2, squeeze=False)[row] if row == 0 else figure.axes[2:]
    left.imshow(depth, cmap="viridis")
    left.set_title(f"depth image, {title}")
    right.imshow(crop, cmap="viridis", vmin=-0.8, vmax=0.8)
    right.set_title("crop: height over the hand's opening")

# away from edges, where one pixel more or less decides what is seen, the crops are the same
difference = (crops[0] - crops[1]).abs()
print(f"median difference of the crops: {difference.median():.4f} openings")
assert difference.median() < 0.01
figure.tight_layout()
figure.savefig("03_crop_around_a_grasp.png")
