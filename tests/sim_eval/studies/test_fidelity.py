"""Fidelity: every variant judges the same grasps, and the pieces of procedural objects are the objects."""

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.config import load_config
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.studies.fidelity import CREEPING, SECOND_JUDGE, STUDIES, geometry, main, verdicts
from graspnet.sim_eval.studies.judge_cases import CREEP_SOLIDS, Share, creep
from graspnet.transforms import frame_from_axes, rigid


def test_every_variant_judges_every_grasp_and_the_same_share_gives_the_same_verdicts():
    objects = ObjectConfig(count=4, families=("box",), graspable_width=(0.4, 0.7))
    share = Share("step", 1, 0, 6, objects=objects)
    found = verdicts(share)
    assert found.shape == (6, len(STUDIES["step"]))
    assert found.any(axis=0).all(), "each variant lifts some grasp of a box that fits"
    np.testing.assert_array_equal(found, verdicts(share))


def test_each_study_begins_with_the_judge_that_is_published():
    published = load_config(ProtocolConfig, "simulate", "single").pick
    assert all(study[0].pick == published for study in STUDIES.values())


def test_the_second_judge_of_the_study_is_the_one_of_the_protocol():
    assert load_config(ProtocolConfig, "simulate", "second_judge").pick == SECOND_JUDGE


@pytest.mark.parametrize("judge", [SolverConfig(), SECOND_JUDGE.solver], ids=["first", "second"])
@pytest.mark.parametrize("name", CREEP_SOLIDS)
def test_a_grip_within_coulombs_cone_does_not_slide(judge, name):
    """Exactly none would be right; at 0.05 mm/s an object slides by less than 0.1 mm in a lift and a shake."""
    assert creep(solid_from_mesh(CREEP_SOLIDS[name], name), judge, 0.5) < 5e-5


@pytest.mark.parametrize("judge", [PickConfig(), SECOND_JUDGE], ids=["first", "second"])
def test_pads_do_not_sink_into_a_light_cube(judge):
    hand, cube = load_gripper("yumi"), solid_from_mesh(trimesh.creation.box([0.02, 0.02, 0.02]), "cube")
    at = np.array([0.0, 0.0, 0.01])
    grasp = rigid(frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0])), at)
    world = PickWorld(cube, hand, judge, 0.001 / cube.volume)
    result = world.pick(rigid(np.eye(3), at), Grasps.of_jaws(grasp[None], np.array([hand.max_width])))
    assert result.success
    assert result.contact_distance == pytest.approx(0.02, abs=1e-3)


def test_a_creeping_judge_is_found_out():
    assert creep(solid_from_mesh(CREEP_SOLIDS["box"], "box"), CREEPING, 0.5) > 2e-4


def test_procedural_pieces_are_the_object():
    for name in ("mug_00000", "bracket_00001"):
        fit = geometry(ObjectConfig(families=("mug", "bracket"), count=2), name).fit
        assert fit is not None
        assert fit.far_share == 0
        assert fit.hausdorff < 1e-4


def test_the_geometry_of_a_folder_is_a_table_with_the_problems_in_it(tmp_path):
    trimesh.creation.box([0.02, 0.03, 0.04]).export(tmp_path / "brick.stl")
    (tmp_path / "broken.stl").write_text("nothing")
    done = CliRunner().invoke(main, ["geometry", "--objects", str(tmp_path), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "brick.stl,1,0.0000,0.0000,0.0000," in done.output
    assert "broken.stl,0,," in done.output
    (tmp_path / "brick.stl").unlink()
    done = CliRunner().invoke(main, ["geometry", "--objects", str(tmp_path), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "0 of 1 objects" in done.output
