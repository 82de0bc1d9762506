"""Convex pieces of a solid, to collide with: its own where it knows them, else CoACD's, finer until they fit.

CoACD (Wei et al., SIGGRAPH 2022) takes 0.1 to 100 s; its answer is kept on disk under a hash of the mesh and of the
parameters. So is what piece_fit.py says of the pieces.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import trimesh
from jaxtyping import Float64

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.piece_fit import FAR, TOLERATED, Fit, Gaps, fit_of, gaps_of
from graspnet.errors import InputError

__all__ = ["DecompositionConfig", "cache_folder", "coacd_command", "convex_parts", "decompose", "piece_fit"]

SAME_SHAPE = 1e-5  # Two shapes are the same if their vertices differ by less than about this share of the radius.
CONVEX_SHARE = 0.999  # A mesh collides as its hull if it fills this share of the hull's volume.
COACD_PROCESS = Path(__file__).with_name("coacd_process.py")
COACD_PATIENCE = 300.0  # CoACD gets so many seconds for one threshold: three times the slowest that we have seen.


@dataclass(frozen=True, kw_only=True)
class DecompositionConfig:
    """CoACD's parameters. thresholds: concavity that may remain, as a share of the object's size; the next one is
    taken where the pieces of the one before do not fit."""

    thresholds: tuple[float, ...] = (0.04, 0.02, 0.01)
    largest_far_share: float = TOLERATED  # A finer threshold is tried where a Fit has a larger far_share.
    resolution: int = 2000  # samples for the concavity measure; CoACD's default
    search_iterations: int = 60  # CoACD's default is 150: twice as slow for 1-2 % fewer pieces
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.thresholds or not all(0.01 <= threshold <= 1 for threshold in self.thresholds):
            raise InputError(f"thresholds are {self.thresholds}; CoACD takes 0.01 to 1, and at least one is needed")


def convex_parts(
    solid: Solid, cache_dir: Path | None = None, config: DecompositionConfig | None = None
) -> tuple[trimesh.Trimesh, ...]:
    """Convex meshes in the object's frame whose union is (nearly) the solid; from the cache where it has them.

    InputError: CoACD finds none, breaks down, or takes too long.
    """
    if solid.parts is not None:
        return solid.parts
    if solid.mesh.volume >= CONVEX_SHARE * solid.mesh.convex_hull.volume:
        return (solid.mesh.convex_hull,)
    config = config or DecompositionConfig()
    path = (cache_dir or cache_folder()) / "convex_parts" / f"{_fingerprint(solid.mesh, config)}.npz"
    if not path.is_file():
        _write_parts(path, _refined(solid, config))
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


def decompose(solid: Solid, threshold: float, config: DecompositionConfig) -> list[trimesh.Trimesh]:
    """Convex pieces that CoACD finds at one threshold, in a process of its own: it may abort, or never end.

    InputError: it does, or it finds none.
    """
    parameters = {
        "threshold": threshold, "resolution": config.resolution, "mcts_iterations": config.search_iterations,
        "seed": config.seed,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="graspnet_coacd_") as folder:
        path = Path(folder) / "mesh.npz"
        np.savez(path, vertices=solid.mesh.vertices, faces=solid.mesh.faces)
        failure = _run_coacd(path, parameters, Path(folder) / "errors.txt")
        if failure:
            raise InputError(f"{solid.name}: CoACD {failure}; repair the mesh, make it coarser, or leave it out")
        with np.load(path, allow_pickle=False) as file:
            vertices, faces, counts = file["vertices"], file["faces"], file["counts"]
    if not len(counts):
        raise InputError(f"{solid.name}: CoACD found no convex pieces; is the mesh closed and thicker than a sheet?")
    vertex_ends, face_ends = np.cumsum(counts, axis=0)[:-1].T
    pieces = zip(np.split(vertices, vertex_ends), np.split(faces, face_ends), strict=True)
    return [trimesh.Trimesh(vertices, faces).convex_hull for vertices, faces in pieces]


def coacd_command(mesh: Path, parameters: dict[str, float]) -> list[str]:
    """What runs CoACD on a mesh of coacd_process.py's format, which it overwrites with the pieces.

    -P: otherwise modules that lie beside coacd_process.py would be taken for libraries of the same names.
    """
    return [sys.executable, "-P", str(COACD_PROCESS), str(mesh), json.dumps(parameters)]


def cache_folder() -> Path:
    """Where decompositions are kept between runs: $XDG_CACHE_HOME/graspnet, or ~/.cache/graspnet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graspnet"


def _refined(solid: Solid, config: DecompositionConfig) -> list[trimesh.Trimesh]:
    """The pieces of the first threshold that fits, or, with a warning, of the one that fits best."""
    tries: list[tuple[float, list[trimesh.Trimesh]]] = []
    for threshold in config.thresholds:
        parts = decompose(solid, threshold, config)
        tries.append((fit_of(solid, parts).far_share, parts))
        if tries[-1][0] < config.largest_far_share:
            return parts
    far_share, parts = min(tries, key=lambda one: one[0])
    click.echo(
        f"warning: {solid.name}: its collision pieces are more than {1000 * FAR:g} mm off over {far_share:.1%} of the"
        " surface, at the finest threshold too: there, physics meets another shape than cameras see",
        err=True,
    )
    return parts


def _fingerprint(mesh: trimesh.Trimesh, config: DecompositionConfig) -> str:
    digest = hashlib.sha256(repr(sorted(asdict(config).items())).encode())
    digest.update(np.ascontiguousarray(mesh.vertices, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, dtype=np.int64).tobytes())
    return digest.hexdigest()[:32]


def _run_coacd(mesh: Path, parameters: dict[str, float], errors: Path) -> str:
    """Run CoACD and say what went wrong; empty if nothing did."""
    with errors.open("wb") as said:
        process = subprocess.Popen(coacd_command(mesh, parameters), stdin=subprocess.PIPE, stdout=said, stderr=said)
    try:
        status = process.wait(COACD_PATIENCE)
    except subprocess.TimeoutExpired:
        return f"found no end within {COACD_PATIENCE:g} s"
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
    if status == 0:
        return ""
    lines = errors.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    return f"broke down (exit status {status}: {lines[-1][:200]})"


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
