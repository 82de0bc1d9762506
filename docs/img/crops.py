"""The picture of docs/pictures.md: one grasp as three cameras see it, and what a network sees of it.

Writes crops.png beside itself: `python docs/img/crops.py`. The hammer, the grasp and the sensor's noise are the
package's own.
"""

from pathlib import Path

import numpy as np

from graspnet.camera import Camera
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pixel import PixelCropConfig
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.drawing import draw_crops, draw_depth, draw_grasps, new_figure, save_png
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.height_map import DepthView
from graspnet.sensors import load_sensor
from graspnet.transforms import frame_from_axes, invert, rigid, rotation_about, unit

SHOWN = 0.13  # m on the table from the picture's middle to its border

rng = np.random.default_rng(2)
gripper, sensor = load_gripper("yumi"), load_sensor("structured_light")
solid = make_solid("hammer", rng)
world_from_object = stable_poses(solid).world_from_object[0]
scene = Scene((solid,), world_from_object[None])

# Straight down across the handle. The object's long axis leads from the head to the handle's end; the handle's own
# direction is that from one cut through it to another.
points = solid.mesh.sample(8000, seed=0) @ world_from_object[:3, :3].T + world_from_object[:3, 3]
middle = points.mean(axis=0)
long_axis = np.linalg.eigh(np.cov(points[:, :2].T))[1][:, 1]
place = (points - middle)[:, :2] @ long_axis
place *= np.sign(place.max() + place.min())  # the head's end is nearer to the middle
cuts = [points[np.abs(place - share * place.max()) < 0.004] for share in (0.25, 0.75)]
along = np.append((cuts[1] - cuts[0].mean(axis=0)).mean(axis=0)[:2], 0.0)
across = unit(np.cross([0.0, 0.0, 1.0], along))
origin = np.array([*cuts[0][:, :2].mean(axis=0), max(cuts[0][:, 2].max() - 0.012, 0.012)])
rotation = frame_from_axes(np.array([[0.0, 0.0, -1.0]]), across[None])
grasp_in_world = Grasps.of_jaws(rigid(rotation, origin[None]), np.array([gripper.max_width]))

looking_down = np.diag([1.0, -1.0, -1.0])
aside = rotation_about(np.array([1.0, 0.0, 0.0]), np.array(np.pi / 4))
camera = Camera(525.0, 525.0, 319.5, 239.5, 640, 480)
views = {
    "0.5 m above": (looking_down, 0.5),
    "0.9 m above, turned": (rotation_about(np.array([0.0, 0.0, 1.0]), np.array(2.0)) @ looking_down, 0.9),
    "0.7 m away, 45° to the side": (aside @ looking_down, 0.7),
}

figure, axes = new_figure(3, len(views), width=2.8, aspect=1.0)
metric, pixel = MetricCropConfig(), PixelCropConfig(window_px=96, size=96)
for column, (title, (world_from_camera, distance)) in zip(axes.T, views.items(), strict=True):
    pose = rigid(world_from_camera, middle - distance * world_from_camera[:, 2])
    depth = sensor(RaycastRenderer().render(scene, camera, pose).depth, camera, rng)
    grasp = grasp_in_world.transformed(invert(pose))
    (u, v), reach = camera.project(grasp.origin)[0], SHOWN * camera.fx / distance
    window = depth[max(0, int(v - reach)) : int(v + reach), max(0, int(u - reach)) : int(u + reach)]
    limits = tuple(np.nanpercentile(np.where(window > 0, window, np.nan), [0.5, 99]).tolist())
    draw_depth(column[0], depth, limits=limits, title=f"depth image, {title}")
    draw_grasps(column[0], grasp, camera, gripper)
    column[0].set(xlim=(u - reach, u + reach), ylim=(v + reach, v - reach))
    view, sizes = DepthView(depth, camera), gripper.sizes()[None]
    draw_crops(
        column[1:2], grasp_crops(view, grasp.poses, sizes, metric).images.numpy(),
        opening=metric.size / metric.window, titles=["crop of the height map"],
    )  # fmt: skip
    draw_crops(column[2:], grasp_crops(view, grasp.poses, sizes, pixel).images.numpy(), titles=["crop of the image"])
save_png(figure, Path(__file__).parent / "crops.png", dpi=90)
