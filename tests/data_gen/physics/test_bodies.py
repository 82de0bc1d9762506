"""Bodies: the convex pieces fill the solid, and MuJoCo is given the true mesh's mass and inertia."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from data_gen.meshes import Solid, solid_from_mesh
from data_gen.physics.bodies import DecompositionConfig, add_object, cache_folder, convex_parts, load_mujoco
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
    convex_parts(_bracket(), tmp_path, DecompositionConfig(threshold=0.2))
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


def test_mass_and_inertia_are_those_of_a_solid_box():
    a, b, c, density = 0.02, 0.03, 0.05, 700.0
    box = solid_from_mesh(trimesh.creation.box([a, b, c]), "box")
    spec = load_mujoco().MjSpec()
    add_object(spec, box, convex_parts(box), density)
    model = spec.compile()
    mass = density * a * b * c
    assert model.body("object").mass[0] == pytest.approx(mass)
    expected = mass / 12 * np.array([b * b + c * c, a * a + c * c, a * a + b * b])  # any book of mechanics
    np.testing.assert_allclose(np.sort(model.body("object").inertia), np.sort(expected), rtol=1e-6)
    np.testing.assert_allclose(model.body("object").ipos, 0, atol=1e-9)


def test_overlapping_pieces_add_no_mass():
    mesh = trimesh.creation.box([0.04, 0.02, 0.02])
    twice = solid_from_mesh(mesh, "twice", parts=(mesh.copy(), mesh.copy()))
    spec = load_mujoco().MjSpec()
    add_object(spec, twice, convex_parts(twice), 1000.0)
    assert spec.compile().body("object").mass[0] == pytest.approx(0.016)


def test_mujoco_loads_where_the_environment_asks_for_egl():
    code = "from data_gen.physics.bodies import load_mujoco; load_mujoco().MjSpec().compile()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"MUJOCO_GL": "egl", "PATH": "/usr/bin"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-300:]
