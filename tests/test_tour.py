"""The tour runs as it is written: every command of README and docs/tour.md, in order, in an empty folder with an empty
home, as a shell runs it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import code_blocks, joined_lines
from tests.places import ROOT

TOURS = ("README.md", "docs/tour.md")

# What a command gets in addition, so that its sizes suit a test.
SHORTER = {
    "graspnet train --config demo --dataset out/mine --output out/model": "epochs=1",
    "graspnet evaluate --model out/model --dataset out/mine --output out/evaluation": "--quick",
    "graspnet simulate --config quick --policy cross_entropy --policy principal_axis --output out/sim": "--trials 2",
    "graspnet simulate --config quick --trials 8 --output out/peer --planner"
    " 'graspnet plan --depth {depth} --camera {camera} --gripper {gripper} --output {output}'": "--trials 1",
    "graspnet generate --config quick --output out/quick": "objects.count=3 views=1",
    "graspnet simulate --policy cross_entropy --policy principal_axis --model out/model --output out/sim": "--trials 2",
    "graspnet benchmark crops": "--quick",
    "graspnet generate --config dexnet_2.0 --objects sample/meshes --workers 2 --output out/dexnet --resume"
    " objects.unit=0.001": "views=2 grasps_per_view=8",
    "graspnet generate --config default --on-policy out/model --output out/round_2": "objects.count=2 views=1"
    " grasps_per_view=8 assumed.uncertainty.samples=8",
    "graspnet audit out/mine --output out/audit": "--grasps 4",
    "graspnet train --config gqcnn_4.0_pj --dataset out/dexnet --output out/pj": "examples=128",
    "graspnet train --dataset out/mine --output out/wide network.width=2 network.residual=true"
    " network.crop.fine_window=1.2": "examples=128",
    "graspnet simulate --policy cross_entropy --policy antipodal --policy oracle --output out/single": "--trials 2",
    "graspnet simulate --config vgn_pile --objects sample/meshes --policy cross_entropy --output out/pile"
    " objects.unit=0.001": "--trials 1",
    "graspnet simulate --trials 8 --output out/peer --planner"
    " 'graspnet plan --depth {depth} --camera {camera} --gripper {gripper} --output {output}'": "--trials 1",
    "graspnet simulate --replay 12 --output out/single": "--replay 1",
}

# What other tests run, and what is run here instead of it.
INSTEAD = {
    "make demo": f"make -C {ROOT} -n demo",  # tests/sim_eval/test_demo.py runs it, with smaller presets
    "make test": f"make -C {ROOT} -n test",  # runs these tests
    "graspnet demo": "graspnet demo --help",
}


def commands_of(document: str) -> list[str]:
    """Every line of the document's blocks without a language, comments left out."""
    lines = [line for block in code_blocks(ROOT / document) for line in joined_lines(block)]
    return [shown for line in lines if (shown := shlex.join(shlex.split(line, comments=True)))]


@pytest.mark.timeout(1800)  # twenty programs, two minutes of processor time; a busy machine needs ten
@pytest.mark.parametrize("document", TOURS)
def test_every_command_runs_as_it_is_written(document, tmp_path):
    (tmp_path / ".venv").symlink_to(sys.prefix)  # where `make setup` puts it
    home = tmp_path / "home"
    home.mkdir()
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    for shown in commands_of(document):
        command = INSTEAD.get(shown) or f"{shown} {SHORTER.get(shown, '')}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"HOME": str(home), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_what_is_run_otherwise_is_shown():
    shown = {command for document in TOURS for command in commands_of(document)}
    assert sorted((set(SHORTER) | set(INSTEAD)) - shown) == []
