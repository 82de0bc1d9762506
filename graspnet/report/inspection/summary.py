"""What is in a dataset: counts, positive rates, and a sample of its grasps and cameras to draw histograms of.

A grasp is positive if its metric lies above the threshold and nothing is touched on the way. Counts are of all
grasps; the sample holds at most SAMPLE of a shard.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.dataset import Dataset, Shard
from graspnet.errors import InputError, unknown_name
from graspnet.report.inspection.validation import invalid_columns, object_rows
from graspnet.run.progress import track

__all__ = [
    "GraspSample",
    "Summary",
    "Tally",
    "ViewSample",
    "family",
    "hand_group",
    "summarise",
    "threshold_of",
]

S = TypeVar("S", "GraspSample", "ViewSample")
SAMPLE = 400
EPSILON_THRESHOLD = 0.002  # Dex-Net's, of the metrics that are an epsilon; a probability's is one half
SPANS = (0.0, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, np.inf)  # metres; grippers that were drawn are grouped by them


@dataclass(frozen=True)
class Tally:
    """How many grasps there are, how many touch nothing on the way, and how many are positive."""

    grasps: int = 0
    free: int = 0
    positive: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.grasps + other.grasps, self.free + other.free, self.positive + other.positive)

    @property
    def rate(self) -> float:
        """Share of positives; NaN of nothing."""
        return self.positive / self.grasps if self.grasps else float("nan")


@dataclass(frozen=True)
class GraspSample:
    """Some grasps of a dataset. Metres and radians."""

    clearance: dict[str, Float64[np.ndarray, "N"]]  # by what is near what, as in `Clearance.each`
    columns: dict[str, Float64[np.ndarray, "N"]]  # what grasps of this kind have besides
    span: Float64[np.ndarray, "N"]  # the gripper's
    contact_distance: Float64[np.ndarray, "N"]  # from the first contact to the last; NaN where nothing is touched
    depth: Float64[np.ndarray, "N"]
    angle: Float64[np.ndarray, "N"]
    aside: Float64[np.ndarray, "N"]  # horizontal distance from the object's centre of mass
    height: Float64[np.ndarray, "N"]  # above the table
    tilt: Float64[np.ndarray, "N"]  # of the approach, from the vertical


@dataclass(frozen=True)
class ViewSample:
    """The cameras of a dataset's images."""

    distance: Float64[np.ndarray, "n"]  # to the table, along the optical axis
    polar: Float64[np.ndarray, "n"]  # of the optical axis, from the vertical
    field_of_view: Float64[np.ndarray, "n"]  # horizontal
    objects: Float64[np.ndarray, "n"]  # in the image


@dataclass(frozen=True)
class Summary:
    """Everything that is said of a dataset. `by`: tallies of objects, families, hands, sources."""

    metric: str
    threshold: float
    images: int
    total: Tally
    by: dict[str, dict[str, Tally]]
    metrics: dict[str, Float64[np.ndarray, "N"]]  # sampled values
    metric_rates: dict[str, Tally]
    grasps: GraspSample
    views: ViewSample
    problems: list[str] = field(default_factory=list)


def threshold_of(metric: str) -> float:
    """Above what a metric counts as positive, if nobody says otherwise."""
    return EPSILON_THRESHOLD if "epsilon" in metric else 0.5


def summarise(dataset: Dataset, metric: str | None = None, threshold: float | None = None) -> Summary:
    """Read and check every shard. Without a metric and its threshold: the config's first, and the usual one.

    Broken files and values that cannot be are listed in `problems`. InputError: no such metric, or no shard is whole.
    """
    parts, problems = [], list[str]()
    rng = np.random.default_rng(0)
    for index, shard in track(_whole_shards(dataset, problems), dataset.shard_count, "inspect", "shards"):
        place = f"{dataset.folder}/shards/{dataset.shard_names[index]}"
        problems += [f"{place}/{line}" for line in invalid_columns(shard, dataset.header)]
        metric = metric or _first_metric(dataset, shard)
        if metric not in shard.grasps.metrics:
            raise unknown_name("metric", metric, shard.grasps.metrics, str(dataset.folder))
        parts.append(_part(shard, dataset, metric, threshold_of(metric) if threshold is None else threshold, rng))
    if not parts:
        raise InputError(f"{dataset.folder}: no shard is whole; the first: {problems[0]}")
    return _joined(parts, problems)


def _whole_shards(dataset: Dataset, problems: list[str]) -> Iterator[tuple[int, Shard]]:
    for index in range(dataset.shard_count):
        try:
            shard = dataset.read(index)
        except InputError as error:
            problems += dataset.broken_files(index) or [str(error)]
        else:
            yield index, shard


def _first_metric(dataset: Dataset, shard: Shard) -> str:
    asked = dataset.header.config.get("metrics") or list(shard.grasps.metrics)
    if not asked:
        raise InputError(f"{dataset.folder}: its grasps have no metric")
    return str(asked[0])


def _part(shard: Shard, dataset: Dataset, metric: str, threshold: float, rng: np.random.Generator) -> Summary:
    """The summary of one shard."""
    grasps, free = shard.grasps, shard.grasps.clearance.collision_free
    positive = free & (grasps.metrics[metric].mean > threshold)
    row = object_rows(shard.objects, grasps)
    names = np.array([*shard.objects.object, "unknown"])[row]
    keys = {
        "object": names,
        "family": np.array([family(name) for name in names.tolist()]),
        "hand": np.array([hand_group(name, dataset) for name in grasps.gripper]),
        "source": np.array(grasps.source),
    }
    rates = {
        name: Tally(len(grasps), int(free.sum()), int((free & (columns.mean > threshold_of(name))).sum()))
        for name, columns in grasps.metrics.items()
        if name.startswith("robust_") or "epsilon" in name  # of the others, no threshold is anybody's
    }
    some = rng.permutation(len(grasps))[:SAMPLE]
    return Summary(
        metric=metric,
        threshold=threshold,
        images=len(shard.images),
        total=Tally(len(grasps), int(free.sum()), int(positive.sum())),
        by={kind: _tallies(key, free, positive) for kind, key in keys.items()},
        metrics={name: columns.mean[some] for name, columns in grasps.metrics.items()},
        metric_rates=rates,
        grasps=_grasp_sample(shard, dataset, row, some),
        views=_view_sample(shard),
    )


def family(name: str) -> str:
    """`mug` of the procedural `mug_0007`; the folder of a mesh file in one; else the name."""
    return name.rpartition("/")[0] or re.sub(r"_\d+$", "", name)


def hand_group(name: str, dataset: Dataset) -> str:
    """A gripper by its name, but grippers that were drawn by their span."""
    if not re.match(r"hand_\d+", name) or name not in dataset.header.grippers:
        return name
    last = int(np.searchsorted(SPANS, dataset.gripper(name).span, side="right"))
    return f"drawn, {SPANS[last - 1] * 1e3:3.0f} to {SPANS[last] * 1e3:3.0f} mm"


def _tallies(keys: np.ndarray, free: Bool[np.ndarray, "N"], positive: Bool[np.ndarray, "N"]) -> dict[str, Tally]:
    names, group = np.unique(keys, return_inverse=True)
    counts = (np.bincount(group, weights, len(names)).astype(int) for weights in (None, free, positive))
    return {str(name): Tally(*map(int, each)) for name, *each in zip(names, *counts, strict=True)}


def _grasp_sample(shard: Shard, dataset: Dataset, row: np.ndarray, some: np.ndarray) -> GraspSample:
    grasps = shard.grasps
    world_from_grasp = shard.images.world_from_camera[grasps.image[some]] @ grasps.camera_from_grasp[some]
    from_object = world_from_grasp[:, :2, 3] - shard.objects.world_from_object[row[some], :2, 3]
    return GraspSample(
        clearance={part: values[some] for part, values in grasps.clearance.each.items()},
        columns={name: values[some] for name, values in grasps.columns.items()},
        span=np.array([dataset.gripper(grasps.gripper[i]).span for i in some], dtype=np.float64),
        contact_distance=np.linalg.norm(grasps.contacts[some, -1] - grasps.contacts[some, 0], axis=1),
        depth=grasps.depth[some],
        angle=grasps.angle[some],
        aside=np.linalg.norm(from_object, axis=1),
        height=world_from_grasp[:, 2, 3],
        tilt=np.arccos(np.clip(-world_from_grasp[:, 2, 2], -1, 1)),
    )


def _view_sample(shard: Shard) -> ViewSample:
    images = shard.images
    down = -images.world_from_camera[:, 2, 2]
    return ViewSample(
        distance=images.world_from_camera[:, 2, 3] / down,
        polar=np.arccos(np.clip(down, -1, 1)),
        field_of_view=np.array([2 * np.arctan(c.width / (2 * c.fx)) for c in images.cameras]),
        objects=np.bincount(shard.objects.image, minlength=len(images)).astype(np.float64),
    )


def _joined(parts: Sequence[Summary], problems: list[str]) -> Summary:
    first = parts[0]
    by: dict[str, dict[str, Tally]] = {kind: {} for kind in first.by}
    rates: dict[str, Tally] = {}
    for part in parts:
        for kind, tallies in part.by.items():
            _add(by[kind], tallies)
        _add(rates, part.metric_rates)
    return Summary(
        metric=first.metric,
        threshold=first.threshold,
        images=sum(part.images for part in parts),
        total=sum((part.total for part in parts), Tally()),
        by={kind: dict(sorted(tallies.items())) for kind, tallies in by.items()},
        metrics={name: np.concatenate([part.metrics[name] for part in parts]) for name in first.metrics},
        metric_rates=rates,
        grasps=_concatenated(GraspSample, [part.grasps for part in parts]),
        views=_concatenated(ViewSample, [part.views for part in parts]),
        problems=problems,
    )


def _add(into: dict[str, Tally], tallies: dict[str, Tally]) -> None:
    for name, tally in tallies.items():
        into[name] = into.get(name, Tally()) + tally


def _concatenated(kind: type[S], parts: Sequence[S]) -> S:
    return kind(**{f.name: _in_a_row([getattr(part, f.name) for part in parts]) for f in fields(kind)})


def _in_a_row(values: Sequence[Any]) -> Any:
    """Arrays joined to one, or dicts of arrays to a dict."""
    if isinstance(values[0], dict):
        return {name: np.concatenate([each[name] for each in values]) for name in values[0]}
    return np.concatenate(values)
