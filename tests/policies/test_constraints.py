"""Facts about what a depth image forbids, on boxes of known pose; the oracle counts points in the hand's boxes."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.policies.constraints import (
    REASONS,
    ConstraintConfig,
    Constraints,
    FeasibleSampler,
    fingers_in_view,
    hand_above_table,
)
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal
from graspnet.transforms import frame_from_axes, invert, rigid, transform_points
from tests import jaws
from tests.box_scenes import looking_down
from tests.feasibility import feasible

BLOCK = ((0.12, 0.03, 0.04), (0.0, 0.0), 0.0)
HEIGHT = 0.7  # of the camera


def from_above(x, y, z, angle=0.0, width=0.05):
    """Grasps in the camera frame at points of the world, straight down; angle 0 closes along the world's y."""
    x, y, z, angle = np.broadcast_arrays(np.asarray(x, float), y, z, angle)
    x, y, z, angle = (np.atleast_1d(values).astype(float) for values in (x, y, z, angle))
    # the camera looks down with its u along the world's x and its v along the world's -y
    origin = np.stack([x, -y, HEIGHT - z], axis=1)
    closing = np.stack([np.sin(angle), np.cos(angle), np.zeros_like(angle)], axis=1)
    rotation = frame_from_axes(np.broadcast_to([0.0, 0.0, 1.0], closing.shape), closing)
    return Grasps.of_jaws(rigid(rotation, origin), np.full(len(x), width))


def test_a_hand_around_a_block_is_feasible(box_scene):
    assert feasible(box_scene(BLOCK), from_above(0.0, 0.0, 0.02)).all()


def test_a_finger_that_would_land_on_the_block_is_refused(box_scene):
    offsets = np.linspace(0.0, 0.025, 26)
    allowed = feasible(box_scene(BLOCK), from_above(0.0, offsets, 0.02))
    # half opening 25 mm, half block 15 mm: up to 10 mm of offset are free; a cell is 1.2 mm
    assert allowed[offsets < 0.007].all()
    assert not allowed[offsets > 0.013].any()


def test_a_tip_below_the_table_is_refused_and_one_just_above_is_not(box_scene):
    pad_to_tip = 0.010
    heights = pad_to_tip + np.array([-0.004, -0.001, 0.0, 0.0015, 0.003])
    allowed = feasible(box_scene(BLOCK), from_above(0.0, 0.0, heights))
    np.testing.assert_array_equal(allowed, [False, False, False, True, True])


def test_a_grasp_of_nothing_is_refused(box_scene):
    beside, above = from_above(0.0, 0.08, 0.02), from_above(0.0, 0.0, 0.06)
    assert not feasible(box_scene(BLOCK), beside).any()
    assert not feasible(box_scene(BLOCK), above).any()


def test_a_palm_that_would_sit_on_the_block_is_refused(box_scene):
    tall = ((0.12, 0.03, 0.09), (0.0, 0.0), 0.0)
    # the palm's face is 35 mm above the pads' centre
    allowed = feasible(box_scene(tall), from_above(0.0, 0.0, np.array([0.050, 0.058, 0.070])))
    np.testing.assert_array_equal(allowed, [False, True, True])


def test_a_neighbour_in_a_fingers_way_is_refused_though_it_may_not_be_grasped(box_scene):
    observation = box_scene(BLOCK, ((0.12, 0.03, 0.04), (0.0, 0.045), 0.0))  # a gap of 15 mm between the two
    mask = observation.segmask & (observation.camera.pixel_grid()[..., 1] > 222)  # the first block alone
    allowed = feasible(replace(observation, segmask=mask), from_above(0.0, np.array([0.0, -0.008, 0.045]), 0.02))
    # a finger of 10 mm fits into the gap only where it stays close to the block; the neighbour is not to be grasped
    np.testing.assert_array_equal(allowed, [False, True, False])


def test_a_narrower_opening_fits_where_the_full_one_does_not(box_scene):
    observation = box_scene(BLOCK, ((0.12, 0.03, 0.04), (0.0, 0.045), 0.0))
    assert not feasible(observation, from_above(0.0, 0.0, 0.02, width=0.05)).any()
    assert feasible(observation, from_above(0.0, 0.0, 0.02, width=0.036)).all()


def test_swapping_the_jaws_changes_nothing(box_scene):
    observation = box_scene(BLOCK, ((0.03, 0.03, 0.06), (0.05, 0.04), 0.4))
    grasps = sample_antipodal(observation, 300, AntipodalSamplerConfig(), np.random.default_rng(0))
    one, two = feasible(observation, grasps), feasible(observation, jaws.swapped(grasps))
    assert np.mean(one == two) > 0.98  # cells are rounded half to even: a border may fall either way


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_feasible_grasps_have_no_measured_points_inside_the_hand(box_scene, tilt):
    """The oracle transforms every measured point into every grasp's frame and counts those inside its boxes."""
    boxes = [BLOCK, ((0.05, 0.03, 0.07), (0.03, 0.06), 0.6), ((0.04, 0.04, 0.02), (-0.05, 0.05), 0.2)]
    observation = box_scene(*boxes, tilt=tilt)
    grasps = sample_antipodal(observation, 120, AntipodalSamplerConfig(), np.random.default_rng(0))
    allowed = feasible(observation, grasps)
    points = observation.points[observation.segmask]  # the table is judged by its fitted plane
    inside, near = np.zeros(len(grasps), dtype=int), np.zeros(len(grasps), dtype=int)
    for n, (lows, highs) in enumerate(zip(*observation.gripper.boxes(grasps.width), strict=True)):
        local = transform_points(invert(grasps.poses[n]), points)
        for low, high in zip(lows, highs, strict=True):
            # the margin is 2 mm, a cell 1.2 mm
            deep = local[np.all((local > low + 0.001) & (local < high - [0.001, 0.001, 0.003]), axis=1)]
            inside[n] += len(np.unique(np.rint(deep[:, :2] / 0.0012), axis=0))  # a wall's pixels share their cells
            near[n] += np.all((local > low - 0.002) & (local < high + 0.002), axis=1).sum()
    assert 0.1 < allowed.mean() < 0.9
    assert inside[allowed].max() <= 4  # less than three cells of the map, whose borders lie elsewhere
    assert np.all(near[~allowed] > 0)  # what is refused touches, but for a cell of the curtain beside an edge


def test_a_single_stray_pixel_forbids_nothing(box_scene):
    observation = box_scene(BLOCK)
    depth = observation.depth.copy()
    depth[240 + 22, 320] = HEIGHT - 0.06  # in the finger's way, 29 mm beside the block's middle
    assert feasible(replace(observation, depth=depth), from_above(0.0, 0.0, 0.02)).all()


def test_grasps_of_different_approaches_are_each_checked_along_their_own(box_scene):
    observation = box_scene(BLOCK)
    down = from_above(0.0, 0.0, 0.02)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(0.35), -np.sin(0.35)], [0.0, np.sin(0.35), np.cos(0.35)]])
    tilted = Grasps(rigid(turn @ down.poses[:, :3, :3], down.origin), down.columns)  # 20 degrees towards one finger
    both = feasible(observation, Grasps.concatenate([down, tilted]))
    assert both[0]
    assert not both[1]  # the finger that tilts outwards and down reaches the table


@pytest.mark.parametrize(("middle", "seen"), [(0.270, True), (0.285, False)])
def test_a_finger_outside_of_the_image_is_refused(box_scene, middle, seen):
    # 0.68 m away the image ends 0.311 m above its middle; the fingers' outer sides are 35 mm beside the pads' centre
    observation = box_scene(((0.12, 0.02, 0.04), (0.0, middle), 0.0))
    assert feasible(observation, from_above(0.0, middle, 0.02)).all() == seen


def pulled_back(observation, grasps):
    return Constraints(GraspSpace.of(observation), ConstraintConfig()).pulled_back(grasps)


def test_a_finger_that_would_land_on_a_low_neighbour_stops_above_it(box_scene):
    observation = box_scene(BLOCK, ((0.12, 0.03, 0.02), (0.0, 0.04), 0.0))  # 20 mm high, where one finger goes
    assert not feasible(observation, from_above(0.0, 0.0, 0.015)).any()
    pulled = pulled_back(observation, from_above(0.0, 0.0, 0.015))
    assert len(pulled) == 1
    assert feasible(observation, pulled).all()
    # the tip, 10 mm below the pads' centre, on the neighbour's top, and moved along the approach alone
    np.testing.assert_allclose(pulled.origin[0], [0.0, 0.0, HEIGHT - 0.03], atol=1e-3)


def test_a_grasp_whose_finger_lands_on_its_own_object_is_given_up(box_scene):
    assert len(pulled_back(box_scene(BLOCK), from_above(0.0, 0.018, 0.015))) == 0


def test_pulling_back_leaves_free_grasps_as_they_are(box_scene):
    grasps = from_above(0.0, np.array([-0.005, 0.0, 0.005]), 0.02)
    np.testing.assert_array_equal(pulled_back(box_scene(BLOCK), grasps).poses, grasps.poses)


def test_the_feasible_sampler_gives_what_was_asked_for_and_only_that(box_scene):
    observation = box_scene(BLOCK)
    sampler = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig())
    grasps = sampler.sample(100, np.random.default_rng(0))
    assert len(grasps) == 100
    assert feasible(observation, grasps).all()


def test_where_every_surface_is_wider_than_the_hand_nothing_is_found(box_scene):
    observation = box_scene(((2.0, 2.0, 0.04), (0.0, 0.0), 0.0))
    sampler = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig())
    assert len(sampler.sample(50, np.random.default_rng(0))) == 0


def test_a_finger_behind_a_wall_costs_what_hidden_share_says_and_the_reason_is_counted(box_scene, in_world):
    """From 45° to the side a block 4 cm high hides 4 cm of the table behind it: one finger's place."""
    observation = box_scene(BLOCK, tilt=np.pi / 4, known_pose=True)
    space = GraspSpace.of(observation)
    top = space.height_map.coordinates(space.height_map.points(np.zeros(3)))  # the frame's own origin
    assert np.allclose(top, 0.0)
    middle = invert(looking_down(HEIGHT, np.pi / 4))[:3, 3]  # the world's origin, in the camera's frame
    x, y, height = space.height_map.coordinates(middle)
    grasps = space.grasps(np.array([[x, y, height + 0.02]]), np.array([np.pi / 2]), np.array([0.05]))
    _, closing = in_world(grasps, tilt=np.pi / 4)
    assert abs(closing[0] @ [0.0, 1.0, 0.0]) > 0.99  # one finger before the block, one behind it
    for share, allowed in ((1.0, True), (0.5, False), (0.0, False)):
        constraints = Constraints(space, ConstraintConfig(hidden_share=share))
        assert constraints.feasible(grasps).all() == allowed
        assert constraints.refusals.counts[REASONS[3]] == (not allowed)
        assert len(constraints.pulled_back(grasps)) == allowed
    from_above = box_scene(BLOCK, known_pose=True)
    space = GraspSpace.of(from_above)
    grasps = space.grasps(np.array([[0.0, 0.0, 0.02 - HEIGHT]]), np.array([np.pi / 2]), np.array([0.05]))
    assert Constraints(space, ConstraintConfig(hidden_share=0.1)).feasible(grasps).all()


@pytest.mark.parametrize("tilt", [0.4, 0.8, 1.05])
def test_grasps_from_the_side_are_planned_along_the_tables_normal(box_scene, in_world, tilt):
    observation = box_scene(BLOCK, tilt=tilt)
    sampler = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig())
    grasps = sampler.sample(100, np.random.default_rng(0))
    origin, closing = in_world(grasps, tilt=tilt)
    assert len(grasps) == 100
    np.testing.assert_allclose(grasps.transformed(looking_down(HEIGHT, tilt)).approach[:, 2], -1.0, atol=1e-3)
    assert np.mean(np.abs(closing[:, 1]) > 0.75) > 0.9  # across the bar
    assert np.median(np.abs(origin[:, 1])) < 0.006


def test_a_plan_without_a_grasp_says_what_was_wrong_with_the_candidates(box_scene):
    observation = box_scene(((2.0, 2.0, 0.04), (0.0, 0.0), 0.0))
    sampler = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig())
    sampler.sample(50, np.random.default_rng(0))
    assert sampler.constraints.refusals.counts[REASONS[2]] > 100  # both fingers would land on the slab
    reason = GraspPlan.nothing("antipodal", observation, {}, sampler.constraints.refusals).reason
    assert "a finger or the palm in what was measured (" in reason


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="depth_margin is -1"):
        ConstraintConfig(depth_margin=-1.0)
    with pytest.raises(InputError, match="hidden_share is 2"):
        ConstraintConfig(hidden_share=2.0)


# How far the hand is opened


def opened(observation, grasps, opening_margin=0.006):
    """A smaller margin than by default, so that the block's 30 mm do not take the whole opening of the hand."""
    return Constraints(GraspSpace.of(observation), ConstraintConfig(opening_margin=opening_margin)).opened(grasps)


@pytest.mark.parametrize("offset", [0.0, 0.004, -0.006])
def test_the_hand_opens_over_the_farther_side_of_the_block_and_the_margin(box_scene, offset):
    grasps = opened(box_scene(BLOCK), from_above(0.0, offset, 0.02))
    # half of the block and the offset, on either side; cells are 1.2 mm, and one more on each side counts as the block
    assert grasps.width[0] == pytest.approx(min(2 * (0.015 + abs(offset) + 0.006), 0.05), abs=0.003)
    assert grasps.width[0] >= min(2 * (0.015 + abs(offset) + 0.006), 0.05) - 1e-9


def test_across_a_turned_block_it_opens_wider(box_scene):
    straight, turned = opened(box_scene(BLOCK), from_above(0.0, 0.0, 0.02, np.array([0.0, 0.2]))).width
    # the fingers are 20 mm broad: half of that times the sine, on either side, and the block's width over the cosine
    assert turned - straight == pytest.approx(0.03 * (1 / np.cos(0.2) - 1) + 0.02 * np.tan(0.2), abs=0.0025)


def test_a_hand_that_is_too_narrow_for_the_margin_opens_further_where_there_is_room(box_scene):
    bar, wall = ((0.12, 0.006, 0.04), (0.0, 0.0), 0.0), ((0.12, 0.02, 0.06), (0.0, 0.0275), 0.0)  # from 17.5 mm on
    narrow = from_above(0.0, 0.0, 0.02, width=0.012)
    assert opened(box_scene(bar), narrow).width[0] == pytest.approx(0.018, abs=0.002)  # 6 mm on either side
    seen = box_scene(bar, wall)
    assert opened(seen, narrow).width[0] == 0.012


def test_it_opens_no_less_and_no_further_than_the_hand_can(box_scene):
    observation = box_scene(((0.12, 0.006, 0.04), (0.0, 0.0), 0.0))
    stiff = replace(observation, gripper=replace(observation.gripper, min_width=0.03))
    assert opened(stiff, from_above(0.0, 0.0, 0.02)).width[0] == 0.03
    assert opened(observation, from_above(0.0, 0.0, 0.02), opening_margin=1.0).width[0] == 0.05


def test_only_what_is_as_high_as_the_tips_needs_room(box_scene):
    step = box_scene(BLOCK, ((0.12, 0.046, 0.01), (0.0, 0.0), 0.0))  # the block on a low plate that is wider
    above, beside = opened(step, from_above(0.0, 0.0, np.array([0.025, 0.012]))).width
    assert above == pytest.approx(0.042, abs=0.003)
    assert beside == 0.05  # tips at 2 mm: they go down beside the plate


def test_what_the_camera_does_not_see_behind_a_block_needs_room(box_scene):
    seen = box_scene(BLOCK, tilt=np.pi / 4)
    across = from_above(0.0, 0.0, 0.02).transformed(invert(looking_down(HEIGHT, np.pi / 4)) @ looking_down(HEIGHT))
    assert opened(seen, across).width[0] > 0.047  # the shadow of 40 mm at 45° is longer than the hand opens


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_what_touched_nothing_touches_nothing_when_the_hand_opens_less(box_scene, tilt):
    observation = box_scene(BLOCK, ((0.05, 0.03, 0.07), (0.03, 0.06), 0.6), tilt=tilt)
    grasps = sample_antipodal(observation, 600, AntipodalSamplerConfig(), np.random.default_rng(0))  # fully open
    free = grasps[feasible(observation, grasps)]
    space = GraspSpace.of(observation)
    narrower = Constraints(space, ConstraintConfig(opening_margin=0.006)).opened(free)
    assert (narrower.width < free.width).mean() > 0.02
    assert feasible(observation, narrower).all()


def test_the_sampler_opens_only_as_far_as_its_pair_of_edges_needs_where_neighbours_leave_no_room_for_more(box_scene):
    bar = ((0.10, 0.02, 0.04), (0.0, 0.0), 0.0)
    walls = [((0.30, 0.05, 0.06), (0.0, side * 0.057), 0.0) for side in (-1, 1)]  # 22 mm beside the bar, and higher
    alone, between = box_scene(bar), box_scene(bar, *walls)
    between = replace(between, segmask=alone.segmask)
    sampler = FeasibleSampler.of(between, AntipodalSamplerConfig(), ConstraintConfig())
    grasps = sampler.sample(100, np.random.default_rng(0))
    deep = grasps[GraspSpace.of(between).coordinates(grasps)[:, 2] < -(HEIGHT - 0.03)]
    assert len(deep) > 30
    assert deep.width == pytest.approx(0.04, abs=0.006)
    assert feasible(between, deep).all()
    assert not feasible(between, Grasps.of_jaws(deep.poses, np.full(len(deep), 0.05))).any()


# The image and the table


@pytest.mark.parametrize(("height", "clearance"), [(0.04, 0.005), (0.015, 0.003), (0.006, 0.0015)])
def test_tips_stay_further_off_the_table_where_what_they_grasp_is_high_enough(box_scene, height, clearance):
    observation = box_scene(((0.12, 0.03, height), (0.0, 0.0), 0.0))
    low = from_above(0.0, 0.0, 0.0115)  # tips 1.5 mm above the table
    (kept,) = Constraints(GraspSpace.of(observation), ConstraintConfig()).pulled_back(low).origin
    assert HEIGHT - kept[2] - 0.010 == pytest.approx(clearance, abs=2e-4)


def test_a_noisy_table_is_no_obstacle(box_scene):
    """From 0.7 m a structured-light camera's table stays below 6 mm; one that is noisier, or further away, does not."""
    observation = box_scene(((0.12, 0.03, 0.015), (0.0, 0.0), 0.0), noise=0.0035)
    constraints = Constraints(GraspSpace.of(observation), ConstraintConfig())
    grasps = from_above(np.linspace(-0.03, 0.03, 20), 0.0, 0.013)
    assert constraints.feasible(grasps).all()
    assert not constraints.feasible(from_above(np.linspace(-0.03, 0.03, 20), 0.02, 0.013)).any()  # on the block


def test_a_finger_whose_corner_leaves_the_image_is_refused(box_scene):
    observation = box_scene(BLOCK)
    u_edge, v_edge = np.array([320, 240]) / 525 * 0.68  # from the middle to the border, at the pads' depth
    outer = 0.025 + 0.010  # half of the opening and a finger
    along_v = from_above(0.0, v_edge - outer + np.array([-0.002, 0.002]), 0.02)
    np.testing.assert_array_equal(fingers_in_view(observation, along_v), [True, False])
    along_u = from_above(-u_edge + np.array([0.012, 0.008]), 0.0, 0.02)  # half of a finger's breadth is 10 mm
    np.testing.assert_array_equal(fingers_in_view(observation, along_u), [True, False])


def test_tips_stay_above_a_fitted_table_by_its_doubt_and_above_a_known_one_exactly(box_scene):
    heights = 0.010 + np.array([-0.0005, 0.0005])
    known = box_scene(BLOCK, known_pose=True, noise=0.003)
    np.testing.assert_array_equal(hand_above_table(known, from_above(0.0, 0.0, heights)), [False, True])
    fitted = box_scene(BLOCK, noise=0.001)
    doubt = float(fitted.table.doubt(np.array([0.0, 0.0, HEIGHT])))
    assert doubt == pytest.approx(2 * 0.001 / np.sqrt(50), rel=0.1)  # of 50 patches, two deviations
    table = -float(fitted.table.height(np.array([0.0, 0.0, HEIGHT])))  # the fitted one over the true one
    grasps = from_above(0.0, 0.0, 0.010 + table + doubt * np.array([0.5, 1.5]))
    np.testing.assert_array_equal(hand_above_table(fitted, grasps), [False, True])
