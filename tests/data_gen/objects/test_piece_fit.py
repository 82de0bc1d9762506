"""Fit: a box against boxes whose differences are known; lengths scale, shares of volume do not."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.piece_fit import fit_of, gaps_of
from graspnet.data_gen.objects.procedural import FAMILIES, make_solid


def test_a_box_fits_itself_and_a_larger_box_by_what_it_is_larger():
    box = solid_from_mesh(trimesh.creation.box([0.04, 0.04, 0.04]), "box")
    exact = fit_of(box, [box.mesh])
    assert exact.volume_error == pytest.approx(0, abs=1e-5)
    assert exact.hausdorff == pytest.approx(0, abs=1e-6)
    assert exact.far_share == 0
    larger = fit_of(box, [trimesh.creation.box([0.044, 0.04, 0.04])])  # 2 mm on two of six sides
    assert larger.volume_error == pytest.approx(0.1, abs=1e-4)
    assert larger.hausdorff == pytest.approx(0.002, abs=1e-4)
    assert larger.far_share == pytest.approx(2 / 6, abs=0.05)


def test_a_filled_hole_counts_as_far_and_the_gap_between_pieces_does_not():
    ring = solid_from_mesh(trimesh.creation.annulus(0.01, 0.03, 0.01), "ring")
    assert fit_of(ring, [ring.mesh.convex_hull]).far_share > 0.05
    halves = [trimesh.creation.box(bounds=[[x, 0, 0], [x + 0.02, 0.03, 0.03]]) for x in (0.0, 0.0201)]
    split = solid_from_mesh(trimesh.creation.box(bounds=[[0, 0, 0], [0.0401, 0.03, 0.03]]), "split")
    shift = trimesh.transformations.translation_matrix(-np.mean([[0, 0, 0], [0.0401, 0.03, 0.03]], axis=0))
    assert fit_of(split, [half.apply_transform(shift) for half in halves]).far_share == 0


def test_a_scaled_fit_is_that_of_the_scaled_solid_and_pieces():
    box, larger = (trimesh.creation.box([side, 0.04, 0.04]) for side in (0.04, 0.0414))  # 0.7 mm on two of six sides
    solid = solid_from_mesh(box, "box")
    gaps = gaps_of(solid, [larger])
    assert gaps.fit().far_share == 0
    assert gaps.fit(2.0).far_share == pytest.approx(2 / 6, abs=0.05)  # 1.4 mm
    for scale in (0.5, 2.0):
        of_scaled = fit_of(solid.scaled(scale), [larger.copy().apply_scale(scale)])
        scaled = gaps.fit(scale)
        assert scaled.volume_error == pytest.approx(of_scaled.volume_error, abs=1e-5)
        assert scaled.hausdorff == pytest.approx(of_scaled.hausdorff, abs=3e-6)
        assert scaled.far_share == pytest.approx(of_scaled.far_share, abs=0.01)


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"blob"}))  # whose pieces leave its dents out
def test_the_known_pieces_of_a_procedural_shape_are_the_shape(family):
    solid = make_solid(family, np.random.default_rng(3), family)
    fit = fit_of(solid, solid.parts)
    assert fit.volume_error < 1e-5
    assert fit.far_share < 0.01
