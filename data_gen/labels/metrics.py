"""Metrics: what one sample of a grasp is worth. robustness.py averages them over what is uncertain.

All metrics of a grasp see the same samples, and what the jaws touch there is computed once, whichever metrics ask.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.contact.contacts import Contacts, contact_finder
from graspnet.data_gen.contact.epsilon import antipodality, epsilon, epsilon_linf, lowest_friction
from graspnet.data_gen.contact.pads import PadConfig, PadContacts, close_pads
from graspnet.data_gen.contact.resistance import ResistanceConfig, least_force
from graspnet.data_gen.contact.wrenches import WrenchConfig
from graspnet.data_gen.labels.tugs import TugConfig, Tugs, tug
from graspnet.data_gen.labels.uncertainty import PerturbedGrasps, UncertaintyConfig, chance_of_friction
from graspnet.data_gen.objects.meshes import Solid
from graspnet.grippers.parallel_jaw import ParallelJaw

__all__ = ["METRICS", "ClosedGrasps", "GraspMetric", "MetricConfig"]


@dataclass(frozen=True, kw_only=True)
class MetricConfig:
    """What the metrics assume: what is uncertain, the models of contact, and the load."""

    uncertainty: UncertaintyConfig = field(default_factory=UncertaintyConfig)
    wrenches: WrenchConfig = field(default_factory=WrenchConfig)
    pads: PadConfig = field(default_factory=PadConfig)
    resistance: ResistanceConfig = field(default_factory=ResistanceConfig)
    tugs: TugConfig = field(default_factory=TugConfig)


@dataclass(frozen=True)
class ClosedGrasps:
    """K samples of N grasps on one solid, and what the jaws touch when they close: found when a metric first asks."""

    samples: PerturbedGrasps
    solid: Solid
    gripper: ParallelJaw
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

    @cached_property
    def tugs(self) -> Tugs:
        """What is held when each sample is executed in a physics engine."""
        return tug(self.samples, self.solid, self.gripper, self.gravity_in_object, self.config.tugs)


@dataclass(frozen=True)
class GraspMetric:
    """A number for each sample of each grasp, and whether it is robust: its mean over samples that are perturbed.

    One that is not judges the grasp itself, with the mean friction.
    """

    value: Callable[[ClosedGrasps], Float64[np.ndarray, "N K"]]
    robust: bool = True
    weighs: bool = False  # it depends on where gravity points
    share: bool = False  # whether it lies in [0, 1]: a share, or a chance
    # It runs in a physics engine, which takes milliseconds: so it has samples of its own, and fewer.
    executed: bool = False


def _force_closure(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """The chance that friction makes the contacts antipodal (Nguyen's force closure of two soft fingers).

    Dex-Net's metric of this name has the same mean; its samples are 1 or 0, by a friction drawn for each. It is
    stricter than `epsilon.force_closure`, which see.
    """
    return chance_of_friction(lowest_friction(closed.contacts), closed.config.uncertainty)


def _pad_closure(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """The chance that friction lets flat pads hold (contact/pads.py): what they touch faces them, and each other."""
    return chance_of_friction(closed.pads.lowest_friction, closed.config.uncertainty)


def _centered_closure(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """The same, and 0 where the first pad to touch must push the object farther than `pads.push_limit`."""
    return np.where(closed.pads.offset <= closed.config.pads.push_limit, _pad_closure(closed), 0.0)


def _epsilon(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """Ferrari-Canny, L1; 0 where the jaws meet on nothing. Its robust mean is the label of Dex-Net 2.0."""
    at = closed.samples
    return epsilon(closed.contacts, at.across, at.center_of_mass, at.friction, closed.config.wrenches)


def _epsilon_linf(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """Ferrari-Canny, L∞; 0 where the jaws meet on nothing. Slow."""
    at = closed.samples
    return epsilon_linf(closed.contacts, at.across, at.center_of_mass, at.friction, closed.config.wrenches)


def _wrench_resistance(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """The share of the jaws' force that is left when they hold the object against gravity; 0 where they cannot."""
    at, config, solid = closed.samples, closed.config.resistance, closed.solid
    mass = config.mass or config.density * solid.volume
    weight = 9.81 * mass * closed.gravity_in_object
    needed = least_force(closed.contacts, at.across, at.center_of_mass, at.friction, weight, config)
    return np.maximum(0.0, 1 - needed / (config.force or closed.gripper.force))


def _lowest_friction(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """The least friction at which the contacts are antipodal; NaN where the jaws meet on nothing."""
    return np.where(closed.contacts.found, lowest_friction(closed.contacts), np.nan)


def _antipodality(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """The cosine between the line through the contacts and the normal that is farther from it; 0 without contacts."""
    return antipodality(closed.contacts)


def _centering(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """Metres by which the first pad to touch must push the object until the other touches too; half the commanded
    opening where they do not."""
    return np.where(closed.pads.found, closed.pads.offset, closed.samples.width / 2)


def _held_force(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """Newtons that are resisted along every axis of the hand, besides the object's weight (tugs.py)."""
    return closed.tugs.held_force


def _hold(closed: ClosedGrasps) -> Float64[np.ndarray, "N K"]:
    """Whether that is at least `tugs.weights` times the object's weight."""
    return (closed.tugs.held_force >= closed.config.tugs.weights * closed.tugs.weight).astype(np.float64)


METRICS: dict[str, GraspMetric] = {
    "robust_force_closure": GraspMetric(_force_closure, share=True),
    "robust_pad_closure": GraspMetric(_pad_closure, share=True),
    "robust_centered_closure": GraspMetric(_centered_closure, share=True),
    "robust_epsilon": GraspMetric(_epsilon),
    "robust_wrench_resistance": GraspMetric(_wrench_resistance, share=True, weighs=True),
    "epsilon": GraspMetric(_epsilon, robust=False),
    "epsilon_linf": GraspMetric(_epsilon_linf, robust=False),
    "lowest_friction": GraspMetric(_lowest_friction, robust=False),
    "antipodality": GraspMetric(_antipodality, robust=False),
    "centering": GraspMetric(_centering, robust=False),
    "physics_hold": GraspMetric(_hold, weighs=True, share=True, executed=True),
    "physics_held_force": GraspMetric(_held_force, weighs=True, executed=True),
}
