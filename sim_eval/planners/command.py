"""Outside programs as planners: they get an observation as files, and answer with a plan as JSON."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from graspnet.camera import save_camera
from graspnet.cli import NOTHING_FOUND
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grippers.gripper import gripper_fields
from graspnet.observation.observation import Observation
from graspnet.sim_eval.planners.planner import Planner, PlannerError, Situation

__all__ = ["CommandPlanner", "save_observation"]

PLACEHOLDERS = ("depth", "camera", "segmask", "gripper", "output", "seed")


class CommandPlanner(Planner):
    """An outside program, run once for each plan: `COMMAND {depth} {camera} {segmask} {gripper} {output}`.

    It gets depth.npy (float32, metres, NaN = missing), camera.json, segmask.png and gripper.json, and writes a plan as
    docs/formats.md has it to {output}; {seed} is there for who wants it. Exit status 3 means that there is no grasp.
    """

    def __init__(self, command: str, timeout: float = 60.0) -> None:
        """timeout: seconds after which the program and what it started are killed. InputError: no such program, a
        command that no shell would take, or a placeholder that we do not fill in."""
        if not 0 < timeout < float("inf"):
            raise InputError(f"planner {command!r}: timeout is {timeout}; it must be positive and finite (seconds)")
        try:
            self.tokens, self.timeout = shlex.split(command), timeout
        except ValueError as error:
            raise InputError(f"planner {command!r}: {error}; quote it as for a shell") from None
        try:
            filled = [token.format(**dict.fromkeys(PLACEHOLDERS, "x")) for token in self.tokens]
        except (KeyError, IndexError, ValueError):
            raise InputError(f"planner {command!r}: placeholders are {{{'}, {'.join(PLACEHOLDERS)}}}") from None
        if not filled or not any("{output}" in token for token in self.tokens):
            raise InputError(f"planner {command!r}: it must write its plan to {{output}}")
        if shutil.which(filled[0]) is None:
            raise InputError(f"planner {command!r}: there is no program {filled[0]!r} that could be run; give its path")

    def plan(self, situation: Situation) -> GraspPlan:
        """See Planner. The plan's seconds are those of the whole process."""
        start = perf_counter()
        with tempfile.TemporaryDirectory(prefix="graspnet_plan_", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            save_observation(situation.observation, folder)
            paths = {"depth": "depth.npy", "camera": "camera.json", "segmask": "segmask.png", "gripper": "gripper.json"}
            values = {key: str(folder / file) for key, file in (paths | {"output": "plan.json"}).items()}
            command = [token.format(**values, seed=situation.seed) for token in self.tokens]
            status = self._run(command, folder / "errors.txt")
            seconds = {"total": perf_counter() - start}
            if status == NOTHING_FOUND:
                return GraspPlan.nothing("command", situation.observation, seconds)
            return _read_plan(folder / "plan.json", situation.observation, seconds)

    def _run(self, arguments: list[str], errors: Path) -> int:
        """Run a program, and return its exit status, 0 or NOTHING_FOUND. A hanging one's children die with it.

        What it says on standard error goes to a file: a pipe would stay open as long as any of its children lives.
        """
        try:
            with errors.open("wb") as said:
                process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
                )
        except OSError as error:
            raise PlannerError(f"{arguments[0]}: {error.strerror}") from None
        try:
            status = process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            raise PlannerError(f"no answer within {self.timeout:g} s") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status not in (0, NOTHING_FOUND):
            raise PlannerError(f"exit status {status}: {_last_line(errors)}")
        return status


def save_observation(observation: Observation, folder: Path) -> None:
    """Write all that a policy sees as files for `graspnet plan`: depth.npy, camera.json, segmask.png, gripper.json.

    Without a segmask what rises above the table is marked: who gets the files need not know of two cases.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "depth.npy", observation.depth, allow_pickle=False)
    save_camera(observation.camera, folder / "camera.json")
    mask = observation.object_mask if observation.segmask is None else observation.segmask
    Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "segmask.png")
    (folder / "gripper.json").write_text(json.dumps(gripper_fields(observation.gripper), indent=1) + "\n")


def _last_line(path: Path) -> str:
    """Read what a program said last, however much it was."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "nothing on standard error"


def _read_plan(path: Path, observation: Observation, seconds: dict[str, float]) -> GraspPlan:
    if not path.is_file():
        raise PlannerError("exit status 0, but no plan was written")
    try:
        return GraspPlan.from_json(json.loads(path.read_text()), observation, seconds)
    except (OSError, ValueError) as error:  # InputError is one
        raise PlannerError(f"not a plan: {error}") from None
    except RecursionError:
        raise PlannerError("not a plan: its JSON is nested too deeply") from None
