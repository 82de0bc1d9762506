"""Intrinsics that no camera has, and those that are odd."""

from dataclasses import replace

import pytest

from graspnet.camera import Camera, load_camera
from graspnet.config import preset_names
from graspnet.errors import InputError
from graspnet.plausibility.view_check import view_doubts

CAMERA = Camera(525.0, 525.0, 319.5, 239.5, 640, 480)


@pytest.mark.parametrize("camera", [*preset_names("cameras"), replace(CAMERA, fx=210.0, fy=280.0, cx=127.5, width=256)])
def test_real_cameras_are_beyond_doubt(camera):
    assert list(view_doubts(load_camera(camera) if isinstance(camera, str) else camera, "c")) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 100.0, "fy": 100.0}, r"a field of view of 145° x 135°; a depth camera has 20° to 120°"),  # 2 atan(3.2)
        ({"fx": 100.0}, r"fx = 100 and fy = 525 px .* a field of view of 145° x 49.1°"),
        ({"fx": 1.88, "fy": 1.88}, "must be in pixels, neither in millimetres nor in widths of the image"),
        ({"fx": 0.82, "fy": 1.09}, "must be in pixels, neither in millimetres nor in widths of the image"),
        ({"cx": 5000.0}, r"lies far outside of the image of 640x480 px: a pixel would look 84° to the side"),
    ],
)
def test_what_no_camera_has_is_refused_with_its_angle(changes, message):
    with pytest.raises(InputError, match=rf"c\.yaml: .*{message}"):
        list(view_doubts(replace(CAMERA, **changes), "c.yaml"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 5000.0, "fy": 5000.0}, "a field of view of 7.32° x 5.5°, that of a telescope"),
        ({"fy": 300.0}, "pixels 0.571 times as wide as high"),
        ({"fx": 300.0}, "pixels 1.75 times as wide as high"),
        ({"cx": 700.0}, "(700, 239.5) lies outside of the image of 640x480 px"),
        ({"cx": -30.0}, "(-30, 239.5) lies outside of the image of 640x480 px"),
        ({"cx": 239.5, "cy": 319.5}, "would lie in the middle of the image of 640x480 px if cx and cy were exchanged"),
        ({"cx": 639.5, "cy": 359.5}, "lies 50% of a side from the middle of the image"),
    ],
)
def test_what_is_odd_is_said_once(changes, message):
    (sentence,) = view_doubts(replace(CAMERA, **changes), "c.yaml")
    assert sentence.startswith("c.yaml: ")
    assert message in sentence
