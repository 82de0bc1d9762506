"""docs/dataset.md says what the files hold: every column, key and metric, and an example that runs."""

import re
from dataclasses import fields

import numpy as np
import pytest

from graspnet.data_gen.labels.metrics import METRICS
from graspnet.dataset import DatasetHeader
from graspnet.dataset.columns import IMAGES, METRIC, OBJECTS, grasp_columns
from tests.places import ROOT

DOCUMENT = (ROOT / "docs" / "dataset.md").read_text()


def rows_under(header: str, section: str) -> list[list[str]]:
    """The cells of the first table with this header in a section."""
    text = DOCUMENT.partition(f"## {section}\n")[2].partition(f"{header}\n")[2]
    lines = text.splitlines()[1:]  # after the rule below the header
    table = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize(
    ("section", "columns"),
    [("`images.parquet`", IMAGES), ("`objects.parquet`", OBJECTS), ("`grasps.parquet`", grasp_columns("parallel_jaw"))],
)
def test_the_document_has_every_column_with_its_type_unit_and_meaning(section, columns):
    expected = [[f"`{c.name}`", c.type_text, c.unit, c.meaning] for c in columns]
    assert rows_under("| column | type | unit | meaning |", section) == expected


def test_the_document_has_the_columns_of_a_metric_and_every_metric():
    after_grasps = DOCUMENT.partition("And three columns for each metric")[2]
    for column in METRIC:
        assert f"| `{column.name}` | {column.type_text} | {column.unit} | {column.meaning} |" in after_grasps
    described = rows_under("| METRIC | its value |", "`grasps.parquet`")
    assert set(METRICS) == {name for first, _ in described for name in re.findall(r"`(\w+)`", first)}


def test_the_document_has_every_key_of_the_header():
    keys = [
        name for first, _ in rows_under("| key | meaning |", "`dataset.json`") for name in re.findall(r"\w+", first)
    ]
    assert sorted(keys) == sorted(field.name for field in fields(DatasetHeader))


def test_the_document_names_every_file_of_a_dataset(three):
    written = {re.sub(r"^shards/\d+/", "", name).partition("/")[0] for name in three.folder.sizes()}
    assert written == {
        "dataset.json",
        "shard.json",
        *(f"{n}.parquet" for n in ("images", "objects", "grasps")),
        "depth.zarr",
        "instance.zarr",
    }
    for name in written:
        assert re.search(rf"/{re.escape(name)}\b", DOCUMENT)


def test_the_example_reads_a_generated_dataset_in_five_lines_without_us(three):
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) == 5
    assert "graspnet" not in example
    found: dict[str, np.ndarray] = {}
    exec(example.replace("DATASET", str(three.folder)), found)
    shard = three.read(0)
    np.testing.assert_array_equal(found["robustness"], shard.grasps.metrics["robust_centered_closure"].mean)
    np.testing.assert_array_equal(found["camera_from_grasp"], shard.grasps.camera_from_grasp)
    first = shard.images.depth[shard.grasps.image[0]]
    np.testing.assert_allclose(found["depth"], np.nan_to_num(first), atol=1e-6)
