"""Objects: where they come from, and the scale that brings them to what was asked for beside the hand."""

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import trimesh

from graspnet.config import load_config, parse_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.objects import procedural
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.object_source import (
    ObjectConfig,
    keeping_size,
    load_object,
    mesh_files,
    object_names,
    one_file_an_object,
    only_meshes_of,
    outline_width,
    posed_for_hand,
    sides,
    size_in_words,
)
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import rigid, rotation_about
from tests.places import SHARED

HAND = load_gripper("yumi")


def box(*sides: float) -> Solid:
    return solid_from_mesh(trimesh.creation.box(sides), "box")


def upright(angle: float = 0.0) -> np.ndarray:
    return rigid(rotation_about(np.array([0.0, 0.0, 1.0]), np.array(angle)), np.zeros(3))


def test_a_plate_is_as_wide_as_its_shorter_side_flat_and_as_its_thickness_on_edge():
    plate = box(0.10, 0.06, 0.004)
    assert outline_width(plate, upright()) == pytest.approx(0.06)
    on_edge = rigid(rotation_about(np.array([1.0, 0.0, 0.0]), np.array(np.pi / 2)), np.zeros(3))
    assert outline_width(plate, on_edge) == pytest.approx(0.004)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, 2.9])
def test_turning_an_object_on_the_table_changes_no_width(angle):
    assert outline_width(box(0.05, 0.03, 0.02), upright(angle)) == pytest.approx(0.03)


def test_a_ball_is_as_wide_as_its_diameter():
    ball = solid_from_mesh(trimesh.creation.icosphere(subdivisions=4, radius=0.02), "ball")
    assert outline_width(ball, upright(0.4)) == pytest.approx(0.04, rel=0.005)


def test_the_scaled_object_has_the_width_that_was_asked_for_and_rests_on_the_table():
    config = ObjectConfig(graspable_width=(0.5, 0.5), largest_extent=100.0)
    solid = box(0.10, 0.06, 0.02)
    for pose in stable_poses(solid).world_from_object:
        scale, scaled_pose = posed_for_hand(solid, pose, config, HAND, np.random.default_rng(0))
        scaled = solid.scaled(scale)
        assert outline_width(scaled, scaled_pose) == pytest.approx(0.5 * HAND.max_width)
        heights = scaled.mesh.vertices @ scaled_pose[2, :3] + scaled_pose[2, 3]
        assert heights.min() == pytest.approx(0.0, abs=1e-9)


def test_no_object_grows_beyond_the_largest_extent():
    needle = box(0.30, 0.003, 0.003)
    config = ObjectConfig(graspable_width=(1.0, 1.0), largest_extent=3.0)
    scale, _ = posed_for_hand(needle, upright(), config, HAND, np.random.default_rng(0))
    assert max(needle.scaled(scale).mesh.extents) == pytest.approx(3.0 * HAND.max_width)


def test_an_object_as_it_is_keeps_its_size():
    config = ObjectConfig(scaling="as_is")
    scale, pose = posed_for_hand(box(0.1, 0.1, 0.1), upright(), config, HAND, np.random.default_rng(0))
    assert scale == 1.0
    np.testing.assert_array_equal(pose, upright())


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.3, 0.5, 0.7), (1.5, -0.2, 2.0)])
def test_the_sides_of_a_brick_are_its_own_whichever_way_it_is_turned(angles):
    turned = trimesh.creation.box((0.12, 0.03, 0.05)).apply_transform(trimesh.transformations.euler_matrix(*angles))
    assert sides(solid_from_mesh(turned, "brick")) == pytest.approx([0.03, 0.05, 0.12])


@pytest.mark.parametrize(
    ("config", "which", "side"),
    [
        (ObjectConfig(scaling="smallest_side", largest_extent=np.inf), 0, 0.04),  # Dex-Net's generator
        (ObjectConfig(scaling="smallest_side", smallest_side=0.02), 0, 0.02),
        (ObjectConfig(scaling="fit_gripper"), 1, 0.045),  # 0.9 of the yumi's 50 mm
        (ObjectConfig(scaling="fit_gripper", fit=0.5), 1, 0.025),
    ],
)
def test_a_side_is_as_long_as_was_asked_for_in_every_pose(config, which, side):
    solid = box(0.30, 0.09, 0.05)
    poses = stable_poses(solid).world_from_object
    scales = [posed_for_hand(solid, pose, config, HAND, np.random.default_rng(0))[0] for pose in poses]
    assert len(set(scales)) == 1
    assert np.sort(solid.scaled(scales[0]).mesh.extents)[which] == pytest.approx(side)
    for pose in poses:
        _, scaled_pose = posed_for_hand(solid, pose, config, HAND, np.random.default_rng(0))
        assert scaled_pose[2, 3] == pytest.approx(scales[0] * pose[2, 3])


KIT = SHARED / "meshes" / "kit"


@pytest.mark.skipif(not KIT.is_dir(), reason="the KIT objects are not on this machine")
def test_the_middle_extent_of_every_kit_object_that_dexnet_distributes_is_nine_tenths_of_its_hand():
    paths = sorted(KIT.glob("*.obj"))
    middle = [np.sort(np.ptp(trimesh.load_mesh(path, process=False).vertices, axis=0))[1] for path in paths]
    assert len(middle) == 129
    np.testing.assert_allclose(middle, ObjectConfig().fit * 0.05, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": 0.0}, {"wall": -0.001}, {"smallest_side": -1.0}, {"fit": 0.0}, {"largest_extent": -2.0},
        {"graspable_width": (0.5, 0.1)}, {"count": 0}, {"count": 10**20}, {"most_faces": 3}, {"validation_share": 1.0},
        {"decomposition_time": 0.0},
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ObjectConfig(**wrong)


def test_an_unknown_way_of_scaling_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'fit_gripper'"):
        parse_config(ObjectConfig, {"scaling": "fit_griper"}, "mine.yaml")


def meshes(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.box((0.06, 0.04, 0.02)).export(folder / name)
    return folder


def test_meshes_and_procedural_objects_mix_and_every_name_leads_to_its_object(tmp_path):
    one, two = meshes(tmp_path / "one", "a.stl", "deep/b.ply"), meshes(tmp_path / "two", "a.stl")
    config = ObjectConfig(folders=(str(one), str(two)), families=("mug",), count=2)
    names = object_names(config)
    assert names == ["one/a.stl", "one/deep/b.ply", "two/a.stl", "mug_00000", "mug_00001"]
    for name in names:
        solid = load_object(config, name, np.random.default_rng(0))
        assert solid.name == name.partition(".")[0]
        assert (solid.volume == pytest.approx(0.06 * 0.04 * 0.02, rel=1e-5)) == (not name.startswith("mug"))


def test_one_folder_needs_no_prefix_and_holds_all_objects_unless_a_count_is_given(tmp_path):
    folder = str(meshes(tmp_path, "a.stl", "sub/b.OBJ"))
    assert object_names(ObjectConfig(folders=(folder,))) == ["a.stl", "sub/b.OBJ"]
    assert len(object_names(ObjectConfig())) == 20
    assert load_object(ObjectConfig(folders=(folder,)), "sub/b.OBJ", np.random.default_rng(0)).volume > 0


def test_a_pattern_picks_files_by_name(tmp_path):
    folder = str(meshes(tmp_path, "can_visual.obj", "can_collision.obj"))
    assert object_names(ObjectConfig(folders=(folder,), pattern="*_visual.obj")) == ["can_visual.obj"]
    with pytest.raises(InputError, match=r"no mesh file has a name like pattern '\*\.step'"):
        object_names(ObjectConfig(folders=(folder,), pattern="*.step"))


def test_a_link_to_itself_is_an_object_without_a_file(tmp_path):
    (tmp_path / "round.stl").symlink_to("round.stl")
    assert object_names(ObjectConfig(folders=(str(tmp_path),))) == ["round.stl"]


def test_a_mesh_cannot_come_twice_lest_it_be_in_both_splits(tmp_path):
    above, below = meshes(tmp_path / "all", "part/a.stl"), tmp_path / "all" / "part"
    with pytest.raises(InputError, match=r"a\.stl is in two of the folders"):
        object_names(ObjectConfig(folders=(str(above), str(below))))
    same_name = meshes(tmp_path / "other" / "all", "part/a.stl")
    with pytest.raises(InputError, match="under names that differ"):
        object_names(ObjectConfig(folders=(str(above), str(same_name))))


def test_wall_and_face_limit_reach_the_loader(tmp_path):
    fine = trimesh.creation.icosphere(subdivisions=4, radius=0.05)
    fine.export(tmp_path / "ball.ply")
    trimesh.Trimesh(fine.vertices, fine.faces[fine.triangles_center[:, 2] > 0], process=False).export(
        tmp_path / "cap.ply"
    )
    config = ObjectConfig(folders=(str(tmp_path),), most_faces=2000, wall=0.003)
    ball, cap = (load_object(config, name, np.random.default_rng(0)) for name in ("ball.ply", "cap.ply"))
    assert len(ball.mesh.faces) <= 2000
    assert cap.volume == pytest.approx(2 * np.pi * 0.05**2 * 0.003, rel=0.1)


def test_a_command_that_is_given_folders_makes_no_procedural_objects_unless_it_is_told_to(tmp_path):
    assert only_meshes_of((), "objects") == ()
    (tmp_path / "a, b").mkdir()
    trimesh.creation.box([0.02, 0.03, 0.04]).export(tmp_path / "a, b" / "box_visual.obj")
    given = only_meshes_of((tmp_path / "a, b",), "trial.objects")
    assert given == (f'trial.objects.folders=["{tmp_path}/a, b"]', "trial.objects.count=null")
    assert only_meshes_of((tmp_path / "a, b",), "trial.objects", "*_visual.obj") == given


def test_a_presets_pattern_is_dropped_where_no_folder_holds_such_a_file_and_never_leaves_one_folder_out(tmp_path):
    for name in ("plain/box.stl", "dressed/box_visual.stl", "dressed/box_collision.stl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        trimesh.creation.box([0.02, 0.03, 0.04]).export(tmp_path / name)
    folders = plain, dressed = tmp_path / "plain", tmp_path / "dressed"
    assert only_meshes_of((plain,), "objects", "*_visual.stl")[2:] == ('objects.pattern="*"',)
    assert only_meshes_of((dressed,), "objects", "*_visual.stl")[2:] == ()
    assert only_meshes_of(folders, "objects", "*_visual.stl")[2:] == ()
    with pytest.raises(InputError, match="plain: no mesh file has a name like pattern"):
        object_names(ObjectConfig(folders=tuple(map(str, folders)), pattern="*_visual.stl"))


def egg(rng: np.random.Generator) -> trimesh.Trimesh:
    """A family as an outside package would have it."""
    return trimesh.creation.icosphere(subdivisions=2).apply_scale([0.02, 0.02, float(rng.uniform(0.025, 0.03))])


def test_an_installed_package_can_add_a_family(monkeypatch):
    entries = [EntryPoint("egg", f"{__name__}:egg", "graspnet.objects")]
    monkeypatch.setattr(EntryPoint, "load", lambda self: egg)
    monkeypatch.setattr(procedural, "entry_points", lambda group: entries if group == "graspnet.objects" else [])
    config = ObjectConfig(families=("egg", "mug"), count=3)
    assert object_names(config) == ["egg_00000", "mug_00001", "egg_00002"]
    solid = load_object(config, "egg_00000", np.random.default_rng(0))
    assert solid.name == "egg_00000"
    assert 0.05 <= max(solid.mesh.extents) <= 0.06
    with pytest.raises(InputError, match="did you mean 'egg'"):
        ObjectConfig(families=("eg",))


def test_families_take_turns():
    names = object_names(ObjectConfig(families=("box", "mug"), count=5))
    assert names == ["box_00000", "mug_00001", "box_00002", "mug_00003", "box_00004"]


def test_a_family_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"unknown family 'bx'.*did you mean 'box'"):
        ObjectConfig(families=("bx",))


@pytest.mark.parametrize("preset", ["quick", "default", "dexnet_2.0", "dexnet_2.0_tool", "bin_clutter"])
def test_meshes_of_a_folder_keep_their_size_whatever_a_preset_does_to_procedural_objects(preset):
    meshes = ['objects.folders=["mine"]', "objects.count=null"]
    config = load_config(GenerateConfig, "generate", preset, meshes).objects
    assert keeping_size(config, "generate", preset, ["objects.unit=0.001"]).scaling == "as_is"
    procedural = load_config(GenerateConfig, "generate", preset).objects
    assert keeping_size(procedural, "generate", preset, []) == procedural


@pytest.mark.parametrize(
    "override",
    [
        "objects.scaling=fit_gripper", "objects.fit=0.5", "objects.graspable_width=[0.2, 0.4]",
        "objects.smallest_side_mm=30", "objects={scaling: smallest_side}",
    ],
)  # fmt: skip
def test_who_asks_for_a_size_gets_it(override):
    config = load_config(GenerateConfig, "generate", "quick", ['objects.folders=["mine"]', override]).objects
    assert keeping_size(config, "generate", "quick", [override]) == config


def test_meshes_beside_procedural_objects_need_a_word_about_size():
    """A set of both once had procedural objects of a fifth of the opening, for which nobody had asked."""
    mixed = ['objects.folders=["mine"]', "objects.count=50"]
    config = load_config(GenerateConfig, "generate", "default", mixed).objects
    with pytest.raises(InputError, match=r"50 procedural ones.*objects.scaling=graspable_width.*objects.count=null"):
        keeping_size(config, "generate", "default", mixed, of_one_kind=True)
    asked = load_config(GenerateConfig, "generate", "default", [*mixed, "objects.scaling=as_is"]).objects
    assert keeping_size(asked, "generate", "default", [*mixed, "objects.scaling=as_is"], of_one_kind=True) == asked
    assert keeping_size(config, "generate", "default", mixed).scaling == "as_is"  # to look at, they need none


def test_a_file_of_the_users_and_those_that_it_inherits_from_may_ask_for_a_size_too(tmp_path):
    (tmp_path / "silent.yaml").write_text("base: dexnet_2.0\nobjects: {folders: [mine], count: null}\n")
    (tmp_path / "asks.yaml").write_text("objects: {folders: [mine], scaling: fit_gripper}\n")
    (tmp_path / "heir.yaml").write_text("base: asks.yaml\nviews: 2\n")
    for name, scaling in (("silent", "as_is"), ("asks", "fit_gripper"), ("heir", "fit_gripper")):
        path = str(tmp_path / f"{name}.yaml")
        config = load_config(GenerateConfig, "generate", path).objects
        assert keeping_size(config, "generate", path, []).scaling == scaling


def test_the_size_of_objects_is_said_in_words():
    assert size_in_words(ObjectConfig(folders=("a",), scaling="as_is")).startswith(
        "objects are as large as their files"
    )
    assert "span 0.1 to 1.05 openings (objects.scaling=graspable_width)" in size_in_words(ObjectConfig())
    assert "middle side is 0.9 openings" in size_in_words(ObjectConfig(scaling="fit_gripper"))
    assert "smallest side is 40 mm" in size_in_words(ObjectConfig(scaling="smallest_side"))


def test_the_files_that_were_chosen_are_the_objects_and_one_that_is_gone_is_named(tmp_path):
    folder = meshes(tmp_path, "a.stl", "a.obj")
    trimesh.creation.box((0.05, 0.04, 0.02)).export(folder / "b.stl")
    (folder / "c.dae").write_text("x")
    config, notes = one_file_an_object(ObjectConfig(folders=(str(folder),), count=1, families=("mug",)), "test")
    assert config.files == ("a.obj", "b.stl")
    assert notes == [
        "a.obj stands for 1 other file of the same object: a.stl",
        f"{folder}: 1 .dae file is left out; of meshes, .glb .obj .off .ply .stl are read",
    ]
    assert object_names(config) == ["a.obj", "b.stl", "mug_00000"]
    assert one_file_an_object(config, "test") == (config, []), "what was chosen stays chosen"
    (folder / "b.stl").unlink()
    with pytest.raises(InputError, match=r"b\.stl: no such mesh in the folders any more"):
        mesh_files(config)
