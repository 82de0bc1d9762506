"""Processes that do one piece of work together: which one this is, what they agree on, and what they sum.

`torchrun` starts them and tells each its place in the environment. Tensors are all that they exchange, no pickles.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["ALONE", "Processes", "joined"]


@dataclass(frozen=True)
class Processes:
    """This process's place among `count`: rank 0 is the first one, which writes and speaks for all."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def parallel(self, network: nn.Module) -> nn.Module:
        """The network, wrapped so that the gradients of all processes are averaged while they are computed."""
        return DistributedDataParallel(network) if self.count > 1 else network

    def agreed(self, values: Tensor) -> Tensor:
        """The first process's values, in all of them."""
        if self.count > 1:
            values = values.clone()
            distributed.broadcast(values, src=0)
        return values

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes' values, in all of them."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values


ALONE = Processes()


@contextlib.contextmanager
def joined() -> Iterator[Processes]:
    """This process among those that `torchrun` started, or alone. Inside of the block all but the first are silent.

    They speak by NCCL where each has a GPU of its own on its machine, else by gloo.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    own_gpu = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    if own_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if own_gpu else "gloo")
    processes = Processes(distributed.get_rank(), count)
    try:
        with contextlib.ExitStack() as stack:
            if not processes.first:
                silence = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stdout(silence))
                stack.enter_context(contextlib.redirect_stderr(silence))
            yield processes
    finally:
        distributed.destroy_process_group()
