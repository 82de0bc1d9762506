"""Whatever the image, the mask, the lens and the tilt: a plan or a clear refusal; never a grasp of what is not seen.

Images are random: flat tables, boxes, steps and noise, in which patches are missing, infinite, negative or far away.
"""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graspnet as gn
from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import something_between_jaws
from graspnet.policies.policy import Policy
from tests.box_scenes import looking_down, render

HEIGHT, WIDTH = 48, 64
HOLES = (np.nan, 0.0, np.inf, -np.inf, -1.0, 65.535, 1e-3, 1e38)
POLICIES = ("cross_entropy", "ranking", "antipodal", "central_antipodal", "principal_axis")


def by_place(observation: gn.Observation, grasps_in_camera: gn.Grasps) -> np.ndarray:
    """A quality that costs nothing."""
    return np.abs(np.sin(100.0 * grasps_in_camera.origin.sum(axis=1)))


PLANNERS: dict[str, Policy] = {
    name: gn.load_policy(
        name, model=by_place, overrides=("initial_samples=48", "samples=24") if name == "cross_entropy" else ()
    )
    for name in POLICIES
}


def usually(value: float, others: list[float]) -> st.SearchStrategy[float]:
    """One value three times of four: with several oddities at once hardly anything is planned."""
    return st.sampled_from([value] * 3 * len(others) + others)


@st.composite
def cameras(draw) -> Camera:
    focal = draw(usually(55.0, [1.0, 20.0, 400.0, 1e5]))
    square, shift = draw(usually(1.0, [0.5, 3.0])), draw(usually(0.0, [10.0, -200.0]))
    return Camera(focal, focal * square, WIDTH / 2 + shift, HEIGHT / 2, WIDTH, HEIGHT)


@st.composite
def images(draw, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Depth, and world_from_camera of the scene that it began with."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pose = looking_down(draw(usually(0.4, [0.05, 0.7, 3.0])), draw(usually(0.3, [0.0, 0.8, 1.2, 1.5])))
    boxes = [((0.06, 0.03, 0.04), (float(x), 0.0), 0.4) for x in rng.uniform(-0.1, 0.1, draw(st.integers(0, 4)))]
    depth, _ = render(boxes, camera, pose)
    noise = draw(usually(0.001, [0.0, 0.1]))
    depth = depth + (noise * rng.standard_normal(depth.shape)).astype(np.float32)
    for _ in range(draw(st.integers(0, 3))):
        value, share = draw(st.sampled_from(HOLES)), draw(usually(0.05, [0.3, 0.98]))
        if draw(st.booleans()):
            depth[rng.random(depth.shape) < share] = np.float32(value)
        else:
            row, column = rng.integers(HEIGHT), rng.integers(WIDTH)
            depth[row : row + int(share * HEIGHT) + 1, column : column + int(share * WIDTH) + 1] = np.float32(value)
    return depth.astype(np.float32), pose


@st.composite
def masks(draw) -> np.ndarray | None:
    kind = draw(st.sampled_from(["none", "all", "dot", "half", "dust"]))
    if kind == "none":
        return None
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "dot":
        mask[rng.integers(HEIGHT), rng.integers(WIDTH)] = True
    if kind == "half":
        mask[:, : WIDTH // 2] = True
    if kind == "dust":
        mask = rng.random(mask.shape) < 0.1
    return mask | (kind == "all")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.filterwarnings("error::RuntimeWarning")
@settings(max_examples=60)
@given(data=st.data())
def test_a_plan_or_a_clear_refusal(policy, data):
    camera = data.draw(cameras())
    depth, pose = data.draw(images(camera))
    world_from_camera = pose if data.draw(st.booleans()) else None
    mask = data.draw(masks())
    hand = gn.load_gripper(data.draw(st.sampled_from(["yumi", "wide"])))
    try:
        plan = gn.plan(
            depth,
            camera,
            hand,
            mask=mask,
            world_from_camera=world_from_camera,
            policy=PLANNERS[policy],
            min_quality=0.0,
        )
    except InputError as refusal:
        message = str(refusal)
        assert message
        assert "\n" not in message
        return
    text = json.dumps(plan.to_json(), allow_nan=False)
    assert "Infinity" not in text
    if not len(plan):
        assert plan.reason
        return
    assert np.isfinite(plan.grasps_in_camera.poses).all()
    assert ((plan.grasps_in_camera.width >= hand.min_width) & (plan.grasps_in_camera.width <= hand.max_width)).all()
    seen = Observation(depth, camera, hand, mask, world_from_camera)
    assert something_between_jaws(seen, plan.grasps_in_camera).all()
    for grasp in plan:
        assert -0.5 <= grasp.center[0] <= WIDTH
        assert -0.5 <= grasp.center[1] <= HEIGHT
