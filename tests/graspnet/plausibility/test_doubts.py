"""Masks and sizes that do not go with the image; and that what is right is beyond doubt."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graspnet.camera import Camera, load_camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.plausibility.doubts import doubts
from graspnet.plausibility.sources import Sources

LEFT, RIGHT = ((0.03, 0.08, 0.05), (-0.09, 0.0), 0.35), ((0.03, 0.08, 0.09), (0.09, 0.0), -0.35)
SOURCES = Sources("d.npy", "c.yaml", "hand.yaml", "m.png", "pose.json")


def half(mask, side):
    """The part of the mask left, or right, of the image's middle."""
    kept = mask.copy()
    kept[:, 320:] = kept[:, 320:] & (side == "right")
    kept[:, :320] = kept[:, :320] & (side == "left")
    return kept


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0])
def test_a_scene_that_is_right_is_beyond_doubt(box_scene, masked, tilt):
    assert doubts(box_scene(LEFT, RIGHT, masked=masked, tilt=tilt, known_pose=True, noise=0.001), SOURCES) == []


def test_real_images_are_beyond_doubt(shared_data):
    real = shared_data / "real_depth"
    for folder, count in (("single_primesense", 5), ("clutter_primesense", 2), ("clutter_phoxi", 2)):
        kind = folder.partition("_")[2]
        camera = load_camera(real / "calib" / kind / f"{kind}.intr")
        for index in range(count):
            mask = read_mask(real / folder / f"segmask_{index}.png")
            depth = read_depth(real / folder / f"depth_{index}.npy")
            for segmask in (mask, None):
                assert doubts(Observation(depth, camera, load_gripper("yumi"), segmask), SOURCES) == []


def test_real_masks_that_are_inverted_or_a_photograph_are_not_believed(shared_data):
    """An arm in view, which an inverted mask marks, does not hide that it leaves out the thing on the table."""
    real = shared_data / "real_depth"
    camera = load_camera(real / "calib" / "primesense" / "primesense.intr")
    depth = read_depth(real / "single_primesense" / "depth_0.npy")
    mask = read_mask(real / "single_primesense" / "segmask_0.png")
    seen = Observation(depth, camera, load_gripper("yumi"), ~mask)
    with pytest.raises(InputError, match=r"m\.png: the mask marks the image's border and the table, .* inverted\?"):
        doubts(seen, SOURCES)
    photograph = read_mask(real / "single_primesense" / "color_0.png")
    (sentence,) = doubts(replace(seen, segmask=photograph), SOURCES)
    assert "of what the mask marks is the table" in sentence
    assert "is it a picture, and no mask?" in sentence


def test_the_real_pose_whose_world_lies_below_the_table_is_said(shared_data):
    from graspnet.inputs.camera_pose import read_camera_pose

    real = shared_data / "real_depth"
    pose = read_camera_pose(real / "calib" / "primesense" / "primesense.tf")
    camera = load_camera(real / "calib" / "primesense" / "primesense.intr")
    depth = read_depth(real / "single_primesense" / "depth_0.npy")
    (sentence,) = doubts(Observation(depth, camera, load_gripper("yumi"), world_from_camera=pose), SOURCES)
    assert "its table lies 0.16 m above z = 0" in sentence


def test_a_mask_of_everything_but_the_objects_is_refused_as_inverted(box_scene):
    scene = box_scene(LEFT, RIGHT)
    with pytest.raises(InputError, match=r"m\.png: the mask marks the image's border and the table, .* inverted\?"):
        doubts(replace(scene, segmask=~scene.segmask), SOURCES)


def test_an_inverted_mask_of_an_object_at_the_border_is_refused(box_scene):
    scene = box_scene(((0.1, 0.1, 0.05), (0.42, 0.0), 0.0))
    assert scene.segmask[:, -1].any()
    with pytest.raises(InputError, match=r"m\.png: the mask marks the image's border and the table, .* inverted\?"):
        doubts(replace(scene, segmask=~scene.segmask), SOURCES)


def test_a_mask_of_everything_but_one_of_two_objects_is_said(box_scene):
    scene = box_scene(LEFT, RIGHT)
    (sentence,) = doubts(replace(scene, segmask=~half(scene.segmask, "left")), SOURCES)
    assert sentence.startswith("m.png: the mask marks the image's border and the table")
    assert "inverted?" in sentence


def test_a_mask_of_one_object_among_others_is_beyond_doubt(box_scene):
    scene = box_scene(LEFT, RIGHT)
    assert doubts(replace(scene, segmask=half(scene.segmask, "right")), SOURCES) == []


def test_a_mask_of_the_whole_image_leaves_no_table(box_scene):
    scene = box_scene(LEFT, RIGHT)
    no_table, sentence = doubts(replace(scene, segmask=np.ones_like(scene.segmask)), SOURCES)
    assert no_table.startswith("no table was found in the image")
    assert sentence == "m.png: the mask marks 100% of the image, and what is left of it shows no table"


def test_what_lies_too_near_or_too_far_for_an_arm_is_said(box_scene):
    scene = box_scene(LEFT, RIGHT)
    near = doubts(replace(scene, depth=scene.depth * np.float32(0.1)), SOURCES)
    assert near[0].startswith("d.npy: what may be grasped is 0.0")
    assert "10 times too small? Then multiply --depth-scale by 10" in near[0]
    (far,) = doubts(replace(scene, depth=scene.depth * np.float32(10)), SOURCES)
    assert "10 times too large? Then divide --depth-scale by 10" in far


def test_a_table_too_near_is_said_also_where_nothing_is_found_on_it(box_scene):
    empty = replace(box_scene(LEFT, masked=False), region=None)
    empty = replace(empty, depth=np.full_like(empty.depth, 0.07))
    assert "d.npy: what is seen is 0.07 m away" in doubts(empty, SOURCES)[0]


def test_objects_too_small_or_too_large_for_the_hand_are_said(box_scene):
    scene = box_scene(((0.03, 0.09, 0.05), (0.0, 0.0), 0.0))
    tiny = doubts(replace(scene, camera=replace(scene.camera, fx=5000.0, fy=5000.0)), SOURCES)
    assert "the hand opens 0.05 m (hand.yaml)" in tiny[-1]
    assert "even the largest object would be only 0.0" in tiny[-1]
    huge = doubts(box_scene(((0.7, 0.6, 0.1), (0.0, 0.0), 0.0), height=1.0), SOURCES)
    assert "even the narrowest object would be 0.5" in huge[0]  # 0.6 m, without its outermost hundredths


cameras = st.builds(
    Camera,
    fx=st.floats(1, 1e5),
    fy=st.floats(1, 1e5),
    cx=st.floats(-1e4, 1e4),
    cy=st.floats(-1e4, 1e4),
    width=st.just(40),
    height=st.just(30),
)


@given(camera=cameras, seed=st.integers(0, 2**16), scale=st.floats(-3, 3), shift=st.floats(-1e4, 1e4))
def test_whatever_the_numbers_are_there_are_sentences_or_one_line(camera, seed, scale, shift):
    rng = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    pose[:3, 0] *= np.linalg.det(pose[:3, :3])
    pose[:3, 3] = shift * rng.random(3)
    depth = (10.0**scale * rng.uniform(0.9, 1.1, (30, 40))).astype(np.float32)
    mask = rng.random((30, 40)) < rng.random()
    mask[0, 0] = True
    try:
        sentences = doubts(Observation(depth, camera, load_gripper("yumi"), mask, pose), SOURCES)
    except InputError as error:
        sentences = [str(error)]
    assert all("\n" not in sentence for sentence in sentences)
