"""Facts about the repository: public names, presets, what is committed, import arrows, and how fast help answers."""

import ast
import importlib
import inspect
import os
import pkgutil
import random
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from importlib.metadata import entry_points, packages_distributions
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from graspnet.camera import load_camera
from graspnet.config import load_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.policies.registry import policy_class
from graspnet.sample.files import write_sample
from tests.places import ROOT
from tests.rooms import PACKAGES, crowded_folders, markdown_table, rooms_of

OPTIONAL = {"OpenEXR", "optuna", "ray", "viser"}  # what a user adds for a kind of file, a search …; never needed
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


# Public names


def module_names() -> list[str]:
    root = importlib.import_module("graspnet")
    names = ["graspnet", *(m.name for m in pkgutil.walk_packages(root.__path__, "graspnet."))]
    return [name for name in names if not name.startswith(("graspnet.configs", "graspnet.benchmarks"))]


def committed_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", module_names())
def test_every_public_name_exists_and_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for public in getattr(module, "__all__", []):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert has_docstring(value), f"{name}.{public} has no docstring"


def has_docstring(value: Any) -> bool:
    """Whether somebody wrote one: a dataclass writes its signature, and a class may inherit."""
    text = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    return bool(text) and not text.startswith(f"{value.__name__}(")


@pytest.mark.parametrize("name", module_names())
def test_every_module_with_code_says_what_is_public(name):
    module = importlib.import_module(name)
    is_package = hasattr(module, "__path__")
    assert is_package or isinstance(module.__all__, list)


def test_every_package_is_built_into_the_wheel():
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    packages = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")}
    found = {"graspnet." + str(path.relative_to(ROOT)).replace(os.sep, ".") for path in packages}
    found = {name.replace("graspnet.graspnet", "graspnet") for name in found}
    assert listed == found | {"graspnet.configs", "graspnet.benchmarks"}


# Presets

CONFIGS = {
    "generate": "graspnet.data_gen.generate.config:GenerateConfig",
    "search": "graspnet.training.search.search:SearchConfig",
    "train": "graspnet.training.trainer:TrainConfig",
    "simulate": "graspnet.sim_eval.protocols.protocol:ProtocolConfig",
    "sensors": "graspnet.sensors:SensorConfig",
    "screen": "graspnet.sim_eval.studies.screen.matrix:ScreenConfig",
    "servo": "graspnet.policies.servo.servo:ServoConfig",
    "closed_loop": "graspnet.sim_eval.closed_loop.study:ClosedLoopConfig",
}


def presets() -> list[Path]:
    return sorted((ROOT / "configs").rglob("*.yaml"))


OTHER_SETTINGS = {"fast": "cross_entropy"}  # presets of a policy beside the one of its own name


def load_preset(room: str, source: str) -> object:
    """What the commands do with a preset's name or a file of that room."""
    if room == "cameras":
        return load_camera(source)
    if room == "grippers":
        return load_gripper(source)
    if room == "policy":
        name = Path(source).stem
        return load_config(policy_class(OTHER_SETTINGS.get(name, name)).config_type, room, source)
    module, _, name = CONFIGS[room].partition(":")
    config = load_config(getattr(importlib.import_module(module), name), room, source)
    if room == "generate":
        config.candidates.check_sources()  # the options of a source are its own: it is made before the first object is
    return config


@pytest.mark.parametrize("path", presets(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_preset_loads_and_any_key_with_one_letter_wrong_is_refused(path, tmp_path):
    room = path.parent.name
    load_preset(room, path.stem)
    data = yaml.safe_load(path.read_text()) or {}
    rng = random.Random(path.stem)
    copy = tmp_path / path.name
    for key_path in key_paths(data):
        copy.write_text(yaml.safe_dump(with_one_letter_wrong(data, key_path, rng)))
        with pytest.raises(InputError):
            load_preset(room, str(copy))


def key_paths(data: dict, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in data.items():
        if prefix not in (("variants",), ("conditions",)):  # whose names are free
            yield (*prefix, key)
        if isinstance(value, dict):
            yield from key_paths(value, (*prefix, key))


def with_one_letter_wrong(data: dict, key_path: tuple[str, ...], rng: random.Random) -> dict:
    first, *rest = key_path
    if rest:
        return data | {first: with_one_letter_wrong(data[first], tuple(rest), rng)}
    at = rng.randrange(len(first))
    wrong = first[:at] + ("q" if first[at] != "q" else "z") + first[at + 1 :]
    return {wrong if key == first else key: value for key, value in data.items()}


MEASURED = {"cameras", "grippers"}  # such a file describes a thing, and is whole by itself


@pytest.mark.parametrize(
    "path",
    [path for path in presets() if path.parent.name not in MEASURED],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_no_preset_repeats_what_it_would_say_without(path, tmp_path):
    room, shorter = path.parent.name, tmp_path / path.name
    data = yaml.safe_load(path.read_text()) or {}
    whole, idle = load_preset(room, path.stem), []
    for key_path in set(leaves(data)) - {("base",)}:
        shorter.write_text(yaml.safe_dump(without(data, key_path)))
        with suppress(InputError):  # what is left needs it
            if load_preset(room, str(shorter)) == whole:
                idle.append(".".join(key_path))
    assert not idle


def test_no_list_stands_in_several_presets():
    """A list of four or more entries that presets share has a name of its own, which they take as `base:`."""
    places: dict[str, list[str]] = {}
    for path in presets():
        data = yaml.safe_load(path.read_text()) or {}
        for key_path in leaves(data):
            value = reduce(getitem, key_path, data)
            if isinstance(value, list) and len(value) >= 4:
                places.setdefault(str(value), []).append(f"{path.stem}: {'.'.join(key_path)}")
    assert not [where for where in places.values() if len(where) > 1]


def leaves(data: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in data.items():
        yield from leaves(value, (*prefix, key)) if isinstance(value, dict) and value else [(*prefix, key)]


def without(data: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = path
    if rest:
        return data | {first: without(data[first], tuple(rest))}
    return {key: value for key, value in data.items() if key != first}


@pytest.mark.parametrize(("first_key", "load"), [("fx", load_camera), ("kind", load_gripper)])
def test_the_camera_and_the_gripper_shown_in_the_docs_load(first_key, load, tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "formats.md").read_text(), flags=re.DOTALL)
    (shown,) = [block for block in blocks if block.startswith(f"{first_key}:")]
    path = tmp_path / "shown.yaml"
    path.write_text(shown)
    assert load(path)


def shown_overrides() -> list[tuple[str, tuple[str, ...]]]:
    """Config and KEY=VALUE of each `graspnet generate` that README, docs and help show."""
    texts = [
        path.read_text()
        for path in (ROOT / "README.md", ROOT / "data_gen" / "generate" / "cli.py", *ROOT.glob("docs/**/*.md"))
    ]
    shown = [words for text in texts for words in re.findall(r"graspnet generate ([^\n`]*)", text) if "=" in words]
    split = [shlex.split(words, comments=True) for words in shown]
    return [
        (words[words.index("--config") + 1] if "--config" in words else "quick", tuple(w for w in words if "=" in w))
        for words in split
    ]


@pytest.mark.parametrize(("preset", "overrides"), shown_overrides())
def test_settings_that_the_docs_show_exist(preset, overrides):
    load_config(GenerateConfig, "generate", preset, overrides)


# What is committed


def test_no_committed_file_names_this_machine_or_a_package_registry():
    hosts = {host for value in os.environ.values() for host in re.findall(r"//([\w.-]+)/\S*simple", value)}
    words = ["/roo" + "t/", "/wor" + "k/", "/opt/whe" + "els", ".pye" + "nv", f"{ROOT}/"]
    words += ["pythonho" + "sted", "pypi" + ".org", "deb.debian" + ".org", "npmjs" + ".org", ".pkg" + ".dev", *hosts]
    forbidden = re.compile("|".join(map(re.escape, words)))
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in committed_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert not found


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_committed_file_is_larger_than_the_weights_may_be():
    assert not [path for path in committed_files() if path.stat().st_size > 2_100_000]


# Rooms

DESIGN = ROOT / "docs" / "design.md"


@pytest.mark.parametrize("package", ["graspnet", "data_gen", "policies", "sim_eval"])
def test_no_rooms_know_of_each_other_in_a_circle(package):
    assert [sorted(circle) for circle in rooms_of(ROOT, package).circles] == []


@pytest.mark.parametrize("package", ["data_gen", "sim_eval"])
def test_every_room_knows_only_of_rooms_that_stand_before_it_in_the_docs(package):
    shown = re.search(
        rf"^\| room of `{package}`, from the ground up .*\n\|.*\n((?:\|.*\n)+)", DESIGN.read_text(), re.MULTILINE
    )
    rows = [re.findall(r"`(\w+)/?`", row.split("|")[1]) for row in shown[1].splitlines()]
    floor = {room: number for number, rooms in enumerate(rows) for room in rooms}
    found = rooms_of(ROOT, package)
    assert found.rooms <= set(floor)
    assert [f"{a} -> {b}" for a, b in sorted(found.arrows) if floor[b] > floor[a]] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_docs_say_what_every_room_is_for(package):
    shown = re.search(rf"^\| room of `{package}`.*\n((?:\|.*\n)+)", DESIGN.read_text(), re.MULTILINE)
    named = {name for row in shown[1].splitlines() for name in re.findall(r"`(\w+)/?`", row.split("|")[1])}
    assert rooms_of(ROOT, package).rooms - named == set()


def test_a_folder_holds_no_more_files_than_one_can_take_in():
    assert crowded_folders(ROOT, most=12) == {}


def test_the_generative_model_has_at_most_ten_rooms():
    assert len(rooms_of(ROOT, "data_gen").rooms) <= 10


def test_the_figures_of_the_structure_in_the_docs_are_those_of_the_code():
    """If not: put what `python tests/rooms.py` prints into docs/design.md."""
    assert markdown_table(ROOT) in DESIGN.read_text()


def test_rooms_are_found_by_every_way_in_which_one_knows_of_another(tmp_path):
    written = {
        "pyproject.toml": "[project]\n[project.entry-points.'policies.plugins']\nnear = 'PKG.near:Near'\n",
        "policies/__init__.py": "",
        "policies/above.py": "import json\nfrom PKG.inner.deep import thing\nfrom PKG import near\n",
        "policies/inner/__init__.py": "",
        "policies/inner/deep.py": "from PKG.inner import other\ndef late():\n    import PKG.near\n",
        "policies/inner/other.py": "KINDS = {'far': 'PKG.far:Far', 'text': 'PKG.above is far'}\n",
        "policies/near.py": "from graspnet.camera import Camera\n",
        "policies/far.py": "from PKG.circle import back\nfound = entry_points(group='policies.plugins')\n",
        "policies/circle.py": "from PKG.far import Far\n",
    }
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("PKG", "graspnet.policies"))
    found = rooms_of(tmp_path, "policies")
    assert found.rooms == {"above", "inner", "near", "far", "circle"}
    assert found.arrows == {
        ("above", "inner"), ("above", "near"), ("inner", "near"), ("inner", "far"),
        ("far", "circle"), ("far", "near"), ("circle", "far"),
    }  # fmt: skip
    assert found.circles == [{"far", "circle"}]
    assert found.floors == 4  # above, inner, far with circle, near


# Imports and dependencies


def test_a_user_may_have_folders_named_as_ours_are(tmp_path):
    """A script beside a `policies/` of its own once died with `ModuleNotFoundError: policies.policy`."""
    for package in PACKAGES[1:]:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("mine = True\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import policies, data_gen, sim_eval\n"
        "from graspnet.policies.registry import policy_class\n"
        "from graspnet.data_gen.objects.meshes import Solid\n"
        "from graspnet.sim_eval.protocols.protocol import ProtocolConfig\n"
        "print(policies.mine and data_gen.mine and sim_eval.mine, policy_class('ranking').name)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "True ranking\n", done.stderr


def test_imports_run_downwards_only():
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("folders", "extras"), [(PACKAGES, ()), (("tests", "examples", "benchmarks"), ("dev",))], ids=["packages", "around"]
)
def test_every_third_party_import_is_declared(folders, extras):
    declared = {distribution(r) for r in PROJECT["dependencies"]}
    declared |= {distribution(r) for extra in extras for r in PROJECT["optional-dependencies"][extra]}
    installed = packages_distributions()
    ours = {"graspnet", "tests", *OPTIONAL, *(path.stem for path in (ROOT / "examples").glob("*.py"))}
    undeclared = {
        f"{path.relative_to(ROOT)} imports {module}"
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for module in imported_modules(path) - set(sys.stdlib_module_names) - ours
        if not {distribution(name) for name in installed.get(module, [module])} & declared
    }
    assert not undeclared


def test_every_declared_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {distribution(line) for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"].values()
    assert {distribution(r) for r in [*PROJECT["dependencies"], *(r for extra in extras for r in extra)]} <= pinned


def test_a_plan_needs_only_the_packages_that_the_docs_name(tmp_path):
    """The same plan where every other dependency cannot be imported."""
    (named,) = re.findall(r"^pip install -c constraints.txt (\w.*)$", (ROOT / "docs" / "install.md").read_text(), re.M)
    needed = {distribution(name) for name in named.split()}
    others = {distribution(r) for r in PROJECT["dependencies"]} - needed
    modules = {m for m, names in packages_distributions().items() if {distribution(n) for n in names} & others}
    write_sample(tmp_path)
    program = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop().split(), None)); "  # their import then fails
        "from graspnet.cli import main; main()"
    )
    options = "plan --depth depth.png --depth-scale 0.001 --camera camera.yaml --output plan.json --image plan.png"
    command = [sys.executable, "-c", program, *options.split(), " ".join(modules - {"pkg_resources", "Cython"})]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert needed <= {distribution(r) for r in PROJECT["dependencies"]}
    assert {"open3d", "mujoco", "zarr", "sklearn"} <= modules


def distribution(requirement: str) -> str:
    """The normalised name of `NAME>=VERSION`."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def imported_modules(path: Path) -> set[str]:
    """Top-level names of all absolute imports of a file, those inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names}


# The command line


def test_help_answers_without_the_heavy_packages():
    program = (
        "import sys; from click.testing import CliRunner; from graspnet.cli import main; "
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0; "
        "print(*{'torch', 'open3d', 'mujoco', 'scipy', 'numpy', 'data_gen', 'policies', 'sim_eval'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == ""
    )


@pytest.mark.parametrize("entry", entry_points(group="graspnet.commands"), ids=lambda entry: entry.name)
def test_every_declared_command_loads_and_shows_an_example(entry):
    result = CliRunner().invoke(entry.load(), ["--help"])
    assert result.exit_code == 0
    assert f"graspnet {entry.name} " in result.stdout
