"""What every test shares: one thread for each process, reproducible Hypothesis examples, and the shared data."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch load: two threads on a busy machine are slower

import pytest
from hypothesis import settings

from tests.box_scenes import box_scene, in_world  # noqa: F401  fixtures of all tests
from tests.places import SHARED

settings.register_profile("graspnet", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("graspnet")

# Files whose tests take longest. A file's tests stay in one process (Makefile): a long one that came last would keep
# one process busy while the other has nothing left to do.
LONGEST = (
    "tests/test_tour.py",
    "tests/sim_eval/episodes/test_interruptions.py",
    "tests/sim_eval/test_demo.py",
    "tests/sim_eval/episodes/test_picked_grasps.py",
    "tests/graspnet/run/test_engines.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin; the others keep their order."""
    items.sort(key=lambda item: LONGEST.index(item.location[0]) if item.location[0] in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images and meshes beside the checkout, which are not ours to ship."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED
