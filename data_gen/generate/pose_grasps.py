"""Fresh grasps: drawn for one object of a scene and for the images that show it, and labelled all in one go.

Some are drawn on the object itself and dealt out to the images, others proposed by sources that look at one image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.data_gen.candidates.jaw_width import fitted_opening
from graspnet.data_gen.candidates.mixture import Proposals, sample_candidates, sample_from_sources
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.label import LabelledGrasps, label_grasps
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.data_gen.scenes.views import View
from graspnet.dataset.labels import soft_label
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import Observation
from graspnet.transforms import invert

__all__ = ["ObjectInView", "label_fresh_grasps"]

MINING_SIGMA = 0.0025  # metres, of the clearance in the label that says what a model overrates; as training's default


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
    kept = np.array([of_view.kept for of_view in proposals])
    view_of_own = rng.permutation(np.repeat(np.arange(len(views)), counts - kept))
    solid, world_from_object = scene.solids[target], scene.world_from_object[target]
    own, source_of_own = sample_candidates(solid, world_from_object, hand, len(view_of_own), config.candidates, rng)
    grasps = Grasps.concatenate([own, *(of_view.grasps for of_view in proposals)])
    source = np.concatenate([source_of_own, *(of_view.source for of_view in proposals)])
    if config.opening_margin is not None:
        grasps_in_object = grasps.transformed(invert(world_from_object))
        fitted = fitted_opening(solid, grasps_in_object, hand, config.opening_margin)
        grasps = Grasps(grasps.poses, fitted.columns)
    labels = label_grasps(scene, target, grasps, source, hand, config.metrics, config.assumed, rng)
    robustness = soft_label(labels.hold.metrics[config.metrics[0]].mean, labels.clearance.smallest, MINING_SIGMA)
    begins = len(own) + np.cumsum([0, *(len(of_view.source) for of_view in proposals)])
    return [
        labels[np.concatenate([np.flatnonzero(view_of_own == k), begins[k] + of_view.chosen(robustness[rows])])]
        for k, of_view in enumerate(proposals)
        for rows in [slice(begins[k], begins[k + 1])]
    ]


def _proposals(
    view: ObjectInView, count: int, hand: ParallelJaw, config: GenerateConfig, rng: np.random.Generator
) -> Proposals:
    """What the installed sources propose in a view, in the world of the labels."""
    if not config.candidates.sources or not view.mask.any():
        return Proposals(Grasps.none(), np.zeros(0, dtype=np.str_), np.zeros(0), 0)
    proposals = sample_from_sources(view.observation(hand), count, config.candidates, rng)
    return replace(proposals, grasps=proposals.grasps.transformed(invert(view.camera_from_labels)))
