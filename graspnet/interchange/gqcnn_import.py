"""A trained GQ-CNN of the original package, as a checkpoint of ours: `graspnet import gqcnn`.

A model folder of the originals holds `config.json` (architecture and training), a TensorFlow checkpoint, and means and
deviations as `.npy`. What is not in the folder is a habit of the code: the grasp's pixel is cell 48 of 96, half a cell
beyond the middle.
"""

from collections.abc import Mapping
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
from graspnet.models.gqcnn import GQCNN, Convolution, GQCNNConfig

__all__ = ["read_gqcnn"]

OWN_PIXEL = 0.5  # cells from the middle of an original crop to the grasp's pixel, along both axes
WINDOW = 96  # pixels of the image that a crop spans before it is resized (gqcnn's policies: crop_height, crop_width)


def read_gqcnn(folder: Path) -> Checkpoint:
    """The network of an original model folder, with its normalisation.

    InputError: a file is missing or damaged; a network of a kind that has no counterpart here (suction cups, and fully
    convolutional ones), or whose weights do not fit its config.
    """
    config = _config(folder)
    tensors = read_bundle(folder / "model.ckpt")
    streams = config["architecture"]
    sizes = _sizes(streams, config, tensors, folder)
    network = GQCNN(sizes, torch.Generator())
    network.load_state_dict(_weights(network, streams, tensors, folder) | _normalisation(folder))
    return Checkpoint(
        network.eval(), "gqcnn_4.0_pj", gripper_name="yumi", metric=str(config.get("target_metric_name", "unknown")),
        threshold=float(config.get("metric_thresh", 0.5)), details={"imported": {"from": "gqcnn", "name": folder.name}},
    )  # fmt: skip


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
    if found.get("gripper_mode", "parallel_jaw") != "parallel_jaw":
        raise InputError(
            f"{path}: gripper_mode is {found['gripper_mode']!r}; only parallel_jaw can be planned with yet"
        )
    if "merge_stream" not in found["architecture"] or found.get("angular_bins"):
        raise InputError(f"{path}: a fully convolutional network (FC-GQ-CNN); only GQ-CNNs on crops are read yet")
    return found


def _sizes(
    streams: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], folder: Path
) -> GQCNNConfig:
    path = folder / "config.json"
    layers = [layer for layer in streams["im_stream"].values() if layer["type"] == "conv"]
    pads = {str(layer["pad"]).lower() for layer in layers}
    if config["im_height"] != config["im_width"] or config.get("im_channels", 1) != 1 or len(pads) != 1:
        raise InputError(f"{path}: crops must be square, of one channel, and padded alike in every layer")
    if config.get("relu_coeff"):
        raise InputError(f"{path}: relu_coeff is {config['relu_coeff']}; only plain rectifiers (0) are known")
    convolutions = tuple(_convolution(layer, path) for layer in layers)
    try:
        return GQCNNConfig(
            crop=PixelCropConfig(window_px=WINDOW, size=int(config["im_height"]), offset=OWN_PIXEL),
            convolutions=convolutions,
            padding="same" if pads == {"same"} else "valid",
            image_features=len(tensors["im_stream/fc3_bias"]),
            pose_inputs=len(tensors["pose_stream/pc1_weights"]),
            pose_features=len(tensors["pose_stream/pc1_bias"]),
            merged_features=len(tensors["merge_stream/fc4_bias"]),
        )
    except KeyError as error:
        raise InputError(
            f"{folder / 'model.ckpt.index'}: no tensor {error}; layers are fc3, pc1, fc4 and fc5"
        ) from None


def _convolution(layer: Mapping[str, Any], path: Path) -> Convolution:
    pool = (layer.get("pool_size", 1), layer.get("pool_stride", 1))
    if pool not in ((1, 1), (2, 2)) or layer.get("norm_type", "local_response") != "local_response":
        raise InputError(
            f"{path}: a layer pools by {pool} or normalises by {layer.get('norm_type')}; known are 2x2, LRN"
        )
    return Convolution(int(layer["num_filt"]), int(layer["filt_dim"]), bool(layer.get("norm")), pool == (2, 2))


def _weights(
    network: GQCNN, streams: Mapping[str, Mapping[str, Any]], tensors: Mapping[str, np.ndarray], folder: Path
) -> dict[str, Tensor]:
    """Our names and layouts: TensorFlow has channels last, and inputs before outputs."""
    convolutions = [layer for layer in network.image_stream if isinstance(layer, nn.Conv2d)]
    names = [name for name, layer in streams["im_stream"].items() if layer["type"] == "conv"]
    flat, width = tensors["im_stream/fc3_weights"].shape
    channels = convolutions[-1].out_channels
    side = round((flat / channels) ** 0.5)
    arrays = {
        "image_features.weight": tensors["im_stream/fc3_weights"]
        .reshape(side, side, channels, width)
        .transpose(3, 2, 0, 1)
        .reshape(width, flat),
        "image_features.bias": tensors["im_stream/fc3_bias"],
        "pose_features.weight": tensors["pose_stream/pc1_weights"].T,
        "pose_features.bias": tensors["pose_stream/pc1_bias"],
        "merged_features.weight": np.concatenate(
            [tensors["merge_stream/fc4_input_1_weights"], tensors["merge_stream/fc4_input_2_weights"]]
        ).T,
        "merged_features.bias": tensors["merge_stream/fc4_bias"],
        "output.weight": tensors["merge_stream/fc5_weights"].T,
        "output.bias": tensors["merge_stream/fc5_bias"],
    }
    for name, layer in zip(names, convolutions, strict=True):
        ours = next(key for key, module in network.named_modules() if module is layer)
        arrays[f"{ours}.weight"] = tensors[f"im_stream/{name}/{name}_weights"].transpose(3, 2, 0, 1)
        arrays[f"{ours}.bias"] = tensors[f"im_stream/{name}/{name}_bias"]
    state = network.state_dict()
    for name, array in arrays.items():
        if tuple(state[name].shape) != array.shape:
            raise InputError(
                f"{folder}: {name} is {array.shape} in the checkpoint and {tuple(state[name].shape)} by config"
            )
    return {name: torch.tensor(array) for name, array in arrays.items()}


def _normalisation(folder: Path) -> dict[str, Tensor]:
    found = {}
    for ours, theirs, shape in (
        ("image_mean", "im_mean", (1, 1, 1)), ("image_deviation", "im_std", (1, 1, 1)),
        ("pose_mean", "pose_mean", (-1,)), ("pose_deviation", "pose_std", (-1,)),
    ):  # fmt: skip
        path = folder / f"{theirs}.npy"
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); it holds the normalisation") from None
        found[ours] = torch.tensor(np.asarray(array, dtype=np.float32).reshape(shape))
    return found
