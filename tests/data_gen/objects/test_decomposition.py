"""Decomposition: the convex pieces fill the solid and no more, and are kept."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects import decomposition
from graspnet.data_gen.objects.decomposition import (
    DecompositionConfig,
    cache_folder,
    coacd_command,
    convex_parts,
    decompose,
    piece_fit,
)
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.piece_fit import fit_of
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


def test_pieces_are_refined_until_they_fit(tmp_path):
    coarse, fine = DecompositionConfig(thresholds=(1.0,)), DecompositionConfig(thresholds=(1.0, 0.04))
    bracket = _bracket()
    first, second = (fit_of(bracket, convex_parts(bracket, tmp_path, config)).far_share for config in (coarse, fine))
    assert first > 0.05 > second


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("import os; os.abort()", "bracket: CoACD broke down (SIGABRT); "),
        ("import os; os.kill(os.getpid(), 9)", "bracket: CoACD broke down (SIGKILL: no memory left?); "),
        ("import time; time.sleep(60)", "bracket: CoACD hung: it had no answer after "),
        (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]), 9))\nwhile True: pass",
            "bracket: CoACD was not done after 1 s of processor time; ",
        ),
    ],
    ids=["aborts", "is killed", "hangs", "has no end"],
)
def test_where_coacd_fails_coarse_blocks_stand_in_with_one_warning_and_are_remembered(
    tmp_path, monkeypatch, capsys, does, says
):
    (tmp_path / "instead.py").write_text(does)
    monkeypatch.setattr(decomposition, "COACD_PROCESS", tmp_path / "instead.py")
    monkeypatch.setattr(decomposition, "FIRST_WORD", 0.5)
    monkeypatch.setattr(decomposition, "STALLED", 1.0 if "sleep" in does else 60.0)
    bracket, hurried = _bracket(), DecompositionConfig(patience=1.0)
    parts = convex_parts(bracket, tmp_path / "cache", hurried)
    assert _overlap_free_volume(parts) == pytest.approx(bracket.volume, rel=0.02)
    *progress, warning = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {says}")
    assert "coarse blocks" in warning
    assert all(line.startswith("bracket: cutting it into convex pieces") for line in progress)
    (tmp_path / "instead.py").write_text("raise SystemExit('asked again')")
    assert len(convex_parts(bracket, tmp_path / "cache", hurried)) == len(parts)
    with pytest.raises(InputError, match="asked again"):
        convex_parts(bracket, tmp_path / "cache", DecompositionConfig(patience=2.0))


def test_a_coacd_that_cannot_be_run_is_an_error_and_nothing_is_remembered(tmp_path, monkeypatch):
    (tmp_path / "instead.py").write_text("raise RuntimeError('no such module')")
    monkeypatch.setattr(decomposition, "COACD_PROCESS", tmp_path / "instead.py")
    with pytest.raises(
        InputError, match=r"bracket: CoACD cannot be run \(exit status 1: RuntimeError: no such module\)"
    ):
        convex_parts(_bracket(), tmp_path / "cache")
    assert not list(tmp_path.rglob("*.npz"))


def test_pieces_that_were_found_in_time_are_the_same_with_more_of_it(tmp_path):
    convex_parts(_bracket(), tmp_path)
    convex_parts(_bracket(), tmp_path, DecompositionConfig(patience=600.0))
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    with pytest.raises(InputError, match="patience is 0"):
        DecompositionConfig(patience=0.0)


def test_a_process_of_its_own_changes_no_bit_of_what_coacd_says():
    import open3d  # noqa: F401, I001  before coacd: the other order makes open3d's own import fail (std::bad_cast)
    import coacd

    bracket, config = _bracket(), DecompositionConfig()
    here = coacd.run_coacd(
        coacd.Mesh(bracket.mesh.vertices, bracket.mesh.faces), threshold=0.04, resolution=config.resolution,
        mcts_iterations=config.search_iterations, seed=config.seed,
    )  # fmt: skip
    there = decompose(bracket, 0.04, config)
    assert len(there) == len(here)
    for part, (vertices, faces) in zip(there, here, strict=True):
        np.testing.assert_array_equal(part.vertices, trimesh.Trimesh(vertices, faces).convex_hull.vertices)


def test_a_coacd_whose_parent_is_gone_ends(tmp_path):
    torus = trimesh.creation.torus(0.03, 0.01)
    np.savez(tmp_path / "mesh.npz", vertices=torus.vertices, faces=torus.faces)
    for_hours = {"threshold": 0.01, "resolution": 100_000, "mcts_iterations": 1_000_000}
    process = subprocess.Popen(coacd_command(tmp_path / "mesh.npz", for_hours, 3600.0), stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.stdin.close()  # as when its parent is killed
    assert process.wait(10) == 1


def test_pieces_that_do_not_fit_are_kept_with_one_warning_that_names_the_object(tmp_path, capsys):
    ring = Solid("thin ring", trimesh.creation.annulus(0.027, 0.03, 0.01))
    one_piece = DecompositionConfig(thresholds=(1.0,))
    convex_parts(ring, tmp_path, one_piece)
    convex_parts(ring, tmp_path, one_piece)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: thin ring: its collision pieces are more than 1 mm off over ")
    convex_parts(_bracket(), tmp_path)
    assert capsys.readouterr().err == ""


def test_a_fit_is_measured_once_for_a_shape_in_all_its_sizes(tmp_path, monkeypatch):
    bracket = _bracket()
    solid = replace(bracket, parts=convex_parts(bracket, tmp_path))
    first, expected = piece_fit(bracket, tmp_path), fit_of(bracket, solid.parts)
    assert first.volume_error == pytest.approx(expected.volume_error, abs=1e-5)
    assert first.hausdorff == pytest.approx(expected.hausdorff, abs=2e-6)
    assert first.far_share == pytest.approx(expected.far_share, abs=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(decomposition, "gaps_of", lambda *_: pytest.fail("measured again"))
        larger = piece_fit(solid.scaled(1.7), tmp_path)
    assert larger.hausdorff == pytest.approx(1.7 * first.hausdorff, rel=1e-6)
    assert larger.far_share >= first.far_share
    hull = replace(bracket, parts=(bracket.mesh.convex_hull,))
    assert piece_fit(hull, tmp_path).far_share > 0.05, "other pieces are measured anew"
