"""Planners: who is asked for a grasp in a trial. A policy sees what its camera saw; an outside command gets the same as
files; a ceiling (ceilings.py) sees the truth as well.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Float64
from PIL import Image

from data_gen.scenes.scenes import Scene
from graspnet.camera import save_camera
from graspnet.cli import NOTHING_FOUND
from graspnet.errors import InputError, unknown_name
from graspnet.observation import Observation
from graspnet.plan import GraspPlan
from graspnet.quality import NetworkQuality
from policies.policy import Policy
from policies.registry import make_policy, policy_class, policy_names

__all__ = [
    "CEILINGS",
    "CommandPlanner",
    "Planner",
    "PlannerChoice",
    "PlannerError",
    "PolicyPlanner",
    "Situation",
    "make_planner",
    "planning_policy",
    "save_observation",
]

PLACEHOLDERS = ("depth", "camera", "segmask", "gripper", "output", "seed")
# planners that see the truth; each is a Planner, made without arguments
CEILINGS: dict[str, str] = {
    "oracle": "sim_eval.planners.ceilings:Oracle",
    "oracle_calibrated": "sim_eval.planners.ceilings:CalibratedOracle",
    "oracle_on_image": "sim_eval.planners.ceilings:OracleOnImage",
}


class PlannerError(Exception):
    """A planner crashed, hung, or answered with something that is no plan. Says how; never ends a run."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What a planner is asked about. A policy may look at `observation` alone; the rest is the truth, for ceilings."""

    observation: Observation
    scene: Scene
    world_from_camera: Float64[np.ndarray, "4 4"]
    world_from_believed_camera: Float64[np.ndarray, "4 4"]  # where the arm takes the camera to be: grasps go there
    seed: int  # of the planner's randomness


class Planner(ABC):
    """From a situation to ranked grasps in the camera's frame."""

    @abstractmethod
    def plan(self, situation: Situation) -> GraspPlan:
        """The plan; the same situation gives the same one. PlannerError: it cannot answer."""


class PolicyPlanner(Planner):
    """A policy, which sees the observation and nothing else."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def plan(self, situation: Situation) -> GraspPlan:
        """See Planner."""
        return self.policy.plan(situation.observation, np.random.default_rng(situation.seed))


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
        """The exit status, 0 or NOTHING_FOUND. A group of its own, so that a hanging planner's children die too.

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


@dataclass(frozen=True)
class PlannerChoice:
    """Who plans: a policy by name with the preset or file of its settings and the model that it ranks by, a ceiling by
    name, or an outside command."""

    name: str
    config: str | None = None
    model: str | None = None
    command: str | None = None
    timeout: float = 60.0  # seconds that an outside command may take
    weights: str | None = None  # SHA-256 of those that `model` must hold (identity.py); None: whichever it holds

    @property
    def label(self) -> str:
        """How results name it."""
        return self.name if self.config is None else f"{self.name} ({self.config})"

    @property
    def ranks(self) -> bool:
        """Whether it is a policy that ranks grasps by a model. InputError: no such policy."""
        return self.command is None and self.name not in CEILINGS and planning_policy(self.name).needs_quality


def make_planner(choice: PlannerChoice, quality: Callable[[str], NetworkQuality]) -> Planner:
    """The planner of a choice; `quality` loads a model by name. InputError: an unknown name, setting or model."""
    if choice.command is not None:
        return CommandPlanner(choice.command, choice.timeout)
    if choice.name in CEILINGS:
        module, _, kind = CEILINGS[choice.name].partition(":")
        planner: Planner = getattr(import_module(module), kind)()
        return planner
    if not choice.ranks:
        return PolicyPlanner(make_policy(choice.name, choice.config))
    if choice.model is None:
        raise InputError(f"policy {choice.name!r} ranks grasps by a quality and got none: give it a model (--model)")
    return PolicyPlanner(make_policy(choice.name, choice.config, quality=quality(choice.model)))


def planning_policy(name: str) -> type[Policy]:
    """The Policy class of that name. InputError: there is none; names the ceilings, which are no policies, too."""
    if name not in policy_names():
        raise unknown_name("policy", name, [*policy_names(), *CEILINGS])
    return policy_class(name)


def save_observation(observation: Observation, folder: Path) -> None:
    """All that a policy sees, as files for `graspnet plan`: depth.npy, camera.json, segmask.png, gripper.json.

    Without a segmask what rises above the table is marked: who gets the files need not know of two cases.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "depth.npy", observation.depth, allow_pickle=False)
    save_camera(observation.camera, folder / "camera.json")
    mask = observation.object_mask if observation.segmask is None else observation.segmask
    Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "segmask.png")
    fields = {"kind": "parallel_jaw"} | asdict(observation.gripper)
    (folder / "gripper.json").write_text(json.dumps(fields, indent=1) + "\n")


def _last_line(path: Path) -> str:
    """What a program said last, however much it was."""
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
