"""The sample that ships: a depth image of three objects on a bench, its camera, their mask, and their meshes.

Writes graspnet/sample/bench/: `python docs/img/sample.py`. The objects are procedural; the image is rendered and then
measured by the model of a structured-light camera. So nothing in it is anybody else's.
"""

import shutil
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from graspnet.camera import load_camera
from graspnet.config import preset_path
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.sensors import load_sensor
from graspnet.transforms import rigid, rotation_about

SAMPLE = Path(__file__).parents[2] / "graspnet" / "sample" / "bench"
MILLIMETRE = 0.001
OBJECTS = {  # family: (seed, scale, x, y, turn about the vertical); metres and radians
    "hammer": (1, 1.6, -0.075, -0.030, 0.9),
    "mug": (2, 1.4, 0.070, -0.055, 2.4),
    "bracket": (1, 0.9, 0.045, 0.075, 0.4),
}


def main(folder: Path) -> None:
    """Write every file of the sample but its README."""
    camera = load_camera("primesense")
    solids = {name: make_solid(name, np.random.default_rng(seed)).scaled(k) for name, (seed, k, *_) in OBJECTS.items()}
    scene = Scene(tuple(solids.values()), np.stack([_pose(solids[name], *OBJECTS[name][2:]) for name in OBJECTS]))
    down = rotation_about(np.array([1.0, 0.0, 0.0]), np.asarray(np.deg2rad(170)))  # 10° from the vertical
    with RaycastRenderer() as renderer:
        seen = renderer.render(scene, camera, rigid(down, -0.55 * down[:, 2]))  # 0.55 m from the world's origin
    measured = np.nan_to_num(load_sensor("structured_light")(seen.depth, camera, np.random.default_rng(0)))

    depth = np.round(measured / MILLIMETRE).astype(np.uint16)  # what ROS calls 16UC1: millimetres, 0 where missing
    Image.fromarray(depth).save(folder / "depth.png", optimize=True)
    Image.fromarray(255 * (seen.instance > 0).astype(np.uint8)).save(folder / "segmask.png", optimize=True)
    shutil.copyfile(preset_path("cameras", "primesense"), folder / "camera.yaml")
    for name, solid in solids.items():  # STL has no unit; millimetres are what CAD programs write
        mesh = trimesh.Trimesh(solid.mesh.vertices / MILLIMETRE, solid.mesh.faces)
        mesh.export(folder / "meshes" / f"{name}.stl")


def _pose(solid: Solid, x: float, y: float, turn: float) -> np.ndarray:
    """world_from_object of the likeliest stable pose, turned and put at (x, y) on the bench."""
    vertical = np.array([0.0, 0.0, 1.0])
    return (
        rigid(rotation_about(vertical, np.asarray(turn)), np.array([x, y, 0.0]))
        @ stable_poses(solid).world_from_object[0]
    )


if __name__ == "__main__":
    main(SAMPLE)
