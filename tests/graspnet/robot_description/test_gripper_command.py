"""`graspnet gripper`: a file that loads, a table, a picture, and one line for what a person can mend."""

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from graspnet.cli import main
from graspnet.grippers.gripper import load_gripper
from graspnet.robot_description.from_urdf import HandChoices, derive_gripper
from graspnet.robot_description.gripper_file import gripper_yaml
from graspnet.robot_description.hand_picture import hand_figure
from tests.graspnet.robot_description.hands import FOUR_BAR, pose, urdf_box_hand, urdf_four_bar, urdf_three_fingers

YUMI = load_gripper("yumi")


@pytest.fixture
def run(tmp_path):
    """Run `graspnet gripper` on a text; its output is my.yaml."""

    def run(text, *options):
        path = tmp_path / "hand.urdf"
        path.write_text(text)
        return CliRunner().invoke(main, ["gripper", str(path), "--output", str(tmp_path / "my.yaml"), *options])

    return run


def test_the_file_loads_as_the_gripper_that_was_derived(run, tmp_path):
    result = run(urdf_box_hand(YUMI), "--tool", "tcp")
    assert result.exit_code == 0, result.output
    assert load_gripper(tmp_path / "my.yaml") == replace(YUMI, name="my")


@pytest.mark.parametrize("sizes", [{"max_width": 0.0812345, "force": 12.34}, {"min_width": 1e-5}, {"friction": 0.0}])
def test_what_is_written_is_read_again_to_the_last_digit(tmp_path, sizes):
    (tmp_path / "hand.urdf").write_text(urdf_box_hand(replace(YUMI, **sizes)))
    for name in (None, 'a "name": with # signs'):
        choices = HandChoices(name=name or "my", friction=sizes.get("friction"))
        derived = derive_gripper(tmp_path / "hand.urdf", choices)
        (tmp_path / "my.yaml").write_text(gripper_yaml(derived, tmp_path / "hand.urdf", name))
        assert load_gripper(tmp_path / "my.yaml") == derived.gripper


def test_each_number_stands_beside_its_source_in_the_file_and_in_the_table(run, tmp_path):
    output = run(urdf_box_hand(YUMI)).output
    text = (tmp_path / "my.yaml").read_text()
    for key in ("max_width", "min_width", "finger_length", "finger_thickness", "finger_breadth", "palm", "force"):
        assert re.search(rf"^{key}: \S.*  # \S", text, flags=re.MULTILINE), key
        assert re.search(rf"^{key} +\S.* {{2}}\S", output, flags=re.MULTILINE), key
    assert re.search(r"^friction: 0\.5 +# assumed$", text, flags=re.MULTILINE)
    assert re.search(r"^pad_to_tip: 0\.01 +# assumed: half a pad", text, flags=re.MULTILINE)


def test_the_pose_of_the_grasp_frame_in_the_hand_is_in_the_file_and_in_the_output(run, tmp_path):
    output = run(urdf_box_hand(YUMI, pose(0.1, 0.2, 0.3)), "--tool", "tcp").output
    for text in (output, (tmp_path / "my.yaml").read_text()):
        block = text[text.index("hand_from_grasp: the pose of the grasp frame in link base") :]
        rows = [[float(entry) for entry in row.split(",")] for row in re.findall(r"\[([-\d., e]+)\]", block)[:4]]
        np.testing.assert_allclose(np.array(rows)[:, 3], [0.1, 0.2, 0.3, 1])


def test_the_picture_lies_beside_the_file_or_where_it_is_asked_for(run, tmp_path):
    run(urdf_four_bar(**FOUR_BAR))
    with Image.open(tmp_path / "my.png") as picture:
        assert picture.width > 1000
    run(urdf_four_bar(**FOUR_BAR), "--image", str(tmp_path / "look.png"))
    assert (tmp_path / "look.png").is_file()


def test_the_picture_shows_the_boxes_where_the_hand_is(tmp_path):
    """A box hand is its own gripper: the outlines run round the surfaces, and every size of the file is a label."""
    (tmp_path / "hand.urdf").write_text(urdf_box_hand(YUMI))
    derived = derive_gripper(tmp_path / "hand.urdf", HandChoices())
    for axes, across in zip(hand_figure(derived, "mine").axes, (1, 0), strict=True):
        outlines = np.concatenate([patch.get_corners() for patch in axes.patches[:3]])
        surfaces = np.concatenate([derived.palm_in_grasp, derived.fingers_in_grasp])[..., [across, 2]].reshape(-1, 2)
        np.testing.assert_allclose(outlines.min(axis=0), surfaces.min(axis=0), atol=1e-9)
        np.testing.assert_allclose(outlines.max(axis=0), surfaces.max(axis=0), atol=1e-9)
    labels = " ".join(text.get_text() for axes in hand_figure(derived, "mine").axes for text in axes.texts)
    for words in (
        "max_width\n50.0 mm",
        "finger_thickness\n10.0",
        "finger_breadth\n20.0",
        "palm z\n60.0",
        "palm y\n72.0",
    ):
        assert words in labels


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (urdf_three_fingers(), (), "3 parts move without turning"),
        ("<robot>", (), "no URDF or MJCF that MuJoCo can read"),
        (urdf_box_hand(YUMI), ("--force", "-1"), "derived force is -1.0; it must be positive"),
        (urdf_box_hand(YUMI), ("--image", "no/such/folder/my.png"), "the folder no/such/folder does not exist"),
        (urdf_box_hand(YUMI), ("--image", "my.jpg"), r"my\.jpg: expected a name that ends in \.png"),
        (urdf_box_hand(YUMI), ("--output", "my.json"), r"my\.json: expected a name that ends in \.yaml"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(run, text, options, message):
    result = run(text, *options)
    assert result.exit_code == 2
    assert re.fullmatch(rf"graspnet: .*{message}.*\n", result.stderr)


def test_help_says_how_the_pose_is_used():
    help_text = CliRunner().invoke(main, ["gripper", "--help"]).output
    assert "graspnet gripper hand.urdf --output my.yaml" in help_text
    assert "hand_from_grasp" in help_text
