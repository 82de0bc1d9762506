"""The wheel, installed into an empty environment and used outside of the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.places import ROOT

NOT_BUILT = shutil.ignore_patterns(
    ".venv", ".git", "build", "dist", "out", "demo", "*.egg-info", "__pycache__", ".*_cache"
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: building in place would leave its products in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_BUILT)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "source"]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory) -> Run:
    """Run a program of an environment with the wheel and this one's third-party packages, but no checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = next(folder.glob("lib/python*/site-packages"))
    # a folder named by a .pth file is searched, but its own .pth files, such as the editable install's, are not read
    (site / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    environment = {"PATH": f"{folder / 'bin'}:{os.defpath}", "HOME": str(elsewhere), "OMP_NUM_THREADS": "1"}

    def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [folder / "bin" / program, *map(str, arguments)]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_installed_command_answers(run):
    help_text = run("graspnet", "--help")
    assert help_text.returncode == 0, help_text.stderr
    assert "generate" in help_text.stdout
    assert run("graspnet", "--version").stdout.startswith("graspnet, version")


def test_it_runs_from_the_environment_and_not_from_the_checkout(run):
    done = run("python", "-c", "import graspnet.sim_eval.cli; print(graspnet.__file__)")
    assert done.returncode == 0, done.stderr
    assert "site-packages" in done.stdout
    assert str(ROOT) not in done.stdout


def test_it_brings_every_preset_benchmark_weight_and_sample(run):
    program = (
        "from importlib.resources import files; from pathlib import Path; "
        "names = ('configs', 'benchmarks', 'weights', 'sample'); "
        "roots = {name: Path(str(files('graspnet.' + name))) for name in names}; "
        "[print(f'{n}/{p.relative_to(r)}') for n, r in roots.items() for p in r.rglob('*') if p.is_file()]"
    )
    installed = set(run("python", "-c", program).stdout.splitlines())
    listed = subprocess.run(
        ["git", "ls-files", "configs", "benchmarks", "graspnet/weights", "graspnet/sample"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert {name.removeprefix("graspnet/") for name in listed.stdout.splitlines()} <= installed


def test_presets_are_found_by_name(run):
    program = "from graspnet.grippers.gripper import load_gripper; print(load_gripper('yumi').max_width)"
    assert run("python", "-c", program).stdout == "0.05\n"


def test_it_plans_a_grasp_with_the_weights_that_ship(run, tmp_path):
    depth = np.full((480, 640), 0.7, np.float32)
    depth[200:280, 310:330] = 0.67  # a bar of 27 x 107 mm, 30 mm high: narrow enough for the 50 mm hand
    np.save(tmp_path / "depth.npy", depth)
    plan = tmp_path / "plan.json"
    what = ("--depth", tmp_path / "depth.npy", "--camera", "primesense", "--gripper", "yumi", "--output", plan)
    done = run("graspnet", "plan", *what)
    assert done.returncode == 0, done.stderr
    best = json.loads(plan.read_text())["grasps"][0]
    u, v = best["image"]["center"]
    assert 300 < u < 340
    assert 190 < v < 290


@pytest.mark.slow
def test_it_generates_the_quick_dataset(run, tmp_path):
    done = run("graspnet", "generate", "--config", "quick", "--output", tmp_path / "quick")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "quick" / "run.json").read_text())["made"]["grasps"] >= 2000
