"""results.json of version 2, in which single trials and rounds in clutter had records and settings of their own.

Read as version 3 has it, as far as reports and replays need it: protocol, planners, seed and episodes.
"""

from typing import Any

from graspnet.errors import InputError
from graspnet.sim_eval.episodes.chance import planning_seed

__all__ = ["from_version_2"]

# These settings of `trial`, and of `trial.scene`, are the task's now.
SINGLE, PLACEMENT = ("object_set", "stable_pose_probability", "shift", "turn"), ("placement", "oblique", "yaw")
# These of `clutter.heap` had no effect: `clutter.objects` said how many there were, and there was a box or a bin.
UNUSED = ("objects", "mean_objects", "bin_share", "reach")
OF_ANY, OF_CUBE = ("objects", "scale", "settle_time", "failures", "ends_without_plan"), ("side", "fusion")
CLUTTER = {  # what each kind used of `clutter`
    "pile": (*OF_ANY, *OF_CUBE, "heap"), "packed": (*OF_ANY, *OF_CUBE, "spread", "places"), "bin": (*OF_ANY, "heap"),
}  # fmt: skip


def from_version_2(data: dict[str, Any]) -> dict[str, Any]:
    """Turn the file's content into that of version 3. KeyError, TypeError: it is no results.json."""
    old, seed = data["protocol"], data["seed"]
    if old.get("clutter") is None:
        episodes = [_trial(record) for record in data["trials"]]
    else:
        episodes = [_round(record, seed) for record in data["rounds"]]
    kept = {key: data[key] for key in ("seed", "planners", "protocol_name") if key in data}
    return {"version": 3, "protocol": _protocol(old), "episodes": episodes} | kept


def _protocol(old: dict[str, Any]) -> dict[str, Any]:
    trial, clutter = dict(old["trial"]), old.get("clutter")
    view, pick = dict(trial.pop("scene")), dict(trial.pop("pick"))
    settle_time = pick.pop("settle_time")
    placement = {key: view.pop(key) for key in PLACEMENT if key in view}
    single = {key: trial.pop(key) for key in SINGLE if key in trial}
    shared = trial | {"episodes": old["trials"], "view": view, "pick": pick}
    if clutter is None:
        return shared | {"task": {"kind": "single", "settle_time": settle_time} | placement | single}
    task = {"kind": clutter["kind"]} | {key: clutter[key] for key in CLUTTER[clutter["kind"]] if key in clutter}
    heap = task.pop("heap", None)
    if heap is not None:
        if heap["bin_share"] != 1:
            raise InputError(f"heap.bin_share is {heap['bin_share']}: without a box, a pile cannot be made any more")
        task["drop"] = {key: value for key, value in heap.items() if key not in UNUSED}
    return shared | {"task": task} | {key: clutter[key] for key in ("motion_time",) if key in clutter}


def _trial(old: dict[str, Any]) -> dict[str, Any]:
    """Make an episode of one attempt at one object."""
    if old.get("problem"):
        return {"index": old["index"], "problem": old["problem"]}
    same = {key: old[key] for key in ("index", "friction", "plan_seed", "seconds") if key in old}
    results = {label: {"attempts": [_alone(one)], "ended": _ended(one)} for label, one in old["results"].items()}
    fits = [] if old.get("fit") is None else [old["fit"]]
    return same | {
        "objects": [old["object"]], "sizes": [old["size"]], "masses": [old["mass"]], "results": results, "fits": fits,
    }  # fmt: skip


def _alone(result: dict[str, Any]) -> dict[str, Any]:
    """Add which object was held: there is a distance between contacts only if one was."""
    return result | {"held": -1 if result.get("contact_distance") is None else 0}


def _ended(result: dict[str, Any]) -> str:
    return {"success": "cleared", "no_plan": "no_plan"}.get(result["outcome"], "failures")


def _round(old: dict[str, Any], seed: int) -> dict[str, Any]:
    """Make an episode with the seed of its first plan, which was not recorded."""
    if old.get("problem"):
        return {"index": old["index"], "problem": old["problem"]}
    results = {
        label: {"attempts": [_attempt(one, old["objects"]) for one in result["attempts"]], "ended": result["ended"]}
        for label, result in old["results"].items()
    }
    return old | {"plan_seed": planning_seed(seed, old["index"], 0), "results": results}


def _attempt(old: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Make a round's attempt one level flatter; older ones name what was held, and do not number it."""
    held = old.get("which", names.index(old["held"]) if old.get("held") else -1)
    return old["result"] | {"objects": old["objects"], "lost": old["lost"], "held": held}
