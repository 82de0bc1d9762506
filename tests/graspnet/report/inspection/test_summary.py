"""Facts about summaries: every grasp is counted once, however the grasps are grouped."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.report.inspection.summary import Tally, summarise
from graspnet.transforms import transform_points


@pytest.fixture(scope="module")
def summary(three):
    return summarise(three)


def test_the_totals_are_those_of_the_tables(three, summary):
    grasps = [shard.grasps for shard in three.shards()]
    assert summary.total.grasps == three.header.counts["grasps"] == sum(map(len, grasps))
    assert summary.total.free == sum(int((g.clearance.smallest >= 0).sum()) for g in grasps)
    positive = sum(int((g.robustness("robust_centered_closure") > 0.5).sum()) for g in grasps)
    assert summary.total.positive == positive > 0


@pytest.mark.parametrize("kind", ["object", "family", "hand", "source"])
def test_every_grouping_adds_up_to_the_total(summary, kind):
    assert sum(summary.by[kind].values(), Tally()) == summary.total


def test_groups_are_objects_hands_and_sources_by_name(three, summary):
    assert sorted(summary.by["object"]) == sorted(name for names in three.header.splits.values() for name in names)
    assert set(summary.by["hand"]) <= {"yumi", "panda"}
    assert "antipodal" in summary.by["source"]


def test_a_sampled_grasp_is_where_it_is_in_the_world(three, summary):
    """Depth below the camera, told by the camera's pose, is the height above the table."""
    heights = []
    for shard in three.shards():
        for pose, image in zip(shard.grasps.camera_from_grasp, shard.grasps.image, strict=True):
            heights.append(transform_points(shard.images.world_from_camera[image], pose[None, :3, 3])[0, 2])
    np.testing.assert_allclose(np.sort(summary.grasps.height), np.sort(heights), atol=1e-6)
    assert summary.grasps.tilt.max() < 1e-3  # approaches are vertical in this preset


def test_another_metric_and_threshold_count_other_grasps(three):
    lax, strict = (summarise(three, "robust_force_closure", threshold).total.positive for threshold in (0.0, 0.9))
    assert lax > strict
    with pytest.raises(InputError, match="unknown metric 'robust_force_closur'; did you mean 'robust_force_closure'"):
        summarise(three, "robust_force_closur")
