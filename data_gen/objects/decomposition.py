"""Convex pieces of a solid, to collide with: its own where it knows them, else CoACD's, finer until they fit.

CoACD (Wei et al., SIGGRAPH 2022) takes 0.1 to 100 s, and on some meshes hours. A mesh gets so much processor time, not
so many seconds by the clock: a busy machine finds the same pieces. Where that is not enough, coarse blocks (blocks.py)
stand in. The answer is kept on disk under a hash of the mesh and of the parameters, either way. So is what piece_fit.py
says of the pieces.
"""

import hashlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

import click
import numpy as np
import trimesh
from jaxtyping import Float64

from graspnet.data_gen.objects.blocks import blocks_of
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.piece_fit import FAR, TOLERATED, Fit, Gaps, fit_of, gaps_of
from graspnet.errors import InputError

__all__ = ["DecompositionConfig", "NoPieces", "cache_folder", "coacd_command", "convex_parts", "decompose", "piece_fit"]

SAME_SHAPE = 1e-5  # Two shapes are the same if their vertices differ by less than about this share of the radius.
CONVEX_SHARE = 0.999  # A mesh collides as its hull if it fills this share of the hull's volume.
COACD_PROCESS = Path(__file__).with_name("coacd_process.py")
FIRST_WORD, WORDS_APART = 5.0, 20.0  # seconds after which a decomposition says that it goes on, and between its words
STALLED = 30.0  # CoACD gets so many seconds by the clock for one of processor time; then it hangs
# These signals end a process that broke down by itself or took all memory; by others somebody stops it.
BREAKDOWNS = (signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGILL, signal.SIGBUS, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class DecompositionConfig:
    """CoACD's parameters. thresholds: concavity that may remain, as a share of the object's size; the next one is
    taken where the pieces of the one before do not fit."""

    thresholds: tuple[float, ...] = (0.04, 0.02, 0.01)
    largest_far_share: float = TOLERATED  # A finer threshold is tried where a Fit has a larger far_share.
    resolution: int = 2000  # samples for the concavity measure; CoACD's default
    search_iterations: int = 60  # CoACD's default is 150: twice as slow for 1-2 % fewer pieces
    seed: int = 0
    patience: float = 60.0  # CoACD gets so many seconds of processor time for a mesh, at all thresholds together

    def __post_init__(self) -> None:
        if not self.thresholds or not all(0.01 <= threshold <= 1 for threshold in self.thresholds):
            raise InputError(f"thresholds are {self.thresholds}; CoACD takes 0.01 to 1, and at least one is needed")
        if not 1 <= self.patience <= 86400:
            raise InputError(f"patience is {self.patience}; expected 1 to 86400 seconds of processor time")


@dataclass(frozen=True)
class _Pieces:
    """Convex pieces, and whether no more time would have made other ones."""

    parts: list[trimesh.Trimesh]
    final: bool


class NoPieces(InputError):
    """CoACD found no pieces of a mesh, and would find none if it were asked again."""


def convex_parts(
    solid: Solid, cache_dir: Path | None = None, config: DecompositionConfig | None = None
) -> tuple[trimesh.Trimesh, ...]:
    """Convex meshes in the object's frame whose union is (nearly) the solid; from the cache where it has them.

    A warning says so where they are coarse, or do not fit. InputError: CoACD cannot be run.
    """
    if solid.parts is not None:
        return solid.parts
    if solid.mesh.volume >= CONVEX_SHARE * solid.mesh.convex_hull.volume:
        return (solid.mesh.convex_hull,)
    config = config or DecompositionConfig()
    folder, name = (cache_dir or cache_folder()) / "convex_parts", _fingerprint(solid.mesh, config)
    final, hurried = folder / f"{name}.npz", folder / f"{name}_{config.patience:g}s.npz"  # the latter: time was over
    for path in (final, hurried):
        if path.is_file():
            return _read_parts(path)
    pieces = _refined(solid, config)
    path = final if pieces.final else hurried
    _write_parts(path, pieces.parts)
    return _read_parts(path)


def piece_fit(solid: Solid, cache_dir: Path | None = None) -> Fit:
    """How far the pieces that collide (`convex_parts`) are from the solid; measured once for a shape of any size."""
    parts = convex_parts(solid, cache_dir)
    digest = hashlib.sha256()
    for mesh in (solid.mesh, *parts):
        digest.update(np.rint(mesh.vertices / (SAME_SHAPE * solid.radius)).astype(np.int32).tobytes())
        digest.update(np.ascontiguousarray(mesh.faces, dtype=np.int64).tobytes())
    path = (cache_dir or cache_folder()) / "piece_gaps" / f"{digest.hexdigest()[:32]}.npz"
    if path.is_file():
        arrays = _read(path, ("volume_error", "missed", "filled"))
        gaps = Gaps(float(arrays["volume_error"]), arrays["missed"], arrays["filled"])
    else:
        unit = replace(solid, parts=parts).scaled(1 / solid.radius)
        gaps = gaps_of(unit, convex_parts(unit))
        with suppress(OSError):  # a cache that cannot be written costs time and no result
            _write(path, volume_error=np.array(gaps.volume_error), missed=gaps.missed, filled=gaps.filled)
    return gaps.fit(solid.radius)


def decompose(
    solid: Solid, threshold: float, config: DecompositionConfig, seconds: float | None = None
) -> list[trimesh.Trimesh]:
    """Convex pieces that CoACD finds at one threshold, in a process of its own: it may abort, or never end.

    seconds: of processor time; None: the config's patience. NoPieces: it does, or it finds none.
    """
    seconds = seconds or config.patience
    parameters = {
        "threshold": threshold, "resolution": config.resolution, "mcts_iterations": config.search_iterations,
        "seed": config.seed,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="graspnet_coacd_") as folder:
        path = Path(folder) / "mesh.npz"
        np.savez(path, vertices=solid.mesh.vertices, faces=solid.mesh.faces)
        _run_coacd(coacd_command(path, parameters, seconds), solid.name, seconds, Path(folder) / "errors.txt")
        with np.load(path, allow_pickle=False) as file:
            vertices, faces, counts = file["vertices"], file["faces"], file["counts"]
    if not len(counts):
        raise NoPieces(f"{solid.name}: CoACD found no convex pieces")
    vertex_ends, face_ends = np.cumsum(counts, axis=0)[:-1].T
    pieces = zip(np.split(vertices, vertex_ends), np.split(faces, face_ends), strict=True)
    return [trimesh.Trimesh(vertices, faces).convex_hull for vertices, faces in pieces]


def coacd_command(mesh: Path, parameters: dict[str, float], seconds: float) -> list[str]:
    """What runs CoACD on a mesh of coacd_process.py's format, which it overwrites with the pieces.

    -P: otherwise modules that lie beside coacd_process.py would be taken for libraries of the same names.
    """
    limit = str(max(1, math.ceil(seconds)))
    return [sys.executable, "-P", str(COACD_PROCESS), str(mesh), json.dumps(parameters), limit]


def cache_folder() -> Path:
    """Where decompositions are kept between runs: $XDG_CACHE_HOME/graspnet, or ~/.cache/graspnet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graspnet"


def _refined(solid: Solid, config: DecompositionConfig) -> _Pieces:
    """The pieces of the first threshold that fits; else, with a warning, those that fit best: coarse blocks are among
    them where CoACD gave up."""
    tries: list[tuple[float, list[trimesh.Trimesh], str]] = []  # far share, pieces, what they are called
    left, why = config.patience, ""
    for threshold in config.thresholds:
        before = _seconds_of_children()
        try:
            parts = decompose(solid, threshold, config, left)
        except NoPieces as error:
            blocks, why = blocks_of(solid.mesh), f"{error}"
            tries.append(
                (fit_of(solid, blocks).far_share, blocks, f"{len(blocks)} coarse blocks, which collide instead,")
            )
            break
        tries.append((fit_of(solid, parts).far_share, parts, "its collision pieces"))
        left -= _seconds_of_children() - before
        if tries[-1][0] < config.largest_far_share:
            return _Pieces(parts, final=True)
        if left < 1:
            why = f"{solid.name}: CoACD's {config.patience:g} s of processor time are over"
            break
    far_share, parts, called = min(tries, key=lambda one: one[0])
    click.echo(
        f"warning: {why or solid.name}{';' if why else ':'} {called} are more than {1000 * FAR:g} mm off over "
        f"{far_share:.1%} of the surface{'' if why else ', at the finest threshold too'}: there, physics meets another "
        "shape than cameras see",
        err=True,
    )
    return _Pieces(parts, final=not why)


def _seconds_of_children() -> float:
    """Processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _fingerprint(mesh: trimesh.Trimesh, config: DecompositionConfig) -> str:
    """What pieces depend on. Not so patience: those that were found in time are the same with more of it."""
    settings = {name: value for name, value in asdict(config).items() if name != "patience"}
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    digest.update(np.ascontiguousarray(mesh.vertices, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, dtype=np.int64).tobytes())
    return digest.hexdigest()[:32]


def _run_coacd(command: list[str], name: str, seconds: float, errors: Path) -> None:
    """Run CoACD, and say now and then that it goes on. NoPieces: it takes too long, or breaks
    down by itself. InputError: it cannot be run.
    """
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # waiting threads would count as processor time
    begun = monotonic()
    with errors.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=one_thread)
    try:
        status = None
        while status is None:
            try:
                status = process.wait(FIRST_WORD if monotonic() - begun < FIRST_WORD else WORDS_APART)
            except subprocess.TimeoutExpired:
                waited = monotonic() - begun
                if waited > STALLED * seconds:
                    raise NoPieces(f"{name}: CoACD hung: it had no answer after {waited:.0f} s") from None
                click.echo(
                    f"{name}: cutting it into convex pieces for collisions, {waited:.0f} s (CoACD may take "
                    f"{seconds:.0f} s of processor time)",
                    err=True,
                )
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
    if status == -signal.SIGXCPU:
        raise NoPieces(f"{name}: CoACD was not done after {seconds:.0f} s of processor time")
    if -status in BREAKDOWNS:
        memory = ": no memory left?" if status == -signal.SIGKILL else ""
        raise NoPieces(f"{name}: CoACD broke down ({signal.Signals(-status).name}{memory})")
    if status != 0:
        lines = errors.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise InputError(f"{name}: CoACD cannot be run (exit status {status}: {lines[-1][:200]})")


def _write_parts(path: Path, parts: list[trimesh.Trimesh]) -> None:
    """Write all pieces' vertices, one after another."""
    counts = np.array([len(part.vertices) for part in parts], dtype=np.int64)
    vertices: Float64[np.ndarray, "P 3"] = np.concatenate([part.vertices for part in parts])
    _write(path, vertices=vertices, counts=counts)


def _read_parts(path: Path) -> tuple[trimesh.Trimesh, ...]:
    arrays = _read(path, ("vertices", "counts"))
    clouds = np.split(arrays["vertices"], np.cumsum(arrays["counts"])[:-1])
    return tuple(trimesh.convex.convex_hull(cloud) for cloud in clouds)


def _write(path: Path, **arrays: np.ndarray) -> None:
    """Write one file; a reader never sees half of it, whichever process writes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    np.savez_compressed(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def _read(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise InputError(f"{path}: damaged cache file; delete it and run again") from None
