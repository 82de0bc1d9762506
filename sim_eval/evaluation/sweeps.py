"""Quality along a way through a grasp, beside the true label of every grasp on that way, which is computed anew.

A network that has understood a grasp falls where the label falls: beside the object, across its edge, at its height.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.dataset import Dataset
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.models.checkpoint import Checkpoint
from graspnet.run.progress import track
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.predictions import log_odds_of, noisy_view
from graspnet.sim_eval.evaluation.true_labels import TrueLabels
from graspnet.transforms import rigid, rotation_about

__all__ = ["Sweep", "Way", "grasps_to_sweep", "sweep_grasps"]

POINTS = 33  # of each way, an odd number: the grasp itself is in the middle
FRACTIONS = np.linspace(-1.0, 1.0, POINTS)


@dataclass(frozen=True)
class Way:
    """Quality and true robustness at places along one way. at: in the unit of its name, 0 = the grasp itself."""

    name: str
    at: Float64[np.ndarray, "P"]
    quality: Float64[np.ndarray, "P"]
    robustness: Float64[np.ndarray, "P"]

    def to_json(self) -> dict[str, object]:
        """The numbers of the figure."""
        numbers = {"at": self.at, "quality": self.quality, "robustness": self.robustness}
        return {"way": self.name} | {name: np.round(values, 4).tolist() for name, values in numbers.items()}


@dataclass(frozen=True)
class Sweep:
    """The ways through one grasp: example number `row` of those that were judged."""

    row: int
    what: str
    ways: tuple[Way, ...]


# name with unit -> (how far it leads to either side, in openings or radians; the pose of a grasp there in the grasp
# frame)
WAYS: dict[str, tuple[float, Callable[[float], Float64[np.ndarray, "4 4"]]]] = {
    "x: along the pads (mm)": (0.5, lambda t: rigid(np.eye(3), np.array([t, 0.0, 0.0]))),
    "y: along the closing axis (mm)": (0.5, lambda t: rigid(np.eye(3), np.array([0.0, t, 0.0]))),
    "angle (°)": (
        np.pi / 2,
        lambda t: rigid(rotation_about(np.array([0.0, 0.0, 1.0]), np.array(t)), np.zeros(3)),
    ),
    "height (mm)": (0.4, lambda t: rigid(np.eye(3), np.array([0.0, 0.0, -t]))),
}


def grasps_to_sweep(judged: Judged, count: int) -> list[tuple[int, str]]:
    """Examples and what each is: half of them good grasps that are taken for good, then what is misjudged the most.

    Each is of another object, as far as there are so many.
    """
    surplus = judged.quality - judged.of.robustness
    right = judged.positive & (judged.quality > 0.5)
    orders = [
        ("a good grasp, known as one", np.flatnonzero(right)[np.argsort(np.abs(surplus[right]), kind="stable")]),
        ("a bad grasp, taken for good", np.argsort(-surplus, kind="stable")),
        ("a good grasp, taken for bad", np.argsort(surplus, kind="stable")),
    ]
    orders.insert(0, orders[0])
    chosen: list[tuple[int, str]] = []
    seen: set[str] = set()
    for turn in range(count):
        what, order = orders[turn % len(orders)]
        fresh = [int(row) for row in order if str(judged.of.object[row]) not in seen]
        if fresh:
            chosen.append((fresh[0], what))
            seen.add(str(judged.of.object[fresh[0]]))
    return chosen


def sweep_grasps(
    dataset: Dataset,
    checkpoint: Checkpoint,
    truth: TrueLabels,
    judged: Judged,
    chosen: Sequence[tuple[int, str]],
    sensor: str,
) -> list[Sweep]:
    """All ways through these examples, on the noisy image that they were judged on. InputError: no objects any more."""
    return [
        Sweep(row, what, _ways(dataset, checkpoint, truth, judged, row, sensor))
        for row, what in track(chosen, len(chosen), "sweeps", "grasps")
    ]


def _ways(
    dataset: Dataset, checkpoint: Checkpoint, truth: TrueLabels, judged: Judged, row: int, sensor: str
) -> tuple[Way, ...]:
    of = judged.of
    place, in_shard = (int(of.shard[row]), int(of.image[row])), int(of.row[row])
    shard = dataset.read(place[0])
    scene = truth.scene(shard, *place)
    gripper = ParallelJaw.of(dataset.gripper(shard.grasps.gripper[in_shard]))
    view = noisy_view(dataset, shard, place, checkpoint.crop, sensor, judged.seed).view
    grasp = shard.grasps.grasps_in_camera(np.array([in_shard]))
    ways = []
    for k, (name, (reach, pose_at)) in enumerate(WAYS.items()):
        turns = "°" in name
        steps = FRACTIONS * reach * (1.0 if turns else gripper.max_width)
        poses = np.stack([grasp.poses[0] @ pose_at(float(step)) for step in steps])
        columns = {column: np.repeat(values, POINTS) for column, values in grasp.columns.items()}
        log_odds = log_odds_of(checkpoint, view, poses, np.tile(gripper.sizes(), (POINTS, 1)))
        in_world = Grasps(poses, columns).transformed(shard.images.world_from_camera[place[1]])
        rng = np.random.default_rng([judged.seed, 3, *place, in_shard, k])
        robustness = truth.robustness(scene, int(shard.grasps.instance[in_shard]) - 1, in_world, gripper, rng)
        at = np.rad2deg(steps) if turns else 1000 * steps
        ways.append(Way(name, at, judged.quality_of(log_odds), robustness))
    return tuple(ways)
