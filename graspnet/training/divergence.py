"""A loss that is no number ends a training at once, and leaves what made it: the batch and the state.

    OUTPUT/diverged.safetensors   batch.images, batch.pose …, network.<weight>, optimiser.<parameter>.<name>

On a CPU every loss is looked at before its step, so that the weights in the file are those that gave the loss. A look
at a GPU's loss waits for the GPU; so every sixteenth step looks at sixteen of them, and the weights in the file are up
to fifteen steps later than the batch.
"""

from dataclasses import fields
from pathlib import Path

import torch
from jaxtyping import Float32
from safetensors.torch import save_file
from torch import Tensor

from graspnet.errors import InputError
from graspnet.run.processes import Processes
from graspnet.training.batches import Batch
from graspnet.training.resume import TrainingState, optimiser_tensors

__all__ = ["Diverged", "LossWatch"]

GPU_STEPS = 16
FILE = "diverged.safetensors"


class Diverged(InputError):
    """A training whose loss or answers are no numbers any more."""


class LossWatch:
    """Sees the loss of every step before the weights move, and stops where one is not finite."""

    def __init__(self, output: Path, rate: float, processes: Processes) -> None:
        self._path = output / (FILE if processes.first else f"process_{processes.rank}_{FILE}")
        self._rate = rate
        self._unchecked: list[tuple[int, Tensor, Batch]] = []

    def see(self, loss: Float32[Tensor, ""], batch: Batch, state: TrainingState) -> None:
        """Take note of a step's loss. InputError: this one, or one of the last few, is not finite."""
        self._unchecked.append((state.step, loss.detach(), batch))
        if loss.device.type == "cpu" or len(self._unchecked) == GPU_STEPS:
            self.check(state)

    def check(self, state: TrainingState) -> None:
        """Look at all losses since the last look; before a state is saved or evaluated, this must be done."""
        if not self._unchecked:
            return
        losses = torch.stack([loss for _, loss, _ in self._unchecked]).cpu()
        finite = losses.isfinite()
        if not finite.all():
            first = int((~finite).int().argmax())
            step, _, batch = self._unchecked[first]
            raise self._divergence(step, float(losses[first]), batch, state)
        self._unchecked.clear()

    def _divergence(self, step: int, loss: float, batch: Batch, state: TrainingState) -> Diverged:
        columns = {f"batch.{field.name}": getattr(batch, field.name) for field in fields(batch)}
        weights = {f"network.{name}": value for name, value in state.network.state_dict().items()}
        memory = {f"optimiser.{name}": value for name, value in optimiser_tensors(state.optimiser).items()}
        tensors = {name: value.detach().cpu().contiguous() for name, value in (columns | weights | memory).items()}
        save_file(tensors, self._path, metadata={"step": str(step), "loss": str(loss)})
        broken = [name for name, value in columns.items() if value.is_floating_point() and not value.isfinite().all()]
        if broken:
            cause = f"{broken[0]} holds values that are not finite: check the dataset (`graspnet inspect`)"
        else:
            cause = f"lower optimiser.rate ({self._rate:g}), or set optimiser.clip_norm"
        return Diverged(f"the loss is {loss} at step {step}; {cause}. {self._path} holds the batch and the state")
