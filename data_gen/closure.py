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

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial import ConvexHull, QhullError

from data_gen.contacts import Contacts
from data_gen.wrenches import WrenchConfig, contact_frames, grasp_wrenches

__all__ = ["antipodality", "epsilon", "epsilon_linf", "force_closure", "lowest_friction"]

_PARALLEL = 1e-9  # |n₁ × n₂| below which normals count as parallel: coordinates are no better
_SLACK = 1e-9  # relative: rounding of a constraint that is tight by construction
_SIGNS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # of the two torsions


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
    edges = frames.around(2 * np.pi * np.arange(config.facets) / config.facets)
    forces = frames.inward[..., None, :] + friction[..., None, None, None] * edges
    lever = config.torque_scale * (contacts.points - center_of_mass[..., None, :])
    torsion = config.torque_scale * np.pi * config.torsion_radius**2 * friction
    result = np.zeros(friction.shape)
    result[closed] = _nearest_facet(
        frames.inward[closed], facets[closed], forces[closed], lever[closed], torsion[closed]
    )
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
    line = np.sign(_dot(inward[..., 0, :], span))[..., None] * span / np.linalg.norm(span, axis=-1, keepdims=True)
    outward = facets * np.array([1.0, -1.0])[:, None, None]
    a, b = (np.einsum("...jki,...i->...jk", outward, v) for v in (line, normal))
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = -a / b
    least = np.where(b < 0, bound, -np.inf).max(axis=(-1, -2))
    most = np.where(b > 0, bound, np.inf).min(axis=(-1, -2))
    return np.asarray(contacts.found & (least < most) & ((b != 0) | (a < 0)).all(axis=(-1, -2)))


def _nearest_facet(
    inward: Float64[np.ndarray, "M 2 3"],
    facets: Float64[np.ndarray, "M 2 F 3"],
    forces: Float64[np.ndarray, "M 2 F 3"],
    lever: Float64[np.ndarray, "M 2 3"],
    torsion: Float64[np.ndarray, "M"],
) -> Float64[np.ndarray, "M"]:
    """1 / max |u| over the vertices of the polytope, for grasps with force closure; in chunks that fit the cache."""
    result = np.empty(len(torsion))
    for start in range(0, len(torsion), 64):
        part = slice(start, start + 64)
        n, g, f, r, s = inward[part], facets[part], forces[part], lever[part], torsion[part]
        mirrored = (n[:, ::-1], g[:, ::-1], f[:, ::-1], r[:, ::-1], s)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            squares = [
                _apex_and_edge(n, g, r, s),
                _apex_and_edge(mirrored[0], mirrored[1], mirrored[3], s),
                _apex_and_face(n, f, r, s),
                _apex_and_face(mirrored[0], mirrored[2], mirrored[3], s),
                _edge_and_edge(n, g, r, s),
            ]
        result[part] = 1 / np.sqrt(np.max(squares, axis=0))
    return result


def _apex_and_edge(
    n: Float64[np.ndarray, "M 2 3"],
    g: Float64[np.ndarray, "M 2 F 3"],
    lever: Float64[np.ndarray, "M 2 3"],
    torsion: Float64[np.ndarray, "M"],
) -> Float64[np.ndarray, "M"]:
    """Largest |u|² where v₁ = n₁, v₂ = n₂ + τ g₂ₖ and one torsion is tight; 0 if there is none.

    (v₂ − v₁) · D = 0 gives τ; α = D × (v₂ − v₁) / |D|² + ξ D, and the torsion gives ξ.
    """
    d = (lever[:, 1] - lever[:, 0])[:, None]
    reach = _dot(n[:, :1] - n[:, 1:], d) / _dot(g[:, 1], d)
    gap = n[:, 1:] - n[:, :1] + reach[..., None] * g[:, 1]
    across = np.cross(d, gap) / _dot(d, d)[..., None]
    # axes: grasp, edge, which torsion is tight, its sign
    spin, turn = np.einsum("mfi,mji->mfj", across, n), np.einsum("mi,mji->mj", d[:, 0], n)
    limit = (np.array([1.0, -1.0]) / torsion[:, None])[:, None, None, :]
    xi = (limit - spin[..., None]) / turn[:, None, :, None]
    other = spin[:, :, ::-1, None] + xi * turn[:, None, ::-1, None]
    feasible = (reach >= 0)[..., None, None] & (np.abs(other) <= (1 + _SLACK) / torsion[:, None, None, None])
    alpha = across[:, :, None, None] + xi[..., None] * d[:, :, None, None]
    force = n[:, 0, None, None, None] - np.cross(alpha, lever[:, 0, None, None, None])
    return _largest(_dot(alpha, alpha) + _dot(force, force), feasible)


def _apex_and_face(
    n: Float64[np.ndarray, "M 2 3"],
    f: Float64[np.ndarray, "M 2 F 3"],
    lever: Float64[np.ndarray, "M 2 3"],
    torsion: Float64[np.ndarray, "M"],
) -> Float64[np.ndarray, "M"]:
    """Largest |u|² where v₁ = n₁, v₂ · f₂ₖ = 1 and both torsions are tight; 0 if there is none.

    Both torsions leave α = α₀ + λ m, and v₂ = n₁ + α × D on the face gives λ.
    """
    alpha0, m = _twisted(n, torsion)
    d = (lever[:, 1] - lever[:, 0])[:, None]
    still, moving = n[:, :1] + np.cross(alpha0, d), np.cross(m[:, None], d)
    at_rest = np.einsum("msi,mfi->msf", still, f[:, 1])
    rate = np.einsum("msi,mfi->msf", moving, f[:, 1])
    shift = (1 - at_rest) / rate
    value = at_rest[:, :, None, :] + shift[..., None] * rate[:, :, None, :]
    size = 1 + np.abs(at_rest).max(axis=-1)[:, :, None] + np.abs(shift) * np.abs(rate).max(axis=-1)[:, :, None]
    feasible = value.max(axis=-1) <= 1 + _SLACK * size
    alpha = alpha0[:, :, None] + shift[..., None] * m[:, None, None]
    force = n[:, 0, None, None] - np.cross(alpha, lever[:, 0, None, None])
    return _largest(_dot(alpha, alpha) + _dot(force, force), feasible)


def _edge_and_edge(
    n: Float64[np.ndarray, "M 2 3"],
    g: Float64[np.ndarray, "M 2 F 3"],
    lever: Float64[np.ndarray, "M 2 3"],
    torsion: Float64[np.ndarray, "M"],
) -> Float64[np.ndarray, "M"]:
    """Largest |u|² where vᵢ = nᵢ + τᵢ gᵢₖ and both torsions are tight; 0 if there is none.

    n₂ − n₁ + τ₂ g₂ − τ₁ g₁ = (α₀ + λ m) × D: along D and along m, where λ drops out, for τ₁ and τ₂; then λ.
    """
    alpha0, m = _twisted(n, torsion)
    d = lever[:, 1] - lever[:, 0]
    twist = np.cross(alpha0, d[:, None])
    # axes: grasp, signs of the torsions, edge of contact 1, edge of contact 2
    g1d, g1m = (np.einsum("mfi,mi->mf", g[:, 0], v)[:, None, :, None] for v in (d, m))
    g2d, g2m = (np.einsum("mfi,mi->mf", g[:, 1], v)[:, None, None, :] for v in (d, m))
    along_d = _dot(n[:, 0] - n[:, 1], d)[:, None, None, None]
    along_m = _dot(twist, m[:, None])[:, :, None, None]
    determinant = g2m * g1d - g2d * g1m
    tau1 = (g2d * along_m - g2m * along_d) / determinant
    tau2 = (g1d * along_m - g1m * along_d) / determinant
    solved = np.abs(tau2 * g2d - tau1 * g1d - along_d) <= 1e-7 * np.abs(along_d)  # else: parallel but for rounding
    feasible = (tau1 >= 0) & (tau2 >= 0) & solved
    moving = np.cross(m, d)
    g1q, g2q = (np.einsum("mfi,mi->mf", g[:, i], moving) for i in (0, 1))
    rest = np.einsum("msi,mi->ms", (n[:, 1] - n[:, 0])[:, None] - twist, moving)[:, :, None, None]
    shift = (rest + tau2 * g2q[:, None, None, :] - tau1 * g1q[:, None, :, None]) / _dot(moving, moving)[
        :, None, None, None
    ]
    base = n[:, :1] - np.cross(alpha0, lever[:, :1])
    lean = np.cross(m, lever[:, 0])
    square = _dot(alpha0, alpha0)[:, :, None, None] + shift**2 * _dot(m, m)[:, None, None, None]
    for axis in range(3):  # one component at a time: no array of vectors for 256 candidates
        force = (
            base[:, :, axis, None, None] + tau1 * g[:, 0, None, :, None, axis] - shift * lean[:, axis, None, None, None]
        )
        square = square + force**2
    return _largest(square, feasible)


def _twisted(
    n: Float64[np.ndarray, "M 2 3"], torsion: Float64[np.ndarray, "M"]
) -> tuple[Float64[np.ndarray, "M 4 3"], Float64[np.ndarray, "M 3"]]:
    """α₀ in the span of the normals with both torsions tight, for four pairs of signs, and m = n₁ × n₂.

    NaN for parallel normals: then one torsion is as good as both, and `_apex_and_edge` has all vertices.
    """
    m = np.cross(n[:, 0], n[:, 1])
    square = _dot(m, m)
    duals = np.stack([np.cross(n[:, 1], m), np.cross(m, n[:, 0])], axis=1)
    scale = np.where(square > _PARALLEL**2, 1 / (torsion * square), np.nan)
    return np.einsum("sj,mji->msi", _SIGNS, duals) * scale[:, None, None], m


def _largest(square: np.ndarray, feasible: np.ndarray) -> Float64[np.ndarray, "M"]:
    return np.asarray(np.where(feasible, square, 0.0).reshape(len(square), -1).max(axis=1))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.sum(a * b, axis=-1))
