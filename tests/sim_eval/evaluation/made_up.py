"""Predictions that are made up, so that what is to be found in them is known."""

import numpy as np
from scipy.special import logit

from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.predictions import Predictions
from graspnet.training.examples.label import LabelConfig

LABEL = LabelConfig(metric="robust_centered_closure")


def judged(quality: np.ndarray, robustness: np.ndarray, *, objects: int = 20, **columns: np.ndarray) -> Judged:
    """Examples dealt out to objects in order, each object with four images."""
    count = len(quality)
    number = np.arange(count) * objects // count
    name = np.array([f"thing_{k:05d}" for k in number], dtype=np.str_)
    values = {
        "log_odds": logit(np.clip(quality, 1e-9, 1 - 1e-9)), "robustness": robustness,
        "label_variance": np.zeros(count), "closes": np.ones(count, dtype=bool), "clearance": np.full(count, 0.01),
        "shard": number, "image": np.arange(count) % 4, "row": np.arange(count), "object": name, "scene": name,
        "family": np.array(["thing"] * count), "stable_pose": np.arange(count) % 2,
        "gripper": np.array(["yumi"] * count), "hand": np.array(["yumi"] * count),
        "source": np.array(["antipodal"] * count), "size": np.full(count, 0.6),
        "tilt": np.zeros(count), "distance": np.full(count, 0.6),
    }  # fmt: skip
    return Judged(Predictions(**(values | columns)), LABEL, 1.0, seed=0)
