"""Metrics: what one sample of a grasp is worth. robustness.py averages them over what is uncertain.

All metrics of a grasp see the same samples, and what the jaws touch there is computed once, whichever metrics ask.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from data_gen.closure import antipodal, epsilon
from data_gen.contacts import Contacts, contact_finder
from data_gen.meshes import Solid
from data_gen.pads import PadConfig, PadContacts, close_pads
from data_gen.uncertainty import PerturbedGrasps, UncertaintyConfig
from data_gen.wrenches import WrenchConfig
from graspnet.gripper import ParallelJawGripper

__all__ = ["METRICS", "ClosedGrasps", "GraspMetric", "MetricConfig"]


@dataclass(frozen=True, kw_only=True)
class MetricConfig:
    """What the metrics assume: what is uncertain, and the models of contact."""

    uncertainty: UncertaintyConfig = field(default_factory=UncertaintyConfig)
    wrenches: WrenchConfig = field(default_factory=WrenchConfig)
    pads: PadConfig = field(default_factory=PadConfig)


@dataclass(frozen=True)
class ClosedGrasps:
    """K samples of N grasps on one solid, and what the jaws touch when they close: found when a metric first asks."""

    samples: PerturbedGrasps
    solid: Solid
    gripper: ParallelJawGripper
    gravity_in_object: Float64[np.ndarray, "3"]  # unit
    config: MetricConfig

    @cached_property
    def contacts(self) -> Contacts:
        """Where the middles of the pads touch."""
        at = self.samples
        contacts = contact_finder(self.solid).close(at.origin, at.closing, at.width)
        if self.gripper.min_width == 0:
            return contacts
        with np.errstate(invalid="ignore"):
            reached = contacts.distance >= self.gripper.min_width
        return Contacts(contacts.points, contacts.normals, contacts.found & reached)

    @cached_property
    def pads(self) -> PadContacts:
        """What flat pads touch."""
        at = self.samples
        finder = contact_finder(self.solid)
        return close_pads(finder, at.origin, at.across, at.closing, at.width, self.gripper, self.config.pads)


@dataclass(frozen=True)
class GraspMetric:
    """A number for each sample of each grasp, and whether it is robust: its mean over samples that are perturbed.

    One that is not judges the grasp itself, with the mean friction.
    """

    value: Callable[[ClosedGrasps], Float64[np.ndarray, "N K"]]
    robust: bool = True


def _force_closure(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """1 where the contacts are antipodal (Nguyen's force closure of two soft fingers), else 0.

    As in Dex-Net's metric of this name. It is stricter than `closure.force_closure`, which see.
    """
    return antipodal(closed.contacts, closed.samples.friction).astype(np.float64)


def _pad_closure(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """1 where flat pads hold (pads.py): what they touch faces them, and each other; else 0."""
    return closed.pads.holds(closed.samples.friction).astype(np.float64)


def _epsilon(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """Ferrari-Canny, L1; 0 where the jaws meet on nothing. Its robust mean is the label of Dex-Net 2.0."""
    at = closed.samples
    return epsilon(closed.contacts, at.across, at.center_of_mass, at.friction, closed.config.wrenches)


METRICS: dict[str, GraspMetric] = {
    "robust_force_closure": GraspMetric(_force_closure),
    "robust_pad_closure": GraspMetric(_pad_closure),
    "robust_epsilon": GraspMetric(_epsilon),
    "epsilon": GraspMetric(_epsilon, robust=False),
}
