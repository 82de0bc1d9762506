"""Facts about validation: what is generated passes, and every single wrong value is found and named."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.dataset import Clearance, MetricEstimate
from graspnet.report.inspection.validation import invalid_columns, object_rows


def with_grasps(shard, **changes):
    return replace(shard, grasps=replace(shard.grasps, **changes))


def first(values: np.ndarray, value: object) -> np.ndarray:
    """A copy with another first value."""
    changed = values.copy()
    changed[0] = value
    return changed


def test_what_was_generated_is_as_documented(three):
    for shard in three.shards():
        assert invalid_columns(shard, three.header) == []


WRONG = {
    "image: 1 rows that do not exist": lambda g: {"image": first(g.image, 9)},
    "instance: 1 objects that are not in the image": lambda g: {"instance": first(g.instance, 7)},
    "camera_from_grasp: 1 not rigid": lambda g: {"camera_from_grasp": first(g.camera_from_grasp, np.eye(4) * 2)},
    "width: 1 outside (0, max_width]": lambda g: {"columns": {"width": first(g.columns["width"], 0.5)}},
    "depth: 1 not z of the pose": lambda g: {"depth": first(g.depth, 0.1)},
    "center: 1 not where the camera sees the pose": lambda g: {"center": first(g.center, 1.0)},
    "angle: 1 outside [-π/2, π/2)": lambda g: {"angle": first(g.angle, 2.0)},
    "contacts: 1 not finite where found": lambda g: {"contact_found": first(g.contact_found, not g.contact_found[0])},
    "clearance_palm: 1 NaN": lambda g: {"clearance": without_palm(g.clearance)},
    "gripper: 1 names that dataset.json does not have": lambda g: {"gripper": ("claw", *g.gripper[1:])},
    "source: 1 empty": lambda g: {"source": ("", *g.source[1:])},
    "robust_pad_closure_variance: 1 negative": lambda g: {"metrics": with_variance(g, -1.0)},
}


def without_palm(clearance: Clearance) -> Clearance:
    """The palm's first distance is not told."""
    return Clearance.of(clearance.each | {"palm": first(clearance.parts["palm"], np.nan)})


def with_variance(grasps, value: float) -> dict[str, MetricEstimate]:
    columns = grasps.metrics["robust_pad_closure"]
    return grasps.metrics | {"robust_pad_closure": replace(columns, variance=first(columns.variance, value))}


@pytest.mark.parametrize("message", WRONG)
def test_one_wrong_value_is_found_and_named(three, message):
    shard = three.read(0)
    found = invalid_columns(with_grasps(shard, **WRONG[message](shard.grasps)), three.header)
    assert any(line.startswith(f"grasps.parquet: {message}") for line in found), found


def test_an_object_that_the_table_does_not_know_is_found_in_the_image(three):
    shard = three.read(0)
    instance = shard.images.instance.copy()
    instance[1, 5, 5] = 9
    changed = replace(shard, images=replace(shard.images, instance=instance))
    assert "instance.zarr: 1 objects that objects.parquet does not know" in invalid_columns(changed, three.header)


def test_a_grasp_finds_its_object_by_image_and_number(three):
    shard = three.read(0)
    rows = object_rows(shard.objects, shard.grasps)
    np.testing.assert_array_equal(shard.objects.image[rows], shard.grasps.image)
    np.testing.assert_array_equal(shard.objects.instance[rows], shard.grasps.instance)
