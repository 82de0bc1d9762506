"""What is read of a hand's file, and the one line that is said of a file that cannot be read."""

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.robot_description.hand_description import Hand, read_hand
from tests.graspnet.robot_description.hands import box, joint, link, mjcf_box_hand, pose, robot, slide, urdf_box_hand

YUMI = load_gripper("yumi")


def read(tmp_path, text: str, name: str = "hand.urdf") -> Hand:
    path = tmp_path / name
    path.write_text(text)
    return read_hand(path)


def of_mesh(file: str, more: str = "") -> str:
    mesh = f'<collision><geometry><mesh filename="{file}" {more}/></geometry></collision>'
    return robot(link("base", mesh))


def mjcf(inner: str, assets: str = "") -> str:
    return f"<mujoco>{assets}<worldbody><body name='base'>{inner}</body></worldbody></mujoco>"


def test_links_without_inertia_and_fixed_links_keep_their_names_and_geometry(tmp_path):
    hand = read(
        tmp_path,
        robot(
            link("base", box((0.1, 0.1, 0.1))),
            link("mount", box((0.02, 0.02, 0.02))),
            link("tcp"),
            joint("a", "fixed", "base", "mount", pose(0, 0, 0.2)),
            joint("b", "fixed", "mount", "tcp", pose(0, 0, 0.1)),
        ),
    )
    assert [link.name for link in hand.links] == ["world", "base", "mount", "tcp"]
    assert [hand.links[solid.link].name for solid in hand.solids] == ["base", "mount"]
    assert hand.frames["tcp"][0] == 3


def test_limits_efforts_and_mimic_joints_of_a_urdf_are_read(tmp_path):
    left, right = read(tmp_path, urdf_box_hand(YUMI)).joints
    assert (left.name, left.slides, left.limits, left.effort, left.actuated) == ("to_left", True, (0, 0.025), 20, False)
    assert (right.follows, right.polynomial[:2]) == (0, (0.0, 1.0))


def test_forces_of_actuators_reach_their_joints(tmp_path):
    left, right = read(tmp_path, mjcf_box_hand(YUMI), "hand.xml").joints
    assert (left.effort, right.effort, left.actuated, right.actuated) == (20, 20, True, True)


@pytest.mark.parametrize(
    ("actuator", "effort"),
    [
        ('<motor tendon="both" gear="2" ctrlrange="-3 3"/>', 3.0),  # 2 x 0.5 x 3 N
        ('<position joint="slide" kp="100" forcerange="-7 5"/>', 7.0),
        ('<position joint="slide" kp="100"/>', None),
        ('<motor joint="slide"/>', None),
    ],
)
def test_an_actuators_force_is_its_limit_through_gear_and_tendon(tmp_path, actuator, effort):
    text = f"""<mujoco><worldbody><body><joint name="slide" type="slide"/><geom size="0.1"/></body></worldbody>
    <tendon><fixed name="both"><joint joint="slide" coef="0.5"/></fixed></tendon>
    <actuator>{actuator}</actuator></mujoco>"""
    assert read(tmp_path, text, "hand.xml").joints[0].effort == effort


def test_geometry_that_is_only_seen_counts_where_nothing_collides(tmp_path):
    seen, felt = '<geom size="0.2" contype="0" conaffinity="0"/>', '<geom size="0.1"/>'
    (solid,) = read(tmp_path, mjcf(seen + felt), "hand.xml").solids
    assert solid.triangles_in_link.max() == pytest.approx(0.1, rel=1e-3)
    (solid,) = read(tmp_path, mjcf(seen), "hand.xml").solids
    assert solid.triangles_in_link.max() == pytest.approx(0.2, rel=1e-3)


@pytest.mark.parametrize(
    ("geom", "extents"),
    [
        ('type="box" size="0.1 0.2 0.3"', (0.2, 0.4, 0.6)),
        ('type="sphere" size="0.1"', (0.2, 0.2, 0.2)),
        ('type="ellipsoid" size="0.1 0.2 0.3"', (0.2, 0.4, 0.6)),
        ('type="cylinder" size="0.1 0.2"', (0.2, 0.2, 0.4)),
        ('type="capsule" size="0.1 0.2"', (0.2, 0.2, 0.6)),
    ],
)
def test_each_primitive_has_its_extents_about_its_centre(tmp_path, geom, extents):
    (solid,) = read(tmp_path, mjcf(f'<geom {geom} pos="1 2 3"/>'), "hand.xml").solids
    points = solid.triangles_in_link.reshape(-1, 3)
    np.testing.assert_allclose(np.ptp(points, axis=0), extents, rtol=1e-3)  # a ball of triangles
    np.testing.assert_allclose((points.min(axis=0) + points.max(axis=0)) / 2, (1, 2, 3), atol=1e-9)


def test_planes_are_no_part_of_a_hand(tmp_path):
    assert len(read(tmp_path, mjcf('<geom type="plane" size="1 1 1"/><geom size="0.1"/>'), "hand.xml").solids) == 1


def test_a_mesh_keeps_its_own_axes_and_its_holes(tmp_path):
    """MuJoCo moves a mesh to its centre and turns it to its axes of inertia; an open one has no volume."""
    sheet = trimesh.creation.box((0.03, 0.02, 0.01))
    sheet.apply_translation((0.1, 0.2, 0.3))
    sheet.update_faces(np.arange(len(sheet.faces)) > 1)
    sheet.export(tmp_path / "sheet.stl")
    (solid,) = read(tmp_path, of_mesh("sheet.stl")).solids
    points = solid.triangles_in_link.reshape(-1, 3)
    np.testing.assert_allclose(points.min(axis=0), sheet.bounds[0], atol=1e-7)
    np.testing.assert_allclose(points.max(axis=0), sheet.bounds[1], atol=1e-7)
    np.testing.assert_allclose(solid.link_from_solid, np.eye(3), atol=1e-6)


@pytest.mark.parametrize("folder", ["meshes", "urdf/../meshes"])
def test_meshes_of_a_package_are_found_above_the_urdf(tmp_path, folder):
    package = tmp_path / "my_hand"
    (package / "meshes").mkdir(parents=True)
    (package / "urdf").mkdir()
    trimesh.creation.box((0.1, 0.1, 0.1)).export(package / "meshes" / "palm.stl")
    path = package / "urdf" / "hand.urdf"
    path.write_text(of_mesh(f"package://my_hand/{folder}/palm.stl"))
    assert len(read_hand(path).solids) == 1


def test_two_meshes_of_one_name_in_two_folders_are_two(tmp_path):
    for name, size in (("a", 0.1), ("b", 0.3)):
        (tmp_path / name).mkdir()
        trimesh.creation.box((size, size, size)).export(tmp_path / name / "part.stl")
    two = [f'<collision><geometry><mesh filename="{name}/part.stl"/></geometry></collision>' for name in "ab"]
    solids = read(tmp_path, robot(link("base", *two))).solids
    assert [np.ptp(solid.triangles_in_link) for solid in solids] == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<robot><link>", r"hand\.urdf: no URDF or MJCF that MuJoCo can read: XML parse error"),
        ("hello", r"hand\.urdf: no URDF or MJCF that MuJoCo can read"),
        (
            '<robot name="x"><xacro:include filename="y"/></robot>',
            r"is a xacro file; run `xacro hand\.urdf > hand\.urdf`",
        ),
        ('<robot name="x"><link name="${prefix}base"/></robot>', "is a xacro file"),
        (
            of_mesh("package://other/palm.stl"),
            r"mesh package://other/palm\.stl not found as other/palm\.stl or palm\.stl",
        ),
        (of_mesh("palm.stl"), r"Error opening file 'palm\.stl'; the path counts from the description's folder"),
        (of_mesh("palm.dae"), r"MuJoCo reads STL, OBJ and MSH: convert the mesh"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_the_remedy(tmp_path, text, message):
    (tmp_path / "palm.dae").write_text("<COLLADA/>")
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "hand.urdf"))


def test_a_file_that_xacro_wrote_is_no_xacro_file(tmp_path):
    text = urdf_box_hand(YUMI).replace("<robot", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro"', 1)
    assert len(read(tmp_path, text).joints) == 2


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.urdf: no such file"):
        read_hand(tmp_path / "none.urdf")


def test_binary_files_are_refused(tmp_path):
    (tmp_path / "hand.urdf").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match=r"hand\.urdf: not a text file; expected URDF or MJCF"):
        read_hand(tmp_path / "hand.urdf")


def test_a_joint_without_limits_has_none(tmp_path):
    text = robot(
        link("base", box((1, 1, 1))),
        link("left", box((1, 1, 1))),
        joint("a", "continuous", "base", "left", inside='<axis xyz="0 1 0"/>'),
    )
    assert read(tmp_path, text).joints[0].limits is None
    zero = text.replace("continuous", "prismatic").replace(
        "<axis", '<limit lower="0" upper="0" effort="1" velocity="1"/><axis'
    )
    assert read(tmp_path, zero).joints[0].limits is None


def test_reading_a_hand_works_where_mujoco_gl_is_egl(tmp_path):
    (tmp_path / "hand.urdf").write_text(
        robot(
            link("base", box((1, 1, 1))),
            link("b", box((1, 1, 1))),
            joint("a", "prismatic", "base", "b", inside=slide("0 1 0", 0.0, 1.0)),
        )
    )
    code = (
        "from pathlib import Path; from graspnet.robot_description import hand_description as h; "
        "h.read_hand(Path('hand.urdf'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"MUJOCO_GL": "egl", "PATH": "/usr/bin"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_scale_that_is_no_number_is_refused(tmp_path):
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "palm.stl")
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(InputError, match="a scale, size, pose or limit in it is not finite"),
    ):
        read(tmp_path, of_mesh("palm.stl", 'scale="nan nan nan"'))
