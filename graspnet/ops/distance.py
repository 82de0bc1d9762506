"""Squared distances between all points of two sets, and pairs of different things drawn from two distributions."""

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from graspnet.errors import InputError

__all__ = ["distinct_pairs", "squared_distances"]

ROUNDS = 64  # of draws, before what is left of rare pairs is drawn one by one


def squared_distances(a: Float[Tensor, "M D"], b: Float[Tensor, "N D"]) -> Float[Tensor, "M N"]:
    """‖a_i − b_j‖² = ‖a_i‖² + ‖b_j‖² − 2 a_i · b_j, at least 0: no array of (M, N, D) is made.

    Far from the origin the three terms cancel, so both sets are moved to their common mean first. What is left of the
    error is the square of their extent times the precision: in float32, 1e-7 of it.
    """
    middle = torch.cat([a, b]).mean(dim=0)
    a, b = a - middle, b - middle
    return ((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T).clamp(min=0)


def distinct_pairs(
    count: int, first: Float64[np.ndarray, "M"], second: Float64[np.ndarray, "N"], rng: np.random.Generator
) -> Int64[np.ndarray, "{count} 2"]:
    """`count` different pairs (i, j) of different numbers, i drawn with the weights `first` and j with `second`.

    As if pairs were drawn one after another, and those that came before, or that have i = j, were drawn again.
    InputError: weights that are negative, not finite or all 0; more pairs than there are.
    """
    for name, weights in (("first", first), ("second", second)):
        if not len(weights) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
            raise InputError(f"{name} holds no weights; expected numbers that are not negative, and one above 0")
    size = len(second)
    shared = min(len(first), size)
    both = int(np.count_nonzero((first[:shared] > 0) & (second[:shared] > 0)))
    possible = int(np.count_nonzero(first)) * int(np.count_nonzero(second)) - both
    if not 0 <= count <= possible:
        raise InputError(f"{count} pairs asked for; there are {possible} pairs of different numbers with weights")
    found = np.zeros(0, dtype=np.int64)
    p, q = first / first.sum(), second / second.sum()
    for _ in range(ROUNDS):
        if len(found) >= count:
            break
        i, j = rng.choice(len(p), size=2 * count + 8, p=p), rng.choice(size, size=2 * count + 8, p=q)
        codes = np.concatenate([found, (i * size + j)[i != j]])
        _, firsts = np.unique(codes, return_index=True)
        found = codes[np.sort(firsts)]  # in the order in which they were drawn
    if len(found) < count:
        found = np.concatenate([found, _rare(count - len(found), found, p, q, rng)])
    return np.stack(np.divmod(found[:count], size), axis=1)


def _rare(
    count: int,
    found: Int64[np.ndarray, "K"],
    p: Float64[np.ndarray, "M"],
    q: Float64[np.ndarray, "N"],
    rng: np.random.Generator,
) -> Int64[np.ndarray, "{count}"]:
    """Pairs that hardly ever come: drawn from the table of all that are left."""
    table = np.outer(p, q)
    np.fill_diagonal(table, 0.0)
    table.ravel()[found] = 0.0
    return np.asarray(rng.choice(table.size, size=count, replace=False, p=table.ravel() / table.sum()), dtype=np.int64)
