"""One dense pass: the quality of every grasp on a grid over the scene, then a short search around the best of them.

Satish et al., RA-L 2019, evaluate millions of grasps by a fully convolutional network. Here the network of crops slides
over the height map (`graspnet.policies.dense.grid`). Only windows that the map allows are judged: convolutions are
shared by all of them, and the fully connected layers see no other. A network of theirs slides over the image itself
(`graspnet.policies.dense.pixels`).
"""

from time import perf_counter
from typing import ClassVar

import numpy as np

from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.models.dense import DenseForm
from graspnet.models.fcgqcnn import FCGQCNN
from graspnet.observation.observation import Observation
from graspnet.policies.cross_entropy.cross_entropy import Search, feasible_sampler
from graspnet.policies.demands.failures import AfterFailures, after_failures
from graspnet.policies.dense.grid import DenseConfig, dense_qualities, grid_of
from graspnet.policies.dense.pixels import best_pixels, check_pixel_crop
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.policy import Policy
from graspnet.policies.ranking import RankedGrasps
from graspnet.quality import NetworkQuality, Quality
from graspnet.refusals import Refusals

__all__ = ["DensePolicy"]


class DensePolicy(Policy):
    """The best of a dense pass, improved by a short cross-entropy search. It needs a network that slides."""

    name: ClassVar[str] = "dense"
    config_type: ClassVar[type] = DenseConfig

    def __init__(self, config: DenseConfig, quality: Quality | None = None) -> None:
        if not isinstance(quality, NetworkQuality):
            raise InputError("the dense policy slides a network over the scene: it needs a network, not a function")
        self.config, self.quality = config, quality
        network = quality.checkpoint.network
        if quality.checkpoint.flip_average:
            raise InputError(
                "the model answers with the mean over a crop's mirror images (flip_average), which does not slide; "
                "cross_entropy plans with it"
            )
        self._form: DenseForm | None = None
        if isinstance(network, FCGQCNN):
            check_pixel_crop(network.config.crop)
        else:
            self._form = DenseForm(network)

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """Judge the grid, improve its best grasps, score the finalists again."""
        start = perf_counter()
        if not len(observation.object_points):
            return GraspPlan.nothing(self.name, observation, {"total": perf_counter() - start}, Refusals())
        sampler = feasible_sampler(GraspSpace.of(observation), self.config.search)
        run = Search(AfterFailures(self.quality), sampler, self.config.search, rng, self.quality)
        best = self._grid(run)
        seconds = {"dense": perf_counter() - start}
        best = best.merged(*run.judged(sampler.sample(self.config.pairs, rng)))
        best = run.finished(run.improved(best))
        seconds |= {"total": perf_counter() - start}
        refusals = sampler.constraints.refusals
        if not len(best):
            return GraspPlan.nothing(self.name, observation, seconds, refusals)
        return GraspPlan(
            observation, best.grasps_in_camera, best.qualities, "", seconds, self.name, refusals=refusals,
            generations=tuple(run.scored),
        )  # fmt: skip

    def _grid(self, run: Search) -> RankedGrasps:
        """The best of the grid, as many as a search begins with. What was judged is the plan's first generation."""
        constraints, count = run.sampler.constraints, self.config.search.initial_samples
        if self._form is None:
            grasps, qualities = best_pixels(constraints, self.quality, self.config, count)
        else:
            grid = grid_of(constraints, self._form, self.config, self.quality.checkpoint.standoff)
            grasps = grid.grasps
            qualities = dense_qualities(constraints.space, self.quality, self._form, grid)
            qualities = after_failures(qualities, grasps.origin, run.observation)
        run.scored.append((grasps, qualities))
        return RankedGrasps.none().merged(grasps, qualities).top(count)
