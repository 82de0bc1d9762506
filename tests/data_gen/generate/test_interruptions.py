"""What stops a run: a kill, a full disk, a dead machine. The dataset that is made in the end is always the same one."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from graspnet.config import parse_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.run import generate
from graspnet.errors import InputError
from graspnet.run.engines import Engine, LocalEngine, RayEngine

KILLS = 10
UNITS = 32


CONFIG = {
    "objects": {"count": UNITS},
    "hands": {"presets": ["yumi"], "random_share": 0.0},
    "metrics": ["robust_force_closure"],
    "views": 1,
    "grasps_per_view": 6,
}


def config() -> GenerateConfig:
    return parse_config(GenerateConfig, CONFIG, "small")


def make(folder: Path, engine: Engine, resume: bool = False) -> int:
    """How many units it worked on."""
    return sum(1 for _ in generate(config(), "small", 5, folder, engine, resume))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Here(Engine):
    """In this process, where a test can reach what is written."""

    def run(self, work: Callable, units: Sequence) -> Iterator:
        """See Engine."""
        return map(work, units)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """What an uninterrupted run writes."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    assert make(folder, Here()) == UNITS
    return contents(folder)


def finished(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("shards/*/shard.json"))


def assert_finished_shards_are_whole(folder: Path, whole: dict[str, bytes]) -> None:
    for shard in finished(folder):
        place = f"shards/{shard}/"
        for name, data in whole.items():
            if name.startswith(place):
                assert (folder / name).read_bytes() == data


# A kill


@pytest.mark.slow
def test_a_run_killed_ten_times_at_random_moments_and_resumed_equals_the_uninterrupted_one(whole, tmp_path):
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    script = (
        "from pathlib import Path; from graspnet.run.engines import LocalEngine\n"
        "from tests.data_gen.test_interruptions import make\n"
        f"if __name__ == '__main__': make(Path({str(folder)!r}), LocalEngine(2), resume=True)"
    )
    killed_in_mid_run = 0
    for _ in range(KILLS):
        before = files_below(folder)
        run = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stderr=subprocess.DEVNULL)
        more = rng.integers(1, 16)  # files; a shard has eight
        while run.poll() is None and len(files_below(folder) - before) < more:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.01))
        run.send_signal(signal.SIGKILL)
        killed_in_mid_run += run.wait() == -signal.SIGKILL
        assert_finished_shards_are_whole(folder, whole)
    assert killed_in_mid_run == KILLS
    assert 0 < make(folder, LocalEngine(2), resume=True) < UNITS
    assert contents(folder) == whole


def files_below(folder: Path) -> set[str]:
    return {os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names}


# A full disk


def test_a_full_disk_keeps_the_finished_shards_and_says_what_to_do(whole, tmp_path, monkeypatch):
    folder, left = tmp_path / "data", half_of(whole)
    write_bytes = Path.write_bytes

    def write_while_there_is_room(path: Path, data: bytes) -> int:
        nonlocal left
        written = write_bytes(path, data[:left])
        left -= written
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_while_there_is_room)
        with pytest.raises(InputError, match=r"data/shards.*no space is left.*resume"):
            make(folder, Here())
    made = finished(folder)
    assert 0 < len(made) < UNITS
    assert_finished_shards_are_whole(folder, whole)
    assert make(folder, Here(), resume=True) == UNITS - len(made)
    assert contents(folder) == whole


@pytest.mark.slow
def test_a_disk_that_is_really_full_ends_the_command_with_one_line_and_resume_completes_it(whole, tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare -rm, to mount a small disk of its own")
    (tmp_path / "disk").mkdir()
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(CONFIG))
    command = f"{sys.executable} -c 'from graspnet.cli import main; main()' generate --config small.yaml --seed 5"
    script = f"""
        mount -t tmpfs -o size={half_of(whole) // 1024}k tmpfs disk
        {command} --workers 2 --output disk/data 2> stderr
        echo $? > status
        cp -r disk/data stopped
        mount -o remount,size=100m disk
        {command} --workers 2 --output disk/data --resume && cp -r disk/data resumed
        """
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int((tmp_path / "status").read_text()) == 2
    (line,) = [x for x in (tmp_path / "stderr").read_text().splitlines() if not x.startswith("generate: ")]
    assert re.match(r"graspnet: disk/data/.*no space is left.*resume", line)
    assert 0 < len(finished(tmp_path / "stopped")) < UNITS
    assert_finished_shards_are_whole(tmp_path / "stopped", whole)
    (tmp_path / "resumed" / "run.json").unlink()
    assert contents(tmp_path / "resumed") == whole


def half_of(whole: dict[str, bytes]) -> int:
    return sum(map(len, whole.values())) // 2


# A dead machine


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_machine_in_mid_run_makes_the_same_dataset(whole, tmp_path):
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        doomed = cluster.add_node(num_cpus=1)
        run = iter(generate(config(), "small", 5, tmp_path / "data", RayEngine(1, cluster.address)))
        summaries = [next(run) for _ in range(4)]
        cluster.remove_node(doomed, allow_graceful=False)
        summaries += run
    finally:
        cluster.shutdown()
    assert len({summary.name for summary in summaries}) == len(summaries) == UNITS
    assert contents(tmp_path / "data") == whole


@pytest.mark.slow
def test_what_a_machine_was_at_when_it_died_is_worked_on_elsewhere(tmp_path):
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        doomed = cluster.add_node(num_cpus=1)
        run = RayEngine(1, cluster.address).run(partial(note_and_wait, tmp_path), list(range(12)))
        results = [next(run)]
        while not any(is_fresh(path) for path in tmp_path.glob(f"*-{doomed.node_id}-*")):
            results.append(next(run))
            time.sleep(0.2)  # for the next unit to begin
        cluster.remove_node(doomed, allow_graceful=False)
        results += run
    finally:
        cluster.shutdown()
    assert Counter(results) == Counter(range(12))
    begun = Counter(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert set(begun) == {str(n) for n in range(12)}
    assert max(begun.values()) == 2


def is_fresh(path: Path) -> bool:
    return time.time() - path.stat().st_mtime < 0.5


def note_and_wait(folder: Path, number: int) -> int:
    import ray

    (folder / f"{number}-{ray.get_runtime_context().get_node_id()}-{time.monotonic_ns()}").touch()
    time.sleep(1.5)
    return number
