"""A trained GQ-CNN of the original package, as a checkpoint of ours: `graspnet import gqcnn`.

A model folder of the originals holds `config.json` (architecture and training), a TensorFlow checkpoint, and means and
deviations as `.npy`. What is not in the folder is a habit of the code: the grasp's pixel is cell 48 of 96, half a cell
beyond the middle.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graspnet.config import parse_json
from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.interchange.tensor_bundle import read_bundle
from graspnet.models.checkpoint import Checkpoint
from graspnet.models.fcgqcnn import FCGQCNN, FCGQCNNConfig
from graspnet.models.gqcnn import GQCNN, Convolution, GQCNNConfig

__all__ = ["read_gqcnn"]

Network = GQCNN | FCGQCNN

GRIPPERS = {"parallel_jaw": "yumi", "suction": "suction"}  # by gripper_mode: the hand that a model names
YUMI_OPENING = 0.05  # m, of the hand in the parallel-jaw data of all published networks (Mahler et al., 2017 and 2019)
OWN_PIXEL = 0.5  # cells from the middle of an original crop to the grasp's pixel, along both axes
WINDOW = 96  # pixels of the image that a crop spans before it is resized (gqcnn's policies: crop_height, crop_width)


def read_gqcnn(folder: Path) -> Checkpoint:
    """The network of an original model folder, with its normalisation and the range that it was trained for.

    A network for suction cups is read, too, and computes what it did; nothing here plans with it yet. InputError: a
    file is missing or damaged; a fully convolutional network for suction cups, which has no counterpart here; weights
    that do not fit the config.
    """
    config = _config(folder)
    tensors = read_bundle(folder / "model.ckpt")
    try:
        name, network = _network(config, tensors, folder)
        arrays = _convolution_arrays(network, config["architecture"], tensors) | _other_arrays(network, tensors, folder)
    except KeyError as error:
        layers = "of a network on crops fc3, pc1, fc4 and fc5, of a fully convolutional one fc3, fc4 and fc5"
        raise InputError(f"{folder / 'model.ckpt.index'}: no tensor {error}; layers are, {layers}") from None
    network.load_state_dict(_checked(network, arrays, folder) | _normalisation(network, folder))
    mode = config["gripper_mode"]
    return Checkpoint(
        network.eval(), name, gripper_name=GRIPPERS[mode], metric=str(config.get("target_metric_name", "unknown")),
        threshold=float(config.get("metric_thresh", 0.5)),
        details={"imported": {"from": "gqcnn", "name": folder.name}} | _trained_range(network, mode),
    )  # fmt: skip


def _trained_range(network: Network, mode: str) -> dict[str, Any]:
    """What a plan is warned of: depths of grasps within two deviations of their mean in training, and the hand."""
    found: dict[str, Any] = {}
    if isinstance(network, GQCNN):
        mean, deviation = float(network.pose_mean[0]), float(network.pose_deviation[0])
        found["camera"] = {"distance": [mean - 2 * deviation, mean + 2 * deviation]}
    if mode == "parallel_jaw":
        found["grippers"] = {"max_width": [YUMI_OPENING, YUMI_OPENING]}
    return found


def _config(folder: Path) -> dict[str, Any]:
    """The part of `config.json` that describes the network, and the label's name."""
    path = folder / "config.json"
    try:
        outer = parse_json(path.read_text())
        inner = outer.get("gqcnn") or outer["gqcnn_config"]
        found = {key: outer.get(key) for key in ("target_metric_name", "metric_thresh")} | inner
        found["architecture"]["im_stream"], found["im_height"], found["im_width"]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a model folder of the package gqcnn") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: no GQ-CNN config; expected gqcnn.architecture.im_stream, im_height …") from None
    mode = found.setdefault("gripper_mode", "parallel_jaw")
    if mode not in GRIPPERS:
        raise InputError(f"{path}: gripper_mode is {mode!r}; known are {', '.join(GRIPPERS)}")
    if mode == "suction" and "merge_stream" not in found["architecture"]:
        raise InputError(
            f"{path}: a fully convolutional network (FC-GQ-CNN) for suction cups, which are not there yet; of these, "
            "those for parallel jaws are read"
        )
    return found


def _network(config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], folder: Path) -> tuple[str, Network]:
    """The name of the architecture, and a network of the folder's sizes, without its weights."""
    path, streams = folder / "config.json", config["architecture"]
    layers = [layer for layer in streams["im_stream"].values() if layer["type"] == "conv"]
    pads = {str(layer["pad"]).lower() for layer in layers}
    if config["im_height"] != config["im_width"] or config.get("im_channels", 1) != 1 or len(pads) != 1:
        raise InputError(f"{path}: crops must be square, of one channel, and padded alike in every layer")
    if config.get("relu_coeff"):
        raise InputError(f"{path}: relu_coeff is {config['relu_coeff']}; only plain rectifiers (0) are known")
    convolutions = tuple(_convolution(layer, path) for layer in layers)
    crop = PixelCropConfig(window_px=WINDOW, size=int(config["im_height"]), offset=OWN_PIXEL)
    if "merge_stream" in streams:
        on_crops = GQCNNConfig(
            crop=crop,
            convolutions=convolutions,
            padding="same" if pads == {"same"} else "valid",
            image_features=len(tensors["im_stream/fc3_bias"]),
            pose_inputs=len(tensors["pose_stream/pc1_weights"]),
            pose_features=len(tensors["pose_stream/pc1_bias"]),
            merged_features=len(tensors["merge_stream/fc4_bias"]),
        )
        name = "gqcnn_4.0_pj" if config["gripper_mode"] == "parallel_jaw" else "gqcnn_4.0_suction"
        return name, GQCNN(on_crops, torch.Generator())
    if pads != {"valid"} or config.get("input_depth_mode") != "im_depth_sub":
        raise InputError(f"{path}: a fully convolutional network must not be padded, and must subtract the depth")
    fully_convolutional = FCGQCNNConfig(
        crop=replace(crop, turned=False),
        convolutions=convolutions,
        image_features=len(tensors["im_stream/fc3_bias"]),
        merged_features=len(tensors["im_stream/fc4_bias"]),
        angle_bins=len(tensors["im_stream/fc5_bias"]) // 2,
    )
    return "fcgqcnn_4.0_pj", FCGQCNN(fully_convolutional, torch.Generator())


def _convolution(layer: Mapping[str, Any], path: Path) -> Convolution:
    pool = (layer.get("pool_size", 1), layer.get("pool_stride", 1))
    if pool not in ((1, 1), (2, 2)) or layer.get("norm_type", "local_response") != "local_response":
        raise InputError(
            f"{path}: a layer pools by {pool} or normalises by {layer.get('norm_type')}; known are 2x2, LRN"
        )
    return Convolution(int(layer["num_filt"]), int(layer["filt_dim"]), bool(layer.get("norm")), pool == (2, 2))


def _convolution_arrays(
    network: Network, streams: Mapping[str, Mapping[str, Any]], tensors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Our names and layouts: TensorFlow has channels last, and inputs before outputs."""
    convolutions = [
        (name, layer) for name, layer in network.image_stream.named_modules() if isinstance(layer, nn.Conv2d)
    ]
    names = [name for name, layer in streams["im_stream"].items() if layer["type"] == "conv"]
    arrays = {}
    for theirs, (ours, _) in zip(names, convolutions, strict=True):
        arrays[f"image_stream.{ours}.weight"] = tensors[f"im_stream/{theirs}/{theirs}_weights"].transpose(3, 2, 0, 1)
        arrays[f"image_stream.{ours}.bias"] = tensors[f"im_stream/{theirs}/{theirs}_bias"]
    return arrays


def _other_arrays(network: Network, tensors: Mapping[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    """The layers behind the convolutions. Their input is an image, whose channels are last in TensorFlow."""
    channels = network.config.convolutions[-1].channels
    flat, width = tensors["im_stream/fc3_weights"].shape
    side = round((flat / channels) ** 0.5)
    if side**2 * channels != flat:
        raise InputError(
            f"{folder}: fc3 has {flat} inputs in the checkpoint, which are no square of {channels} channels"
        )
    of_image = tensors["im_stream/fc3_weights"].reshape(side, side, channels, width).transpose(3, 2, 0, 1)
    if isinstance(network, FCGQCNN):
        layers = {"merged_features": "im_stream/fc4", "output": "im_stream/fc5"}
        arrays = {f"{ours}.weight": tensors[f"{theirs}_weights"].T[:, :, None, None] for ours, theirs in layers.items()}
        arrays["image_features.weight"] = of_image
    else:
        layers = {"pose_features": "pose_stream/pc1", "output": "merge_stream/fc5"}
        arrays = {f"{ours}.weight": tensors[f"{theirs}_weights"].T for ours, theirs in layers.items()}
        inputs = [tensors[f"merge_stream/fc4_input_{k}_weights"] for k in (1, 2)]
        arrays["image_features.weight"] = of_image.reshape(width, flat)
        arrays["merged_features.weight"] = np.concatenate(inputs).T
        layers["merged_features"] = "merge_stream/fc4"
    layers["image_features"] = "im_stream/fc3"
    return arrays | {f"{ours}.bias": tensors[f"{theirs}_bias"] for ours, theirs in layers.items()}


def _checked(network: Network, arrays: Mapping[str, np.ndarray], folder: Path) -> dict[str, Tensor]:
    """The arrays as tensors. InputError: one has another shape than the network by its config."""
    state = network.state_dict()
    for name, array in arrays.items():
        if tuple(state[name].shape) != array.shape:
            raise InputError(
                f"{folder}: {name} is {array.shape} in the checkpoint and {tuple(state[name].shape)} by config"
            )
    return {name: torch.tensor(array) for name, array in arrays.items()}


def _normalisation(network: Network, folder: Path) -> dict[str, Tensor]:
    """Means and deviations; a fully convolutional network has none of a pose, and its image's are beyond the depth."""
    prefix = "im_depth_sub" if isinstance(network, FCGQCNN) else "im"
    files: list[tuple[str, str, tuple[int, ...]]] = [
        ("image_mean", f"{prefix}_mean", (1, 1, 1)),
        ("image_deviation", f"{prefix}_std", (1, 1, 1)),
    ]
    if isinstance(network, GQCNN):
        files += [("pose_mean", "pose_mean", (-1,)), ("pose_deviation", "pose_std", (-1,))]
    found = {name: getattr(network, name) for name in ("pose_mean", "pose_deviation")}
    for ours, theirs, shape in files:
        path = folder / f"{theirs}.npy"
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); it holds the normalisation") from None
        found[ours] = torch.tensor(np.asarray(array, dtype=np.float32).reshape(shape))
    return found
