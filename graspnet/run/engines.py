"""Engines: how work units become results. Engines differ in speed and reach only, never in results."""

import multiprocessing
import os
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from graspnet.errors import InputError, unknown_name

__all__ = ["ENGINES", "Engine", "LocalEngine", "RayEngine", "make_engine"]

U = TypeVar("U")
R = TypeVar("R")
ENGINES = ("local", "ray")
AHEAD = 2  # Each CPU has so many units handed out: the next one is there at once, and a failure stops soon.
RETRIES = 3  # A unit whose node died is tried again so often.
PATIENCE = 5.0  # An address has so many seconds to answer.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_KILLED = "a worker was killed (out of memory?); finished shards are kept: use --resume with fewer --workers"


class Engine(ABC):
    """Runs a function over work units, on one machine or many."""

    workers: int  # So many processes were asked for.

    @abstractmethod
    def run(self, work: Callable[[U], R], units: Sequence[U]) -> Iterator[R]:
        """Results as they come, in any order, each unit's once. `work` must be importable, all of it picklable.

        What units have in common belongs into `work` (`functools.partial`): it travels to a worker once, not once a
        unit. A unit may be worked on twice, where a machine dies, so its effects must not depend on how often.
        """


def make_engine(name: str, workers: int, address: str | None = None) -> Engine:
    """An engine by name. `workers` counts processes of this machine; `address` is a running Ray cluster's."""
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    if name == "ray":
        return RayEngine(workers, address)
    if address is not None:
        raise InputError(f"address {address!r} is of a Ray cluster; the local engine has none: --engine ray")
    return LocalEngine(workers)


class LocalEngine(Engine):
    """Processes of this machine, one thread each: two threads on a busy machine can be ten times slower than one."""

    def __init__(self, workers: int) -> None:
        self.workers = _checked(workers)

    def run(self, work: Callable[[U], R], units: Sequence[U]) -> Iterator[R]:
        """See Engine."""
        context = multiprocessing.get_context("spawn")  # a forked child inherits threads in a broken state
        pool = ProcessPoolExecutor(self.workers, context, initializer=_begin, initargs=(work,))
        with _environment(_ONE_THREAD), pool:
            waiting, pending = list(reversed(units)), set[Future[R]]()
            try:
                while waiting or pending:
                    while waiting and len(pending) < AHEAD * self.workers:
                        pending.add(pool.submit(_work_on, waiting.pop()))
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            except BrokenProcessPool:
                raise InputError(_KILLED) from None
            finally:
                pool.shutdown(cancel_futures=True)


class RayEngine(Engine):
    """A Ray cluster: the one at `address`, or one of `workers` processes that is started for the run.

    Every machine needs graspnet installed, and sees the dataset's folder under the same path (or at the same URL).
    Machines may join and leave: the units of one that dies are worked on elsewhere.
    """

    def __init__(self, workers: int, address: str | None = None) -> None:
        self.workers = _checked(workers)
        self.address = address
        if find_spec("ray") is None:
            raise InputError("the engine ray needs Ray: pip install graspnet[cluster]")

    def run(self, work: Callable[[U], R], units: Sequence[U]) -> Iterator[R]:
        """See Engine. One CPU a unit."""
        with _ray_cluster(self.workers, self.address) as ray:
            threads = {"env_vars": _ONE_THREAD}
            remote = ray.remote(num_cpus=1, max_retries=RETRIES, runtime_env=threads)(_work_in_folder)
            shared, folder = ray.put(work), os.getcwd()
            waiting, pending = list(reversed(units)), list[Any]()
            try:
                while waiting or pending:
                    room = AHEAD * max(int(ray.cluster_resources().get("CPU", 0)), 1)
                    while waiting and len(pending) < room:
                        pending.append(remote.remote(shared, waiting.pop(), folder))
                    (done,), pending = ray.wait(pending, num_returns=1)
                    yield ray.get(done)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", error)  # what the unit raised, or what went wrong around it
                if not isinstance(cause, ray.exceptions.RayError):
                    raise cause from None
                said = " ".join(str(cause).split())[:300]
                raise InputError(f"{_KILLED}; a machine without graspnet? Ray says: {said}") from None
            finally:
                for unit in pending:
                    ray.cancel(unit, force=True)


def _checked(workers: int) -> int:
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1")
    return workers


_work: Callable[[Any], Any]  # what this worker process does with a unit


def _begin(work: Callable[[Any], Any]) -> None:
    """Let a worker know its work, and die with the process that started it: a killed run must leave nobody behind who
    still writes."""
    global _work
    _work = work
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work_on(unit: Any) -> Any:
    return _work(unit)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Spawned children read these variables when their libraries load."""
    saved = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _ray_cluster(workers: int, address: str | None) -> Iterator[Any]:
    """Ray, connected; and disconnected afterwards unless the caller already was. It reports nothing to its makers."""
    with _environment({"RAY_USAGE_STATS_ENABLED": "0"}):
        import ray

        connected = ray.is_initialized()
        if not connected:
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
            if address is None:
                ray.init("local", num_cpus=workers, include_dashboard=False, **quiet)
            else:
                _check_that_it_answers(address)
                try:
                    ray.init(address=address, **quiet)
                except (ConnectionError, ValueError, RuntimeError) as error:
                    raise InputError(f"address {address!r}: {error}") from None
    try:
        yield ray
    finally:
        if not connected:
            ray.shutdown()


def _check_that_it_answers(address: str) -> None:
    """Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # `auto` and other names: Ray looks them up at once
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise InputError(f"address {address!r}: no Ray cluster answers ({error}); `ray status` shows it") from None


def _work_in_folder(work: Callable[[U], R], unit: U, folder: str) -> R:
    """Relative paths mean what they mean to the caller, where the machine has that folder."""
    if Path(folder).is_dir():
        os.chdir(folder)
    return work(unit)
