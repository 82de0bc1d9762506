"""One scene, every sensor: what each loses and adds, in figures that can be measured on real images too.

Writes 06_compare_sensors.png: a part of the last heap as each sensor sees it. The same figures of your own camera's
images: `python -m graspnet.sensors.statistics depth_0.npy --segmask mask_0.png` (docs/sensors.md compares real ones).
"""

from dataclasses import astuple

import numpy as np

from graspnet.config import preset_names
from graspnet.data_gen.objects.procedural import make_solids
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.physics.heaps import HeapConfig, drop_heap
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Bin, Scene, SceneConfig, sample_camera
from graspnet.drawing import draw_depth, new_figure, save_png
from graspnet.sensors import load_sensor
from graspnet.sensors.statistics import HEADING, DepthStatistics, depth_statistics

SCENES = 4
BIN = Bin(0.45, 0.32, 0.10)
solids = [solid for solid in make_solids(80, seed=1) if 0.035 < solid.radius < 0.065]


def drop(rng: np.random.Generator, count: int) -> Scene:
    """One object at rest, or several in a bin."""
    chosen = tuple(solids[i] for i in rng.choice(len(solids), count, replace=False))
    if count == 1:
        return Scene(chosen, stable_poses(chosen[0]).world_from_object[:1])
    heap = drop_heap(chosen, BIN, HeapConfig(), rng)
    return Scene(tuple(chosen[i] for i in heap.kept), heap.world_from_object, bin=BIN)


# Dex-Net's two cameras, at their heights and angles: a single object, and a heap in a bin.
views = {
    "primesense, one object": ("primesense", 0.73, 12.7, 1),
    "phoxi, heap of 15": ("phoxi", 0.84, 8.5, 15),
}
pictures = {}
with RaycastRenderer() as renderer:
    for title, (camera_name, distance, tilt, count) in views.items():
        fixed = {"azimuth": (0.0, 0.0), "roll": (0.0, 0.0), "tilted_share": 0.0}
        angle = (np.deg2rad(tilt), np.deg2rad(tilt))
        config = SceneConfig(camera=camera_name, distance=(distance, distance), polar=angle, **fixed)
        rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in preset_names("sensors")}
        for seed in range(SCENES):
            rng = np.random.default_rng(seed)
            camera, world_from_camera = sample_camera(config, rng)
            clean = renderer.render(drop(rng, count), camera, world_from_camera)
            for name, measured in rows.items():
                pictures[name] = load_sensor(name)(clean.depth, camera, rng)
                mask = clean.instance > 0 if count == 1 else None
                measured.append(astuple(depth_statistics(pictures[name], mask)))
        print(f"\n{title}, mean of {SCENES} images\n{HEADING}")
        for name, measured in rows.items():
            mean = np.ma.masked_invalid(measured).mean(axis=0).filled(np.nan)  # where an image shows no such thing
            print(DepthStatistics(*mean.tolist()).line(name))

figure, axes = new_figure(2, 4, width=3.0, aspect=0.9)
for ax, (name, depth) in zip(axes.flat, pictures.items(), strict=False):
    draw_depth(ax, depth[120:280, 170:350], limits=(0.72, 0.86), title=name)
save_png(figure, "06_compare_sensors.png", dpi=80)
