"""The study of signed distance fields: the same grasps, the same contacts; only what an object is to MuJoCo differs."""

import numpy as np
import trimesh
from click.testing import CliRunner

from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.physics_engine import load_mujoco
from graspnet.sim_eval.studies.fidelity import main
from graspnet.sim_eval.studies.judge_cases import CREEP_SOLIDS, Share
from graspnet.sim_eval.studies.sdf_study import (
    FIELDS,
    PIECES,
    FieldConfig,
    SdfVariant,
    judged,
    largest_creep,
    wedge,
    world_of,
)

DEFAULT = FIELDS[0]


def test_grasps_of_a_box_end_alike_on_its_pieces_and_on_its_field():
    share = Share("sdf", 1, 0, 2, objects=ObjectConfig(count=4, families=("box",), graspable_width=(0.4, 0.7)))
    found = judged((PIECES, DEFAULT), share)
    assert found.lifted.shape == (2, 2)
    assert found.lifted.any()
    np.testing.assert_array_equal(found.lifted[:, 0], found.lifted[:, 1])
    np.testing.assert_array_equal(found.lifted, judged((PIECES, DEFAULT), share).lifted)


def test_a_field_takes_the_place_of_the_pieces_with_their_mass_and_contacts():
    solid, geom_type = solid_from_mesh(CREEP_SOLIDS["box"], "box"), load_mujoco().mjtGeom
    pieces = world_of(solid, PIECES, 500.0, 0.5).model
    gridded = SdfVariant("", FieldConfig(points=7, iterations=3, pad_triangles=0.008))
    field = world_of(solid, gridded, 500.0, 0.5).model
    of_pieces, of_field = pieces.geom("object_0_part_0"), field.geom("object_field")
    assert of_field.type[0] == geom_type.mjGEOM_SDF
    assert field.ngeom == pieces.ngeom
    assert (field.opt.sdf_initpoints, field.opt.sdf_iterations) == (7, 3)
    for key in ("contype", "conaffinity", "condim", "friction", "priority", "solref", "solimp"):
        np.testing.assert_array_equal(getattr(of_field, key), getattr(of_pieces, key))
    np.testing.assert_array_equal(field.body_mass, pieces.body_mass)
    np.testing.assert_array_equal(field.body_inertia[1], pieces.body_inertia[1])
    assert field.geom("left").type[0] == geom_type.mjGEOM_MESH


def test_the_wedge_tapers_by_ten_degrees_and_its_exact_pieces_do_not_slide():
    normals = wedge().face_normals
    assert np.sum(np.isclose(np.degrees(np.arcsin(normals[:, 2])), 10.0)) == 4, "two triangles on either side"
    assert largest_creep("wedge", PIECES) < 0.05  # mm/s


def test_the_table_has_a_row_for_each_variant_asked_for_and_says_where_a_grip_was_lost(monkeypatch):
    monkeypatch.setattr(
        "graspnet.sim_eval.studies.sdf_study.largest_creep", lambda name, variant: np.nan if name == "wedge" else 0.01
    )
    done = CliRunner().invoke(main, ["sdf", "--objects", "1", "--grasps", "2", "--only", "as MuJoCo"])
    assert done.exit_code == 0, done.output
    rows = [line for line in done.output.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| exact pieces", f"| {DEFAULT.name}"]
    assert all("0.010, 0.010, 0.010, lost" in row for row in rows[1:])


def test_an_unknown_variant_is_refused_with_the_known_ones():
    done = CliRunner().invoke(main, ["sdf", "--only", "pieces of eight"])
    assert done.exit_code != 0
    assert "50 iterations" in str(done.exception)


def test_loading_compares_a_mesh_that_closes_and_passes_over_one_that_does_not(tmp_path):
    trimesh.creation.annulus(0.01, 0.02, 0.01).export(tmp_path / "ring.stl")
    ball = trimesh.creation.icosphere(4, 0.02)
    ball.update_faces(ball.triangles_center[:, 2] < 0)
    ball.export(tmp_path / "larger_bowl.stl")
    done = CliRunner().invoke(main, ["sdf-loading", "--objects", str(tmp_path), "--count", "1"])
    assert done.exit_code == 0, done.output
    assert "larger_bowl.stl: the surface is open" in done.stderr
    assert "| ring | 256 |" in done.stdout
