"""Film strips: what is drawn lies where the camera sees it."""

import numpy as np
import trimesh

from data_gen.meshes import solid_from_mesh
from data_gen.physics.film import FINGER_COLOURS, OBJECT_COLOUR, draw_frame, film_strip
from data_gen.physics.picking import PickFrame
from graspnet.camera import Camera
from graspnet.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid


def _frame(opening: float = 0.04) -> PickFrame:
    hand = frame_from_axes(np.array([0.0, 0, -1]), np.array([0.0, 1, 0]))
    upright, held = rigid(np.eye(3), np.array([0, 0, 0.02])), rigid(hand, np.array([0, 0, 0.02]))
    return PickFrame("close", upright, held, opening)


def _centre_of(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(u, v) of the pixels of that hue, whatever their shade."""
    pixels = image.astype(float) / np.linalg.norm(image.astype(float), axis=2, keepdims=True).clip(1e-9)
    mask = pixels @ (np.array(colour) / np.linalg.norm(colour)) > 0.998
    assert mask.any()
    v, u = np.nonzero(mask)
    return np.array([u.mean(), v.mean()])


def test_jaws_straddle_the_object_and_left_is_at_minus_y():
    """Seen from the side of −x, the world's +y lies to the left: a camera that looks along +x has x_camera = −y."""
    gripper, cube = load_gripper("yumi"), solid_from_mesh(trimesh.creation.box([0.02, 0.02, 0.02]), "cube")
    side = rigid(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([-0.4, 0, 0.03]))
    image = draw_frame(_frame(), cube, gripper, Camera(300.0, 300.0, 79.5, 79.5, 160, 160), side)
    left, right = (_centre_of(image, colour)[0] for colour in FINGER_COLOURS)
    assert right < _centre_of(image, OBJECT_COLOUR)[0] < left


def test_a_strip_has_one_picture_for_each_moment():
    gripper, cube = load_gripper("yumi"), solid_from_mesh(trimesh.creation.box([0.02, 0.02, 0.02]), "cube")
    strip = film_strip([_frame(0.05), _frame(0.03), _frame(0.02)], cube, gripper, count=3, size=64)
    assert strip.shape == (64, 192, 3)
    assert film_strip([], cube, gripper).shape[1] == 0
