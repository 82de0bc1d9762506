"""Contacts: closed forms on a sphere, a box and a cylinder; what counts as no contact."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from graspnet.data_gen.contact.contacts import ContactFinder, Contacts
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.grasps.grasps import Grasps
from graspnet.transforms import frame_from_axes, rigid, unit
from tests import jaws

RADIUS = 0.02
WIDTH = 0.08


def grasps_along(origin: np.ndarray, closing: np.ndarray, width: float = WIDTH) -> Grasps:
    approach = np.cross(closing, unit(closing[:, [1, 2, 0]] + 0.1))
    return Grasps.of_jaws(rigid(frame_from_axes(unit(approach), closing), origin), np.full(len(origin), width))


def find(solid: Solid, origin: np.ndarray, closing: np.ndarray, width: float = WIDTH) -> Contacts:
    return ContactFinder(solid)(grasps_along(origin, closing, width))


def directions(count: int, rng: np.random.Generator) -> np.ndarray:
    return unit(rng.normal(size=(count, 3)))


@pytest.fixture(scope="module")
def sphere() -> Solid:
    # not solid_from_mesh, which would simplify it: sagitta 0.5 µm
    return Solid("sphere", trimesh.creation.icosphere(subdivisions=6, radius=RADIUS))


@pytest.fixture(scope="module")
def box() -> Solid:
    return solid_from_mesh(trimesh.creation.box((0.03, 0.05, 0.02)), "box")


def test_contacts_on_a_sphere_are_where_the_closing_line_meets_it(sphere):
    rng = np.random.default_rng(0)
    closing = directions(2000, rng)
    offset = np.cross(closing, directions(2000, rng)) * 0.018
    slide = rng.uniform(-0.015, 0.015, (2000, 1))  # jaws stay outside: 0.04 - 0.015 > 0.02
    contacts = find(sphere, offset + slide * closing, closing)
    half = np.sqrt(RADIUS**2 - np.sum(offset**2, axis=1, keepdims=True))
    expected = np.stack([offset - half * closing, offset + half * closing], axis=1)
    assert contacts.found.all()
    np.testing.assert_allclose(contacts.points, expected, atol=1e-5)
    # a facet's normal is off by up to its size over the radius
    np.testing.assert_allclose(contacts.normals, expected / RADIUS, atol=0.02)
    np.testing.assert_allclose(contacts.distance, 2 * half[:, 0], atol=2e-5)


def test_contacts_on_a_box_are_where_the_slab_method_says(box):
    rng = np.random.default_rng(1)
    closing = directions(2000, rng)
    origin = rng.uniform(-0.009, 0.009, (2000, 3))
    contacts = find(box, origin, closing)
    half = np.array([0.015, 0.025, 0.01])
    # the line leaves a convex box through the nearest of the planes ahead, and entered it through the nearest behind
    ahead = (np.sign(closing) * half - origin) / closing
    behind = (-np.sign(closing) * half - origin) / closing
    rows = np.arange(2000)
    for jaw, (travel, axis, sign) in enumerate(
        [(behind.max(1), behind.argmax(1), -1), (ahead.min(1), ahead.argmin(1), 1)]
    ):
        np.testing.assert_allclose(contacts.points[:, jaw], origin + travel[:, None] * closing, atol=1e-5)
        normal = np.zeros((2000, 3))
        normal[rows, axis] = sign * np.sign(closing[rows, axis])
        np.testing.assert_allclose(contacts.normals[:, jaw], normal, atol=1e-9)


def test_contacts_on_a_cylinder_are_where_a_quadratic_equation_says():
    cylinder = solid_from_mesh(trimesh.creation.cylinder(RADIUS, 0.1, sections=1024), "cylinder")  # sagitta 0.1 µm
    rng = np.random.default_rng(2)
    yaw, rise = rng.uniform(-np.pi, np.pi, 1000), rng.uniform(-0.5, 0.5, 1000)
    closing = unit(np.stack([np.cos(yaw), np.sin(yaw), rise], axis=1))
    origin = np.column_stack([rng.uniform(-0.012, 0.012, (1000, 2)), rng.uniform(-0.02, 0.02, 1000)])
    contacts = find(cylinder, origin, closing)
    a = np.sum(closing[:, :2] ** 2, axis=1)
    b = np.sum(closing[:, :2] * origin[:, :2], axis=1)
    root = np.sqrt(b**2 - a * (np.sum(origin[:, :2] ** 2, axis=1) - RADIUS**2))
    for jaw, travel in enumerate([(-b - root) / a, (-b + root) / a]):
        np.testing.assert_allclose(contacts.points[:, jaw], origin + travel[:, None] * closing, atol=1e-5)


def test_no_contact_is_found_beside_the_object_or_outside_the_opening_or_from_inside_it(box):
    y = np.array([[0.0, 1.0, 0.0]])
    beside, past_it, inside = (np.array([point]) for point in ([0.016, 0.0, 0.0], [0.0, 0.07, 0.0], [0.0, 0.0, 0.0]))
    assert not find(box, beside, y).found.any()
    assert not find(box, past_it, y).found.any()  # both jaws on one side
    assert not find(box, inside, y, width=0.04).found.any()  # both pads start in the material
    assert not find(box, np.array([[0.0, 0.03, 0.0]]), y, width=0.05).found.any()  # one pad starts in it
    missing = find(box, beside, y)
    assert np.isnan(missing.points).all()
    assert np.isnan(missing.normals).all()
    assert find(box, inside, y, width=0.051).found.all()


def test_a_wall_between_the_jaws_is_touched_from_inside_and_outside_of_the_cup():
    tube = solid_from_mesh(trimesh.creation.annulus(r_min=0.02, r_max=0.024, height=0.05, sections=256), "tube")
    contacts = find(tube, np.array([[0.0, 0.022, 0.0]]), np.array([[0.0, 1.0, 0.0]]), width=0.03)
    np.testing.assert_allclose(contacts.points[0], [[0, 0.02, 0], [0, 0.024, 0]], atol=1e-5)
    np.testing.assert_allclose(contacts.normals[0], [[0, -1, 0], [0, 1, 0]], atol=0.02)


def test_swapping_the_jaws_swaps_the_contacts(sphere):
    rng = np.random.default_rng(3)
    grasps = grasps_along(rng.normal(0, 0.01, (500, 3)), directions(500, rng))
    finder = ContactFinder(sphere)
    contacts, swapped = finder(grasps), finder(jaws.swapped(grasps))
    np.testing.assert_array_equal(contacts.found, swapped.found)
    np.testing.assert_allclose(contacts.points, swapped.points[:, ::-1], atol=1e-7)


def test_contacts_move_with_grasp_and_object():
    rng = np.random.default_rng(4)
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=RADIUS)
    turn = rigid(Rotation.random(random_state=0).as_matrix(), np.zeros(3))
    still, turned = solid_from_mesh(mesh, "still"), solid_from_mesh(mesh.copy().apply_transform(turn), "turned")
    grasps = grasps_along(rng.normal(0, 0.008, (500, 3)), directions(500, rng))
    moved, expected = ContactFinder(turned)(grasps.transformed(turn)), ContactFinder(still)(grasps).transformed(turn)
    np.testing.assert_array_equal(moved.found, expected.found)
    np.testing.assert_allclose(moved.points, expected.points, atol=1e-6)


def test_two_threads_find_what_one_finds(sphere):
    rng = np.random.default_rng(5)
    grasps = grasps_along(rng.normal(0, 0.01, (1000, 3)), directions(1000, rng))
    np.testing.assert_array_equal(ContactFinder(sphere, threads=2)(grasps).points, ContactFinder(sphere)(grasps).points)
