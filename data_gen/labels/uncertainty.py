"""Uncertainty: what we do not know of a grasp when it is executed (pose, friction, centre of mass), and samples of it.

A sample moves grasp and object a little and draws friction and centre of mass anew. Mahler et al., RSS 2017, III.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr, ndtri

from graspnet.data_gen.objects.meshes import Solid
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps

__all__ = [
    "SHIFTS",
    "PerturbedGrasps",
    "UncertaintyConfig",
    "chance_of_friction",
    "perturbed",
    "unperturbed",
]

SHIFTS = (
    16  # numbers that a sample is made of: 6 of the grasp's pose, 3 of the centre of mass, 6 of the object's pose, μ
)


@dataclass(frozen=True, kw_only=True)
class UncertaintyConfig:
    """Standard deviations of what is uncertain, each independent and normal; turns are rotation vectors.

    The defaults are ours; the preset dexnet_2.0 (configs/generate) has the released ones.
    """

    samples: int = 25  # Each grasp has so many samples; with a tolerance, so many in each round.
    tolerance: float | None = None  # rounds go on until the mean's 95 % interval is ± this (robustness.py) …
    max_samples: int = 400  # … or a grasp has this many
    sampling: Literal["random", "sobol"] = "sobol"  # a quasi-random sample is worth two random ones
    grasp_translation: float = 0.0025  # metres, along each axis
    grasp_rotation: float = np.pi * 1.5 / 180  # about each axis of the grasp frame, through its origin
    object_translation: float = 0.0  # metres; the originals move grasp and object apart
    object_rotation: float = 0.0  # about each axis through the object's origin
    center_of_mass: float = 0.1  # The centre of mass is uncertain by so many radii of the object along each axis, …
    # … and by so many metres more: the originals' uncertainty is the same for all sizes.
    center_of_mass_offset: float = 0.0
    friction_mean: float = 0.5
    friction_deviation: float = 0.1
    friction_low: float = 0.2  # the normal is truncated here (drawn anew, not clipped) …
    friction_high: float = 1.0  # … and here

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"samples is {self.samples}; it must be at least 1")
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance}; it must lie in (0, 1), or be left out")
        if self.max_samples < 1:
            raise InputError(f"max_samples is {self.max_samples}; it must be at least 1")
        for name in (
            "grasp_translation", "grasp_rotation", "object_translation", "object_rotation", "center_of_mass",
            "center_of_mass_offset", "friction_deviation",
        ):  # fmt: skip
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}; a standard deviation must not be negative")
        if not 0 <= self.friction_low <= self.friction_mean <= self.friction_high:
            limits = f"[{self.friction_low}, {self.friction_high}]"
            raise InputError(
                f"friction_mean is {self.friction_mean}; it must lie in {limits}, which must not be negative"
            )


@dataclass(frozen=True)
class PerturbedGrasps:
    """K samples of each grasp, in the frame of the (moved) object. across and closing: x and y of the grasp frame."""

    origin: Float64[np.ndarray, "N K 3"]
    across: Float64[np.ndarray, "N K 3"]
    closing: Float64[np.ndarray, "N K 3"]
    width: Float64[np.ndarray, "N 1"]
    friction: Float64[np.ndarray, "N K"]
    center_of_mass: Float64[np.ndarray, "N K 3"]


def perturbed(
    grasps_in_object: Grasps,
    solid: Solid,
    uncertainty: UncertaintyConfig,
    rng: np.random.Generator,
    shift: Float64[np.ndarray, "N S"] | None = None,
    first: int = 0,
) -> PerturbedGrasps:
    """Samples of grasp pose, object pose, friction and centre of mass, for each grasp its own.

    The grasp turns about its own origin; the object turns about its origin and shifts, which in its own frame moves
    the grasp the other way. A `shift` in [0, 1)^SHIFTS of each grasp, and how many samples it had with that already,
    let a quasi-random sequence go on where it stopped.
    """
    object_moves = uncertainty.object_translation > 0 or uncertainty.object_rotation > 0
    normal, uniform = _draw(len(grasps_in_object), 15 if object_moves else 9, uncertainty, rng, shift, first)
    friction = _truncated_normal(uniform, uncertainty)
    grasp_from_object = np.swapaxes(grasps_in_object.poses[:, :3, :3], 1, 2)
    across, closing = (axis @ grasp_from_object for axis in _turned_axes(normal[..., :3] * uncertainty.grasp_rotation))
    origin = (normal[..., 3:6] * uncertainty.grasp_translation) @ grasp_from_object + grasps_in_object.origin[:, None]
    if object_moves:
        turn = -normal[..., 12:] * uncertainty.object_rotation
        origin = _rotated(origin - normal[..., 9:12] * uncertainty.object_translation, turn)
        across, closing = _rotated(across, turn), _rotated(closing, turn)
    spread = uncertainty.center_of_mass * solid.radius + uncertainty.center_of_mass_offset
    center = solid.center_of_mass + normal[..., 6:9] * spread
    return PerturbedGrasps(origin, across, closing, grasps_in_object.width[:, None], friction, center)


def unperturbed(grasps_in_object: Grasps, solid: Solid, uncertainty: UncertaintyConfig) -> PerturbedGrasps:
    """The grasps themselves as one sample each, with the mean friction and the solid's own centre of mass."""
    count, axes = len(grasps_in_object), grasps_in_object.poses[:, None, :3]
    return PerturbedGrasps(
        origin=axes[..., 3],
        across=axes[..., 0],
        closing=axes[..., 1],
        width=grasps_in_object.width[:, None],
        friction=np.full((count, 1), uncertainty.friction_mean),
        center_of_mass=np.tile(solid.center_of_mass, (count, 1, 1)),
    )


def chance_of_friction(lowest: Float64[np.ndarray, "*B"], uncertainty: UncertaintyConfig) -> Float64[np.ndarray, "*B"]:
    """P(μ ≥ lowest), of the truncated normal: what a sample in which `lowest` holds is worth on average."""
    mean, deviation = uncertainty.friction_mean, uncertainty.friction_deviation
    if deviation == 0:
        return (mean >= lowest).astype(np.float64)
    low, high = uncertainty.friction_low, uncertainty.friction_high
    at_low, at_lowest, at_high = (ndtr((x - mean) / deviation) for x in (low, np.clip(lowest, low, high), high))
    return np.asarray((at_high - at_lowest) / (at_high - at_low))


def _draw(
    count: int,
    normals: int,
    uncertainty: UncertaintyConfig,
    rng: np.random.Generator,
    shift: Float64[np.ndarray, "N S"] | None,
    first: int,
) -> tuple[Float64[np.ndarray, "N K D"], Float64[np.ndarray, "N K"]]:
    """D standard normal numbers of each sample, and one that is uniform in [0, 1).

    Quasi-random: the same points of the unit cube for all grasps, shifted (modulo 1) for each (Cranley & Patterson).
    """
    samples = uncertainty.samples
    if uncertainty.sampling == "random":
        return rng.standard_normal((count, samples, normals)), rng.random((count, samples))
    shift = rng.random((count, SHIFTS)) if shift is None else shift
    points = _sobol_points((first + samples - 1).bit_length())[first : first + samples, : normals + 1]
    uniform = (points + shift[:, None, : normals + 1]) % 1.0
    np.maximum(uniform, 1e-16, out=uniform)  # 0 would be −∞
    return np.asarray(ndtri(uniform[..., :-1])), uniform[..., -1]


@lru_cache(maxsize=8)
def _sobol_points(bits: int) -> Float64[np.ndarray, "K D"]:
    from scipy.stats import qmc  # takes a second to import

    return np.asarray(qmc.Sobol(SHIFTS, scramble=False).random_base2(bits), dtype=np.float64)


def _truncated_normal(
    uniform: Float64[np.ndarray, "N K"], uncertainty: UncertaintyConfig
) -> Float64[np.ndarray, "N K"]:
    """Frictions by the inverse of the truncated normal's distribution function."""
    mean, deviation = uncertainty.friction_mean, uncertainty.friction_deviation
    if deviation == 0:
        return np.full(uniform.shape, mean)
    low, high = (ndtr((limit - mean) / deviation) for limit in (uncertainty.friction_low, uncertainty.friction_high))
    return np.asarray(mean + deviation * ndtri(low + uniform * (high - low)))


def _turned_axes(
    turn: Float64[np.ndarray, "N K 3"],
) -> tuple[Float64[np.ndarray, "N K 3"], Float64[np.ndarray, "N K 3"]]:
    """The first two columns of the rotation matrices of rotation vectors: where the axes x and y go (Rodrigues)."""
    x, y, z = np.moveaxis(turn, -1, 0)
    a, b = _rodrigues(turn)
    first = np.stack([1 - b * (y * y + z * z), b * x * y + a * z, b * x * z - a * y], axis=-1)
    second = np.stack([b * x * y - a * z, 1 - b * (x * x + z * z), b * y * z + a * x], axis=-1)
    return first, second


def _rotated(vectors: Float64[np.ndarray, "N K 3"], turn: Float64[np.ndarray, "N K 3"]) -> Float64[np.ndarray, "N K 3"]:
    """v + a ω × v + b ω × (ω × v) for rotation vectors ω."""
    a, b = _rodrigues(turn)
    sideways = np.cross(turn, vectors)
    return np.asarray(vectors + a[..., None] * sideways + b[..., None] * np.cross(turn, sideways))


def _rodrigues(turn: Float64[np.ndarray, "N K 3"]) -> tuple[Float64[np.ndarray, "N K"], Float64[np.ndarray, "N K"]]:
    """sin θ / θ and (1 − cos θ) / θ² of rotation vectors of length θ; exact at 0 too."""
    half = 0.5 * np.sqrt(np.einsum("...i,...i->...", turn, turn))
    half_sinc = np.sinc(half / np.pi)
    return np.asarray(half_sinc * np.cos(half)), np.asarray(0.5 * half_sinc**2)
