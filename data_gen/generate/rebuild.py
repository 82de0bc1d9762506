"""A dataset's scenes made again: its objects by name and seed, or from their files, where the shard says that they lie.

So grasps that nobody labelled can have their true label: those of a sweep, or of a second draw of what is uncertain.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from graspnet.config import parse_config
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.label import label_grasps
from graspnet.data_gen.labels.metrics import METRICS
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import load_object, object_names, with_parts
from graspnet.data_gen.scenes.scenes import Bin, Scene
from graspnet.dataset import Dataset, Shard
from graspnet.dataset.labels import soft_label
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw

__all__ = ["TrueLabels"]

CHECKED = 6  # stored grasps of an image are compared with what they measure in the scene that was made again
TOLERANCE = 5e-4  # m, of their clearances: poses are stored in 32 bits
LIMIT = 0.02  # m, to which stored clearances are told


@dataclass(frozen=True)
class TrueLabels:
    """Labels of any grasp in a dataset's images. metric, sigma: what `GraspTable.robustness` takes."""

    dataset: Dataset
    config: GenerateConfig
    metric: str
    sigma: float
    _shapes: dict[str, Solid] = field(default_factory=dict)

    @staticmethod
    def of(dataset: Dataset, metric: str, sigma: float) -> "TrueLabels":
        """InputError: the dataset was not generated from objects that can be made again."""
        header = dataset.header
        if "objects" not in header.config:
            raise InputError(f"{dataset.folder}: not made by `graspnet generate`; there are no objects to label anew")
        if metric not in METRICS:
            raise InputError(f"{dataset.folder}: metric {metric!r} cannot be computed; it was imported")
        return TrueLabels(dataset, parse_config(GenerateConfig, header.config, str(dataset.folder)), metric, sigma)

    def scene(self, shard: Shard, index: int, image: int) -> Scene:
        """What an image of shard number `index` shows; the solid of instance k is number k − 1.

        InputError: a mesh is gone, or what is made is not what was labelled: its grasps have other clearances.
        """
        objects = shard.objects
        rows = np.flatnonzero(objects.image == image)
        rows = rows[np.argsort(objects.instance[rows])]
        shapes = [self._shape(objects.object[row], index) for row in rows]
        solids = tuple(shape.scaled(float(objects.scale[row])) for shape, row in zip(shapes, rows, strict=True))
        x, y, height = shard.images.bin[image].tolist()
        walls = self.config.heap.wall_thickness if self.config.heap is not None else 0.005
        bin_ = Bin(x, y, height, walls) if np.isfinite(height) else None
        scene = Scene(solids, objects.world_from_object[rows], bin=bin_)
        self._check(scene, shard, image)
        return scene

    def robustness(
        self,
        scene: Scene,
        target: int,
        grasps_in_world: Grasps,
        gripper: ParallelJaw,
        rng: np.random.Generator,
    ) -> Float64[np.ndarray, "N"]:
        """The label of grasps of one solid of the scene, with samples of what is uncertain from `rng`."""
        source = np.full(len(grasps_in_world), "anew")
        labels = label_grasps(scene, target, grasps_in_world, source, gripper, [self.metric], self.config.assumed, rng)
        return soft_label(labels.hold.metrics[self.metric].mean, labels.clearance.smallest, self.sigma)

    def _shape(self, name: str, index: int) -> Solid:
        """The object at its own size. Alone, it has its work unit's stream; in a heap, that of its own number."""
        if name not in self._shapes:
            header = self.dataset.header
            alone = self.config.heap is None
            number = int(self.dataset.shard_names[index]) if alone else object_names(self.config.objects).index(name)
            shape = load_object(self.config.objects, name, np.random.default_rng([header.seed, number]))
            self._shapes[name] = with_parts(shape, self.config.objects) if METRICS[self.metric].executed else shape
        return self._shapes[name]

    def _check(self, scene: Scene, shard: Shard, image: int) -> None:
        rows = np.flatnonzero(shard.grasps.image == image)
        rows = rows[np.linspace(0, len(rows) - 1, min(CHECKED, len(rows))).round().astype(int)]
        grasps = shard.grasps.grasps_in_camera(rows).transformed(shard.images.world_from_camera[image])
        for k, row in enumerate(rows.tolist()):
            gripper = ParallelJaw.of(self.dataset.gripper(shard.grasps.gripper[row]))
            measured = clearance(scene, int(shard.grasps.instance[row]) - 1, grasps[k : k + 1], gripper)
            stored = float(np.clip(shard.grasps.clearance.smallest[row], -LIMIT, LIMIT))
            off = abs(float(np.clip(measured.smallest[0], -LIMIT, LIMIT)) - stored)
            if off > TOLERANCE:
                raise InputError(
                    f"{self.dataset.folder}: made again, {shard.objects.object[0]} is another shape (a clearance "
                    f"differs by {1000 * off:.1f} mm): this version makes other objects than the one that made the "
                    "dataset; generate it again"
                )
