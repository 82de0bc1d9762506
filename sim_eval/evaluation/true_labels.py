"""True labels of any grasp in a dataset's images: its objects are made again, and stand where the dataset says.

So grasps that nobody labelled can have their label: those of a sweep, or of a second draw of what is uncertain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.remake import RemadeObjects, labelling_config
from graspnet.data_gen.labels.label import label_grasps
from graspnet.data_gen.labels.metrics import METRICS
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import Dataset, Shard
from graspnet.dataset.labels import soft_label
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.training.examples.label import LabelConfig

__all__ = ["TrueLabels", "computed_part"]


@dataclass(frozen=True)
class TrueLabels:
    """What labels grasps of a dataset anew. label: all of its metrics are computed, none is executed in physics."""

    dataset: Dataset
    label: LabelConfig
    config: GenerateConfig
    objects: RemadeObjects
    _shapes: dict[int, dict[str, Solid]] = field(default_factory=dict)  # of the shard that was asked for last

    @staticmethod
    def of(dataset: Dataset, label: LabelConfig) -> "TrueLabels":
        """InputError: the dataset's objects cannot be made again, or no part of the label is computed."""
        if "objects" not in dataset.header.config:
            raise InputError(f"{dataset.folder}: not made by `graspnet generate`; there are no objects to label anew")
        config = labelling_config(dataset)
        computed = computed_part(label)
        if computed is None:
            raise InputError(f"{dataset.folder}: {label.name} is not computed from shapes; nothing labels grasps anew")
        return TrueLabels(dataset, computed, config, RemadeObjects.of(dataset, config))

    def scene(self, shard: Shard, index: int, image: int) -> Scene:
        """What an image of shard number `index` shows; the solid of instance k is number k − 1.

        InputError: an object cannot be made again, or what is made does not look as the image shows it.
        """
        if index not in self._shapes:
            shapes = self.objects.shapes(shard)
            self._shapes.clear()
            self._shapes[index] = shapes
        scene = self.objects.scene(shard, image, self._shapes[index])
        self.objects.check_unchanged(scene, shard, image, f"shard {self.dataset.shard_names[index]}, image {image}")
        return scene

    def robustness(
        self, scene: Scene, target: int, grasps_in_world: Grasps, gripper: ParallelJaw, rng: np.random.Generator
    ) -> Float64[np.ndarray, "N"]:
        """The label of grasps of one solid of the scene, with samples of what is uncertain from `rng`."""
        source, metrics = np.full(len(grasps_in_world), "anew"), self.label.metrics
        labels = label_grasps(scene, target, grasps_in_world, source, gripper, metrics, self.config.assumed, rng)
        mean = np.mean([labels.hold.metrics[metric].mean for metric in metrics], axis=0)
        return soft_label(mean, labels.clearance.smallest, self.label.clearance_sigma)


def computed_part(label: LabelConfig) -> LabelConfig | None:
    """The label of those of its metrics that are computed from shapes; None: it has none of these."""
    metrics = _computed(label.metrics)
    return replace(label, metric=metrics[0], mean_with=metrics[1:]) if metrics else None


def _computed(metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in metrics if name in METRICS and not METRICS[name].executed)
