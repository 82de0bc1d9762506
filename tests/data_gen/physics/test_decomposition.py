"""Decomposition: the convex pieces fill the solid and no more, and are kept."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from data_gen.meshes import Solid, solid_from_mesh
from data_gen.physics import decomposition
from data_gen.physics.decomposition import DecompositionConfig, cache_folder, convex_parts, fit_of
from graspnet.errors import InputError


def _bracket() -> Solid:
    """An L of two bars, 60 mm and 40 mm long, 20 mm wide and 10 mm thick, as one surface without known parts."""
    bars = [trimesh.creation.box(bounds=[[0, 0, 0], [*far, 0.02]]) for far in ([0.06, 0.01], [0.01, 0.05])]
    return solid_from_mesh(trimesh.boolean.union(bars, engine="manifold"), "bracket")


def _overlap_free_volume(parts: tuple[trimesh.Trimesh, ...]) -> float:
    return float(trimesh.boolean.union(list(parts), engine="manifold").volume)


def test_a_convex_solid_is_its_own_only_part(tmp_path):
    box = Solid("box", trimesh.creation.box([0.02, 0.03, 0.04]))
    parts = convex_parts(box, tmp_path)
    assert len(parts) == 1
    assert parts[0].volume == pytest.approx(0.02 * 0.03 * 0.04)
    assert not list(tmp_path.rglob("*")), "nothing to decompose, nothing to keep"


def test_known_parts_are_used_as_they_are(tmp_path):
    parts = (trimesh.creation.box([0.02, 0.02, 0.02]), trimesh.creation.icosphere(radius=0.02))
    assert convex_parts(Solid("given", _bracket().mesh, parts), tmp_path) is parts


def test_the_pieces_of_a_bracket_leave_its_corner_open(tmp_path):
    bracket = _bracket()
    parts = convex_parts(bracket, tmp_path)
    assert len(parts) >= 2
    assert all(part.is_watertight and part.volume > 0 for part in parts)
    # CoACD guarantees its threshold, 4 % of the object's size, not the volume; the hull would be 55 % too large
    assert _overlap_free_volume(parts) == pytest.approx(bracket.volume, rel=0.05)


def test_a_decomposition_is_read_from_the_cache_and_a_change_of_parameters_is_not(tmp_path):
    first = convex_parts(_bracket(), tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    written = file.stat().st_mtime_ns
    again = convex_parts(_bracket(), tmp_path)
    assert file.stat().st_mtime_ns == written
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)
    convex_parts(_bracket(), tmp_path, DecompositionConfig(thresholds=(0.2,)))
    assert len(list(tmp_path.rglob("*.npz"))) == 2
    assert not list(tmp_path.rglob("*.tmp*")), "files are written under another name and renamed"


def test_a_damaged_cache_file_is_named(tmp_path):
    convex_parts(_bracket(), tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged cache file"):
        convex_parts(_bracket(), tmp_path)


def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/graspnet")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/graspnet")


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


def test_pieces_are_refined_until_they_fit(tmp_path):
    coarse, fine = DecompositionConfig(thresholds=(1.0,)), DecompositionConfig(thresholds=(1.0, 0.04))
    bracket = _bracket()
    first, second = (fit_of(bracket, convex_parts(bracket, tmp_path, config)).far_share for config in (coarse, fine))
    assert first > 0.05 > second


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("import os; os.abort()", r"bracket: CoACD broke down \(exit status -6: it said nothing\); repair the mesh"),
        ("raise RuntimeError('open edges')", r"exit status 1: RuntimeError: open edges\)"),
        ("import time; time.sleep(60)", r"bracket: CoACD found no end within 1 s; repair the mesh"),
    ],
)
def test_a_coacd_that_aborts_or_hangs_is_an_error_that_names_the_mesh(tmp_path, monkeypatch, does, says):
    (tmp_path / "instead.py").write_text(does)
    monkeypatch.setattr(decomposition, "_PROCESS", tmp_path / "instead.py")
    monkeypatch.setattr(decomposition, "_PATIENCE", 1.0 if "sleep" in does else 60.0)
    with pytest.raises(InputError, match=says):
        convex_parts(_bracket(), tmp_path / "cache")
    assert not list(tmp_path.rglob("*.npz"))


def test_a_process_of_its_own_changes_no_bit_of_what_coacd_says():
    import open3d  # noqa: F401, I001  before coacd: the other order makes open3d's own import fail (std::bad_cast)
    import coacd

    bracket, config = _bracket(), DecompositionConfig()
    here = coacd.run_coacd(
        coacd.Mesh(bracket.mesh.vertices, bracket.mesh.faces), threshold=0.04, resolution=config.resolution,
        mcts_iterations=config.search_iterations, seed=config.seed,
    )  # fmt: skip
    there = decomposition._decompose(bracket, 0.04, config)
    assert len(there) == len(here)
    for part, (vertices, faces) in zip(there, here, strict=True):
        np.testing.assert_array_equal(part.vertices, trimesh.Trimesh(vertices, faces).convex_hull.vertices)


def test_a_coacd_whose_parent_is_gone_ends(tmp_path):
    torus = trimesh.creation.torus(0.03, 0.01)
    np.savez(tmp_path / "mesh.npz", vertices=torus.vertices, faces=torus.faces)
    for_hours = json.dumps({"threshold": 0.01, "resolution": 100_000, "mcts_iterations": 1_000_000})
    command = [sys.executable, "-P", str(decomposition._PROCESS), str(tmp_path / "mesh.npz"), for_hours]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.stdin.close()  # as when its parent is killed
    assert process.wait(10) == 1
