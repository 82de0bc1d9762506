"""Gripper files and the boxes that they stand for."""

import json

import numpy as np
import pytest
import yaml

from graspnet.config import preset_names
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw

FIELDS = {
    "kind": "parallel_jaw",
    "max_width": 0.05,
    "min_width": 0.0,
    "finger_length": 0.045,
    "finger_thickness": 0.010,
    "finger_breadth": 0.020,
    "pad_to_tip": 0.010,
    "palm": [0.040, 0.072, 0.060],
    "force": 20,
    "friction": 0.5,
}


def load(tmp_path, fields, name="hand.yaml"):
    path = tmp_path / name
    path.write_text(json.dumps(fields) if name.endswith("json") else yaml.safe_dump(fields))
    return load_parallel_jaw(path)


def test_the_yumi_preset_has_the_sizes_of_the_contract():
    yumi = load_parallel_jaw("yumi")
    assert (yumi.max_width, yumi.finger_length, yumi.finger_thickness, yumi.finger_breadth) == (0.05, 0.045, 0.01, 0.02)
    assert (yumi.pad_to_tip, yumi.palm, yumi.force, yumi.friction) == (0.01, (0.04, 0.072, 0.06), 20.0, 0.5)


@pytest.mark.parametrize(
    ("name", "max_width"), [("yumi", 0.05), ("panda", 0.08), ("robotiq_85", 0.085), ("wide", 0.14)]
)
def test_every_preset_loads_with_its_opening_and_name(name, max_width):
    assert load_parallel_jaw(name).max_width == max_width
    assert load_parallel_jaw(name).name == name
    assert name in preset_names("grippers")


def test_yaml_and_json_give_the_same_gripper(tmp_path):
    assert load(tmp_path, FIELDS) == load(tmp_path, FIELDS, "hand.json")


def test_millimetres_are_spelt_in_the_key(tmp_path):
    metres = {key: value for key, value in FIELDS.items() if key != "max_width"}
    assert load(tmp_path, metres | {"max_width_mm": 50}).max_width == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_width": 0.0}, r"max_width is 0\.0; it must be positive"),
        ({"max_width": -0.05}, r"max_width is -0\.05; it must be positive"),
        ({"max_width": float("inf")}, "max_width is inf; it must be a finite number"),
        ({"max_width": 50}, r"max_width is 50\.0 m; expected metres below 1\. Millimetres\? max_width_mm"),
        ({"max_width": 8}, r"max_width is 8\.0 m; expected metres below 1\. Centimetres\? In metres 0\.08"),
        ({"finger_length": 45}, r"finger_length is 45\.0 m; .* Millimetres\? finger_length_mm, or in metres 0\.045"),
        ({"finger_length": 4.5}, r"finger_length is 4\.5 m; .* Centimetres\? In metres 0\.045"),
        ({"finger_thickness": 12}, r"finger_thickness is 12\.0 m; .* in metres 0\.012"),
        ({"finger_thickness": 1.2}, r"finger_thickness is 1\.2 m; .* Centimetres\? In metres 0\.012"),
        ({"finger_breadth": 20}, r"finger_breadth is 20\.0 m; .* in metres 0\.02"),
        ({"pad_to_tip": 10}, r"pad_to_tip is 10\.0 m; .* Millimetres\? pad_to_tip_mm, or in metres 0\.01"),
        ({"min_width": 5}, r"min_width is 5\.0 m; .* Millimetres\? min_width_mm, or in metres 0\.005"),
        ({"palm": [0.04, 72, 0.06]}, r"palm\[1\] is 72\.0 m; .* Millimetres\? palm_mm, or in metres 0\.072"),
        ({"palm": [4.0, 7.2, 6.0]}, r"palm\[0\] is 4\.0 m; .* Centimetres\? In metres 0\.04"),
        ({"finger_length": 4.5e-5}, r"finger_length is 4\.5e-05 m; expected metres above 0\.001\. Was it divided"),
        ({"max_width": 0.0008}, r"finger_length is 0\.045, 56 times max_width \(0\.0008\); one of the two is not in"),
        ({"palm": [0.04, 0.072, 0.9], "max_width": 0.01}, r"palm is .*, 90 times max_width"),
        ({"friction": 50}, r"friction is 50\.0; it is a coefficient, for rubber 1 \(not a percentage\)"),
        ({"max_width": "wide"}, "max_width is 'wide'; expected a number"),
        ({"min_width": 0.06}, r"min_width is 0\.06; it must lie in \[0, max_width"),
        ({"finger_length": 0}, r"finger_length is 0\.0; it must be positive"),
        ({"finger_thickness": 0}, r"finger_thickness is 0\.0; it must be positive"),
        ({"finger_breadth": 0}, r"finger_breadth is 0\.0; it must be positive"),
        ({"pad_to_tip": 0.05}, r"pad_to_tip is 0\.05; it must be less than finger_length"),
        ({"palm": [0.04, 0.0, 0.06]}, "palm is .*; its three sizes must be positive"),
        ({"palm": [0.04, 0.06]}, "palm has 2 entries; expected 3"),
        ({"force": 0}, r"force is 0\.0; it must be positive"),
        ({"friction": -0.1}, r"friction is -0\.1; it must be zero or positive"),
        ({"friction": float("inf")}, "friction is inf; it must be a finite number"),
        ({"max_widht": 0.05}, "unknown key 'max_widht'; did you mean 'max_width'"),
        ({"kind": "suction"}, "kind is 'suction'; this version knows parallel_jaw"),
    ],
)
def test_a_wrong_value_is_one_line_with_file_and_field(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"hand\.yaml: {message}") as caught:
        load(tmp_path, FIELDS | changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["max_width", "finger_length", "finger_thickness", "finger_breadth", "pad_to_tip", "palm"]
)
def test_a_missing_size_is_named(tmp_path, key):
    with pytest.raises(InputError, match=rf"hand\.yaml: missing key '{key}'"):
        load(tmp_path, {name: value for name, value in FIELDS.items() if name != key})


def test_a_file_without_a_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="kind is None"):
        load(tmp_path, {"max_width": 0.05})


def test_the_boxes_leave_exactly_the_opening_free_between_the_pads():
    low, high = load_parallel_jaw("yumi").boxes(np.array([0.03, 0.05]))
    np.testing.assert_allclose(low[:, 1, 1] - high[:, 0, 1], [0.03, 0.05])


def test_the_boxes_have_the_sizes_of_the_gripper_file():
    yumi = load_parallel_jaw("yumi")
    low, high = yumi.boxes(np.array([0.03]))
    finger = (yumi.finger_breadth, yumi.finger_thickness, yumi.finger_length)
    np.testing.assert_allclose((high - low)[0], [finger, finger, yumi.palm])
    np.testing.assert_allclose(high[0, :2, 2], yumi.pad_to_tip)  # the fingertips lie pad_to_tip beyond the pads' centre
    np.testing.assert_allclose(high[0, 2, 2], low[0, 0, 2])  # the fingers begin at the palm's face


def test_swapping_the_jaws_mirrors_the_boxes():
    low, high = load_parallel_jaw("wide").boxes(np.array([0.08]))
    half_turn = np.array([-1.0, -1.0, 1.0])
    np.testing.assert_allclose(np.minimum(low[0, 0] * half_turn, high[0, 0] * half_turn), low[0, 1])


def test_the_sizes_that_a_network_sees_stand_in_the_order_of_the_design():
    expected = [0.05, 0.010, 0.020, 0.045, 0.010, 0.020, 0.036, 0.030]
    np.testing.assert_allclose(load_parallel_jaw("yumi").sizes(), expected)


def test_a_gripper_of_one_kind_only_needs_its_sizes():
    hand = ParallelJaw(
        max_width=0.1,
        finger_length=0.05,
        finger_thickness=0.01,
        finger_breadth=0.02,
        pad_to_tip=0.01,
        palm=(0.05, 0.1, 0.1),
    )
    assert hand.palm_face == pytest.approx(-0.04)
