"""What a run is: the hash of its protocol, its seed, and who plans; the same wherever its files lie.

A run that is resumed must be the same one, and two tables compare if their hashes are equal. How many episodes there
are is no part of it: episode k of a protocol is the same whatever their number.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from graspnet.camera import load_camera
from graspnet.config import config_to_dict, load_config, preset_names
from graspnet.data_gen.objects.object_source import ObjectConfig, mesh_files
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.policies.registry import policy_class
from graspnet.run.storage import json_checksum
from graspnet.sensors import SensorConfig
from graspnet.sim_eval.planners.ceilings import CEILINGS
from graspnet.sim_eval.planners.choice import PlannerChoice, identified
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.sets.object_sets import load_object_set

__all__ = ["protocol_hash", "run_identity"]


def run_identity(config: ProtocolConfig, planners: Sequence[PlannerChoice], seed: int) -> dict[str, Any]:
    """Tell what a resumed run must share with the one that was begun, JSON-ready."""
    return {"protocol": protocol_hash(config), "seed": seed, "planners": [_planner(choice) for choice in planners]}


def protocol_hash(config: ProtocolConfig) -> str:
    """Name a protocol: 16 hex digits of a SHA-256 over all that its episodes depend on, besides the seed and our code.

    Files stand for what they hold: names and contents of the meshes, checksum of a frozen set, constants of hand,
    sensor and camera. InputError: one of them cannot be read.
    """
    data = config_to_dict(config)
    del data["episodes"], data["variants"]  # each variant is a run of its own
    gripper = asdict(load_parallel_jaw(config.gripper))
    del gripper["name"]  # the file's, where it does not say another
    data |= {"gripper": gripper, "sensor": _sensor(config.sensor)}
    if config.view.camera is not None:
        data["view"] |= {"camera": asdict(load_camera(config.view.camera))}
    if config.task.object_set is None:
        objects = data["objects"]
        objects |= {"folders": _mesh_checksums(config.objects)}
        del objects["files"]  # the checksums have them
        if config.objects.decomposition_time == ObjectConfig().decomposition_time:
            del objects["decomposition_time"]  # so hashes stay what they were before there was a choice
    else:
        data["task"] |= {"object_set": load_object_set(config.task.object_set).checksum}
        del data["objects"]
    return json_checksum(data)


def _planner(choice: PlannerChoice) -> dict[str, Any]:
    """Tell who plans by contents: a model is its weights, a policy its settings."""
    if choice.command is not None:
        return {"name": choice.label, "command": choice.command, "timeout": choice.timeout}
    if choice.name in CEILINGS:
        return {"name": choice.label}
    settings: Any = load_config(policy_class(choice.name).config_type, "policy", choice.config or choice.name)
    weights = choice.weights or identified(choice).weights  # to which planner_of holds it
    return {"name": choice.label, "settings": config_to_dict(settings), "weights": weights}


def _sensor(source: str) -> Any:
    """Read a sensor's constants; a sensor of an installed package has none that we know but its name."""
    if source not in preset_names("sensors") and source in entry_points(group="graspnet.sensors").names:
        return source
    return config_to_dict(load_config(SensorConfig, "sensors", source))


def _mesh_checksums(objects: ObjectConfig) -> list[list[str]]:
    found = []
    for name, path in sorted(mesh_files(objects).items()):
        status = path.stat()
        found.append([name, _file_checksum(path, status.st_size, status.st_mtime_ns)])
    return found


@cache
def _file_checksum(path: Path, size: int, modified: int) -> str:
    """Hash a file once in a process, until it changes: every variant of a protocol asks again."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
