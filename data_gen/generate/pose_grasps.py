"""Fresh grasps: drawn for one object of a scene and for the images that show it, and labelled all in one go.

Some are drawn on the object itself and dealt out to the images, others proposed by sources that look at one image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from graspnet.data_gen.candidates.jaw_width import fitted_opening
from graspnet.data_gen.candidates.mixture import sample_candidates, sample_from_sources
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.label import LabelledGrasps, label_grasps
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.data_gen.scenes.views import View
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import Observation
from graspnet.transforms import invert

__all__ = ["ObjectInView", "label_fresh_grasps"]


@dataclass(frozen=True)
class ObjectInView:
    """One object in one image. camera_from_labels leads from the world in which its grasps are labelled."""

    view: View
    instance: int
    camera_from_labels: Float64[np.ndarray, "4 4"]

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """The object's pixels."""
        return self.view.rendering.instance == self.instance

    def observation(self, hand: ParallelJaw) -> Observation:
        """What a candidate source sees."""
        view = self.view
        return Observation(view.rendering.depth, view.camera, hand, self.mask, view.world_from_camera)


def label_fresh_grasps(
    scene: Scene,
    target: int,
    views: Sequence[ObjectInView],
    counts: Int64[np.ndarray, "V"],
    hand: ParallelJaw,
    config: GenerateConfig,
    rng: np.random.Generator,
) -> list[LabelledGrasps]:
    """For each view `counts` labelled grasps of solid `target`: what sources propose in it, and a share of its own."""
    proposals = [_proposals(view, int(count), hand, config, rng) for view, count in zip(views, counts, strict=True)]
    proposed = np.array([len(grasps) for grasps, _ in proposals])
    view_of_own = rng.permutation(np.repeat(np.arange(len(views)), counts - proposed))
    solid, world_from_object = scene.solids[target], scene.world_from_object[target]
    own, source_of_own = sample_candidates(solid, world_from_object, hand, len(view_of_own), config.candidates, rng)
    grasps = Grasps.concatenate([own, *(grasps for grasps, _ in proposals)])
    source = np.concatenate([source_of_own, *(source for _, source in proposals)])
    if config.opening_margin is not None:
        grasps_in_object = grasps.transformed(invert(world_from_object))
        fitted = fitted_opening(solid, grasps_in_object, hand, config.opening_margin)
        grasps = Grasps(grasps.poses, fitted.columns)
    labels = label_grasps(scene, target, grasps, source, hand, config.metrics, config.assumed, rng)
    view_of_grasp = np.concatenate([view_of_own, np.repeat(np.arange(len(views)), proposed)])
    return [labels[np.flatnonzero(view_of_grasp == k)] for k in range(len(views))]


def _proposals(
    view: ObjectInView, count: int, hand: ParallelJaw, config: GenerateConfig, rng: np.random.Generator
) -> tuple[Grasps, Shaped[np.ndarray, "N"]]:
    """What the installed sources propose in a view, in the world of the labels, and the source of each."""
    if not config.candidates.sources or not view.mask.any():
        return Grasps.none(), np.zeros(0, dtype=np.str_)
    grasps_in_camera, source = sample_from_sources(view.observation(hand), count, config.candidates, rng)
    return grasps_in_camera.transformed(invert(view.camera_from_labels)), source
