"""What a killed run needs to go on: weights, the optimiser's memory, the step, and how the steps were computed.

    OUTPUT/state-000002000/network.safetensors, optimiser.safetensors, state.json;
                           average.safetensors, best.safetensors where the config asks for them

There is no state of a random generator to keep: every stream is derived from the seed, the epoch and the image
(`graspnet.training.batches`), and the initial weights from the seed; seed and step say it all.
"""

import copy
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from graspnet.config import parse_json
from graspnet.errors import InputError
from graspnet.models.checkpoint import load_tensors
from graspnet.models.network import GraspNetwork
from graspnet.run.record import write_json
from graspnet.training.curves import CurvePoint
from graspnet.training.device_probe import Computing, placed

__all__ = ["TrainingState", "discard_states", "load_state", "optimiser_tensors", "save_state"]

COPIES = ("average", "best")  # of the network, with other weights, where a state has them


@dataclass
class TrainingState:
    """The one thing here that changes. seen: examples so far. loss_sum: over the steps since the last look."""

    network: GraspNetwork
    optimiser: torch.optim.Optimizer
    computing: Computing
    average: GraspNetwork | None = None  # the moving average of the weights, where there is one
    best: GraspNetwork | None = None  # what the best look saw, where training may end early
    step: int = 0
    seen: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    history: list[CurvePoint] = field(default_factory=list)
    called: nn.Module = field(init=False)  # the network, or what several processes call in its place

    def __post_init__(self) -> None:
        self.called = self.network

    @property
    def last_look(self) -> int:
        """The step after which validation objects were last looked at; 0 where they were not."""
        return self.history[-1].step if self.history else 0

    @property
    def evaluated(self) -> GraspNetwork:
        """The network that is looked at: the average, where there is one."""
        return self.network if self.average is None else self.average

    @property
    def final(self) -> GraspNetwork:
        """The network that a training ends with: what the best look saw, or the last."""
        return self.evaluated if self.best is None else self.best


def save_state(state: TrainingState, recipe: dict[str, Any], output: Path) -> None:
    """Write the state under a temporary name, rename it, then delete older ones. `recipe`: config and dataset."""
    folder = output / f"state-{state.step:09d}"
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    _write_tensors(state.network.state_dict(), temporary / "network.safetensors")
    _write_tensors(optimiser_tensors(state.optimiser), temporary / "optimiser.safetensors")
    for name in COPIES:
        if (copied := getattr(state, name)) is not None:
            _write_tensors(copied.state_dict(), temporary / f"{name}.safetensors")
    record = {
        "recipe": recipe, "computing": asdict(state.computing), "step": state.step, "seen": state.seen,
        "loss_sum": float(state.loss_sum), "history": [asdict(entry) for entry in state.history],
    }  # fmt: skip
    write_json(temporary / "state.json", record)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    for older in _states(output)[:-1]:
        shutil.rmtree(older)


def load_state(
    network: GraspNetwork, optimiser: torch.optim.Optimizer, recipe: dict[str, Any], output: Path
) -> TrainingState:
    """The newest state in `output`, loaded into a fresh network and its optimiser.

    InputError: there is none, it is damaged, or it was made with another config or dataset.
    """
    states = _states(output)
    if not states:
        raise InputError(f"{output}: no interrupted training here; leave out --resume to begin one")
    folder = states[-1]
    try:
        record = parse_json((folder / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'state.json'}: cannot be read ({error}); begin again without --resume") from None
    begun_with = record["recipe"] if "recipe" in record else record["origin"]  # as states of earlier versions call it
    _check_recipe(begun_with, json.loads(json.dumps(recipe)), folder / "state.json")
    network.load_state_dict(load_tensors(folder / "network.safetensors"))
    computing = Computing(**record["computing"])
    if computing.device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{folder}: was begun on a CUDA device and torch finds none here; --resume where there is one")
    placed(network, computing)
    _load_flat(optimiser, load_tensors(folder / "optimiser.safetensors"))
    return TrainingState(
        network=network, optimiser=optimiser, computing=computing,
        **{name: _copy_of(network, folder / f"{name}.safetensors") for name in COPIES},
        step=record["step"], seen=record["seen"], loss_sum=torch.tensor(record["loss_sum"], dtype=torch.float64),
        history=[CurvePoint(**entry) for entry in record["history"]],
    )  # fmt: skip


def discard_states(output: Path) -> None:
    """Delete the states of a finished run."""
    for folder in _states(output):
        shutil.rmtree(folder)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory of each parameter under `<parameter>.<name>`; rates come from the config and the step."""
    memory = optimiser.state_dict()["state"]
    return {f"{i}.{name}": value for i, entries in memory.items() for name, value in entries.items()}


def _copy_of(network: GraspNetwork, weights: Path) -> GraspNetwork | None:
    """The network with other weights; None where there are none."""
    if not weights.exists():
        return None
    copied = copy.deepcopy(network)
    copied.load_state_dict(load_tensors(weights))
    return copied


def _states(output: Path) -> list[Path]:
    return sorted(path for path in output.glob("state-*") if path.suffix == "")


def _write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    path.write_bytes(save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}))


def _load_flat(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parameter, _, name = key.partition(".")
        memory.setdefault(int(parameter), {})[name] = value
    optimiser.load_state_dict({"state": memory, "param_groups": optimiser.state_dict()["param_groups"]})


def _check_recipe(found: dict[str, Any], asked: dict[str, Any], path: Path) -> None:
    for key in sorted(found.keys() | asked.keys()):
        if found.get(key) != asked.get(key):
            raise InputError(
                f"{path}: this training began with another {key} ({_difference(found.get(key), asked.get(key))}); "
                "--resume needs the same, or a new --output"
            )


def _difference(found: Any, asked: Any) -> str:
    """`key: found, now asked` of the first value that differs."""
    if isinstance(found, dict) and isinstance(asked, dict):
        key = next(key for key in sorted(found.keys() | asked.keys()) if found.get(key) != asked.get(key))
        return f"{key}: {_difference(found.get(key), asked.get(key))}"
    return f"{found}, now {asked}"
