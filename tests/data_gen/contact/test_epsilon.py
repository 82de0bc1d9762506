"""Epsilon and force closure: SciPy's hull, closed values, symmetries."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from graspnet.data_gen.contact.contacts import ContactFinder, Contacts
from graspnet.data_gen.contact.epsilon import antipodality, epsilon, epsilon_linf, force_closure, lowest_friction
from graspnet.data_gen.contact.wrenches import WrenchConfig, grasp_wrenches
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.grasps.grasps import Grasps
from graspnet.transforms import frame_from_axes, perpendicular_to, rigid, unit

CONFIG = WrenchConfig()
X = np.array([1.0, 0.0, 0.0])


def opposed(distance: float = 0.04) -> Contacts:
    points = np.array([[0.0, -distance / 2, 0.0], [0.0, distance / 2, 0.0]])
    return Contacts(points, np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]), np.array(True))


def hull_epsilon(wrenches: np.ndarray) -> float:
    """Distance from the origin to the nearest facet of the exact hull; 0 outside, or where the hull is flat."""
    try:
        return max(0.0, float(-ConvexHull(wrenches).equations[:, -1].max()))
    except QhullError:
        return 0.0


def hull_epsilons(contacts: Contacts, across, center, friction, config=CONFIG) -> np.ndarray:
    return np.array([hull_epsilon(w) for w in grasp_wrenches(contacts, across, center, friction, config)])


def random_grasps(count: int, spread: float, seed: int):
    """Contacts whose normals miss the line between them by about `spread` radians, any friction, any centre of mass."""
    rng = np.random.default_rng(seed)
    line = unit(rng.normal(size=(count, 3)))
    middle = rng.normal(0, 0.02, (count, 3))
    half = rng.uniform(0.0025, 0.05, (count, 1)) * line
    normals = unit(np.stack([-line, line], axis=1) + rng.normal(0, spread, (count, 2, 3)))
    contacts = Contacts(np.stack([middle - half, middle + half], axis=1), normals, np.ones(count, dtype=bool))
    across = unit(np.cross(line, rng.normal(size=(count, 3))))
    return contacts, across, rng.normal(0, 0.01, (count, 3)), rng.uniform(0.05, 1.0, count)


@pytest.mark.parametrize(("friction", "expected"), [(0.1, 0.0297), (0.3, 0.0889), (0.5, 0.1471), (0.8, 0.2315)])
def test_opposed_contacts_4_cm_apart_have_the_published_epsilon(friction, expected):
    assert epsilon(opposed(), X, np.zeros(3), np.array(friction), CONFIG) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("offset", "expected"), [(0.002, 0.0621), (0.005, 0.0290), (0.010, 0.0152), (0.020, 0.0077), (0.050, 0.0031)]
)
def test_a_centre_of_mass_off_the_axis_lowers_epsilon_as_published(offset, expected):
    center = np.array([offset, 0.0, 0.0])
    assert epsilon(opposed(), X, center, np.array(0.5), CONFIG) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-9, 1e-7, 1e-4, 0.05, 0.3, 0.6])
def test_epsilon_is_the_nearest_facet_of_scipys_hull(spread):
    """From exactly parallel normals to contacts of which most do not close: 1,200 grasps in all."""
    grasps = random_grasps(150, spread, seed=int(spread * 1000))
    np.testing.assert_allclose(epsilon(*grasps, CONFIG), hull_epsilons(*grasps), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("facets", [3, 6, 11])
def test_epsilon_is_exact_for_cones_of_other_facets_and_scales(facets):
    config = WrenchConfig(facets=facets, torsion_radius=0.02, torque_scale=30.0)
    grasps = random_grasps(60, 0.1, seed=facets)
    np.testing.assert_allclose(epsilon(*grasps, config), hull_epsilons(*grasps, config), atol=1e-9)


def test_epsilon_is_exact_for_contacts_on_a_mesh():
    """Faces of a box are parallel to rounding, and edges of its cones are aligned: what random contacts never are."""
    rng = np.random.default_rng(0)
    mesh = trimesh.creation.box(
        (0.03, 0.05, 0.02), transform=rigid(Rotation.random(random_state=3).as_matrix(), np.zeros(3))
    )
    closing = unit(rng.normal(size=(100, 3)))
    grasps = Grasps.of_jaws(
        rigid(frame_from_axes(perpendicular_to(closing), closing), rng.normal(0, 0.005, (100, 3))), np.full(100, 0.12)
    )
    contacts = ContactFinder(solid_from_mesh(mesh, "box"))(grasps)
    assert contacts.found.all()
    friction = rng.uniform(0.3, 1.0, 100)
    arguments = (contacts, grasps.poses[:, :3, 0].copy(), np.zeros((100, 3)), friction)
    np.testing.assert_allclose(epsilon(*arguments, CONFIG), hull_epsilons(*arguments), atol=1e-6)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3, 0.6, 1.5])
def test_force_closure_is_the_sign_of_epsilon(spread):
    contacts, across, center, friction = random_grasps(200, spread, seed=7)
    closed = force_closure(contacts, across, friction, CONFIG)
    np.testing.assert_array_equal(closed, hull_epsilons(contacts, across, center, friction) > 1e-9)
    np.testing.assert_array_equal(closed, epsilon(contacts, across, center, friction, CONFIG) > 0)


def test_antipodal_contacts_have_force_closure():
    """The octagon lies inside the round cone and contains one that is narrower by cos(π/8)."""
    for spread in (0.1, 0.3, 0.6):
        contacts, across, _, friction = random_grasps(5000, spread, seed=8)
        narrow = lowest_friction(contacts) <= friction * np.cos(np.pi / 8)
        assert narrow.any()
        assert force_closure(contacts, across, friction, CONFIG)[narrow].all()


def test_the_lowest_friction_is_the_tangent_of_the_wider_angle_between_a_normal_and_the_line():
    contacts, *_ = random_grasps(5000, 0.4, seed=9)
    line = unit(contacts.points[:, 1] - contacts.points[:, 0])
    angles = [np.arccos(np.sum(n * line, axis=1)) for n in (-contacts.normals[:, 0], contacts.normals[:, 1])]
    wider = np.max(angles, axis=0)
    np.testing.assert_allclose(antipodality(contacts), np.cos(wider), atol=1e-12)
    facing = wider < np.pi / 2
    np.testing.assert_allclose(np.arctan(lowest_friction(contacts)[facing]), wider[facing], atol=1e-6)
    assert (lowest_friction(contacts)[~facing] == np.inf).all()


def test_a_lying_cylinder_taken_askew_has_force_closure_but_is_not_antipodal():
    """Why the label is not the sign of epsilon: torsion about two tilted normals stands in for a sideways grip."""
    cylinder = solid_from_mesh(trimesh.creation.cylinder(0.02, 0.2, sections=512), "cylinder")  # along z
    askew = np.radians(60)
    closing = np.array([[0.0, np.cos(askew), np.sin(askew)]])
    pose = rigid(frame_from_axes(np.array([[-1.0, 0.0, 0.0]]), closing), np.array([[0.002, 0.0, 0.0]]))
    contacts, friction = ContactFinder(cylinder)(Grasps.of_jaws(pose, np.array([0.12]))), np.array([0.5])
    across = pose[:, :3, 0].copy()
    assert force_closure(contacts, across, friction, CONFIG).all()
    assert (lowest_friction(contacts) > friction).all()
    assert 0 < epsilon(contacts, across, np.zeros((1, 3)), friction, CONFIG)[0] < 1e-3


def test_closure_does_not_change_if_contacts_cones_and_centre_of_mass_move_as_one_body():
    contacts, across, center, friction = random_grasps(300, 0.3, seed=10)
    rotation, shift = Rotation.random(random_state=4).as_matrix(), np.array([0.4, -0.2, 0.7])
    moved = contacts.transformed(rigid(rotation, shift))
    across2, center2 = across @ rotation.T, center @ rotation.T + shift
    np.testing.assert_allclose(
        epsilon(moved, across2, center2, friction, CONFIG),
        epsilon(contacts, across, center, friction, CONFIG),
        atol=1e-9,
    )
    np.testing.assert_array_equal(
        force_closure(moved, across2, friction, CONFIG), force_closure(contacts, across, friction, CONFIG)
    )
    np.testing.assert_allclose(antipodality(moved), antipodality(contacts), atol=1e-12)


def test_closure_does_not_change_if_the_jaws_swap():
    contacts, across, center, friction = random_grasps(300, 0.3, seed=11)
    swapped = Contacts(contacts.points[:, ::-1].copy(), contacts.normals[:, ::-1].copy(), contacts.found)
    np.testing.assert_allclose(
        epsilon(swapped, -across, center, friction, CONFIG),
        epsilon(contacts, across, center, friction, CONFIG),
        atol=1e-9,
    )
    np.testing.assert_array_equal(
        force_closure(swapped, -across, friction, CONFIG), force_closure(contacts, across, friction, CONFIG)
    )
    np.testing.assert_allclose(antipodality(swapped), antipodality(contacts), atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(low=st.floats(0.05, 1.0), high=st.floats(0.05, 1.0), tilt=st.floats(0.0, 0.4), offset=st.floats(0.0, 0.03))
def test_more_friction_never_lowers_epsilon(low, high, tilt, offset):
    low, high = min(low, high), max(low, high)
    normals = np.array([[0.0, -np.cos(tilt), np.sin(tilt)], [0.0, 1.0, 0.0]])
    contacts = Contacts(opposed().points, normals, np.array(True))
    center = np.array([offset, 0.0, 0.0])
    values = [float(epsilon(contacts, X, center, np.array(mu), CONFIG)) for mu in (low, high)]
    assert values[0] <= values[1] + 1e-9


def test_contacts_that_were_not_found_close_nothing():
    contacts, across, center, friction = random_grasps(4, 0.01, seed=12)
    nothing = np.full((2, 2, 3), np.nan)
    half = Contacts(
        np.concatenate([contacts.points[:2], nothing]),
        np.concatenate([contacts.normals[:2], nothing]),
        np.arange(4) < 2,
    )
    for answer in (
        lowest_friction(half) < 1,
        antipodality(half) > 0,
        force_closure(half, across, friction, CONFIG),
        epsilon(half, across, center, friction, CONFIG) > 0,
        epsilon_linf(half, across, center, friction, CONFIG) > 0,
    ):
        np.testing.assert_array_equal(answer, half.found)


def test_epsilon_linf_is_the_least_reach_of_the_two_wrench_sets_together():
    """The support function of a Minkowski sum is the sum of the support functions, so no direction reaches less."""
    contacts, across, center, friction = random_grasps(3, 0.05, seed=13)
    reach = epsilon_linf(contacts, across, center, friction, CONFIG)
    wrenches = grasp_wrenches(contacts, across, center, friction, CONFIG)
    first, second = [*range(8), 16, 17], [*range(8, 16), 18, 19]

    def support(direction: np.ndarray, wrench: np.ndarray) -> float:
        along = wrench @ direction / np.linalg.norm(direction)
        return sum(max(0.0, along[of_one].max()) for of_one in (first, second))

    rng = np.random.default_rng(0)
    for wrench, radius in zip(wrenches, reach, strict=True):
        starts = [-ConvexHull(wrench).equations[:, :-1][i] for i in rng.choice(100, 20)]
        ends = [minimize(support, start, wrench, method="Nelder-Mead", options={"maxiter": 3000}) for start in starts]
        assert 0 < radius <= min(end.fun for end in ends) + 1e-12
        assert radius == pytest.approx(min(end.fun for end in ends), rel=0.01)


def test_each_contact_with_a_newton_of_its_own_reaches_farther_than_both_with_one_together():
    """The L1 set lies inside the L∞ set, which lies inside twice the L1 set."""
    grasps = random_grasps(10, 0.1, seed=14)
    together, each = (one(*grasps, CONFIG) for one in (epsilon, epsilon_linf))
    assert (each >= together - 1e-9).all()
    assert (each <= 2 * together + 1e-9).all()


def test_no_friction_is_no_closure():
    assert epsilon_linf(opposed(), X, np.zeros(3), np.array(0.0), CONFIG) == 0
    assert not force_closure(opposed(), X, np.array(0.0), CONFIG)
    assert epsilon(opposed(), X, np.zeros(3), np.array(0.0), CONFIG) == 0
