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


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images and meshes beside the checkout, which are not ours to ship."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED
