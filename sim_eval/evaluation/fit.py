"""Whether a network and a dataset belong together: what is refused, and what is only doubtful."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.crops.pixel import PixelCropConfig
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.models.checkpoint import Checkpoint
from graspnet.policies.model_range import NUMBERS
from graspnet.report.words import percent
from graspnet.sim_eval.evaluation.predictions import Predictions
from graspnet.training.examples.label import LabelConfig

__all__ = ["check_fit", "doubts"]

SLACK = {number.name: number.slack for number in NUMBERS}  # beyond a trained range, as plans allow


def check_fit(checkpoint: Checkpoint, dataset: Dataset, label: LabelConfig) -> None:
    """InputError: hands of another kind, or no such label in the dataset."""
    kind = checkpoint.gripper_kind
    if dataset.header.kind != kind:
        raise InputError(
            f"{dataset.folder}: its grasps are of {dataset.header.kind} grippers, the network is for {kind}; evaluate "
            "it on a dataset of that kind"
        )
    if dataset.shard_count == 0:
        raise InputError(f"{dataset.folder}: it has no shards; generate it again with more objects")
    known = list(dataset.read(0).grasps.metrics)
    if len(missing := label.missing_from(known)) == len(label.metrics):
        raise InputError(
            f"{dataset.folder}: it has no metric {' or '.join(map(repr, missing))}, which it should judge by; it has "
            f"{', '.join(known) or 'none'}: --metric {known[0] if known else 'NAME'} judges by another, and a dataset "
            "generated with metrics that name it has the network's own"
        )
    if isinstance(checkpoint.crop, PixelCropConfig) and dataset.header.pixel_pitch != 1.0:
        trained = PixelCropConfig().window_px
        if checkpoint.crop.window_px == trained:
            raise InputError(
                f"{dataset.folder}: a pixel of its images is {dataset.header.pixel_pitch:g} of the camera's; the "
                f"network cuts windows of {trained} px of the camera's own: train it on this dataset, or import whole "
                "images"
            )


def doubts(checkpoint: Checkpoint, dataset: Dataset, of: Predictions) -> list[str]:
    """A sentence for each number that lies outside of what the network was trained on, and how many examples do."""
    return list(_doubts(checkpoint, dataset, of))


def _doubts(checkpoint: Checkpoint, dataset: Dataset, of: Predictions) -> Iterator[str]:
    camera, hands = checkpoint.details.get("camera", {}), checkpoint.details.get("grippers", {})
    for name, values, unit, factor in (
        ("distance", of.distance, "m", 1.0),
        ("tilt", of.tilt, "°", 180 / np.pi),
    ):
        if name in camera and (outside := _outside(values, camera[name], SLACK[name])).any():
            low, high = (factor * end for end in camera[name])
            yield (
                f"{percent(float(outside.mean()))} of the grasps have a {name} of the camera outside of what the "
                f"network was trained on ({low:.3g} to {high:.3g} {unit})."
            )
    if "max_width" in hands:
        spans = np.array([dataset.gripper(name).span for name in dataset.header.grippers])
        if (outside := _outside(spans, hands["max_width"], SLACK["opening"])).any():
            low, high = (1000 * end for end in hands["max_width"])
            yield (
                f"{int(outside.sum())} of {len(spans)} hands open to less or more than those of the training "
                f"({low:.0f} to {high:.0f} mm)."
            )


def _outside(values: Float64[np.ndarray, "N"], known: list[float], slack: float) -> Bool[np.ndarray, "N"]:
    return (values < known[0] - slack) | (values > known[1] + slack)
