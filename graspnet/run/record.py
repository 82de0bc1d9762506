"""`run.json`: what a command was asked, with what, where, when, and what it made."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import graspnet
from graspnet.run.storage import json_bytes, open_folder

__all__ = ["git_state", "machine", "package_versions", "write_json", "write_run_record"]

PACKAGES = ("graspnet", "torch", "numpy", "scipy", "trimesh", "open3d", "pyrender", "mujoco", "manifold3d", "zarr")


def write_run_record(
    folder: str | Path, command: str, config: dict[str, Any], seed: int, started: float, made: Any
) -> None:
    """Write `run.json` into a run's folder, a path or a URL.

    started: time.time() at its start. made: what it made, JSON-ready.
    """
    record = {
        "command": command, "arguments": sys.argv[1:], "config": config, "seed": seed, "made": made,
        "packages": package_versions(), "git": git_state(), "machine": machine(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
    }  # fmt: skip
    open_folder(folder).write({"run.json": json_bytes(record)})


def write_json(path: Path, data: Any) -> None:
    """Write JSON to a file; a reader never sees half of it."""
    open_folder(path.parent).write({path.name: json_bytes(data)})


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that a result depends on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions


def machine() -> dict[str, Any]:
    """Processor and operating system, for reading a measurement."""
    return {
        "processor": _processor_name(), "cores": os.cpu_count(),
        "system": platform.platform(), "python": platform.python_version(),
    }  # fmt: skip


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def git_state() -> dict[str, Any]:
    """The commit of the checkout that the package runs from, and whether it is clean; empty for an installed wheel."""
    root = Path(graspnet.__file__).parent.parent
    if not (root / ".git").exists():
        return {}
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "clean": _git(root, "status", "--porcelain") == ""}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
