"""Facts about diversity.py: balls, bricks and cones have the measures that geometry says, at any size and turn."""

import re

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.catalogue.diversity import COLUMNS, NEAR, ShapeMeasures, measure, summary_rows
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.procedural import make_solid


def measured(mesh: trimesh.Trimesh) -> ShapeMeasures:
    return measure(solid_from_mesh(mesh, "it"), np.random.default_rng(0))


def test_a_ball_is_round_everywhere_as_thick_as_its_diameter_and_can_be_taken_anywhere():
    ball = measured(trimesh.creation.icosphere(subdivisions=4, radius=0.03))
    assert ball.rounded == 1.0
    assert ball.flat == ball.sharp == ball.hollow == 0.0
    assert ball.sides == pytest.approx([0.06] * 3, rel=0.01)
    assert ball.thickness == pytest.approx(0.06, rel=0.01)
    assert ball.convexity == pytest.approx(1.0)
    assert ball.graspable == 1.0


def test_a_cube_is_flat_but_for_what_lies_near_its_edges():
    cube = measured(trimesh.creation.box((0.05, 0.05, 0.05)))
    away_from_edges = (1 - 2 * NEAR) ** 2
    assert away_from_edges - 0.03 < cube.flat < away_from_edges + 0.07  # some near an edge see no point beyond it
    assert cube.sharp > 0.08
    assert cube.hollow == 0.0
    assert cube.flat + cube.rounded + cube.sharp == pytest.approx(1.0)
    assert cube.thickness == pytest.approx(0.05, rel=1e-3)
    assert cube.poses == 6
    assert cube.graspable > 0.97


def test_the_inside_of_a_pipe_is_hollow_and_its_wall_is_thin():
    pipe = measured(trimesh.creation.annulus(0.045, 0.05, 0.2, sections=96))
    inner = 0.045 / (0.05 + 0.045)  # share of the surface, without the rims
    assert inner - 0.1 < pipe.hollow < inner
    assert pipe.sharp < 0.1
    assert pipe.thickness == pytest.approx(0.005, rel=0.02)
    assert pipe.convexity == pytest.approx(1 - 0.9**2, rel=0.01)


def test_no_two_faces_of_a_regular_tetrahedron_are_antipodal():
    """They meet at acos 1/3 = 70.5°; with a friction of 0.6 two contacts hold up to 2 atan 0.6 = 61.9° off parallel."""
    corners = 0.03 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    tetrahedron = measured(trimesh.convex.convex_hull(corners))
    assert tetrahedron.graspable == 0.0
    assert tetrahedron.poses == 4


def test_a_plate_that_is_wider_than_the_hand_can_only_be_taken_by_its_thickness():
    plate = measured(trimesh.creation.box((0.1, 0.1, 0.004)))
    assert plate.thickness == pytest.approx(0.004, rel=1e-3)
    assert plate.graspable > 0.9
    assert plate.sides == pytest.approx([0.004, 0.1, 0.1])


def test_neither_size_nor_turn_nor_a_finer_mesh_changes_the_shape():
    mug = make_solid("mug", np.random.default_rng(3)).mesh
    plain = measured(mug)
    turned = mug.copy().apply_scale(2.0).apply_transform(trimesh.transformations.euler_matrix(0.4, 0.3, 1.0))
    for other in (measured(turned), measured(mug.subdivide())):
        for share in ("flat", "rounded", "sharp", "hollow", "graspable"):
            assert getattr(other, share) == pytest.approx(getattr(plain, share), abs=0.05)  # 4,000 and 500 points
        assert other.thickness / other.sides[2] == pytest.approx(plain.thickness / plain.sides[2], rel=0.15)
        assert other.convexity == pytest.approx(plain.convexity, rel=1e-3)
        assert other.poses == plain.poses


def test_the_same_generator_gives_the_same_measures():
    solid = make_solid("figure", np.random.default_rng(1))
    first, second = (measure(solid, np.random.default_rng(5)) for _ in range(2))
    assert first.graspable == second.graspable
    assert first.thickness == second.thickness


def test_a_summary_has_medians_and_quantiles_of_each_group():
    boxes = [measured(trimesh.creation.box((0.01 * k, 0.05, 0.06))) for k in (1, 2, 3)]
    rows = summary_rows({"boxes": boxes})
    assert [len(row) for row in rows] == [len(COLUMNS) + 1]
    told = dict(zip(("", *COLUMNS), rows[0], strict=True))
    assert told[""] == "boxes"
    assert told["objects"] == "3"
    assert told["sides, mm"] == "20 x 50 x 60"
    assert told["longest side, mm"] == "60"  # there is no spread to tell
    assert told["convexity"] == "1.00"
    assert re.fullmatch(r"\d+ \[\d+, \d+\]", told["thickness, mm"])
    assert told["stable poses"] == "6"
