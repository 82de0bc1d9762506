"""A trained network on disk: `model.safetensors` (weights, normalisation) and `model.json` (what they are of).

    {"version": 1, "network": "compact", "config": {…}, "gripper": "yumi", "metric": "robust_force_closure",
     "threshold": 0.5, "temperature": 1.07, "bias": 0.0, "flip_average": false, "parameters": 463682,
     "weights": "sha256 of model.safetensors",
     "details": {"grippers": {…}, "camera": {…}, "dataset": {…}, "training": {…}, "evaluation": {…}}}

No pickle: a checkpoint from a stranger can be loaded without running the stranger's code.
"""

import hashlib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from graspnet.config import config_to_dict, parse_config, parse_json
from graspnet.crops.crops import CropConfig
from graspnet.crops.metric import MetricCropConfig
from graspnet.errors import InputError, unknown_name
from graspnet.models import NETWORKS
from graspnet.models.network import GraspNetwork, quality_of
from graspnet.run.record import write_json

__all__ = ["Checkpoint", "load_checkpoint", "load_tensors", "save_checkpoint", "weights_checksum"]

VERSION = 1
METRIC_CROP = MetricCropConfig()
LARGEST = 1e6  # temperature, bias or threshold; a larger one makes all qualities alike
LARGEST_FILE = 1_000_000_000  # bytes of weights; the largest network, of 18 million values, has 72 million
WEIGHTS, RECORD = "model.safetensors", "model.json"
ORIGINAL_FILES = "model.ckpt*"
ORIGINAL_MODEL = "an original GQ-CNN of TensorFlow; `graspnet import gqcnn` makes a model of it"


@dataclass(frozen=True)
class Checkpoint:
    """A network and what one must know to use it.

    gripper_name: the hand(s) it was trained with. metric, threshold: what "holds" meant in training (robustness above
    the threshold). temperature: the logits are divided by it, so that qualities are calibrated. bias: added to the log
    odds then; 0 until picks have calibrated it (`graspnet calibrate`). flip_average: a grasp's logits are the mean over
    its crop's four mirror images. details: what `model.json` tells besides (ranges of hands, objects and cameras,
    dataset, training); plans are warned by ranges.
    """

    network: GraspNetwork
    name: str
    gripper_name: str
    metric: str
    threshold: float
    temperature: float = 1.0
    details: dict[str, Any] = field(default_factory=dict)
    flip_average: bool = False
    bias: float = 0.0

    @property
    def crop(self) -> CropConfig:
        """What `graspnet.crops.crops` must cut for this network."""
        return self.network.crop

    def quality(self, logits: Float32[Tensor, "N 2"]) -> Float32[Tensor, "N"]:
        """The calibrated probability that each grasp holds."""
        return quality_of(logits, self.temperature, self.bias)

    @property
    def gripper_kind(self) -> str:
        """The kind of gripper that it was trained for; models were of no other than the first before they told."""
        return str(self.details.get("gripper_kind", "parallel_jaw"))

    @property
    def standoff(self) -> float:
        """How far from its grasp's origin, in the gripper's max_width, training cut a crop at most; 0: right there."""
        return float(self.details.get("standoff", 0.0))


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write both files into the folder (made if need be), each under a temporary name first."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().cpu() for name, tensor in checkpoint.network.state_dict().items()}
    weights = save(tensors)
    temporary = folder / (WEIGHTS + ".tmp")
    temporary.write_bytes(weights)
    temporary.replace(folder / WEIGHTS)
    record = {
        "version": VERSION, "network": checkpoint.name, "config": config_to_dict(checkpoint.network.config),
        "gripper": checkpoint.gripper_name, "metric": checkpoint.metric, "threshold": checkpoint.threshold,
        "temperature": checkpoint.temperature, "bias": checkpoint.bias, "flip_average": checkpoint.flip_average,
        "parameters": checkpoint.network.parameter_count(), "weights": hashlib.sha256(weights).hexdigest(),
        "details": checkpoint.details,
    }  # fmt: skip
    write_json(folder / RECORD, record)


def load_checkpoint(source: str | Path) -> Checkpoint:
    """The checkpoint in a folder, or the one that ships under a bare name (`parallel_jaw`); on the CPU, in eval mode.

    InputError: nothing there; a file that is truncated, changed, of another version or another network.

    >>> import graspnet as gn
    >>> gn.load_model("parallel_jaw").metric
    'mean(robust_centered_closure, physics_hold)'
    """
    folder = _folder_of(source)
    record = _read_record(folder / RECORD)
    tensors = _read_weights(folder / WEIGHTS)
    network = _built(record, folder / RECORD, tensors, folder / WEIGHTS)
    _check_values(tensors, folder / WEIGHTS, record["weights"])
    network.load_state_dict(tensors)
    return Checkpoint(
        network=network.eval(), name=record["network"], gripper_name=record["gripper"], metric=record["metric"],
        threshold=float(record["threshold"]), temperature=float(record["temperature"]),
        flip_average=record["flip_average"], bias=float(record["bias"]), details=record["details"],
    )  # fmt: skip


def weights_checksum(source: str | Path) -> str:
    """The SHA-256 of the weights of a model that `load_checkpoint` takes, as it would verify it. InputError: as it."""
    checksum: str = _read_record(_folder_of(source) / RECORD)["weights"]
    return checksum


def _folder_of(source: str | Path) -> Path:
    folder = Path(source)
    if folder.is_dir():
        return folder
    shipped = Path(str(resources.files("graspnet.weights")))
    names = sorted(path.parent.name for path in shipped.glob(f"*/{RECORD}"))
    if folder.parent != Path(".") or folder.is_absolute():
        raise InputError(f"{folder}: no such folder; a model is a folder that `graspnet train --output` made")
    if str(source) not in names:
        raise unknown_name("model", str(source), names, "neither a folder nor a model that ships")
    return shipped / str(source)


_KEYS = {
    "network": str, "config": dict, "gripper": str, "metric": str, "threshold": int | float,
    "temperature": int | float, "bias": int | float, "weights": str, "details": dict,
}  # fmt: skip


def _read_record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        if any(path.parent.glob(ORIGINAL_FILES)):
            raise InputError(f"{path.parent}: {ORIGINAL_MODEL}")
        raise InputError(f"{path}: no such file; a model is a folder that `graspnet train --output` made")
    try:
        record = parse_json(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); {_REMEDY}") from None
    version = record.get("version") if isinstance(record, dict) else None
    if version != VERSION:
        raise InputError(f"{path}: version {version} of the format; this graspnet reads version {VERSION}")
    record.setdefault("flip_average", False)  # as models without these keys are meant
    record.setdefault("bias", 0.0)
    if not isinstance(record["flip_average"], bool):
        raise InputError(f"{path}: key 'flip_average' is {record['flip_average']!r}; expected true or false")
    for key, kind in _KEYS.items():
        if not isinstance(record.get(key), kind) or isinstance(record[key], bool):
            raise InputError(f"{path}: key {key!r} is {record.get(key, 'missing')!r}; {_REMEDY}")
    if not 0 < record["temperature"] <= LARGEST:
        found = f"temperature is {record['temperature']}"
        raise InputError(f"{path}: {found}; it must be positive, and at most {LARGEST:g}")
    for key in ("threshold", "bias"):
        if not abs(record[key]) <= LARGEST:
            raise InputError(f"{path}: {key} is {record[key]}; expected at most {LARGEST:g}")
    standoff = record["details"].get("standoff", 0.0)
    if isinstance(standoff, bool) or not isinstance(standoff, int | float) or not 0 <= standoff <= 1:
        raise InputError(f"{path}: details.standoff is {standoff!r}; expected a number in [0, 1]")
    return record


def _read_weights(path: Path) -> dict[str, Tensor]:
    if path.is_file() and path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path}: larger than {LARGEST_FILE / 1e9:g} GB, as no network is; {_REMEDY}")
    return load_tensors(path)


def _built(record: dict[str, Any], path: Path, tensors: dict[str, Tensor], weights: Path) -> GraspNetwork:
    """The network of the record, which these weights fit.

    A record from a stranger may ask for a network that no memory holds. So sizes of its own are compared with the
    weights before there is a network: on torch's meta device, where tensors have a shape and no values.
    """
    name = record["network"]
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS, str(path))
    crop = record["config"].get("crop")
    if isinstance(crop, dict) and crop.get("kind") == "metric" and crop.get("version") != METRIC_CROP.version:
        raise InputError(
            f"{path}: the network was trained on metric crops of version {crop.get('version', 1)}; this graspnet cuts "
            f"version {METRIC_CROP.version}: train it again"
        )
    config = parse_config(type(NETWORKS[name].config), record["config"], f"{path}: config")
    if config != NETWORKS[name].config:  # the named sizes are ours, and meta takes a second to import
        try:
            with torch.device("meta"):
                _check_fit(tensors, NETWORKS[name](config=config).state_dict(), weights)
        except (RuntimeError, TypeError, OverflowError) as error:  # sizes that are not even numbers of 64 bits
            raise InputError(f"{path}: config: no network is of these sizes ({error})") from None
    network = NETWORKS[name](config=config)
    _check_fit(tensors, network.state_dict(), weights)
    return network


def _check_fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    for name in sorted(expected.keys() | tensors.keys()):
        found, asked = (_shape_and_type(each.get(name)) for each in (tensors, expected))
        if found != asked:
            raise InputError(f"{path}: {name} is {found}, {RECORD} asks for {asked}; {_REMEDY}")


def _check_values(tensors: dict[str, Tensor], path: Path, checksum: str) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
        raise InputError(f"{path}: not the weights that {RECORD} was written with; {_REMEDY}")
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise InputError(f"{path}: {broken[0]} holds values that are not finite; train the network again")


def _shape_and_type(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. InputError: no such file, or a truncated one."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_REMEDY}")
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise InputError(f"{path}: truncated or no safetensors file ({error}); {_REMEDY}") from None


_REMEDY = "copy the model's folder again, or make it with `graspnet train`"
