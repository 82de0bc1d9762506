"""A suction cup goes from its file through observation, dataset, plan and drawing, and none of these knows of it."""

import io
import json
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from matplotlib.colors import to_rgb
from PIL import Image

from graspnet.camera import Camera
from graspnet.dataset import (
    Clearance,
    Dataset,
    DatasetHeader,
    DatasetWriter,
    DepthImages,
    GraspTable,
    MetricEstimate,
    SceneObjects,
    Shard,
    quantised,
)
from graspnet.drawing import draw_depth, draw_grasps, png_bytes
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.gripper import Gripper, gripper_fields, gripper_kinds, load_gripper, parse_gripper
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.observation.observation import Observation
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal
from graspnet.report.inspection.records import plan_account
from graspnet.report.inspection.validation import invalid_columns

CAMERA = Camera(500.0, 500.0, 99.5, 74.5, 200, 150)
BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)
FILE = {"kind": "suction", "cup_radius": 0.015, "cup_height": 0.02, "stem_radius": 0.006, "stem_length": 0.1}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """A package that declares the kind, for as long as a test runs."""
    kind = EntryPoint("suction", "tests.graspnet.grippers.suction_cup:SuctionCup", "graspnet.grippers")
    monkeypatch.setattr("graspnet.grippers.gripper.entry_points", lambda group: [*entry_points(group=group), kind])
    gripper_kinds.cache_clear()
    yield
    gripper_kinds.cache_clear()


@pytest.fixture
def cup(tmp_path) -> Gripper:
    return load_cup(tmp_path, FILE)


def load_cup(folder, fields) -> Gripper:
    path = folder / "cup.yaml"
    path.write_text(yaml.safe_dump(fields))
    return load_gripper(path)


@pytest.fixture
def observation(cup) -> Observation:
    return Observation(np.full((150, 200), 0.5, np.float32), CAMERA, cup)


def some_grasps(count: int = 3) -> Grasps:
    """Straight ahead, beside each other on the table 0.5 m away."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, 3] = np.stack([np.linspace(-0.04, 0.04, count), np.zeros(count), np.full(count, 0.5)], axis=1)
    return Grasps(poses.astype(np.float32).astype(np.float64), {"squeeze": np.linspace(0.0, 0.015625, count)})


def test_a_gripper_file_names_its_kind_and_has_the_keys_of_the_kind(cup, tmp_path):
    assert (cup.kind, cup.name, cup.span) == ("suction", "cup", 0.03)
    with pytest.raises(InputError, match=r"cup\.yaml: unknown key 'cup_radios'; did you mean 'cup_radius'"):
        load_cup(tmp_path, FILE | {"cup_radios": 0.01})
    with pytest.raises(InputError, match=r"cup\.yaml: kind is 'claw'; this version knows parallel_jaw, suction"):
        load_cup(tmp_path, FILE | {"kind": "claw"})


def test_a_gripper_survives_its_fields(cup):
    for gripper in (cup, load_gripper("panda")):
        assert parse_gripper(json.loads(json.dumps(gripper_fields(gripper))), "here") == gripper


def test_the_boxes_name_their_parts_and_reach_from_the_rim_backwards(cup):
    boxes = cup.solids(some_grasps())
    assert set(boxes.parts) <= set(cup.parts)
    np.testing.assert_allclose(boxes.high[:, 0, 2], 0)
    np.testing.assert_array_equal(boxes.high[:, 1, 2], boxes.low[:, 0, 2])  # the stem begins where the cup ends


def test_grasps_of_any_kind_are_taken_apart_joined_and_moved():
    grasps = some_grasps()
    both = Grasps.concatenate([grasps[:1], Grasps.none(), grasps[np.array([1, 2])]])
    np.testing.assert_array_equal(both.columns["squeeze"], grasps.columns["squeeze"])
    np.testing.assert_array_equal(both.transformed(np.eye(4)).columns["squeeze"], grasps.columns["squeeze"])
    with pytest.raises(InputError, match="every grasp's squeeze must be finite"):
        Grasps(grasps.poses, {"squeeze": np.array([0.0, np.nan, 0.0])})


def test_what_knows_jaws_only_says_so_in_one_line(cup, box_scene, tmp_path):
    refusal = "this part knows parallel_jaw only; the gripper 'cup' is suction"
    with pytest.raises(InputError, match=refusal):
        ParallelJaw.of(cup)
    with pytest.raises(InputError, match=refusal):
        load_parallel_jaw(tmp_path / "cup.yaml")
    with pytest.raises(InputError, match=refusal):
        sample_antipodal(replace(box_scene(BLOCK), gripper=cup), 10, AntipodalSamplerConfig(), np.random.default_rng(0))


# Dataset


def header(*grippers: Gripper) -> DatasetHeader:
    return DatasetHeader(
        name="cups", seed=0, config={"import": "made up"}, packages={}, units=1,
        grippers={gripper.name: gripper_fields(gripper) for gripper in grippers},
        splits={"train": ["plate"], "validation": []},
    )  # fmt: skip


def shard_of(grasps: Grasps) -> Shard:
    count, seen = len(grasps), image_from_grasps(grasps, CAMERA)
    room = Clearance(
        {"cup": np.zeros(count), "stem": np.full(count, 0.0078125)}, np.ones(count), np.full(count, np.inf)
    )
    mean = np.linspace(0.25, 0.75, count)
    table = GraspTable(
        image=np.zeros(count, dtype=np.int64), instance=np.ones(count, dtype=np.int64),
        camera_from_grasp=grasps.poses, columns=grasps.columns,
        center=seen.center, angle=seen.angle, depth=seen.depth,
        contacts=grasps.origin[:, None], contact_found=np.ones(count, dtype=bool), clearance=room,
        source=("by hand",) * count, gripper=("cup",) * count,
        metrics={"seal": MetricEstimate(mean, np.zeros(count), np.ones(count, dtype=np.int64))},
    )  # fmt: skip
    plate = SceneObjects(np.zeros(1, np.int64), np.ones(1, np.int64), ("plate",), np.ones(1), np.zeros(1, np.int64),
                         np.eye(4)[None])  # fmt: skip
    depth = quantised(np.full((1, 150, 200), 0.5, np.float32))
    images = DepthImages(depth, np.ones(depth.shape, np.uint8), (CAMERA,), np.eye(4)[None], np.full((1, 3), np.nan))
    return Shard(images, plate, table)


@pytest.fixture
def dataset(cup, tmp_path) -> Dataset:
    writer = DatasetWriter(tmp_path / "data", header(cup))
    writer.write(0, shard_of(some_grasps()))
    writer.finish()
    return Dataset.open(tmp_path / "data")


def test_a_dataset_has_the_columns_contacts_and_clearances_of_the_kind(dataset, tmp_path):
    stored = pq.read_table(tmp_path / "data" / "shards" / "00000" / "grasps.parquet")
    assert {"squeeze", "clearance_cup", "clearance_stem", "clearance_table", "source"} <= set(stored.column_names)
    assert not {"width", "clearance_fingers", "origin"} & set(stored.column_names)
    assert stored.schema.field("contacts").type.list_size == 3


def test_a_dataset_gives_grasps_and_grippers_back(cup, dataset):
    table, written = dataset.read(0).grasps, some_grasps()
    assert dataset.gripper("cup") == cup
    back = table.grasps_in_camera(np.array([2, 0]))
    np.testing.assert_array_equal(back.poses, written.poses[[2, 0]])
    np.testing.assert_array_equal(back.columns["squeeze"], written.columns["squeeze"][[2, 0]])
    np.testing.assert_array_equal(table.contacts[:, 0], written.origin)


def test_the_soft_label_asks_for_the_smallest_clearance_of_any_part(dataset):
    table = dataset.read(0).grasps
    np.testing.assert_array_equal(table.robustness("seal"), table.metrics["seal"].mean)
    np.testing.assert_allclose(table.robustness("seal", 0.001), table.metrics["seal"].mean / 2)  # the cup just touches


def test_what_the_gripper_cannot_do_is_found_in_a_dataset(dataset):
    shard = dataset.read(0)
    assert invalid_columns(shard, dataset.header) == []
    wrong = replace(shard.grasps, columns={"squeeze": np.array([0.0, 0.03, -0.01])})
    found = invalid_columns(replace(shard, grasps=wrong), dataset.header)
    assert found == ["grasps.parquet: squeeze: 2 outside [0, cup_height)"]


def test_a_dataset_of_two_kinds_is_refused(cup, tmp_path):
    with pytest.raises(InputError, match=r"its grippers are of parallel_jaw, suction; .* make one for each"):
        DatasetWriter(tmp_path / "both", header(cup, load_gripper("yumi")))


# Plan


def test_a_plan_in_json_has_the_kind_and_its_columns_and_comes_back(observation, tmp_path):
    plan = GraspPlan(observation, some_grasps(), np.array([0.75, 0.5, 0.25]))
    data = json.loads(json.dumps(plan.to_json()))
    assert [(row["kind"], row["squeeze"]) for row in data["grasps"]] == [
        ("suction", squeeze) for squeeze in some_grasps().columns["squeeze"]
    ]
    assert "width" not in data["grasps"][0]
    back = GraspPlan.from_json(data, observation)
    np.testing.assert_array_equal(back.grasps_in_camera.poses, plan.grasps_in_camera.poses)
    np.testing.assert_array_equal(back.grasps_in_camera.columns["squeeze"], plan.grasps_in_camera.columns["squeeze"])
    (tmp_path / "plan.json").write_text(json.dumps(data))
    assert plan_account(tmp_path / "plan.json").tables[0].header[-2:] == ("depth", "squeeze")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"squeeze": 0.02}, r"a grasp's squeeze must lie in \[0, 0\.02\), the cup's height"),
        ({"squeeze": None}, r"grasps\[0\]\.squeeze is missing|grasps\[0\]\.squeeze must be"),
        ({"kind": "parallel_jaw"}, r"grasps\[0\]\.kind is 'parallel_jaw'; the gripper is a suction"),
    ],
)
def test_a_plan_that_the_gripper_cannot_execute_is_refused(observation, changes, message):
    data = GraspPlan(observation, some_grasps(1), np.ones(1)).to_json()
    data["grasps"][0] |= changes
    with pytest.raises(InputError, match=message):
        GraspPlan.from_json(data, observation)


# Drawing


def test_a_cup_is_drawn_as_large_as_its_rim_would_be_there(observation):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1.5))
    axes = figure.add_axes((0, 0, 1, 1))
    draw_depth(axes, observation.depth, limits=(0.4, 0.6))
    draw_grasps(axes, some_grasps(1)[:1], CAMERA, observation.gripper, "red")
    picture = np.asarray(Image.open(io.BytesIO(png_bytes(figure, dpi=100))).convert("RGB")) / 255
    red = (np.abs(picture - to_rgb("red")) < 0.1).all(axis=-1)
    rows = np.flatnonzero(red.any(axis=1))  # the stem lies along a row
    assert np.ptp(rows) + 1 == pytest.approx(2 * 500.0 * 0.015 / 0.5, abs=2)  # the rim's black edge lies on it
