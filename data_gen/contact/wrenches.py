"""Wrenches of two soft fingers: contacts -> friction cones -> wrenches (epsilon.py: how far do they reach?).

A contact i pushes with its inward normal nᵢ, slips outside of a friction cone with facets, and twists about nᵢ:

    forces    f = n + μ (cos φₖ t₁ + sin φₖ t₂), φₖ = 2πk / facets: one newton along the normal
    wrenches  (f, ρ (p − c) × f) for the contact point p, the centre of mass c and the torque scale ρ
    torsion   (0, ± ρ π r² μ n), r the radius of the pad's patch

t₁ is the grasp frame's x axis in the contact's tangent plane and t₂ of the second contact mirrors the first's: without
such a rule the facets, and epsilon with them, would depend on the frame (turning octagons by 22.5° can take it to 0).
Source: Mahler et al., RSS 2017, supplement; constants: its code (docs/dexnet.md).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.data_gen.contact.contacts import Contacts
from graspnet.errors import InputError
from graspnet.transforms import perpendicular_to

__all__ = ["ContactFrames", "WrenchConfig", "contact_frames", "grasp_wrenches"]


@dataclass(frozen=True, kw_only=True)
class WrenchConfig:
    """The model of a soft finger, and the unit in which torques are compared with forces."""

    facets: int = 8  # Each friction cone has so many facets.
    # Torsion is at most π r² μ for one newton, with this r in metres (Dex-Net's finger_radius).
    torsion_radius: float = 0.010
    torque_scale: float = 1000.0  # 1/m: wrench = (force, torque_scale × torque)

    def __post_init__(self) -> None:
        if self.facets < 3:
            raise InputError(f"facets is {self.facets}; a friction cone has at least 3")
        for name in ("torsion_radius", "torque_scale"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")


@dataclass(frozen=True)
class ContactFrames:
    """Right-handed at the first contact, mirrored at the second: inward normal and two tangents, axis −2 the jaw."""

    inward: Float64[np.ndarray, "*B 2 3"]
    tangent: Float64[np.ndarray, "*B 2 3"]  # the grasp frame's x axis, in the tangent plane
    cotangent: Float64[np.ndarray, "*B 2 3"]

    def __getitem__(self, index: Bool[np.ndarray, "*B"]) -> "ContactFrames":
        return ContactFrames(self.inward[index], self.tangent[index], self.cotangent[index])

    def around(self, angle: Float64[np.ndarray, "K"]) -> Float64[np.ndarray, "*B 2 K 3"]:
        """Unit tangents at angles from the first tangent towards the second."""
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        return cos * self.tangent[..., None, :] + sin * self.cotangent[..., None, :]

    def cone_edges(self, friction: Float64[np.ndarray, "*B"], count: int) -> Float64[np.ndarray, "*B 2 F 3"]:
        """Forces of one newton along the normal on the edges of both cones, at angles 2πk / count."""
        edges = self.around(2 * np.pi * np.arange(count) / count)
        return self.inward[..., None, :] + friction[..., None, None, None] * edges

    def cone_facets(self, friction: Float64[np.ndarray, "*B"], count: int) -> Float64[np.ndarray, "*B 2 F 3"]:
        """Normals, out of both cones of `count` edges at angles 2πk / count, of the facets between the edges."""
        slope = friction[..., None, None, None] * np.cos(np.pi / count)
        return self.around(2 * np.pi * (np.arange(count) + 0.5) / count) - slope * self.inward[..., None, :]


def contact_frames(contacts: Contacts, across: Float64[np.ndarray, "*B 3"]) -> ContactFrames:
    """Frames of both contacts; `across` is the grasp frame's x axis, in the frame of the contacts."""
    inward = -contacts.normals
    x = np.broadcast_to(across[..., None, :], inward.shape)
    tangent = x - np.sum(x * inward, axis=-1, keepdims=True) * inward
    length = np.linalg.norm(tangent, axis=-1, keepdims=True)
    # A normal along the grasp's x axis is no grasp (μ would have to be infinite), but must not be a division by 0.
    aligned = length[..., 0] < 1e-12
    tangent = tangent / np.where(aligned[..., None], 1.0, length)
    if aligned.any():
        tangent[aligned] = perpendicular_to(inward[aligned])
    cotangent = np.cross(inward, tangent) * np.array([[1.0], [-1.0]])
    return ContactFrames(inward, tangent, cotangent)


def grasp_wrenches(
    contacts: Contacts,
    across: Float64[np.ndarray, "*B 3"],
    center_of_mass: Float64[np.ndarray, "*B 3"],
    friction: Float64[np.ndarray, "*B"],
    config: WrenchConfig,
) -> Float64[np.ndarray, "*B W 6"]:
    """Wrenches of each grasp, W = 2 facets + 4 (20): the forces of contact 1, of contact 2, ± torsion of 1, of 2.

    `across` is the grasp frame's x axis, `center_of_mass` the point that torques are about, both in the frame of the
    contacts. NaN where contacts were not found.
    """
    frames = contact_frames(contacts, across)
    forces = frames.cone_edges(friction, config.facets)
    lever = contacts.points - center_of_mass[..., None, :]
    torques = config.torque_scale * np.cross(lever[..., None, :], forces)
    limit = config.torque_scale * np.pi * config.torsion_radius**2 * friction
    twist = limit[..., None, None, None] * np.stack([frames.inward, -frames.inward], axis=-2)
    batch = friction.shape
    pushes = np.concatenate([forces, torques], axis=-1).reshape(*batch, 2 * config.facets, 6)
    twists = np.concatenate([np.zeros_like(twist), twist], axis=-1).reshape(*batch, 4, 6)
    return np.concatenate([pushes, twists], axis=-2)
