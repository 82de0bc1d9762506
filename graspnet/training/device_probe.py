"""Where and how to compute: device, precision, layout and threads, the fastest of what a short probe finds.

Two threads on a busy machine can be ten times slower than one, and bfloat16 is slower than float32 where a processor
only emulates it; so neither is guessed.
"""

import copy
import time
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from graspnet.errors import InputError
from graspnet.models.network import GraspNetwork
from graspnet.run.threads import thread_counts, using_threads
from graspnet.training.batches import Batch
from graspnet.training.losses import LossConfig, factored, training_loss

__all__ = ["WAYS", "Computing", "find_fastest", "loss_of", "placed"]

SOFT_CROSS_ENTROPY = LossConfig()
PROBE_SECONDS = 0.4  # Each way of computing is tried for so long.
LAYOUTS = {"float32": "contiguous", "bfloat16": "channels_last"}  # where a precision is asked for, and nothing is tried
# With channels last float32 is faster by half on a processor with AVX2; bfloat16 is so wherever it is fast at all.
WAYS = (*LAYOUTS.items(), ("float32", "channels_last"))


@dataclass(frozen=True)
class Computing:
    """One way of computing a step. It is part of a run's state: another one rounds differently."""

    device: str  # cpu or cuda
    precision: str  # float32 or bfloat16 (in the layers; weights and loss stay float32)
    threads: int
    layout: str = "contiguous"  # of the weights, which the layers' outputs follow; or channels_last


def find_fastest(
    network: GraspNetwork, batch: Batch, device: str, precision: str, threads: int, reserved: int = 0
) -> Computing:
    """What computes a step on this batch fastest; `auto` and 0 leave the choice open. The network stays as it is.

    reserved: cores that others need all the while. On two cores, one of which prepared batches, two threads trained at
    1,000 examples a second where one did at 3,300, though by themselves they are the faster.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is cuda; torch finds no CUDA device here: device=cpu")
    counts = (threads,) if threads else (1,) if device == "cuda" else thread_counts(reserved)
    ways = WAYS if precision == "auto" else ((precision, LAYOUTS[precision]),)
    options = [Computing(device, each, count, layout) for (each, layout), count in product(ways, counts)]
    if len(options) == 1:
        return options[0]
    return min(options, key=lambda option: _seconds_per_step(network, batch, option))


def placed(network: GraspNetwork, computing: Computing) -> GraspNetwork:
    """The network (itself, its tensors moved) where and as its computing wants it."""
    layout = torch.channels_last if computing.layout == "channels_last" else torch.contiguous_format
    return network.to(computing.device).to(memory_format=layout)  # type: ignore[call-overload]


def loss_of(
    network: nn.Module, batch: Batch, computing: Computing, loss: LossConfig = SOFT_CROSS_ENTROPY
) -> Float32[Tensor, ""]:
    """The loss of a batch, with the network's layers computed as `computing` says.

    Where the label's factors count in the loss, `network` is the `WithFactors` of one.
    """
    device = torch.device(computing.device)
    columns = (batch.images, batch.pose, batch.target, batch.image, batch.factors)
    images, pose, target, image, factors = (column.to(device, non_blocking=True) for column in columns)
    with torch.autocast(device.type, torch.bfloat16, enabled=computing.precision == "bfloat16"):
        said = network(images, pose)
    if loss.factor_weight == 0:
        return training_loss(said, target, image, loss)
    logits, log_odds = said
    return training_loss(logits, target, image, loss) + loss.factor_weight * factored(log_odds, factors)


def _seconds_per_step(network: GraspNetwork, batch: Batch, computing: Computing) -> float:
    trial = placed(copy.deepcopy(network), computing)
    with using_threads(computing.threads):
        _timed_step(trial, batch, computing)  # the first one also builds what later ones use
        seconds = [_timed_step(trial, batch, computing)]
        while sum(seconds) < PROBE_SECONDS:
            seconds.append(_timed_step(trial, batch, computing))
    return sorted(seconds)[len(seconds) // 2]


def _timed_step(network: GraspNetwork, batch: Batch, computing: Computing) -> float:
    start = time.perf_counter()
    loss_of(network, batch, computing).backward()
    if computing.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
