"""Wrenches of two soft fingers: worked by hand, mirrored, and moved."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from graspnet.data_gen.contact.contacts import Contacts
from graspnet.data_gen.contact.wrenches import WrenchConfig, contact_frames, grasp_wrenches
from graspnet.errors import InputError
from graspnet.transforms import rigid, unit

CONFIG = WrenchConfig()


def opposed(distance: float = 0.04) -> Contacts:
    points = np.array([[0.0, -distance / 2, 0.0], [0.0, distance / 2, 0.0]])
    return Contacts(points, np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]), np.array(True))


def random_contacts(count: int, rng: np.random.Generator) -> tuple[Contacts, np.ndarray]:
    line = unit(rng.normal(size=(count, 3)))
    middle = rng.normal(0, 0.02, (count, 3))
    half = rng.uniform(0.005, 0.05, (count, 1)) * line
    normals = unit(np.stack([-line, line], axis=1) + rng.normal(0, 0.3, (count, 2, 3)))
    across = unit(np.cross(line, rng.normal(size=(count, 3))))
    return Contacts(np.stack([middle - half, middle + half], axis=1), normals, np.ones(count, dtype=bool)), across


def test_opposed_contacts_have_the_wrenches_worked_by_hand():
    """μ = 0.5 and contacts at y = ∓0.02 m: edge 0 is n + μ x; p × f = (0, −0.02, 0) × (0.5, 1, 0) = (0, 0, 0.01)."""
    wrenches = grasp_wrenches(opposed(), np.array([1.0, 0.0, 0.0]), np.zeros(3), np.array(0.5), CONFIG)
    assert wrenches.shape == (20, 6)
    np.testing.assert_allclose(wrenches[0], [0.5, 1, 0, 0, 0, 10], atol=1e-12)
    np.testing.assert_allclose(wrenches[8], [0.5, -1, 0, 0, 0, -10], atol=1e-12)
    # edge 2 is a quarter turn on: ∓z at both contacts
    np.testing.assert_allclose(wrenches[2], [0, 1, -0.5, 10, 0, 0], atol=1e-12)
    np.testing.assert_allclose(wrenches[10], [0, -1, -0.5, -10, 0, 0], atol=1e-12)
    twist = 1000 * np.pi * 0.01**2 * 0.5
    np.testing.assert_allclose(
        wrenches[16:, 3:], [[0, twist, 0], [0, -twist, 0], [0, -twist, 0], [0, twist, 0]], atol=1e-12
    )
    np.testing.assert_array_equal(wrenches[16:, :3], 0)


def test_contact_two_mirrors_contact_one():
    """In the plane between the jaws, for contacts that are mirror images themselves."""
    normals = unit(np.array([[0.2, -1.0, 0.3], [0.2, 1.0, 0.3]]))
    contacts = Contacts(opposed().points, normals, np.array(True))
    wrenches = grasp_wrenches(contacts, np.array([1.0, 0.0, 0.0]), np.zeros(3), np.array(0.4), CONFIG)
    np.testing.assert_allclose(wrenches[8:16, :3], wrenches[:8, :3] * [1, -1, 1], atol=1e-12)


def test_every_force_has_a_unit_normal_part_and_lies_on_the_cone():
    contacts, across = random_contacts(200, np.random.default_rng(0))
    friction = np.random.default_rng(1).uniform(0.1, 1, 200)
    forces = grasp_wrenches(contacts, across, np.zeros((200, 3)), friction, CONFIG)[:, :16, :3].reshape(200, 2, 8, 3)
    normal = -np.einsum("njki,nji->njk", forces, contacts.normals)
    np.testing.assert_allclose(normal, 1, atol=1e-12)
    slip = np.linalg.norm(forces + contacts.normals[:, :, None], axis=-1)
    np.testing.assert_allclose(slip, np.broadcast_to(friction[:, None, None], slip.shape), atol=1e-12)
    # edge 0 has no part across the plane of the normal and the grasp's x axis
    plane = np.cross(contacts.normals, across[:, None])
    np.testing.assert_allclose(np.einsum("nji,nji->nj", forces[:, :, 0], plane), 0, atol=1e-12)


def test_wrenches_turn_with_contacts_and_centre_of_mass():
    rng = np.random.default_rng(2)
    contacts, across = random_contacts(100, rng)
    friction, center = rng.uniform(0.1, 1, 100), rng.normal(0, 0.02, (100, 3))
    rotation = Rotation.random(random_state=1).as_matrix()
    moved = rigid(rotation, np.array([0.3, -0.1, 0.2]))
    still = grasp_wrenches(contacts, across, center, friction, CONFIG)
    turned = grasp_wrenches(
        contacts.transformed(moved), across @ rotation.T, center @ rotation.T + moved[:3, 3], friction, CONFIG
    )
    np.testing.assert_allclose(turned[..., :3], still[..., :3] @ rotation.T, atol=1e-10)
    np.testing.assert_allclose(turned[..., 3:], still[..., 3:] @ rotation.T, atol=1e-9)


def test_a_normal_along_the_grasps_x_axis_has_a_frame_too():
    contacts = Contacts(opposed().points, np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.array(True))
    frames = contact_frames(contacts, np.array([1.0, 0.0, 0.0]))
    axes = np.stack([frames.inward, frames.tangent, frames.cotangent], axis=1)
    np.testing.assert_allclose(axes @ np.swapaxes(axes, 1, 2), np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-12)


@pytest.mark.parametrize("wrong", [{"facets": 2}, {"torsion_radius": 0.0}, {"torque_scale": -1.0}])
def test_impossible_models_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        WrenchConfig(**wrong)
