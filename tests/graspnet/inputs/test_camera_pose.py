"""Camera poses in files: three formats, and what is said of a matrix that is no pose."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graspnet.errors import InputError
from graspnet.inputs.camera_pose import read_camera_pose
from tests.box_scenes import looking_down

POSE = looking_down(0.7, np.deg2rad(20))


def written(tmp_path, pose, name="pose.json"):
    (tmp_path / name).write_text(json.dumps(np.asarray(pose).tolist()))
    return tmp_path / name


def tf_file(tmp_path, first, second, pose=POSE):
    rows = [" ".join(str(entry) for entry in row) for row in (pose[:3, 3], *pose[:3, :3])]
    (tmp_path / "pose.tf").write_text("\n".join([first, second, *rows]) + "\n")
    return tmp_path / "pose.tf"


@pytest.mark.parametrize("names", [("camera", "world"), ("phoxi", "world"), ("primesense_overhead", "base_link")])
def test_a_tf_file_from_the_camera_to_the_world_is_the_pose(tmp_path, names):
    np.testing.assert_array_equal(read_camera_pose(tf_file(tmp_path, *names)), POSE)


def test_a_tf_file_whose_header_says_world_to_camera_is_refused_as_the_inverse(tmp_path):
    with pytest.raises(InputError, match=r"pose\.tf: its header says 'world' to 'camera'; .* give the inverse"):
        read_camera_pose(tf_file(tmp_path, "world", "camera"))


def test_a_pose_under_the_key_of_its_inverse_is_refused(tmp_path):
    (tmp_path / "pose.yaml").write_text(json.dumps({"camera_from_world": POSE.tolist()}))
    with pytest.raises(InputError, match=r"no key 'world_from_camera' among camera_from_world; the inverse"):
        read_camera_pose(tmp_path / "pose.yaml")


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (POSE.T, "translation is in the last row: transpose it"),
        (1000 * POSE @ np.diag([1, 1, 1, 0.001]), "rotation is scaled by 1000"),
        (POSE @ np.diag([1.0, -1.0, 1.0, 1.0]), "left-handed"),
        (POSE + np.diag([0.0, 0.1, 0.0, 0.0]), "not at right angles"),
        (POSE * np.nan, "not finite"),
        (POSE + np.outer([0, 0, 0, 1], [0.0, 0, 0, 1]), r"last row is \[0\.0, 0\.0, 0\.0, 2\.0\]"),
        (np.zeros((4, 4)), "not at right angles"),
    ],
)
def test_a_matrix_that_is_not_rigid_is_told_why(tmp_path, pose, reason):
    with pytest.raises(InputError, match=rf"pose\.json: world_from_camera must be a rigid transform.*{reason}"):
        read_camera_pose(written(tmp_path, pose))


@pytest.mark.parametrize("name", ["pose.json", "pose.yaml"])
def test_a_pose_that_is_given_twice_is_refused(tmp_path, name):
    (tmp_path / name).write_text('{"world_from_camera": [], "world_from_camera": []}')
    with pytest.raises(InputError, match=r"no camera pose \(key 'world_from_camera' is given twice\)"):
        read_camera_pose(tmp_path / name)


@given(suffix=st.sampled_from(["tf", "json", "yaml"]), content=st.binary(max_size=200) | st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes_are_a_pose_or_one_line(tmp_path, suffix, content):
    path = tmp_path / f"pose.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"camera pose|rigid|key") as caught:
        read_camera_pose(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
