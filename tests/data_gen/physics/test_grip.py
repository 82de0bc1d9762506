"""Facts about grips: what holds in a hand is lifted, by the statics of a block between two pads."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.physics.grip import ContactRanges, GripConfig, GripWorld
from graspnet.data_gen.physics.pick import ClutterWorld, PickConfig, PickWorld
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import frame_from_axes, rigid

SIDES = np.array([0.04, 0.03, 0.02])
DOWN, ALONG_Y = np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0])
HAND: ParallelJaw = load_parallel_jaw("yumi")  # 20 N
MASS = 0.2


def block(sides: np.ndarray = SIDES) -> Solid:
    """A block with its centre of mass just beside its origin, so that it can be loaded anew."""
    return solid_from_mesh(trimesh.creation.box(sides).apply_translation([1e-5, 0, 0]), "block")


def on_table(x: float = 0.0) -> np.ndarray:
    return rigid(np.eye(3), np.array([x, 0.0, SIDES[2] / 2]))


def grasp(x: float = 0.0, y: float = 0.0, z: float = 0.012) -> np.ndarray:
    """From above, across the block's 30 mm, the pads' middle at x, y, z."""
    return rigid(frame_from_axes(DOWN, ALONG_Y), np.array([x, y, z]))


@pytest.fixture(scope="module")
def grips() -> GripWorld:
    config = GripConfig()
    contacts = config.contacts.draw(config.pick, np.random.default_rng(0))
    return GripWorld(PickWorld(block(), HAND, contacts), config)


def outcome(
    grips: GripWorld, pose: np.ndarray, *, mass: float = MASS, friction: float = 0.5, width: float = 0.05
) -> str:
    grips.load(0, mass, friction, np.zeros(3))
    return grips.grip(on_table()[None], 0, pose, width)


def test_a_centred_grip_holds(grips):
    assert outcome(grips, grasp()) == "success"


def test_pads_hold_what_their_friction_can_carry_and_lose_what_it_cannot(grips):
    """Friction 2 μ F carries m |g + a|; what is along the closing axis needs none. Far below m g, the block falls."""
    swing = GripConfig().shake_acceleration / np.sqrt(3)
    carried = MASS * np.hypot(9.81 + swing, swing) / (2 * HAND.force)
    assert outcome(grips, grasp(), friction=1.4 * float(carried)) == "success"
    assert outcome(grips, grasp(), friction=0.3 * MASS * 9.81 / (2 * HAND.force)) == "slipped_in_lift"


def test_a_hand_beside_the_block_misses_it_and_one_above_a_corner_hits_it(grips):
    assert outcome(grips, grasp(x=0.2)) == "missed"
    assert outcome(grips, grasp(y=0.024)) == "approach_collision"
    assert outcome(grips, grasp(z=-0.05)) == "below_table"


def test_a_grip_far_off_centre_pushes_the_block_too_far(grips):
    wide = 0.05 - SIDES[1]
    assert outcome(grips, grasp(y=wide / 2 - 0.001)) == "success"  # 9 mm: within the limit of 10
    few = replace(grips.world.config, push_limit=0.004)
    strict = GripWorld(PickWorld(block(), HAND, few), GripConfig())
    assert outcome(strict, grasp(y=wide / 2 - 0.001)) == "pushed"


def test_a_grip_does_not_depend_on_those_before_it(grips):
    """mj_setConst once took the table, which was away at the end of a grip, for something that never collides."""
    poses = [grasp(), grasp(x=0.2), grasp(y=0.009), grasp(y=0.024)]
    fresh = []
    for pose in poses:
        config = GripConfig()
        contacts = config.contacts.draw(config.pick, np.random.default_rng(0))
        world = GripWorld(PickWorld(block(), HAND, contacts), config)
        fresh.append((outcome(world, pose), world.data.qpos.copy()))
    for _ in range(2):
        for pose, (expected, where) in zip(poses, fresh, strict=True):
            assert outcome(grips, pose) == expected
            np.testing.assert_allclose(grips.data.qpos, where, atol=1e-9)


def test_among_others_a_grip_takes_the_block_that_it_is_meant_for_and_hits_its_neighbour():
    far, near = on_table(0.15), rigid(np.eye(3), np.array([0.0, 0.033, SIDES[2] / 2]))
    for other, expected in ((far, "success"), (near, "approach_collision")):
        world = GripWorld(ClutterWorld([block(), block()], HAND, PickConfig()), GripConfig())
        world.load(0, MASS, 0.5, np.zeros(3))
        assert world.grip(np.stack([on_table(), other]), 0, grasp(), 0.05) == expected


def test_contacts_are_drawn_from_their_ranges_and_the_judges_are_in_no_middle():
    ranges, judge = ContactRanges(), PickConfig()
    drawn = [ranges.draw(judge, np.random.default_rng(seed)) for seed in range(50)]
    for name in ("time_step", "impedance", "friction_to_normal_impedance"):
        values = np.array([getattr(one.solver, name) for one in drawn])
        low, high = getattr(ranges, name)
        assert low <= values.min() < values.max() <= high
        assert abs(getattr(judge.solver, name) - (low + high) / 2) > 0.05 * (high - low)
    assert len({one.hand.pad_radius for one in drawn}) == 50


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContactRanges(time_step=(0.005, 0.002)), "time_step is"),
        (lambda: ContactRanges(contact_time=(1.0, 3.0)), "contact_time is"),
        (lambda: GripConfig(hang_time=0.0), "hang_time is 0.0"),
        (lambda: GripConfig(shake_time=-1.0), "shake_time is -1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
