"""Whether an arm gets there: a user's own function, asked for each grasp and for the pose from which it is approached.

An image says nothing about the arm. So a plan takes a function of poses, such as an inverse kinematics that answers
whether it has a solution (`examples/09_reach_with_an_arm.py`), and keeps the grasps that it allows.
"""

import sys
from importlib import import_module
from importlib.metadata import entry_points

import numpy as np
from jaxtyping import Bool

from graspnet.errors import InputError, unknown_name
from graspnet.grasp_plan import PREGRASP_DISTANCE, backed_off
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Feasible, Observation

__all__ = ["load_feasible", "within_reach"]

SWAPPED = np.diag([-1.0, -1.0, 1.0, 1.0])  # half a turn about the approach: the same grasp of a parallel jaw
GROUP = "graspnet.reach"
EXPECTED = "expected MODULE:FUNCTION, such as my_arm:reaches of my_arm.py in this folder"


def within_reach(observation: Observation, grasps_in_camera: Grasps) -> tuple[Grasps, Bool[np.ndarray, "N"]]:
    """The grasps, turned as the arm holds them, and which of them it reaches; all of them if there is no function.

    Each is asked for at the grasp, and 0.1 m back along its approach, where the hand comes from and goes to. A parallel
    jaw may also take it with its jaws swapped: where only that is reached, the grasp is turned so.
    InputError: the function's answer is no mask of as many poses.
    """
    if observation.feasible is None or not len(grasps_in_camera):
        return grasps_in_camera, np.ones(len(grasps_in_camera), dtype=bool)
    poses, count = grasps_in_camera.poses, len(grasps_in_camera)
    either = np.concatenate([poses, poses @ SWAPPED])
    asked = np.concatenate([either, backed_off(either, PREGRASP_DISTANCE)])
    if observation.world_from_camera is not None:
        asked = observation.world_from_camera @ asked
    answer = np.asarray(observation.feasible(asked))
    if answer.shape != (4 * count,) or answer.dtype != bool:
        raise InputError(
            f"feasible answered with {answer.dtype} of shape {answer.shape}; expected a bool for each of the "
            f"{4 * count} poses, shape ({4 * count},)"
        )
    as_it_is, swapped = (answer[: 2 * count] & answer[2 * count :]).reshape(2, count)
    turned = np.where((as_it_is | ~swapped)[:, None, None], poses, poses @ SWAPPED)
    return Grasps(turned, grasps_in_camera.columns), as_it_is | swapped


def load_feasible(name: str) -> Feasible:
    """The function of that name: `package.module:function`, or an installed package's (entry points `graspnet.reach`).

    Modules are looked for in the current folder, too, as `python -m` does. InputError: there is none, or it cannot be
    called.
    """
    entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name in entries:
        found = entries[name].load()
    elif ":" in name:
        module, _, attribute = name.partition(":")
        added = [""] if "" not in sys.path else []
        sys.path += added
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"--feasible {name}: {error}; {EXPECTED}") from None
        finally:
            for entry in added:
                sys.path.remove(entry)
    elif entries:
        raise unknown_name("reach", name, entries)
    else:
        raise InputError(f"--feasible {name}: {EXPECTED}")
    if not callable(found):
        raise InputError(f"--feasible {name}: a {type(found).__name__}, which cannot be called; expected a function")
    return found  # type: ignore[no-any-return]
