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
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from data_gen.generate.config import GenerateConfig
from graspnet.camera import load_camera
from graspnet.config import load_config
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from policies.registry import policy_class
from tests.places import ROOT

PACKAGES = ("graspnet", "data_gen", "policies", "sim_eval")
OPTIONAL = {"ray"}  # an engine that a user adds; never needed
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


# Public names


def module_names() -> list[str]:
    names = []
    for package in PACKAGES:
        root = importlib.import_module(package)
        names += [package, *(m.name for m in pkgutil.walk_packages(root.__path__, f"{package}."))]
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
    found = {str(path.relative_to(ROOT)).replace(os.sep, ".") for path in packages}
    assert listed == found | {"graspnet.configs", "graspnet.benchmarks"}


# Presets

CONFIGS = {
    "generate": "data_gen.generate.config:GenerateConfig",
    "train": "graspnet.training.trainer:TrainConfig",
    "simulate": "sim_eval.protocols.protocol:ProtocolConfig",
    "sensors": "graspnet.sensors:SensorConfig",
}


def presets() -> list[Path]:
    return sorted((ROOT / "configs").rglob("*.yaml"))


def load_preset(room: str, source: str) -> object:
    """What the commands do with a preset's name or a file of that room."""
    if room == "cameras":
        return load_camera(source)
    if room == "grippers":
        return load_gripper(source)
    if room == "policy":
        return load_config(policy_class(Path(source).stem).config_type, room, source)
    module, _, name = CONFIGS[room].partition(":")
    return load_config(getattr(importlib.import_module(module), name), room, source)


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
        if prefix != ("variants",):  # whose names are free
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


# Imports and dependencies


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
    undeclared = {
        f"{path.relative_to(ROOT)} imports {module}"
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for module in imported_modules(path) - set(sys.stdlib_module_names) - {*PACKAGES, "tests", *OPTIONAL}
        if not {distribution(name) for name in installed.get(module, [module])} & declared
    }
    assert not undeclared


def test_every_declared_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {distribution(line) for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"].values()
    assert {distribution(r) for r in [*PROJECT["dependencies"], *(r for extra in extras for r in extra)]} <= pinned


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
