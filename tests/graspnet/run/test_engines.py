"""Engines: every unit once, errors in one line, one thread for each worker; the same whoever works."""

import os
import socket
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from graspnet.errors import InputError
from graspnet.run import engines
from graspnet.run.engines import Engine, LocalEngine, RayEngine, make_engine


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    raise InputError(f"unit {number} cannot be made")


def die(number: int) -> int:
    os._exit(9)


def threads_and_process(number: int) -> tuple[str | None, int]:
    return os.environ.get("OMP_NUM_THREADS"), os.getpid()


class Passenger:
    """Counts how often it is packed for a journey."""

    journeys = 0

    def __reduce__(self):
        Passenger.journeys += 1
        return Passenger, ()


def carry(passenger: Passenger, number: int) -> int:
    return number


@pytest.fixture(scope="module")
def ray_address():
    """A Ray cluster of one node with two CPUs, started once for all tests."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(params=["local", "ray"])
def engine(request) -> Engine:
    address = request.getfixturevalue("ray_address") if request.param == "ray" else None
    return make_engine(request.param, 2, address)


def test_every_unit_is_worked_on_once(engine):
    found = Counter(engine.run(square, list(range(20))))
    assert found == Counter(n * n for n in range(20))


def test_no_units_make_no_results():
    assert list(LocalEngine(1).run(square, [])) == []


def test_each_worker_has_one_thread_and_the_caller_keeps_its_own_setting(engine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = list(engine.run(threads_and_process, list(range(6))))
    assert {threads for threads, _ in found} == {"1"}
    assert os.getpid() not in {process for _, process in found}
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_what_all_units_share_travels_with_the_workers_and_not_with_the_units(engine, monkeypatch):
    monkeypatch.setattr(Passenger, "journeys", 0)
    assert len(list(engine.run(partial(carry, Passenger()), list(range(30))))) == 30
    assert 1 <= Passenger.journeys <= 2  # for two workers


def test_a_relative_path_means_to_a_worker_what_it_means_to_the_caller(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [Path(found) for found in engine.run(os.path.abspath, ["here"])] == [tmp_path.resolve() / "here"]


def test_an_input_error_of_a_unit_reaches_the_caller(engine):
    with pytest.raises(InputError, match=r"^unit 0 cannot be made$"):
        list(engine.run(refuse, [0]))


def test_a_worker_that_dies_is_one_line_that_says_what_to_do(engine):
    with pytest.raises(InputError, match=r"worker was killed.*--resume"):
        list(engine.run(die, [0]))


def test_no_workers_are_refused():
    for kind in (LocalEngine, RayEngine):
        with pytest.raises(InputError, match="workers is 0"):
            kind(0)


def test_a_ray_cluster_is_started_for_the_run_and_ended_with_it():
    ray = pytest.importorskip("ray")
    assert sorted(RayEngine(1).run(square, [1, 2, 3])) == [1, 4, 9]
    assert not ray.is_initialized()


def test_an_address_where_no_cluster_is_gets_one_line_within_seconds():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(InputError, match=f"address '{address}': no Ray cluster answers"):
            list(RayEngine(1, address).run(square, [1]))
    with pytest.raises(InputError, match="address 'nonsense': "):
        list(RayEngine(1, "nonsense").run(square, [1]))


def test_without_ray_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install graspnet\[cluster\]"):
        RayEngine(1)


def test_an_engine_that_does_not_exist_and_an_address_without_a_cluster_are_refused():
    with pytest.raises(InputError, match="did you mean 'local'"):
        make_engine("loca", 1)
    with pytest.raises(InputError, match="--engine ray"):
        make_engine("local", 1, "10.0.0.1:6379")
