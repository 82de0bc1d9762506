"""Closure of one grasp by two soft fingers: is every direction of wrench within reach, and how far?

The answers:
- `antipodality`: the cosine of the larger angle between a normal and the line through the contacts. A grasp is
  antipodal if that line lies in both friction cones (Nguyen, IJRR 1988), which takes at least the `lowest_friction`.
- `force_closure`: whether the origin lies inside the hull of the grasp's wrenches: exactly the sign of epsilon.
- `epsilon`: the distance from the origin to the nearest facet of that hull (Ferrari & Canny, ICRA 1992), where all
  normal forces together are at most one newton (L1); `epsilon_linf`: where each is.

Antipodal and in force closure are not the same. In the hull of single wrenches torsion is not tied to the force that
presses: where the two normals are not parallel, torsions about both add up to a torque across the line, and that can
hold contacts which would slip sideways. A cylinder that lies on the table, taken 60° askew a little above its axis, has
force closure in this sense (with an epsilon near 1e-4) and falls in the physical world; it is not antipodal.

How epsilon is computed. Let u = (u_f, α) be a direction of wrench space, scaled so that no wrench reaches beyond
u · w = 1; epsilon is 1 / max |u| over this polytope. With Rᵢ = ρ (pᵢ − c), a force f at contact i has u · w = vᵢ · f
with vᵢ = u_f + α × Rᵢ, so the polytope is

    vᵢ ∈ nᵢ + cone {gᵢₖ},  |α · nᵢ| ≤ 1/s,  v₂ − v₁ = α × D,   D = R₂ − R₁,  s = ρ π r² μ,

where gᵢₖ = eᵢₖ − μ cos(π/F) nᵢ are the outward facet normals of the cone at contact i, eᵢₖ the tangents midway between
its F edges. A vertex has six tight constraints. An apex vᵢ = nᵢ is worth three, an edge vᵢ = nᵢ + τ gᵢₖ, τ ≥ 0, two, a
face one, a torsion one: that leaves apex + edge + one torsion (32 F / 8 candidates a side), apex + face + both torsions
(32 a side) and edge + edge + both torsions (256): 384 small closed forms for octagons, instead of a hull in six
dimensions. The largest |u| among those that are feasible is exact.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numba import njit
from scipy.spatial import ConvexHull, QhullError

from graspnet.data_gen.contact.contacts import Contacts
from graspnet.data_gen.contact.wrenches import WrenchConfig, contact_frames, grasp_wrenches

__all__ = ["antipodality", "epsilon", "epsilon_linf", "force_closure", "lowest_friction"]

_PARALLEL = 1e-9  # |n₁ × n₂| below which normals count as parallel: coordinates are no better
_SLACK = 1e-9  # relative: rounding of a constraint that is tight by construction


def antipodality(contacts: Contacts) -> Float64[np.ndarray, "*B"]:
    """min(−n₁ · d, n₂ · d) for outward normals and the unit d from contact 1 to 2; 0 where contacts were not found."""
    along = contacts.points[..., 1, :] - contacts.points[..., 0, :]
    left, right = (sum(contacts.normals[..., j, i] * along[..., i] for i in range(3)) for j in range(2))
    worse = np.minimum(-left, right) / np.sqrt(sum(along[..., i] ** 2 for i in range(3)))
    return np.where(contacts.found, np.minimum(worse, 1.0), 0.0)


def lowest_friction(contacts: Contacts) -> Float64[np.ndarray, "*B"]:
    """The least μ at which the line through the contacts lies in both (round) friction cones; ∞ where there is none.

    Nguyen's condition of force closure for two soft fingers (IJRR 1988), as in Dex-Net's `force_closure`.
    """
    cosine = antipodality(contacts)
    with np.errstate(divide="ignore"):
        return np.where(cosine > 0, np.sqrt(np.maximum(0.0, cosine**-2 - 1)), np.inf)


def force_closure(
    contacts: Contacts,
    across: Float64[np.ndarray, "*B 3"],
    friction: Float64[np.ndarray, "*B"],
    config: WrenchConfig,
) -> Bool[np.ndarray, "*B"]:
    """Whether the origin lies strictly inside the hull of the grasp's wrenches: epsilon > 0. Does not need the centre
    of mass. `across`: the grasp frame's x axis, in the frame of the contacts.

    Forces f and −f from inside the two cones cancel, and torsions about n₁ and n₂ make up for the torque D × f, if f
    lies in the span of D and m = n₁ × n₂: so some f = ±D + λ m must satisfy g₁ₖ · f < 0 and g₂ₖ · f > 0 for all
    facets k, which leaves an interval for λ.
    """
    frames = contact_frames(contacts, across)
    return _force_closure(contacts, frames.inward, frames.cone_facets(friction, config.facets))


def epsilon(
    contacts: Contacts,
    across: Float64[np.ndarray, "*B 3"],
    center_of_mass: Float64[np.ndarray, "*B 3"],
    friction: Float64[np.ndarray, "*B"],
    config: WrenchConfig,
) -> Float64[np.ndarray, "*B"]:
    """Radius of the largest ball about the origin in the hull of `grasp_wrenches` of the same arguments; 0 if the
    origin lies outside it or contacts were not found. The L1 metric of Ferrari & Canny, exact (module docstring)."""
    frames = contact_frames(contacts, across)
    facets = frames.cone_facets(friction, config.facets)
    closed = _force_closure(contacts, frames.inward, facets)
    frames, friction = frames[closed], friction[closed]
    forces = frames.cone_edges(friction, config.facets)
    lever = config.torque_scale * (contacts.points[closed] - center_of_mass[closed][..., None, :])
    torsion = config.torque_scale * np.pi * config.torsion_radius**2 * friction
    result = np.zeros(closed.shape)
    result[closed] = _nearest_facets(frames.inward, facets[closed], forces, lever, torsion)
    return result


def epsilon_linf(
    contacts: Contacts,
    across: Float64[np.ndarray, "*B 3"],
    center_of_mass: Float64[np.ndarray, "*B 3"],
    friction: Float64[np.ndarray, "*B"],
    config: WrenchConfig,
) -> Float64[np.ndarray, "*B"]:
    """As `epsilon`, but each contact may press with one newton of its own: the hull of the Minkowski sum of the two
    contacts' wrench sets, each of which has 0 in it. The L∞ metric of Ferrari & Canny; one SciPy hull a grasp.
    """
    wrenches = grasp_wrenches(contacts, across, center_of_mass, friction, config)
    pushes, twists = 2 * config.facets, 2 * config.facets + 4
    of_first = [*range(config.facets), pushes, pushes + 1]
    of_second = [*range(config.facets, pushes), *range(pushes + 2, twists)]
    result = np.zeros(friction.size)
    for i in np.flatnonzero(contacts.found):
        of_grasp = wrenches.reshape(-1, twists, 6)[i]
        first, second = (np.vstack([np.zeros(6), of_grasp[of_one]]) for of_one in (of_first, of_second))
        try:
            hull = ConvexHull((first[:, None] + second).reshape(-1, 6))
        except QhullError:  # flat, for instance without friction
            continue
        result[i] = max(0.0, -hull.equations[:, -1].max())
    return result.reshape(friction.shape)


def _force_closure(
    contacts: Contacts, inward: Float64[np.ndarray, "*B 2 3"], facets: Float64[np.ndarray, "*B 2 F 3"]
) -> Bool[np.ndarray, "*B"]:
    """Whether a + λ b < 0 for all facets has a solution λ."""
    span = contacts.points[..., 1, :] - contacts.points[..., 0, :]
    normal = np.cross(inward[..., 0, :], inward[..., 1, :])
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal = np.where(length > _PARALLEL, normal / np.maximum(length, _PARALLEL), 0.0)
    facing = np.sign(np.sum(inward[..., 0, :] * span, axis=-1, keepdims=True))
    line = facing * span / np.linalg.norm(span, axis=-1, keepdims=True)
    outward = facets * np.array([1.0, -1.0])[:, None, None]
    a, b = (np.einsum("...jki,...i->...jk", outward, v) for v in (line, normal))
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = -a / b
    least = np.where(b < 0, bound, -np.inf).max(axis=(-1, -2))
    most = np.where(b > 0, bound, np.inf).min(axis=(-1, -2))
    return np.asarray(contacts.found & (least < most) & ((b != 0) | (a < 0)).all(axis=(-1, -2)))


# Compiled: one grasp after the other. `a`: the contact whose v lies at its apex, n_a. `s`: the limit of both torsions.


@njit(cache=True, error_model="numpy")
@no_type_check
def _nearest_facets(normals, facets, forces, levers, torsions):
    """1 / max |u| over the vertices of the polytope, of grasps with force closure."""
    result = np.empty(len(torsions))
    for i in range(len(torsions)):
        n, r, s = (
            (_vector(normals[i, 0]), _vector(normals[i, 1])),
            (_vector(levers[i, 0]), _vector(levers[i, 1])),
            torsions[i],
        )
        square = _edge_and_edge(n, facets[i], r, s)
        for a in range(2):
            square = max(square, _apex_and_edge(n[a], n[1 - a], facets[i, 1 - a], r[a], r[1 - a], s))
            square = max(square, _apex_and_face(n[a], n[1 - a], forces[i, 1 - a], r[a], r[1 - a], s))
        result[i] = 1 / np.sqrt(square)
    return result


@njit(cache=True, error_model="numpy")
@no_type_check
def _apex_and_edge(n_a, n_b, edges_b, r_a, r_b, s):
    """Largest |u|² where v_a = n_a, v_b = n_b + τ g_bk and one torsion is tight; 0 if there is none.

    (v_b − v_a) · D = 0 gives τ; α = D × (v_b − v_a) / |D|² + ξ D, and the torsion gives ξ.
    """
    best = 0.0
    d, gap = _plus(r_b, -1.0, r_a), _plus(n_b, -1.0, n_a)
    for k in range(len(edges_b)):
        edge = _vector(edges_b[k])
        tau = -_dot(gap, d) / _dot(edge, d)
        if not tau >= 0:
            continue
        across = _cross(d, _plus(gap, tau, edge))
        still = _times(1 / _dot(d, d), across)
        for tight, other in ((n_a, n_b), (n_b, n_a)):
            for sign in (1.0, -1.0):
                xi = (sign / s - _dot(still, tight)) / _dot(d, tight)
                alpha = _plus(still, xi, d)
                if abs(_dot(alpha, other)) <= (1 + _SLACK) / s:
                    best = max(best, _square(alpha, n_a, r_a))
    return best


@njit(cache=True, error_model="numpy")
@no_type_check
def _apex_and_face(n_a, n_b, forces_b, r_a, r_b, s):
    """Largest |u|² where v_a = n_a, v_b · f_bk = 1 and both torsions are tight; 0 if there is none.

    Both torsions leave α = α₀ + λ m, and v_b = n_a + α × D on the face gives λ.
    """
    best, m = 0.0, _cross(n_a, n_b)
    if _dot(m, m) <= _PARALLEL**2:
        return best
    d = _plus(r_b, -1.0, r_a)
    count = len(forces_b)
    still, moving = np.empty(count), np.empty(count)
    for k in range(count):
        moving[k] = _dot(_cross(m, d), _vector(forces_b[k]))
    for sign_a in (1.0, -1.0):
        for sign_b in (1.0, -1.0):
            alpha0 = _twisted(n_a, n_b, m, sign_a / s, sign_b / s)
            at_rest = _plus(n_a, 1.0, _cross(alpha0, d))
            for k in range(count):
                still[k] = _dot(at_rest, _vector(forces_b[k]))
            for k in range(count):
                shift = (1 - still[k]) / moving[k]
                alpha = _plus(alpha0, shift, m)
                square = _square(alpha, n_a, r_a)
                if square > best and _inside(still, moving, shift):
                    best = square
    return best


@njit(cache=True, error_model="numpy")
@no_type_check
def _inside(still, moving, shift):
    """Whether no force reaches beyond 1, but for rounding."""
    highest, rest, rate = -np.inf, 0.0, 0.0
    for k in range(len(still)):
        highest = max(highest, still[k] + shift * moving[k])
        rest, rate = max(rest, abs(still[k])), max(rate, abs(moving[k]))
    return highest <= 1 + _SLACK * (1 + rest + abs(shift) * rate)


@njit(cache=True, error_model="numpy")
@no_type_check
def _edge_and_edge(n, edges, r, s):
    """Largest |u|² where vᵢ = nᵢ + τᵢ gᵢₖ and both torsions are tight; 0 if there is none.

    n₂ − n₁ + τ₂ g₂ − τ₁ g₁ = (α₀ + λ m) × D: along D and along m, where λ drops out, for τ₁ and τ₂; then λ.
    """
    best, m = 0.0, _cross(n[0], n[1])
    if _dot(m, m) <= _PARALLEL**2:  # then one torsion is as good as both, and `_apex_and_edge` has all vertices
        return best
    d, gap = _plus(r[1], -1.0, r[0]), _plus(n[1], -1.0, n[0])
    moving, along_d = _cross(m, d), -_dot(gap, d)
    for sign_1 in (1.0, -1.0):
        for sign_2 in (1.0, -1.0):
            alpha0 = _twisted(n[0], n[1], m, sign_1 / s, sign_2 / s)
            twist = _cross(alpha0, d)
            along_m, rest = _dot(twist, m), _dot(_plus(gap, -1.0, twist), moving)
            for j in range(edges.shape[1]):
                g1 = _vector(edges[0, j])
                g1d, g1m, g1q = _dot(g1, d), _dot(g1, m), _dot(g1, moving)
                for k in range(edges.shape[1]):
                    g2 = _vector(edges[1, k])
                    g2d, g2m = _dot(g2, d), _dot(g2, m)
                    determinant = g2m * g1d - g2d * g1m
                    tau1 = (g2d * along_m - g2m * along_d) / determinant
                    tau2 = (g1d * along_m - g1m * along_d) / determinant
                    if not (tau1 >= 0 and tau2 >= 0):
                        continue
                    if abs(tau2 * g2d - tau1 * g1d - along_d) > 1e-7 * abs(along_d):  # parallel but for rounding
                        continue
                    shift = (rest + tau2 * _dot(g2, moving) - tau1 * g1q) / _dot(moving, moving)
                    alpha = _plus(alpha0, shift, m)
                    v1 = _plus(n[0], tau1, g1)
                    best = max(best, _square(alpha, v1, r[0]))
    return best


@njit(cache=True, error_model="numpy")
@no_type_check
def _twisted(n_1, n_2, m, twist_1, twist_2):
    """α in the span of two normals with α · n₁ and α · n₂ as given; m = n₁ × n₂."""
    first, second = _cross(n_2, m), _cross(m, n_1)
    return _times(1 / _dot(m, m), _plus(_times(twist_1, first), twist_2, second))


@njit(cache=True)
@no_type_check
def _square(alpha, v, r):
    """|u|² of u = (v − α × R, α)."""
    force = _plus(v, -1.0, _cross(alpha, r))
    return _dot(alpha, alpha) + _dot(force, force)


@njit(cache=True)
@no_type_check
def _vector(row):
    return row[0], row[1], row[2]


@njit(cache=True)
@no_type_check
def _times(factor, a):
    return factor * a[0], factor * a[1], factor * a[2]


@njit(cache=True)
@no_type_check
def _plus(a, factor, b):
    return a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]


@njit(cache=True)
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True)
@no_type_check
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
