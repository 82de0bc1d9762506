"""Film strips: what is drawn lies where the camera sees it."""

from dataclasses import replace

import numpy as np
import trimesh

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.physics.film import (
    FINGER_COLOURS,
    OBJECT_COLOURS,
    WALL_COLOUR,
    draw_frame,
    film,
    film_strip,
    last_picture,
)
from graspnet.data_gen.physics.outcome import PickFrame
from graspnet.data_gen.physics.pick import ClutterWorld, PickWorld
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid

CUBE = PickWorld(solid_from_mesh(trimesh.creation.box([0.02, 0.02, 0.02]), "cube"), load_gripper("yumi"))
UP = rigid(np.eye(3), np.array([0.0, 0, 0.15]))


def _frame(opening: float = 0.04) -> PickFrame:
    hand = frame_from_axes(np.array([0.0, 0, -1]), np.array([0.0, 1, 0]))
    upright, held = rigid(np.eye(3), np.array([0, 0, 0.02])), rigid(hand, np.array([0, 0, 0.02]))
    return PickFrame("close", upright[None], held, opening)


def _centre_of(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(u, v) of the pixels of that hue, whatever their shade."""
    pixels = image.astype(float) / np.linalg.norm(image.astype(float), axis=2, keepdims=True).clip(1e-9)
    mask = pixels @ (np.array(colour) / np.linalg.norm(colour)) > 0.998
    assert mask.any()
    v, u = np.nonzero(mask)
    return np.array([u.mean(), v.mean()])


def test_jaws_straddle_the_object_and_left_is_at_minus_y():
    """Seen from the side of −x, the world's +y lies to the left: a camera that looks along +x has x_camera = −y."""
    side = rigid(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([-0.4, 0, 0.03]))
    image = draw_frame(_frame(), CUBE, Camera(300.0, 300.0, 79.5, 79.5, 160, 160), side)
    left, right = (_centre_of(image, colour)[0] for colour in FINGER_COLOURS)
    assert right < _centre_of(image, OBJECT_COLOURS[0])[0] < left


def test_a_strip_has_one_picture_for_each_moment():
    strip = film_strip([_frame(0.05), _frame(0.03), _frame(0.02)], CUBE, count=3, size=64)
    assert strip.shape == (64, 192, 3)
    assert film_strip([], CUBE).shape[1] == 0


def test_in_a_film_the_eye_rests_and_what_is_lifted_rises():
    low = _frame()
    high = replace(low, world_from_objects=UP @ low.world_from_objects, world_from_grasp=UP @ low.world_from_grasp)
    pictures = film([low, high], CUBE, size=120)
    before, after = (_centre_of(picture, OBJECT_COLOURS[0]) for picture in pictures)
    assert abs(before[0] - after[0]) < 2
    assert before[1] - after[1] > 20
    np.testing.assert_array_equal(pictures[0][-1], pictures[1][-1])  # the table in front does not move


def test_the_table_hides_what_is_below_it():
    sunk = replace(_frame(), world_from_objects=rigid(np.eye(3), np.array([0.0, 0, -0.02]))[None])
    from_above = rigid(np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]), np.array([0.0, 0, 0.4]))
    moved = replace(sunk, world_from_grasp=UP @ UP @ UP @ sunk.world_from_grasp)  # behind the eye
    image = draw_frame(moved, CUBE, Camera(300.0, 300.0, 79.5, 79.5, 160, 160), from_above)
    assert np.ptp(image.astype(int), axis=2).max() < 10  # greys only: nothing of the orange cube


def _seen(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels of that hue."""
    pixels = image.astype(float) / np.linalg.norm(image.astype(float), axis=2, keepdims=True).clip(1e-9)
    return int(np.sum(pixels @ (np.array(colour) / np.linalg.norm(colour)) > 0.998))


def _fingers_seen(frames: list[PickFrame], world: ClutterWorld) -> int:
    """Pixels of the finger of which less is seen, in the least clear of all kinds of pictures."""
    pictures = [last_picture(frames, world, 120), film_strip(frames, world, count=1, size=120)]
    pictures += film(frames, world, size=240)
    return min(_seen(picture, colour) for picture in pictures for colour in FINGER_COLOURS)


def test_a_hands_fingers_are_seen_whatever_stands_on_one_side_of_it():
    frame, alone = _frame(0.03), _fingers_seen([_frame(0.03)], CUBE)
    board = solid_from_mesh(trimesh.creation.box([0.01, 0.3, 0.3]), "board")
    world = ClutterWorld((CUBE.solid, board), CUBE.gripper)
    for x in (-0.06, 0.06):
        poses = np.stack([frame.world_from_objects[0], rigid(np.eye(3), np.array([x, 0, 0.15]))])
        assert _fingers_seen([replace(frame, world_from_objects=poses)], world) > 0.8 * alone > 20


def test_walls_of_a_bin_that_stand_before_the_hand_do_not_hide_it():
    frame, alone = _frame(0.03), _fingers_seen([_frame(0.03)], CUBE)
    for box in (Bin(0.12, 0.3, 0.15), Bin(0.3, 0.12, 0.15)):
        world = ClutterWorld((CUBE.solid,), CUBE.gripper, bin_=box)
        assert _fingers_seen([frame], world) > 0.8 * alone
        assert _seen(last_picture([frame], world, 120), WALL_COLOUR) > 500  # those behind it are there
