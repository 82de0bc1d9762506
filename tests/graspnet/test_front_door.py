"""`import graspnet as gn`: quick, complete, typed, and every name with an example that runs."""

import doctest
import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

import graspnet as gn
from graspnet.cli import main
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.run import generate
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.run.engines import LocalEngine
from tests.places import ROOT

FUNCTIONS_AND_CLASSES = [name for name in gn.__all__ if name != "__version__"]


def run(code: str, tmp_path) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


def test_the_import_loads_nothing_but_the_standard_library(tmp_path):
    code = """
import sys
before = set(sys.modules)
import graspnet
print(sorted({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    assert run(code, tmp_path) == "['graspnet']\n"


def test_a_name_is_what_its_module_has_whatever_was_imported_before(tmp_path):
    """A module `graspnet.plan` would take the place of the function `gn.plan` once anybody imports it."""
    code = f"""
import pkgutil, importlib, graspnet as gn
for name in {FUNCTIONS_AND_CLASSES}:
    assert importlib.util.find_spec(f'graspnet.{{name}}') is None, name
print(gn.plan.__name__, gn.load_model.__name__)
"""
    assert run(code, tmp_path) == "plan load_checkpoint\n"


def test_the_types_that_an_editor_sees_are_those_that_python_gets():
    """The imports for type checkers and the table for Python name the same places."""
    source = (ROOT / "graspnet" / "__init__.py").read_text()
    seen = dict.fromkeys(gn.__all__)
    namespace: dict = {}
    block = source.partition("if TYPE_CHECKING:\n")[2].partition("\n__all__")[0]
    exec(inspect.cleandoc("\n" + block), namespace)
    assert {name: namespace[name] == getattr(gn, name) for name in seen if name != "__version__"} == {
        name: True for name in FUNCTIONS_AND_CLASSES
    }
    assert files("graspnet").joinpath("py.typed").is_file()


def test_the_front_door_offers_what_it_says_and_says_so_where_a_name_is_wrong():
    assert dir(gn) == sorted(gn.__all__)
    assert gn.__version__ == version("graspnet")
    with pytest.raises(AttributeError, match="no attribute 'Plan'; it offers Camera, Dataset"):
        gn.Plan  # noqa: B018


@pytest.fixture(scope="module")
def folder_with_a_dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front_door")
    objects, hands = ObjectConfig(count=4), HandConfig(presets=("yumi",), random_share=0.0)
    config = GenerateConfig(objects=objects, hands=hands, views=1, grasps_per_view=6)
    list(generate(config, "tiny", 0, folder / "my_dataset", LocalEngine(1)))
    return folder


@pytest.mark.parametrize("name", FUNCTIONS_AND_CLASSES)
def test_every_name_has_an_example_that_runs(name, folder_with_a_dataset, monkeypatch):
    monkeypatch.chdir(folder_with_a_dataset)
    found = doctest.DocTestFinder(recurse=False).find(getattr(gn, name), name)
    examples = [example for test in found for example in test.examples]
    assert examples, f"gn.{name} has no example in its docstring"
    failures = []
    for test in found:
        doctest.DocTestRunner(verbose=False).run(test, out=failures.append)
    assert not failures, "".join(failures)


def test_the_example_of_the_package_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (test,) = doctest.DocTestFinder(recurse=False).find(gn, "graspnet", module=False)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


# A plan


@pytest.fixture(scope="module")
def block() -> np.ndarray:
    depth = np.full((240, 320), 0.5, np.float32)
    depth[100:140, 150:170] = 0.46
    return depth


CAMERA = gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240)


def test_a_plan_in_python_is_the_plan_of_the_command(block, tmp_path):
    np.save(tmp_path / "depth.npy", block)
    (tmp_path / "camera.json").write_text('{"fx":300.0,"fy":300.0,"cx":159.5,"cy":119.5,"width":320,"height":240}')
    files = ["--depth", tmp_path / "depth.npy", "--camera", tmp_path / "camera.json", "--seed", "3"]
    done = CliRunner().invoke(main, ["plan", *map(str, files), "--output", str(tmp_path / "plan.json")])
    assert done.exit_code == 0, done.output
    of_command = json.loads((tmp_path / "plan.json").read_text())
    of_python = gn.plan(block, CAMERA, gn.load_gripper("yumi"), seed=3).to_json()
    assert of_command["grasps"] == of_python["grasps"]
    del of_command["seconds"], of_python["seconds"]
    assert of_command == of_python


def test_a_plan_iterates_over_its_grasps_best_first_and_the_best_is_the_first(block):
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    world_from_camera[2, 3] = 0.5
    plan = gn.plan(block, CAMERA, gn.load_gripper("yumi"), world_from_camera=world_from_camera)
    grasps = list(plan)
    assert len(grasps) == len(plan) > 1
    assert [grasp.quality for grasp in grasps] == plan.qualities.tolist()
    assert np.array_equal(plan.best.camera_from_grasp, grasps[0].camera_from_grasp)
    assert np.array_equal(plan[-1].camera_from_grasp, grasps[-1].camera_from_grasp)
    assert 0 < plan.best.width <= 0.05
    # by hand: the world's pose is the camera's times the camera pose, and the pregrasp lies 0.1 m above
    assert np.allclose(plan.best.world_from_grasp, world_from_camera @ plan.best.camera_from_grasp)
    assert np.allclose(plan.best.pregrasp[:3, 3] - plan.best.world_from_grasp[:3, 3], [0, 0, 0.1], atol=1e-6)
    u, v = CAMERA.project(plan.best.camera_from_grasp[:3, 3])
    assert np.allclose(plan.best.center, [u, v])
    with pytest.raises(IndexError):
        plan[len(plan)]


def test_a_plan_without_a_grasp_says_why_where_its_best_is_asked_for():
    plan = gn.plan(np.full((240, 320), 0.5), CAMERA, gn.load_gripper("yumi"))
    assert not len(plan)
    assert list(plan) == []
    with pytest.raises(gn.InputError, match="holds no grasp: no object: nothing rises above the table"):
        plan.best  # noqa: B018


def test_cameras_and_grippers_are_given_by_name_or_file_too(block, tmp_path):
    (tmp_path / "camera.yaml").write_text("{fx: 300.0, fy: 300.0, cx: 159.5, cy: 119.5, width: 320, height: 240}")
    named = gn.plan(block, tmp_path / "camera.yaml", "yumi")
    assert np.array_equal(
        named.best.camera_from_grasp, gn.plan(block, CAMERA, gn.load_gripper("yumi")).best.camera_from_grasp
    )
    with pytest.raises(gn.InputError, match="did you mean 'yumi'"):
        gn.plan(block, CAMERA, "yumy")


WRONG = {  # what people hand over, and a part of what they are told
    "gn.plan('depth.npy', camera, hand)": "a file is read by np.load",
    "gn.plan(None, camera, hand)": "expected a depth image",
    "gn.plan(depth.tolist()[:3] + [[1.0]], camera, hand)": "expected a depth image",
    "gn.plan(depth.astype(object), camera, hand)": "depth is a ndarray; expected an array of numbers",
    "gn.plan(1000 * depth, camera, hand)": "Millimetres? Multiply by 0.001",
    "gn.plan(depth, np.eye(3), hand)": "expected a Camera (of a matrix: gn.Camera.from_matrix(K, width, height))",
    "gn.plan(depth, {'fx': 1}, hand)": "camera is a dict; expected a Camera",
    "gn.plan(depth, camera, 0.08)": "gripper is a float; expected a gripper such as gn.ParallelJaw(...)",
    "gn.load_camera({'fx': 1})": "a dict names no preset of configs/cameras/; expected a name or a file",
    "gn.plan(depth, camera, hand, mask='m.png')": "segmask is 'm.png'; expected a mask (height, width)",
    "gn.plan(depth, camera, hand, mask=[[1, 0], [0]])": "segmask is a list; expected a mask",
    "gn.plan(depth, camera, hand, world_from_camera=np.eye(4)[:3])": "world_from_camera has shape (3, 4)",
    "gn.plan(depth, camera, hand, world_from_camera='x.tf')": "world_from_camera is 'x.tf'; expected a rigid transform",
    "gn.plan(depth, camera, hand, workspace='here')": "workspace is 'here'; expected two corners",
    "gn.plan(depth, camera, hand, failed=[['a', 'b', 'c']])": "failed is a list; expected (K, 3)",
    "gn.plan(depth, camera, hand, region='cup')": "region is 'cup'; expected a point (u, v), a box",
    "gn.plan(depth, camera, hand, min_quality='0.1')": "min_quality is '0.1'; it must lie in [0, 1]",
    "gn.plan(depth, camera, hand, max_height='0.1')": "max_height is '0.1'; it must be positive",
    "gn.plan(depth, camera, hand, top_k=1.5)": "top_k is 1.5; it must be at least 1",
    "gn.plan(depth, camera, hand, policy=7)": "policy is a int; expected its name, or a Policy",
    "gn.plan(depth, camera, hand, failed=np.zeros(3))": "failed has the shape (3,); expected (K, 3)",
    "gn.plan(depth, camera, hand, seed=-1)": "seed is -1; it must be a whole number, 0 or more",
    "gn.plan(depth, camera, hand, model=7)": "model is a int; expected a model's name or folder, or a function",
    "gn.plan(depth, camera, hand, model=lambda o, g: 7 * np.ones(len(g)))": "function said 7.0; expected a quality in",
    "gn.plan(depth, camera, hand, model=lambda o, g: np.nan * np.ones(len(g)))": "function said nan; expected",
    "gn.plan(depth, camera, hand, model=lambda o, g: np.ones(3))": "the model's function said (3,); expected a quality",
    "gn.plan(depth, camera, hand, model=lambda o, g: None)": "what the model's function said is None; expected",
}
TRY = """
import json, sys
import numpy as np, graspnet as gn
depth = np.full((240, 320), 0.5, np.float32)
depth[100:140, 150:170] = 0.46
camera, hand = gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi")
said = {}
for text in json.loads(sys.stdin.read()):
    try:
        eval(text)
        said[text] = "nothing"
    except Exception as error:
        said[text] = f"{type(error).__name__}: {error}"
held = np.diag([1.0, -1.0, -1.0, 1.0])
held[2, 3] = 0.5
plan = gn.plan(depth[..., None], camera, hand, world_from_camera=held.tolist(), mask=(depth < 0.48).tolist())
said["what is meant"] = [len(plan) > 1, [grasp.quality for grasp in plan[:2]] == plan.qualities[:2].tolist()]
print(json.dumps(said))
"""


def test_what_cannot_be_an_argument_is_said_in_one_line_and_what_is_meant_is_taken(tmp_path):
    """In a process whose types nobody checks. One channel, lists for arrays, and slices of a plan are meant."""
    done = subprocess.run(
        [sys.executable, "-c", TRY],
        cwd=tmp_path,
        input=json.dumps(list(WRONG)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for text, told in WRONG.items():
        assert said[text].startswith("InputError: "), (text, said[text])
        assert told in said[text], (text, said[text])
        assert "\n" not in said[text]
    assert said["what is meant"] == [True, True]


def test_each_look_is_asked_whether_its_pose_fits_its_image(block):
    held = np.diag([1.0, -1.0, -1.0, 1.0])
    held[2, 3] = 0.5
    millimetres = held * [[1], [1], [1000], [1]]
    millimetres[2, :3] /= 1000
    first, second = (
        gn.Observation(block, CAMERA, gn.load_gripper("yumi"), world_from_camera=p) for p in (held, millimetres)
    )
    with pytest.raises(gn.InputError, match=r"observation 1: world_from_camera.*in millimetres"):
        gn.plan([first, second])


def test_grasps_are_ranked_by_a_function_of_ones_own(block):
    def to_the_left(observation, grasps_in_camera):
        return 1 / (1 + np.exp(40 * grasps_in_camera.origin[:, 0]))

    plan = gn.plan(block, CAMERA, gn.load_gripper("yumi"), policy="ranking", model=to_the_left)
    x = plan.grasps_in_camera.origin[:, 0]
    assert np.all(np.diff(x) > -1e-9)  # the leftmost first
    assert plan.model == ""


def test_a_policy_made_once_plans_as_one_made_by_name(block):
    policy = gn.load_policy("ranking")
    by_name = gn.plan(block, CAMERA, gn.load_gripper("yumi"), policy="ranking", seed=5)
    made = gn.plan(block, CAMERA, gn.load_gripper("yumi"), policy=policy, seed=5)
    assert np.array_equal(by_name.grasps_in_camera.poses, made.grasps_in_camera.poses)
    assert by_name.model == "parallel_jaw"
