"""A user's table of tried grasps is read as it was written, and every mistake in it has its row, column and remedy."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graspnet.camera import Camera, save_camera
from graspnet.dataset import Dataset
from graspnet.dataset.outcomes import IMAGE_GRASP, OPTIONAL, POSE, REQUIRED
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from tests.places import ROOT

CAMERA = Camera(fx=100.0, fy=110.0, cx=31.5, cy=23.5, width=64, height=48)
ROWS = 6


def tool_pose(u: float, v: float, z: float) -> list[float]:
    """Straight ahead, closing along u: x × y = z with y = (1, 0, 0) makes x = (0, -1, 0)."""
    x, y = (u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z
    return [0.0, 1.0, 0.0, x, -1.0, 0.0, 0.0, y, 0.0, 0.0, 1.0, z, 0.0, 0.0, 0.0, 1.0]


@pytest.fixture
def columns(tmp_path):
    """Two images of three grasps each: a PNG in millimetres and an array in metres."""
    flat = np.full((48, 64), 0.5, dtype=np.float32)
    flat[0, 0] = 0.0  # not measured
    Image.fromarray((flat * 1000).astype(np.uint16)).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", flat * np.float32(1000))  # both in millimetres: depth_scale is of every row
    save_camera(CAMERA, tmp_path / "camera.json")
    return {
        "image": ["a.png"] * 3 + ["b.npy"] * 3,
        "camera": ["camera.json"] * ROWS,
        "gripper": ["yumi"] * ROWS,
        "depth_scale": [0.001] * ROWS,
        "camera_from_grasp": [tool_pose(20.0 + k, 30.0, 0.48) for k in range(ROWS)],
        "width": [0.03 + 0.001 * k for k in range(ROWS)],
        "success": [1, 0, 1, 1, 0, 0],
        "object": ["cup"] * 3 + ["box"] * 3,
    }


def written(folder, columns):
    pq.write_table(pa.table(columns), folder / "outcomes.parquet")
    return folder


def test_a_table_is_a_dataset_of_its_images_poses_and_successes(tmp_path, columns):
    dataset = Dataset.open(written(tmp_path, columns))
    assert dataset.header.counts == {"objects": 2, "images": 2, "grasps": 6}
    assert dataset.header.splits == {"train": ["cup"], "validation": ["box"]}
    assert dataset.gripper("yumi") == load_gripper("yumi")
    assert dataset.header.measured
    first, second = dataset.read(0), dataset.read(1)
    assert np.isnan(first.images.depth[0, 0, 0])
    np.testing.assert_allclose(first.images.depth[0, 1:], 0.5, atol=1e-6)
    np.testing.assert_allclose(second.images.depth[0, 1:], 0.5, atol=1e-6)
    assert first.images.cameras == (CAMERA,)
    assert first.grasps.metrics["success"].mean.tolist() == [1.0, 0.0, 1.0]
    assert first.grasps.robustness("success", clearance_sigma=0.0025).tolist() == [1.0, 0.0, 1.0]
    np.testing.assert_allclose(first.grasps.center, [[20, 30], [21, 30], [22, 30]], atol=1e-4)
    np.testing.assert_allclose(second.grasps.columns["width"], [0.033, 0.034, 0.035], rtol=1e-6)


def test_an_image_grasp_is_the_pose_that_looks_like_it(tmp_path, columns):
    """The closing axis runs along +u (angle 0) and the approach is the optical axis: `tool_pose`, written by hand."""
    poses = np.array(columns.pop("camera_from_grasp")).reshape(-1, 4, 4)
    columns |= {
        "center": [[20.0 + k, 30.0] for k in range(ROWS)], "angle": [0.0] * ROWS, "depth": [0.48] * ROWS,
    }  # fmt: skip
    dataset = Dataset.open(written(tmp_path, columns) / "outcomes.parquet")
    found = np.concatenate([dataset.read(k).grasps.camera_from_grasp for k in range(2)])
    np.testing.assert_allclose(found, poses, atol=1e-6)


def test_objects_that_share_an_image_are_in_one_split_and_no_object_is_in_none(tmp_path, columns):
    columns["object"] = ["cup", "box", "cup", "can", "can", "can"]
    splits = Dataset.open(written(tmp_path, columns)).header.splits
    assert sorted(splits["train"] + splits["validation"]) == ["box", "can", "cup"]
    assert ["box", "cup"] in list(splits.values())


def test_a_table_that_names_no_object_keeps_none_for_validation(tmp_path, columns):
    del columns["object"]
    assert Dataset.open(written(tmp_path, columns)).header.splits == {"train": ["unnamed"], "validation": []}


def test_four_digits_make_a_pose_and_successes_may_be_true_and_false(tmp_path, columns):
    angle = 0.1234567
    turned = [[0, np.cos(angle), np.sin(angle)], [-1, 0, 0], [0, -np.sin(angle), np.cos(angle)]]
    pose = np.eye(4)
    pose[:3, :3], pose[2, 3] = np.round(turned, 4), 0.48
    columns["camera_from_grasp"] = [pose.flatten().tolist()] * ROWS
    columns["success"] = [bool(value) for value in columns["success"]]
    found = Dataset.open(written(tmp_path, columns)).read(0).grasps.camera_from_grasp[0]
    np.testing.assert_allclose(found[:3, :3], turned, atol=1e-4)


def changed(name, row, value):
    def change(columns):
        columns[name][row] = value

    return change


def without(name):
    return lambda columns: columns.pop(name)


SCALED = [value * 1000 if k in (3, 7, 11) else value for k, value in enumerate(tool_pose(20, 30, 0.48))]
MIRRORED = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.5, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("success"), r"no column 'success' \(1 = the object was lifted"),
        (without("width"), r"no column 'width', .*, in m"),
        (without("camera_from_grasp"), "either camera_from_grasp or center, angle, depth; found neither whole"),
        (lambda c: c.update(gripperr=["yumi"] * ROWS), "unknown column 'gripperr'; did you mean 'gripper'"),
        (lambda c: c.update(width=["wide"] * ROWS), "column 'width' holds string; expected numbers"),
        (lambda c: c.update(image=[1] * ROWS), "column 'image' holds int64; expected texts"),
        (changed("success", 4, 2), "row 4, column 'success': 2; expected 1"),
        (changed("success", 4, None), "row 4, column 'success': a value is missing"),
        (changed("width", 3, float("nan")), "row 3, column 'width': a value is missing or not finite"),
        (changed("width", 2, 0.3), r"row 2, column 'width': width 0.3: a grasp's width must lie in \(0, 0.05\]"),
        (changed("image", 1, "none.png"), "row 1, column 'image': .*none.png"),
        (changed("camera", 0, "cam.json"), "row 0, column 'camera': .*no such file"),
        (changed("camera", 0, "realsense_d435"), "row 0, column 'camera': the image is 64x48, .* is of 640x480"),
        (changed("gripper", 5, "yummy"), "row 5, column 'gripper': .*did you mean 'yumi'"),
        (changed("camera_from_grasp", 2, SCALED), "row 2, column 'camera_from_grasp': 480 m in front of the camera"),
        (changed("camera_from_grasp", 2, MIRRORED), "row 2, column 'camera_from_grasp': no rigid transform"),
        (changed("camera_from_grasp", 2, [1.0] * 12), "row 2, column 'camera_from_grasp': a list of 12; expected 16"),
        (changed("camera_from_grasp", 1, tool_pose(90, 30, 0.48)), r"row 1, .*pixel \(90, 30\), outside of the image"),
    ],
)
def test_a_mistake_is_refused_with_its_row_column_and_remedy(tmp_path, columns, change, message):
    change(columns)
    with pytest.raises(InputError, match=message):
        Dataset.open(written(tmp_path, columns))


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "outcomes.parquet").write_text(json.dumps({"success": [1]}))
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        Dataset.open(tmp_path)
    with pytest.raises(InputError, match="the table has no rows"):
        Dataset.open(written(tmp_path, {"success": pa.array([], pa.int64())}))


def test_the_document_prints_the_columns():
    rows = (ROOT / "docs" / "formats.md").read_text().partition("## Outcomes of a robot")[2]
    for column in (*REQUIRED, *POSE, *IMAGE_GRASP, *OPTIONAL):
        unit = f" {column.unit}" if column.unit else ""
        assert f"| `{column.name}` | {column.type_text} |{unit} | {column.meaning} |" in rows
