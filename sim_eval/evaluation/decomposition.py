"""Where the error comes from: what no network could know, bias, variance, and mismatch; in parts of the Brier score.

    Brier(test) = label + hidden + bias + variance

- label: the labels' own sampling error. Each is a mean over K samples of variance s², so no prediction comes closer
  than s²/K (times what the clearance takes off).
- hidden: what the noisy image does not tell. The proxy is an observer who knows the true shape and finds it in the
  noisy image: the object lies where its pixels' median depth says. The label of each grasp is computed anew, with
  other samples of what is uncertain, as if the object lay there. That label and the stored one are two draws of what
  is consistent with the image; half of their mean square difference is the variance of one, which even the best guess
  misses. A network also has to guess the far side, which the observer knows: the proxy is a lower bound.
- bias: the error on trained objects beyond that. variance: the error on new objects beyond that on trained ones.
  Where the network was not trained on this dataset, only their sum is known.
- noise: the mean variance of the quality over draws of the sensor, a part of bias and variance. The mean of many
  draws' qualities would be without it.
- mismatch: the error under another sensor, or on another dataset, beyond that on test. It comes on top.

After Ng, Machine Learning Yearning (2018), chapters 20 to 43; the variance over draws as in Geman et al. 1992.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.crops.crops import CropConfig
from graspnet.dataset import Dataset, Shard
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.progress import track
from graspnet.sim_eval.analysis.resampling import Estimate
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.predictions import NoisyView, Place, noisy_view
from graspnet.sim_eval.evaluation.true_labels import TrueLabels
from graspnet.training.examples.label import LabelConfig

__all__ = ["Term", "decompose", "mismatch", "noise_term", "observer_differences"]

CERTAIN = 0.05  # a term counts as more than chance if its p-value lies below


@dataclass(frozen=True)
class Term:
    """A part of the error (of the Brier score), what it means, and what to do about it."""

    name: str
    meaning: str
    size: Estimate
    advice: str
    examples: int

    @property
    def certain(self) -> bool:
        """Whether it is more than chance would give."""
        return self.size.value > 0 and self.size.p_value < CERTAIN

    @property
    def certainly_negative(self) -> bool:
        """Whether it is less than nothing, and more so than chance would give: the two sets differ in difficulty."""
        return self.size.value < 0 and self.size.p_value < CERTAIN

    def to_json(self) -> dict[str, object]:
        """Name, meaning, [value, low, high], p-value and advice."""
        p_value = self.size.p_value if np.isfinite(self.size.p_value) else None
        return {
            "name": self.name, "meaning": self.meaning, "brier": self.size.to_json(), "p": p_value,
            "advice": self.advice, "examples": self.examples,
        }  # fmt: skip


def decompose(
    test: Judged,
    train: Judged | None,
    train_dev: Judged | None,
    some: Judged,
    observer: Float64[np.ndarray, "N"] | None,
) -> list[Term]:
    """The terms that the data allow. some: examples of test, of which an observer's labels differ by `observer`."""
    label = _mean(test, _sampling(test))
    terms = [_term("label", label, len(test))]
    floor = label
    if observer is not None:
        floor = _mean(some, 0.5 * observer**2)
        terms.append(_term("hidden", floor - _mean(some, _sampling(some)), len(some)))
    error = _mean(test, test.error)
    if train is None:
        return [*terms, _term("bias and variance", error - floor, len(test))]
    trained = _mean(train, train.error)
    terms.append(_term("bias", trained - floor, len(train)))
    if train_dev is not None:
        other_images = _mean(train_dev, train_dev.error)
        terms.append(_term("variance over images", other_images - trained, len(train_dev)))
        trained = other_images
    return [*terms, _term("variance", error - trained, len(test))]


def noise_term(draws: Sequence[Judged]) -> Term:
    """The variance of the quality over two or more draws of the sensor, of the same examples."""
    qualities = np.stack([each.quality for each in draws])
    return _term("noise", _mean(draws[0], qualities.var(axis=0, ddof=1)), len(draws[0]))


def mismatch(name: str, other: Judged, test: Judged) -> Term:
    """The error elsewhere beyond that on test: on the same examples under another sensor, or on another dataset."""
    paired = len(other) == len(test) and np.array_equal(other.of.scene, test.of.scene)
    difference = (
        _mean(other, other.error - test.error) if paired else _mean(other, other.error) - _mean(test, test.error)
    )
    meaning, advice, fine = _WORDS["mismatch"]
    estimate = Estimate.of_difference(difference)
    certain = estimate.value > 0 and estimate.p_value < CERTAIN
    return Term(f"mismatch: {name}", meaning, estimate, advice if certain else fine, len(other))


def observer_differences(
    dataset: Dataset,
    truth: TrueLabels,
    label: LabelConfig,
    places: Sequence[Place],
    crop: CropConfig,
    sensor: str,
    seed: int,
) -> Float64[np.ndarray, "N"]:
    """By how much an observer's target differs from the stored one, for all grasps of `places` in order: of the part
    of the label that is computed from shapes.

    InputError: objects cannot be made again.
    """
    found: list[np.ndarray] = []
    held: tuple[int, Shard] | None = None
    for place in track(places, len(places), "labels anew", "images"):
        shard = held[1] if held is not None and held[0] == place[0] else dataset.read(place[0])
        held = place[0], shard
        rows = np.flatnonzero((shard.grasps.image == place[1]) & np.isfinite(label.robustness(shard.grasps)))
        noisy = noisy_view(dataset, shard, place, crop, sensor, seed)
        anew = _observed(dataset, truth, shard, place, rows, noisy, seed)
        stored = truth.label.robustness(shard.grasps)[rows]
        found.append(truth.label.target(anew) - truth.label.target(stored))
    return np.nan_to_num(np.concatenate(found))  # a grasp that was executed only has no stored label of that part


def _observed(
    dataset: Dataset,
    truth: TrueLabels,
    shard: Shard,
    place: Place,
    rows: Int64[np.ndarray, "N"],
    noisy: NoisyView,
    seed: int,
) -> Float64[np.ndarray, "N"]:
    """Labels of some rows of an image, as if objects lay where the noisy image shows them."""
    index, image = place
    grasps, images, scene = shard.grasps, shard.images, truth.scene(shard, index, image)
    shown, depth = images.instance[image, noisy.rows, noisy.columns], noisy.view.depth
    clean = images.depth[image, noisy.rows, noisy.columns]
    labels, rng = np.zeros(len(rows)), np.random.default_rng([seed, 2, *place])
    keys = list(zip(grasps.instance[rows].tolist(), (grasps.gripper[row] for row in rows), strict=True))
    for key in dict.fromkeys(keys):
        instance, hand = key
        chosen = np.array([each == key for each in keys])
        seen = (shown == instance) & np.isfinite(depth) & np.isfinite(clean)
        off = float(np.median((depth - clean)[seen])) if seen.any() else 0.0
        grasps_in_camera = grasps.grasps_in_camera(rows[chosen])
        believed = Grasps(_nearer(grasps_in_camera.poses, off), grasps_in_camera.columns)
        in_world = believed.transformed(images.world_from_camera[image])
        gripper = ParallelJaw.of(dataset.gripper(hand))
        labels[chosen] = truth.robustness(scene, instance - 1, in_world, gripper, rng)
    return labels


def _nearer(camera_from_grasp: Float64[np.ndarray, "N 4 4"], off: float) -> Float64[np.ndarray, "N 4 4"]:
    """Grasps `off` metres of depth nearer along their lines of sight: as they lie to an object that seems farther."""
    moved = camera_from_grasp.copy()
    moved[:, :3, 3] *= 1 - off / camera_from_grasp[:, 2:3, 3]
    return moved


def _sampling(judged: Judged) -> Float64[np.ndarray, "N"]:
    return judged.of.label_variance if judged.label.soft else np.zeros(len(judged))


def _mean(judged: Judged, values: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "D"]:
    return np.asarray(judged.resampling.mean(values))


def _term(name: str, draws: Float64[np.ndarray, "D"], examples: int) -> Term:
    meaning, advice, fine = _WORDS[name]
    estimate = Estimate.of_difference(draws)
    certain = estimate.value > 0 and estimate.p_value < CERTAIN
    return Term(name, meaning, estimate, advice if certain else fine, examples)


_NOTHING = "It is not more than chance would give: there is nothing to be gained here."
_WORDS = {  # name -> what it means, what to do about it, what to do where it is no more than chance
    "label": (
        "the labels' own sampling error: no prediction can come closer",
        "Only more samples for each label (assumed.uncertainty.samples) lower it; they help training little.",
        "Labels are as good as exact: fewer samples for each would do.",
    ),
    "hidden": (
        "what the noisy image hides even from somebody who knows the shape",
        "No network can win this back from one image: a better sensor, a nearer camera or several views could.",
        "The sensor's noise hides next to nothing from somebody who knows the shape.",
    ),
    "bias and variance": (
        "what is left between this network and somebody who knows the shape",
        "The dataset is not the one that the network was trained on, so the two cannot be told apart: evaluate on that "
        "one too. If its trained objects are as bad, train longer or with a larger network, else on more shapes.",
        _NOTHING,
    ),
    "bias": (
        "the error on objects that it was trained on, beyond what the image hides",
        "It does not learn its own training set: train longer, with a larger network, or give it better inputs. What "
        "the far side hides is in here too, and stays.",
        "It learns its training set as well as the image allows.",
    ),
    "variance over images": (
        "the error on other images of trained objects, beyond that on trained images",
        "It learns images by heart: more views of each object, or stronger noise and augmentation, would pay.",
        "Other images of the same objects are no harder: more views of each would not pay.",
    ),
    "variance": (
        "the error on new objects, beyond that on trained ones",
        "It learns objects by heart: more shapes pay most, then weight decay and fewer epochs.",
        "New objects are no harder than trained ones: more shapes of the same kind would not pay.",
    ),
    "noise": (
        "how much the quality changes from one noisy image of a scene to the next; a part of the above",
        "Quality hangs on the noise: average it over two or three images, or train with stronger noise.",
        "The network does not hang on the noise.",
    ),
    "mismatch": (
        "the error there, beyond that on test",
        "This is another world to the network: put such data into its training, or fine-tune on some of it.",
        "The network is as good there.",
    ),
}  # fmt: skip
