"""A real dataset: three procedural objects, two hands, generated in this process."""

from pathlib import Path

import pytest

from graspnet.config import load_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.run import generate
from graspnet.dataset import Dataset
from graspnet.run.engines import Engine

CONFIG = ("objects.count=3", "hands.presets=[yumi, panda]", "hands.random_share=0", "views=2", "grasps_per_view=20")


class Here(Engine):
    """Works in this process: nothing to start, and failures have their traceback."""

    def run(self, work, units):
        """See Engine."""
        yield from map(work, units)


def write_dataset(folder: str | Path, *overrides: str) -> Dataset:
    """Generate the dataset into a folder or URL."""
    config = load_config(GenerateConfig, "generate", "quick", (*CONFIG, *overrides))
    list(generate(config, "three", 4, folder, Here()))
    return Dataset.open(folder)


@pytest.fixture(scope="session")
def three(tmp_path_factory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("three") / "data")
