"""Episodes in clutter: when they end, what counts, and that they are the same for everyone."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.outcome import Outcome, PickResult
from graspnet.data_gen.physics.pick import ClutterWorld
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Bin, CameraConfig, Scene
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.policies.registry import make_policy
from graspnet.run.engines import Engine, LocalEngine
from graspnet.sim_eval.episodes.draw import draw_episode, looked_at, objects_met
from graspnet.sim_eval.episodes.episode import Episode, Workspace
from graspnet.sim_eval.episodes.fused_views import fused_depth
from graspnet.sim_eval.episodes.look import failed_places
from graspnet.sim_eval.episodes.records import Attempt, EpisodeResult
from graspnet.sim_eval.episodes.run import record_episode, run_episode, run_protocol
from graspnet.sim_eval.planners.ceilings import Oracle
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.planners.planner import Planner, Situation
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import BinConfig, ClutterTask, FusionConfig, PackedConfig, PileConfig
from graspnet.transforms import frame_from_axes, invert, rigid, transform_points

BOXES = ProtocolConfig(
    gripper="panda",
    sensor="ideal",
    objects=ObjectConfig(count=3, families=("box",), scaling="smallest_side", smallest_side=0.03),
    view=CameraConfig(camera="primesense", distance=(0.7, 0.7), polar=(0.0, 0.0), tilted_share=0.0),
)
PILE = PileConfig(objects=3)
ALONE = replace(PILE, objects=1)
PATIENT = replace(PILE, ends_without_plan=False, failures=5)
PACKED = PackedConfig(objects=5, scale=(0.8, 1.0))
BIN = BinConfig(objects=3, scale=(0.8, 1.0))
RENDERER = RaycastRenderer()


def _drawn(task: ClutterTask, index: int = 0, **changes: object) -> Episode:
    return draw_episode(replace(BOXES, task=task, **changes), 7, index, RENDERER)


_scene = lru_cache(maxsize=8)(_drawn)


class _Nothing(Planner):
    def plan(self, situation: Situation) -> GraspPlan:
        return GraspPlan(situation.observation, Grasps.none(), np.zeros(0), "none wanted")


class _Above(Planner):
    """Closes the hand in the air, 20 cm above the table."""

    def plan(self, situation: Situation) -> GraspPlan:
        rotation = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))
        grasp = Grasps.of_jaws(rigid(rotation, np.array([0.0, 0.0, 0.2]))[None], np.array([0.08]))
        in_camera = grasp.transformed(invert(situation.world_from_believed_camera))
        return GraspPlan(situation.observation, in_camera, np.ones(1))


def _run(planner: Planner, task: ClutterTask, scene: Episode | None = None) -> EpisodeResult:
    return run_episode(scene or _scene(task), planner, RENDERER)


def _untimed(result: EpisodeResult) -> str:
    attempts = [replace(attempt, seconds=0.0) for attempt in result.attempts]
    return repr((attempts, result.ended))  # repr: NaN is not NaN


def test_a_box_alone_is_cleared():
    result = _run(PolicyPlanner(make_policy("principal_axis")), ALONE)
    assert (result.ended, result.cleared, result.executed, result.lost) == ("cleared", 1, 1, 0)
    assert result.attempts[0].held == 0


def test_a_planner_without_a_grasp_ends_the_round_and_has_made_no_attempt():
    result = _run(_Nothing(), PILE)
    assert (result.ended, result.executed, len(result.attempts)) == ("no_plan", 0, 1)


def test_in_a_bin_a_planner_without_a_grasp_is_asked_again():
    result = _run(_Nothing(), PATIENT)
    assert (result.ended, result.executed, len(result.attempts)) == ("failures", 0, 5)


def test_two_failures_in_a_row_end_the_round_and_a_miss_moves_nothing():
    result = _run(_Above(), PILE)
    assert [attempt.outcome for attempt in result.attempts] == ["missed", "missed"]
    assert (result.ended, result.executed, result.cleared) == ("failures", 2, 0)
    np.testing.assert_allclose(_scene(PILE).world.world_from_objects, _scene(PILE).world_from_objects, atol=1e-3)


def test_planners_are_told_where_they_failed_in_the_frame_of_the_camera_that_the_arm_believes():
    told = []

    class Watching(_Above):
        def plan(self, situation: Situation) -> GraspPlan:
            told.append((situation.observation.failed, situation.world_from_believed_camera))
            return super().plan(situation)

    _run(Watching(), PATIENT)
    assert [0 if failed is None else len(failed) for failed, _ in told] == [0, 1, 2, 3, 4]
    failed, world_from_camera = told[-1]
    np.testing.assert_allclose(transform_points(world_from_camera, failed), [[0.0, 0.0, 0.2]] * 4, atol=1e-9)


def test_a_failure_is_forgotten_once_something_was_lifted_nearby():
    def attempt(outcome: Outcome, x: float) -> Attempt:
        pose = rigid(np.eye(3), np.array([x, 0.0, 0.0]))
        return Attempt(outcome, world_from_grasp=tuple(tuple(map(float, row)) for row in pose))

    slips = [attempt("slipped_in_lift", 0.0), Attempt("no_plan"), attempt("missed", 0.3)]
    np.testing.assert_array_equal(failed_places(slips, 0.05)[:, 0], [0.0, 0.3])
    np.testing.assert_array_equal(failed_places([*slips, attempt("success", 0.04)], 0.05)[:, 0], [0.3])
    np.testing.assert_array_equal(failed_places([*slips, attempt("success", 0.06)], 0.05)[:, 0], [0.0, 0.3])


def test_what_leaves_the_workspace_is_lost_neither_cleared_nor_there():
    """A box 14 cm from the middle: within a cube of 30 cm, without one of 27 cm."""
    moved = _scene(ALONE).world_from_objects.copy()
    moved[:, 0, 3] = 0.14
    scene = looked_at(replace(_drawn(ALONE), world_from_objects=moved, world_from_seen_objects=moved), RENDERER)
    assert _run(_Above(), ALONE, scene).lost == 0
    scene.world.present[:] = True
    tight = looked_at(replace(scene, workspace=Workspace.cube(0.27)), RENDERER)  # it shows the half of the box within
    result = _run(_Above(), ALONE, tight)
    assert (result.ended, result.cleared, result.lost, len(result.attempts)) == ("cleared", 0, 1, 1)


def test_a_round_does_not_depend_on_who_played_before():
    antipodal = PolicyPlanner(make_policy("antipodal"))
    first = _run(antipodal, PILE)
    _run(_Above(), PILE)
    assert _untimed(_run(antipodal, PILE)) == _untimed(first)


class _Broken(Planner):
    def plan(self, situation: Situation) -> GraspPlan:
        raise IndexError("list index out of range")


def test_a_planner_that_raises_fails_its_attempts_and_not_the_round():
    result = _run(_Broken(), PILE)
    assert [attempt.outcome for attempt in result.attempts] == ["planner_failed", "planner_failed"]
    assert result.attempts[0].reason == "IndexError: list index out of range"
    assert (result.ended, result.executed) == ("failures", 2)


def test_physics_that_gives_up_makes_a_round_that_could_not_be_judged(monkeypatch):
    def give_up(world: ClutterWorld, *arguments: object) -> PickResult:
        raise mujoco.FatalError("mj_stackAlloc: out of memory")

    monkeypatch.setattr(ClutterWorld, "attempt", give_up)
    record = record_episode(replace(BOXES, task=PILE), 7, {"above": _Above()}, 0, RENDERER)
    assert record.problem == "FatalError: mj_stackAlloc: out of memory"
    assert record.results == {}


class _InThisProcess(Engine):
    def run(self, work: Callable, units: Sequence) -> Iterator:
        yield from map(work, reversed(units))  # any order


def test_rounds_do_not_depend_on_the_workers():
    protocol = replace(BOXES, episodes=2, task=PILE)
    choices = [PlannerChoice("antipodal")]

    def of(engine: Engine) -> list[tuple]:
        records = sorted(run_protocol(protocol, choices, 3, engine), key=lambda record: record.index)
        return [(r.index, r.objects, r.masses, r.friction, _untimed(r.results["antipodal"])) for r in records]

    assert of(_InThisProcess()) == of(LocalEngine(2))


def test_packed_objects_stand_upright_and_apart():
    scene = _scene(PACKED)
    assert len(scene.names) >= 2
    assert len(scene.names) + scene.left_out == 5
    np.testing.assert_allclose(scene.world_from_objects[:, 2, 2], 1.0, atol=1e-3)
    assert not scene.world.touching(scene.world_from_objects)


def test_a_bin_keeps_its_walls_out_of_the_mask():
    scene = _scene(BIN)
    situation = scene.situation
    assert situation is not None
    truth = Scene(scene.solids, scene.world_from_objects, bin=scene.world.bin)
    instance = RENDERER.render(truth, scene.camera, scene.world_from_camera).instance
    masked = situation.observation.object_mask
    assert np.mean(instance[masked] > 0) > 0.95
    assert np.mean(masked[instance > 0]) > 0.8  # the rims of objects are cut off


def test_the_oracle_knows_of_walls():
    """Between walls that rise above the box, 4 mm from it on every side, no finger finds room; without them it does."""
    scene = _drawn(ALONE)
    situation = scene.situation
    assert situation is not None
    turned = rigid(np.eye(3), np.array([0.0, 0.0, -scene.solids[0].mesh.bounds[0, 2]]))[None]
    x, y, height = (float(side) for side in scene.solids[0].mesh.extents)
    tight = Scene(scene.solids, turned, bin=Bin(x + 0.008, y + 0.008, height + 0.02, 0.1))
    assert len(Oracle().plan(replace(situation, scene=tight))) == 0
    assert len(Oracle().plan(replace(situation, scene=replace(tight, bin=None)))) > 0


@pytest.fixture
def eight_boxes(tmp_path) -> Path:
    for k in range(8):
        trimesh.creation.box([0.02 + 0.002 * k, 0.03, 0.04]).export(tmp_path / f"box_{k}.stl")
    return tmp_path


def _rounds_of(folder: Path, rounds: int, objects: int) -> list[Episode]:
    meshes = ObjectConfig(folders=(str(folder),), count=0, scaling="as_is")
    task = replace(PACKED, objects=objects, places=40)
    return [_drawn(task, index, objects=meshes) for index in range(rounds)]


def _sizes(scene: Episode) -> dict[str, list[float]]:
    return {name: solid.mesh.extents.tolist() for name, solid in zip(scene.names, scene.solids, strict=True)}


def test_a_bad_mesh_costs_no_round_and_changes_no_other_objects_size(eight_boxes):
    before = _rounds_of(eight_boxes, 4, objects=3)
    sheet = trimesh.creation.box([0.02, 0.03, 0.04])
    sheet.update_faces(np.arange(12) < 6)
    bad = before[0].names[0]
    sheet.export(eight_boxes / bad)
    met = 0
    for good, now in zip(before, _rounds_of(eight_boxes, 4, objects=3), strict=True):
        drawn = bool(now.passed_over)
        met += drawn
        assert drawn or bad not in good.names
        assert set(now.passed_over) <= {bad}
        assert all(f"{bad}: the surface is open" in reason for reason in now.passed_over.values())
        assert len(set(now.names)) == len(now.names) == 3 - now.left_out
        sizes, others = _sizes(now), _sizes(good)
        common = sizes.keys() & others.keys()
        assert common
        assert all(sizes[name] == others[name] for name in common)
        if not drawn:
            assert now.names == good.names
            np.testing.assert_array_equal(now.world_from_objects, good.world_from_objects)
    assert 0 < met < 4


def test_the_good_ones_of_too_few_meshes_come_twice_and_none_at_all_is_the_rounds_problem(eight_boxes):
    for k in range(7):
        (eight_boxes / f"box_{k}.stl").write_text("solid nothing\nendsolid")
    (scene,) = _rounds_of(eight_boxes, 1, objects=2)
    assert set(scene.names) == {"box_7.stl"}
    (eight_boxes / "box_7.stl").write_text("")
    with pytest.raises(InputError, match=r"none of 8 objects can be used; .*box_\d.stl: "):
        _rounds_of(eight_boxes, 1, objects=2)


def test_the_objects_that_rounds_begin_with_are_known_before_they_are_drawn(eight_boxes):
    rounds = _rounds_of(eight_boxes, 3, 3)
    config = rounds[0].config
    met = objects_met(replace(config, episodes=3), rounds[0].seed)
    assert met == {name for scene in rounds for name in scene.names}


def test_a_depth_scale_and_a_noisier_sensor_are_what_planners_see():
    def depth(**changes: object) -> np.ndarray:
        return _drawn(ALONE, sensor="structured_light", **changes).observation.depth

    once, without = depth(), depth(sensor_noise=0.0)
    np.testing.assert_array_equal(depth(depth_scale=1.03), once * np.float32(1.03))
    twice = depth(sensor_noise=2.0)
    seen = np.isfinite(once) & np.isfinite(twice) & np.isfinite(without)
    assert np.std((twice - without)[seen]) > 1.5 * np.std((once - without)[seen]) > 0


def test_fused_views_agree_with_a_clean_look_from_above_within_a_voxel():
    scene, fusion = _scene(PILE), FusionConfig(resolution=100)
    truth = Scene(scene.solids, scene.world_from_objects)
    fused = fused_depth(truth, 0.3, scene.camera, scene.world_from_camera, RENDERER, fusion)
    clean = RENDERER.render(truth, scene.camera, scene.world_from_camera)
    seen = np.isfinite(fused)
    points = scene.camera.deproject_image(clean.depth) @ scene.world_from_camera[:3, :3].T
    points += scene.world_from_camera[:3, 3]
    within = (np.abs(points[..., :2]) < 0.14).all(axis=-1)
    assert np.mean(seen[within]) > 0.97
    off = np.abs(fused - clean.depth)[within & seen]
    assert np.mean(off < 0.3 / 100) > 0.95  # all but the objects' rims, which are a voxel wide
    assert np.isnan(fused[0, 0])  # outside of the cube


def test_objects_of_the_command_line_need_no_name_like_the_presets_pattern(eight_boxes, tmp_path):
    arguments = ["simulate", "--config", "vgn_packed", "--no-report", "--policy", "antipodal", "--trials", "1"]
    arguments += ["--workers", "1", "--objects", str(eight_boxes), "task.objects=1"]
    arguments += ["--output", str(tmp_path / "run")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["episodes"][0]["objects"][0].startswith("box_")
    assert results["protocol_name"] == "vgn_packed"
    said = CliRunner().invoke(main, [*arguments, "objects.pattern=*_visual.obj"])
    assert said.exit_code == 2
    assert "no mesh file has a name like pattern '*_visual.obj'" in said.stderr


def test_a_simulation_of_clutter_writes_results_and_prints_its_table(tmp_path):
    arguments = ["simulate", "--config", "vgn_packed", "--no-report", "--policy", "antipodal", "--trials", "1"]
    arguments += ["--workers", "1"]
    changes = ["task.objects=1", 'objects.families=["box"]']
    result = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path / "run"), *changes])
    assert result.exit_code == 0, result.output
    assert "cleared" in result.output
    again = CliRunner().invoke(main, [*arguments, "--resume", "--output", str(tmp_path / "run"), *changes])
    assert again.exit_code == 0, again.output
