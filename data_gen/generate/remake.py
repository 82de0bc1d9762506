"""Scenes of a dataset made again: a dataset holds no meshes, but its config and seed say how its objects were made.

What is made again must look as the dataset's images show it, or it is refused.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, fields

import numpy as np

from graspnet.config import parse_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import load_object, object_names
from graspnet.data_gen.scenes.rendering import RENDERERS
from graspnet.data_gen.scenes.scenes import Bin, Scene
from graspnet.dataset import Dataset, Shard
from graspnet.errors import InputError

__all__ = ["RemadeObjects", "labelling_config"]

ALIKE = 0.001  # A depth counts as unchanged up to so many metres.
CHANGED = 0.02  # This share of an image's object pixels may have changed, by rounding at edges.


def labelling_config(dataset: Dataset) -> GenerateConfig:
    """How the dataset was made. InputError: not by `graspnet generate`, or by a version with other settings."""
    config = deepcopy(dataset.header.config)
    if older := {field.name: config.pop(field.name) for field in fields(MetricConfig) if field.name in config}:
        config["assumed"] = older  # what metrics assume stood beside all else
        older.get("tugs", {}).get("pick", {}).pop("settle_time", None)  # it never meant anything
    try:
        return parse_config(GenerateConfig, config, "its config")
    except InputError as error:
        raise InputError(f"{dataset.folder}: its objects cannot be made again: {error}") from None


@dataclass(frozen=True)
class RemadeObjects:
    """Objects at their own size, made as a dataset's were: from its seed and their number."""

    place: str
    config: GenerateConfig
    seed: int
    numbers: Mapping[str, int]

    @staticmethod
    def of(dataset: Dataset, config: GenerateConfig) -> "RemadeObjects":
        """InputError: the folders of its meshes are not as they were."""
        place = str(dataset.folder)
        try:
            names = object_names(config.objects)
        except InputError as error:
            raise InputError(f"{place}: its objects cannot be made again: {error}") from None
        return RemadeObjects(place, config, dataset.header.seed, {name: i for i, name in enumerate(names)})

    def shapes(self, shard: Shard) -> dict[str, Solid]:
        """All objects of a shard by name, at their own size. InputError: one cannot be made again."""
        return {name: self._shape(name) for name in dict.fromkeys(shard.objects.object)}

    def scene(self, shard: Shard, image: int, shapes: Mapping[str, Solid]) -> Scene:
        """The scene that an image shows, from the shapes of its shard."""
        objects = shard.objects
        rows = np.flatnonzero(objects.image == image)
        rows = rows[np.argsort(objects.instance[rows])]
        solids = tuple(shapes[objects.object[row]].scaled(float(objects.scale[row])) for row in rows)
        x, y, height = shard.images.bin[image].tolist()
        bin_ = None
        if self.config.heap is not None and np.isfinite(x):
            bin_ = Bin(x, y, height, self.config.heap.wall_thickness)
        return Scene(solids, objects.world_from_object[rows], bin=bin_)

    def check_unchanged(self, scene: Scene, shard: Shard, image: int, place: str) -> None:
        """InputError: the scene, rendered, is not what the image at this place of the dataset shows."""
        stored = shard.images.depth[image]
        with RENDERERS[self.config.renderer]() as renderer:
            now = renderer.render(scene, shard.images.cameras[image], shard.images.world_from_camera[image])
        of_objects = (shard.images.instance[image] > 0) | (now.instance > 0)
        changed = of_objects & ~(np.abs(now.depth - stored) < ALIKE)
        if changed.sum() > CHANGED * of_objects.sum():
            share = changed.sum() / of_objects.sum()
            raise InputError(
                f"{self.place}: {place}: {share:.0%} of the objects' pixels are not as stored; the meshes, or what "
                "makes them, have changed since the dataset was made; make the dataset again"
            )

    def _shape(self, name: str) -> Solid:
        try:
            if name not in self.numbers:
                raise InputError("its config names no such object")
            return load_object(self.config.objects, name, np.random.default_rng([self.seed, self.numbers[name]]))
        except InputError as error:
            raise InputError(f"{self.place}: {name} cannot be made again: {error}") from None
