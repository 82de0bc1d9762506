"""Outside programs: a command is asked with files, and whatever it does, the run goes on."""

import json
import sys
import time

import numpy as np
import pytest

from graspnet.camera import Camera
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.observation import Observation
from graspnet.sim_eval.planners.command import CommandPlanner
from graspnet.sim_eval.planners.planner import PlannerError, Situation
from graspnet.transforms import rigid

CAMERA = Camera(500.0, 500.0, 31.5, 23.5, 64, 48)
MILLIMETRES = [[1.0, 0.0, 0.0, 12.0], [0.0, 1.0, 0.0, -30.0], [0.0, 0.0, 1.0, 668.0], [0.0, 0.0, 0.0, 1.0]]
GRASP = {"camera_from_grasp": np.eye(4).tolist(), "width": 0.04, "quality": 0.5}


@pytest.fixture
def situation() -> Situation:
    depth = np.full((48, 64), 0.7, dtype=np.float32)
    depth[20:30, 20:40] = 0.66
    observation = Observation(depth, CAMERA, load_gripper("yumi"), depth < 0.69)
    pose = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 0.7]))
    return Situation(observation, Scene((), np.zeros((0, 4, 4))), pose, pose, 7)


def _python(code: str, *, timeout: float = 20.0) -> CommandPlanner:
    return CommandPlanner(f"{sys.executable} -c '{code}' {{output}} {{depth}} {{camera}} {{gripper}} {{seed}}", timeout)


@pytest.fixture
def answering(tmp_path):
    """A planner that writes this, whatever it is asked."""

    def make(plan: object) -> CommandPlanner:
        answer = tmp_path / "answer.json"
        answer.write_text(plan if isinstance(plan, str) else json.dumps(plan))
        return CommandPlanner(f"cp {answer} {{output}}")

    return make


def test_a_command_gets_the_files_and_its_plan_is_read_sorted(situation, tmp_path):
    script = tmp_path / "planner.py"
    script.write_text(
        "import json, sys\nimport numpy as np\n"
        "output, depth, camera, gripper, seed = sys.argv[1:]\n"
        "assert np.load(depth).shape == (48, 64) and json.load(open(camera))['fx'] == 500 and seed == '7'\n"
        "rows = [dict(camera_from_grasp=np.eye(4).tolist(), width=json.load(open(gripper))['max_width'], quality=q)"
        " for q in (0.2, 0.9)]\n"
        "json.dump({'version': 1, 'grasps': rows, 'policy': 'mine'}, open(output, 'w'))\n"
    )
    command = f"{sys.executable} {script} {{output}} {{depth}} {{camera}} {{gripper}} {{seed}}"
    plan = CommandPlanner(command).plan(situation)
    assert plan.policy == "mine"
    np.testing.assert_array_equal(plan.qualities, [0.9, 0.2])
    np.testing.assert_array_equal(plan.grasps_in_camera.width, 0.05)
    assert plan.seconds["total"] > 0


def test_a_planner_that_predicts_no_quality_says_null_and_its_order_is_kept(situation, answering):
    first, second = (GRASP | {"quality": None, "width": width} for width in (0.03, 0.05))
    plan = answering({"version": 1, "grasps": [first, second]}).plan(situation)
    assert np.isnan(plan.qualities).all()
    np.testing.assert_array_equal(plan.grasps_in_camera.width, [0.03, 0.05])


def test_nothing_found_is_an_answer(situation, answering):
    assert len(_python("raise SystemExit(3)").plan(situation)) == 0
    assert answering({"version": 1, "grasps": [], "reason": "too dark"}).plan(situation).reason == "too dark"


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"version": 1, "grasps": [GRASP | {"quality": float("nan")}]}, r"grasps\[0\].quality .* finite"),
        ({"version": 1, "grasps": [GRASP | {"camera_from_grasp": np.diag([1, 1, -1, 1]).tolist()}]}, "rigid"),
        ({"version": 1, "grasps": [GRASP | {"camera_from_grasp": MILLIMETRES}]}, r"lies 668 m .* Millimetres\?"),
        ({"version": 1, "grasps": [GRASP, GRASP | {"camera_from_grasp": [1, 2]}]}, r"grasps\[1\].camera_from_grasp"),
        ({"version": 1, "grasps": [GRASP | {"width": 0.2}]}, "opening"),
        ({"version": 1, "grasps": [GRASP, GRASP | {"quality": 5}]}, r"quality must lie in \[0, 1\]"),
        ({"version": 1, "grasps": [GRASP | {"quality": -0.1}]}, r"quality must lie in \[0, 1\]"),
        (
            {"version": 1, "grasps": [GRASP, GRASP | {"quality": None}]},
            r"grasps\[1\].quality is null.*all of them or none",
        ),
        ({"version": 1, "grasps": [GRASP | {"kind": "suction"}]}, r"grasps\[0\].kind is 'suction'.*parallel_jaw"),
        ({"version": 1, "grasps": [GRASP | {"width": 10**400}]}, r"grasps\[0\].width .* numbers"),
        pytest.param("[" * 100_000, "nested too deeply", id="nested"),
        pytest.param('{"version": 1, "grasps": ' + "9" * 5000 + "}", "not a plan", id="5000 digits"),
        ({"version": 1, "grasps": [{"quality": 1}]}, r"grasps\[0\].camera_from_grasp is missing"),
        ({"version": 2, "grasps": []}, "version 1"),
        ([1, 2], "version 1"),
    ],
)
def test_an_answer_that_is_no_plan_names_the_field(situation, answering, plan, says):
    with pytest.raises(PlannerError, match=says):
        answering(plan).plan(situation)


def test_a_crash_tells_the_last_line_that_the_planner_said(situation):
    with pytest.raises(PlannerError, match="exit status 1: ZeroDivisionError"):
        _python("1 / 0").plan(situation)
    with pytest.raises(PlannerError, match="no plan was written"):
        _python("pass").plan(situation)
    with pytest.raises(PlannerError, match="not a plan"):
        CommandPlanner("cp {camera} {output}").plan(situation)
    with pytest.raises(PlannerError, match="no plan was written"):
        CommandPlanner("mkfifo {output}").plan(situation)  # nobody would ever write into it


def test_a_planner_that_hangs_is_killed_with_its_children(situation, tmp_path):
    sign = tmp_path / "alive"
    code = f'import subprocess, time; subprocess.Popen(["sh", "-c", "sleep 2; touch {sign}"]); time.sleep(60)'
    with pytest.raises(PlannerError, match=r"within 0.5 s"):
        _python(code, timeout=0.5).plan(situation)
    time.sleep(2.2)
    assert not sign.exists()


HOLDS_ON = 'import subprocess, time; subprocess.Popen(["sleep", "20"], start_new_session=True); '


def test_a_planner_that_hangs_is_given_up_in_time_though_a_daemon_of_its_own_lives_on(situation):
    start = time.monotonic()
    with pytest.raises(PlannerError, match=r"within 0.5 s"):
        _python(HOLDS_ON + "time.sleep(20)", timeout=0.5).plan(situation)
    assert time.monotonic() - start < 10


def test_an_answer_counts_though_the_planner_leaves_a_helper_behind(situation):
    start = time.monotonic()
    assert len(_python(HOLDS_ON + "raise SystemExit(3)").plan(situation)) == 0
    with pytest.raises(PlannerError, match="exit status 1: ZeroDivisionError"):
        _python(HOLDS_ON + "1 / 0").plan(situation)
    assert time.monotonic() - start < 10


def test_a_command_that_cannot_answer_is_refused_before_any_trial():
    with pytest.raises(InputError, match="output"):
        CommandPlanner("planner {depth}")
    with pytest.raises(InputError, match="placeholders"):
        CommandPlanner("planner {deep} {output}")
    with pytest.raises(InputError, match="No closing quotation"):
        CommandPlanner("x 'y {output}")
    with pytest.raises(InputError, match=r"no program '\./no_such_program'"):
        CommandPlanner("./no_such_program {output}")
    for timeout in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="timeout is"):
            CommandPlanner("cp {camera} {output}", timeout)
