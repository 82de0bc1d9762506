"""A motion between two pictures of heights is found where they tell it, and held where they do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graspnet.policies.servo.registration import CELLS, PlanarMotion, Relief, motion_between, visible_share

SIDE = 0.2


def block(motion: PlanarMotion, seed: int = 0) -> np.ndarray:
    """Points of a flat L, 30 mm high and 60 mm long, moved: dense enough for every cell of a relief."""
    rng = np.random.default_rng(seed)
    long = rng.uniform([-0.03, -0.012], [0.03, 0.012], size=(20_000, 2))
    short = rng.uniform([0.01, 0.012], [0.03, 0.035], size=(8_000, 2))
    flat = np.concatenate([long, short])
    points = np.column_stack([flat, np.full(len(flat), 0.03), np.ones(len(flat))])
    return (points @ motion.matrix.T)[:, :3]


def relief(points: np.ndarray, center: tuple[float, float] = (0.0, 0.0)) -> Relief:
    return Relief.of(points, np.array(center), SIDE)


@given(
    st.floats(-0.008, 0.008), st.floats(-0.008, 0.008), st.floats(-0.2, 0.2),
    st.floats(-0.004, 0.004), st.floats(-0.004, 0.004),
)  # fmt: skip
def test_a_shift_and_a_turn_are_found_wherever_the_second_picture_is_centred(x, y, yaw, center_x, center_y):
    """To a tenth of a cell (3.6 mm) and a degree: points fall into cells by chance."""
    moved = PlanarMotion(x, y, yaw)
    model, seen = relief(block(PlanarMotion())), relief(block(moved, 1), (x + center_x, y + center_y))
    found, alike = motion_between(model, seen, PlanarMotion())
    assert abs(found.x - x) < 4e-4
    assert abs(found.y - y) < 4e-4
    assert abs(found.yaw - yaw) < 0.02
    assert alike > 0.98


def test_the_turn_of_a_disc_stays_what_was_expected():
    rng = np.random.default_rng(0)
    radius, angle = 0.03 * np.sqrt(rng.uniform(size=20_000)), rng.uniform(0, 2 * np.pi, 20_000)
    disc = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(20_000, 0.02)])
    found, _ = motion_between(relief(disc), relief(disc + np.array([0.004, 0.0, 0.0])), PlanarMotion(yaw=0.3))
    assert found.x == pytest.approx(0.004, abs=4e-4)
    assert found.yaw == pytest.approx(0.3, abs=0.05)


def test_nothing_is_like_nothing():
    nothing = relief(np.zeros((0, 3)))
    expected = PlanarMotion(0.01, 0.02, 0.1)
    assert motion_between(nothing, relief(block(PlanarMotion())), expected) == (expected, 0.0)
    _, alike = motion_between(relief(block(PlanarMotion())), nothing, PlanarMotion())
    assert alike == 0.0


def test_a_motion_is_its_matrix_and_back():
    motion = PlanarMotion(0.1, -0.2, 2.5)
    np.testing.assert_allclose(np.array(list(vars(PlanarMotion.of(motion.matrix)).values())), [0.1, -0.2, 2.5])


def test_what_an_arm_hides_is_not_known_and_does_not_move_the_thing():
    """Half of the L is gone and a hand stands there instead: taken as seen, it draws the L towards itself."""
    moved = PlanarMotion(0.005, -0.003, 0.1)
    points = block(moved, 1)
    beyond = points[:, 0] > 0.012
    hand = np.random.default_rng(2).uniform([0.012, -0.03, 0.03], [0.06, 0.05, 0.05], size=(30_000, 3))
    model, seen = relief(block(PlanarMotion())), relief(np.concatenate([points[~beyond], hand]))
    taken_as_seen, unlike = motion_between(model, seen, PlanarMotion())
    masked = seen.unknown_where(seen.places[..., 0] > 0.010)
    found, alike = motion_between(model, masked, PlanarMotion())
    error = np.hypot(found.x - moved.x, found.y - moved.y)
    assert error < 0.002
    assert error < 0.3 * np.hypot(taken_as_seen.x - moved.x, taken_as_seen.y - moved.y)
    assert alike > 0.97 > unlike


def test_the_visible_share_is_that_of_what_rises():
    model = relief(block(PlanarMotion()))
    places, nowhere = model.places, np.zeros((CELLS, CELLS), dtype=bool)
    assert visible_share(model, model, PlanarMotion()) == 1.0
    assert visible_share(model, model.unknown_where(nowhere), PlanarMotion()) == 1.0
    assert visible_share(model, model.unknown_where(~nowhere), PlanarMotion()) == 0.0
    right, left = (model.unknown_where(side) for side in (places[..., 0] > 0.0, places[..., 0] < 0.0))
    assert visible_share(model, right, PlanarMotion()) < visible_share(model, left, PlanarMotion()) < 0.7
    assert visible_share(model, right, PlanarMotion(x=-0.1)) == pytest.approx(1.0)  # it has moved out from behind it
    assert visible_share(relief(np.zeros((0, 3))), right, PlanarMotion()) == 1.0


def test_the_places_of_cells_are_where_points_fall():
    at = relief(np.zeros((0, 3)), (0.01, -0.02)).places
    for row, column in ((0, 0), (10, 40), (40, 3)):
        point = np.array([[*at[row, column], 0.03]])
        assert np.unravel_index(relief(point, (0.01, -0.02)).heights.argmax(), (CELLS, CELLS)) == (row, column)
