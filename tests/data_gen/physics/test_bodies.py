"""Bodies: MuJoCo is given the true mesh's mass and inertia, whatever pieces it collides with."""

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.physics.bodies import add_object
from graspnet.physics_engine import load_mujoco


def test_mass_and_inertia_are_those_of_a_solid_box():
    a, b, c, density = 0.02, 0.03, 0.05, 700.0
    box = solid_from_mesh(trimesh.creation.box([a, b, c]), "box")
    spec = load_mujoco().MjSpec()
    add_object(spec, box, convex_parts(box), density, "object")
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
    add_object(spec, twice, convex_parts(twice), 1000.0, "object")
    assert spec.compile().body("object").mass[0] == pytest.approx(0.016)


def test_mujoco_loads_where_the_environment_asks_for_egl():
    code = "from graspnet.physics_engine import load_mujoco; load_mujoco().MjSpec().compile()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"MUJOCO_GL": "egl", "PATH": "/usr/bin"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-300:]
