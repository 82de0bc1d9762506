"""Facts about regions: a point, a box or a mask chooses which of the things is grasped; the others stay in the way."""

import numpy as np
import pytest
from PIL import Image

import graspnet as gn
from graspnet.errors import InputError
from graspnet.policies.demands.region import read_region, thing_numbers, within_region

# 0.7 m below a camera of f = 525 px: centres at pixels (245, 240) and (395, 225), nearly
LEFT, RIGHT = ((0.06, 0.03, 0.03), (-0.1, 0.0), 0.0), ((0.04, 0.04, 0.03), (0.1, 0.02), 0.3)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("region", "x"), [((245, 240), -0.1), ((395, 225), 0.1), ((200, 200, 300, 280), -0.1), ((350, 0, 639, 479), 0.1)]
)
def test_a_point_or_a_box_chooses_a_thing(box_scene, masked, region, x):
    scene = box_scene(LEFT, RIGHT, masked=masked)
    plan = gn.plan(scene.depth, scene.camera, scene.gripper, mask=scene.segmask, region=region, policy="ranking")
    assert len(plan)
    assert np.abs(plan.grasps_in_camera.origin[:, 0] - x).max() < 0.04
    assert len(set(plan.things.tolist())) == 1


def test_a_mask_is_a_region_too_and_leaves_the_table_where_it_was(box_scene):
    scene = box_scene(LEFT, RIGHT, masked=False)
    region = np.zeros(scene.depth.shape, dtype=bool)
    region[:, :320] = True
    chosen = within_region(scene, region)
    np.testing.assert_array_equal(chosen.object_mask, scene.object_mask & region)
    assert chosen.table.offset == scene.table.offset


def test_each_grasp_names_its_thing(box_scene):
    scene = box_scene(LEFT, RIGHT)
    plan = gn.plan(scene.depth, scene.camera, scene.gripper, policy="ranking", top_k=6)
    on_the_left = plan.grasps_in_camera.origin[:, 0] < 0
    assert 0 < on_the_left.sum() < len(plan)
    assert len(set(plan.things[on_the_left].tolist())) == len(set(plan.things[~on_the_left].tolist())) == 1
    assert set(plan.things.tolist()) == {1, 2}
    assert [row["thing"] for row in plan.to_json()["grasps"]] == plan.things.tolist()
    np.testing.assert_array_equal(thing_numbers(scene, plan.grasps_in_camera.origin), plan.things)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((10, 10), r"nothing that may be grasped is seen at this pixel \(u, v\); name a pixel on a thing"),
        ((700, 10), "outside of the image of 640 x 480"),
        ((300, 10, 200, 20), "expected left, top, right, bottom"),
        ((1, 2, 3), r"the shape \(3,\); a point"),
        ((np.nan, 2), "expected pixels"),
        (np.zeros((480, 640), bool), "region is empty: no pixel is marked"),
        (np.zeros((4, 4), bool), "or a mask"),
    ],
)
def test_a_region_that_cannot_be_is_refused(box_scene, region, message):
    scene = box_scene(LEFT, RIGHT)
    with pytest.raises(InputError, match=message):
        gn.plan(scene.depth, scene.camera, scene.gripper, region=region, policy="ranking")


def test_a_box_beside_all_things_gives_an_empty_plan_with_its_reason(box_scene):
    scene = box_scene(LEFT, RIGHT)
    plan = gn.plan(scene.depth, scene.camera, scene.gripper, region=(0, 0, 20, 20), policy="ranking")
    assert plan.reason == "no object: nothing that may be grasped lies in the region"


def test_a_command_line_has_numbers_or_a_file(tmp_path):
    assert read_region("12,30.5").tolist() == [12.0, 30.5]
    assert read_region("1,2,3,4").tolist() == [1.0, 2.0, 3.0, 4.0]
    mask = np.eye(4, dtype=bool)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_region(str(tmp_path / "mask.png")), mask)


@pytest.mark.parametrize(
    ("source", "message"),
    [("1,2,3", "3 numbers"), ("1,,2", "not made of numbers"), ("no_such.png", "no such file"), ("7", "1 numbers")],
)
def test_a_command_lines_mistake_is_named(source, message):
    with pytest.raises(InputError, match=message):
        read_region(source)
