"""Facts about same_object.py: a file is not an object. YCB's layout, flat folders, copies; and what is no copy."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.same_object import files_of_objects, in_words, object_key, shape_of

SIZES = (0.001, 2.0)


def written(folder: Path, shapes: dict[str, trimesh.Trimesh]) -> dict[str, Path]:
    files = {name: folder / name for name in shapes}
    for name, shape in shapes.items():
        files[name].parent.mkdir(parents=True, exist_ok=True)
        shape.export(files[name])
    return files


def box(*sides: float) -> trimesh.Trimesh:
    return trimesh.creation.box(sides)


def test_ycbs_layout_has_one_file_for_each_object(tmp_path):
    """Each object as OBJ, STL and PLY, in several resolutions and reconstructions."""
    shapes = {"001_box": box(0.04, 0.06, 0.09), "002_can": trimesh.creation.cylinder(0.03, 0.1)}
    layers = {"google_16k": 1.0, "google_64k": 1.0, "tsdf": 1.01}
    files = written(
        tmp_path,
        {
            f"{name}/{layer}/{file}": shape.copy().apply_scale(factor)
            for name, shape in shapes.items()
            for layer, factor in layers.items()
            for file in ("textured.obj", "nontextured.stl", "nontextured.ply")
        },
    )
    chosen = files_of_objects(files, SIZES, "test", copies=True)
    assert list(chosen) == ["001_box/google_16k/textured.obj", "002_can/google_16k/textured.obj"]
    assert all(len(others) == 8 for others in chosen.values())
    (first, _) = in_words(chosen)
    assert first.startswith("001_box/google_16k/textured.obj stands for 8 other files of the same object: 001_box/")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mug.obj", "mug.stl"),
        ("mug.obj", "Mug.PLY"),
        ("can_visual.obj", "can_collision.obj"),
        ("obj/mug.obj", "stl/mug.stl"),
        ("robot/visual/link1.stl", "robot/collision/link1.stl"),
        ("003_cracker_box/google_16k/textured.obj", "003_cracker_box/poisson/nontextured.ply"),
    ],
)
def test_files_whose_names_say_that_they_are_of_one_object_have_one_key(one, other):
    assert object_key(one) == object_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("mug.obj", "mug2.obj"), ("a/mug.obj", "b/mug.obj"), ("robot/visual/a.stl", "robot/visual/b.stl")],
)
def test_files_of_other_names_or_in_other_folders_have_keys_of_their_own(one, other):
    assert object_key(one) != object_key(other)


def test_of_two_formats_the_one_that_can_be_read_and_has_a_plausible_size_is_taken(tmp_path):
    files = written(
        tmp_path, {"a.stl": box(0.02, 0.03, 0.04), "b.obj": box(0.02, 0.03, 0.05), "b.stl": box(20, 30, 50)}
    )
    (tmp_path / "a.obj").write_text("v 1 2 3\n")
    files["a.obj"] = tmp_path / "a.obj"
    assert list(files_of_objects(files, SIZES, "test", copies=False)) == ["a.stl", "b.obj"]
    in_millimetres = (SIZES[0] / 0.001, SIZES[1] / 0.001)
    assert list(files_of_objects(files, in_millimetres, "test", copies=False))[1] == "b.stl"


def test_a_mesh_for_collisions_stands_for_no_other(tmp_path):
    files = written(tmp_path, {"can_collision.obj": box(0.02, 0.03, 0.04), "can_visual.stl": box(0.02, 0.03, 0.04)})
    assert files_of_objects(files, SIZES, "test", copies=False) == {"can_visual.stl": ("can_collision.obj",)}


def test_a_copy_under_another_name_is_found_though_it_was_moved_turned_and_cut_more_finely(tmp_path):
    shape = trimesh.creation.cone(0.02, 0.07)
    turned = shape.subdivide().apply_transform(trimesh.transformations.euler_matrix(0.3, 1.0, -0.4))
    turned.apply_translation([0.1, -0.2, 0.3])
    larger = shape.copy().apply_scale(1.01)
    files = written(tmp_path, {"cone.stl": shape, "kegel.ply": turned, "larger.obj": larger})
    assert files_of_objects(files, SIZES, "test", copies=True) == {"cone.stl": ("kegel.ply",), "larger.obj": ()}
    assert list(files_of_objects(files, SIZES, "test", copies=False)) == sorted(files)


def test_a_file_that_cannot_be_read_stays_an_object_of_its_own(tmp_path):
    """Whoever loads it says why it cannot be used."""
    files = written(tmp_path, {"a.stl": box(0.02, 0.03, 0.04)})
    for name in ("broken.obj", "empty.ply"):
        (tmp_path / name).write_text("nothing\n")
        files[name] = tmp_path / name
    assert list(files_of_objects(files, SIZES, "test", copies=True)) == ["a.stl", "broken.obj", "empty.ply"]


def test_the_lengths_of_a_ball_are_its_closed_forms():
    """Of a sphere of radius r: area 4 π r², variance r² / 3 along each axis, and all of it at distance r."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.05)
    longest, root_area, *deviations, fourth = shape_of((np.array(ball.vertices), np.array(ball.faces)))
    assert longest == pytest.approx(0.1)
    assert root_area == pytest.approx(0.05 * np.sqrt(4 * np.pi), rel=1e-3)
    assert deviations == pytest.approx([0.05 / np.sqrt(3)] * 3, rel=1e-3)
    assert fourth == pytest.approx(0.05, rel=1e-3)


def test_a_list_of_choices_that_is_too_long_is_counted():
    lines = in_words({f"{k:03}.obj": (f"{k:03}.stl",) for k in range(77)})
    assert len(lines) == 21
    assert lines[0] == "000.obj stands for 1 other file of the same object: 000.stl"
    assert lines[-1] == "… and 57 more files stand for others"
