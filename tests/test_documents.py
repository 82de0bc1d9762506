"""The documents say what is: links lead somewhere; every module, function, command and file that they name exists."""

import importlib
import re
import shlex
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
import pytest

import graspnet as gn
from graspnet.sample.files import write_sample
from tests.documents import code_blocks, joined_lines
from tests.places import ROOT

PACKAGES = ("graspnet", "data_gen", "policies", "sim_eval")
GROUPS = {
    f"graspnet.{name}" for name in ("commands", "policies", "candidates", "objects", "importers", "exporters", "reach")
}
FOLDERS = (*PACKAGES, "configs", "tests", "examples", "benchmarks", "docs")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "graspnet").rglob("*.md")),
]
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def spans(path: Path) -> list[str]:
    """What stands between backticks, on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(path))]


# Links


@each_document
def test_every_relative_link_leads_to_a_file_and_a_heading(path):
    lost = [
        target
        for target in re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose(path))
        if "://" not in target and not leads_somewhere(path, target)
    ]
    assert not lost


def leads_somewhere(path: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    file = (path.parent / name).resolve() if name else path
    return file.exists() and file.is_relative_to(ROOT) and (not heading or heading in anchors(file))


def anchors(path: Path) -> set[str]:
    """GitHub's names of a document's headings: lower case, blanks as hyphens, without other punctuation."""
    headings = re.findall(r"^#+ (.*)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_names_every_document():
    index = (ROOT / "docs" / "README.md").read_text()
    assert not [
        path.name for path in (ROOT / "docs").glob("*.md") if f"]({path.name})" not in index and path.stem != "README"
    ]
    topics = (ROOT / "docs" / "experiments" / "README.md").read_text()
    assert not [
        path.name
        for path in (ROOT / "docs" / "experiments").glob("*.md")
        if f"({path.name}" not in topics and path.stem != "README"
    ]


def test_every_picture_is_shown_by_a_document():
    shown = " ".join(path.read_text() for path in DOCUMENTS)
    assert not [path.name for path in (ROOT / "docs" / "img").glob("*.png") if f"img/{path.name})" not in shown]


# What a stranger cannot have


@each_document
def test_no_document_speaks_of_what_lies_outside_of_the_repository(path):
    assert not re.findall(r"\.\./shared|\bDESIGN\b|\bSTYLE\b", path.read_text())


def test_no_comment_speaks_of_a_file_that_is_not_there():
    """`docs/NAME.md` in code and configs leads somewhere, and nothing leads out of the repository."""
    folders = [*PACKAGES, "configs", "examples", "benchmarks"]
    files = [path for name in folders for kind in ("*.py", "*.yaml") for path in (ROOT / name).rglob(kind)]
    lost = {
        f"{path.relative_to(ROOT)}: {words}"
        for path in files
        for words in re.findall(r"docs/[\w/.-]+\.md|\bDESIGN\b|\.\./shared|\breference/\w+", path.read_text())
        if not (ROOT / words).is_file()
    }
    assert not lost


# Code


def test_every_function_of_the_equations_exists():
    table = [line for line in (ROOT / "docs" / "equations.md").read_text().splitlines() if line.startswith("| ")]
    cells = [line.strip("|").split(" | ")[-1] for line in table[1:]]
    unnamed = [cell for cell in cells if not any(is_dotted(span) for span in re.findall(r"`([^`]+)`", cell))]
    assert cells
    assert not unnamed


@each_document
def test_every_module_class_and_function_that_is_named_exists(path):
    assert not [span for span in spans(path) if is_dotted(span) and not resolves(span)]


def is_dotted(span: str) -> bool:
    """`package.module.function`; the groups of entry points have names of that form, too."""
    return re.fullmatch(r"graspnet(?:\.\w+)+", span) is not None and span not in GROUPS


def resolves(name: str) -> bool:
    """Whether the name is a module's, or leads from a module to one of its attributes."""
    parts = name.split(".")
    count = max(n for n in range(1, len(parts) + 1) if n == 1 or importable(".".join(parts[:n])))
    found = importlib.import_module(".".join(parts[:count]))
    for part in parts[count:]:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is no package
        return False


@each_document
def test_every_file_and_folder_that_is_named_exists(path):
    pattern = rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*"
    named = [span for span in spans(path) if re.fullmatch(pattern, span)]
    assert not [name for name in named if not any(ROOT.glob(name.rstrip("/")))]


@each_document
def test_every_program_that_is_run_as_a_module_exists(path):
    assert not [name for name in re.findall(r"python -m ([\w.]+)", path.read_text()) if find_spec(name) is None]


def test_the_page_on_python_names_all_that_the_front_door_offers():
    page = (ROOT / "docs" / "python.md").read_text()
    rows = page.partition("## All names")[2]
    named = re.findall(r"`gn\.(\w+)`", "".join(row.split("|")[1] for row in rows.splitlines() if row.startswith("| `")))
    assert sorted(named) == sorted(gn.__all__)


# Commands


def shown_commands() -> list[tuple[str, ...]]:
    """The words of every `graspnet …` that a document shows, comments left out."""
    shown = set[tuple[str, ...]]()
    for path in DOCUMENTS:
        lines = [line for block in code_blocks(path) for line in joined_lines(block)]
        for text in (*lines, *spans(path)):
            found = re.match(r"(?:\.venv/bin/)?graspnet ((?!COMMAND|NAME)[a-z].*)", text)
            if found and "…" not in text:
                shown.add(tuple(shlex.split(found[1], comments=True)))
    return sorted(shown)


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_every_command_that_is_shown_exists_with_its_options(words):
    commands = {entry.name: entry for entry in entry_points(group="graspnet.commands")}
    assert words[0] in commands
    command, rest = commands[words[0]].load(), list(words[1:])
    if isinstance(command, click.Group) and rest:
        command = command.get_command(click.Context(command), rest.pop(0))
        assert command is not None
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= options | {"--help"}


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_the_python_of_the_documents_plans_a_grasp(document, box_scene, tmp_path, monkeypatch, capsys):
    """Blocks of one document run in its order, as a reader would type them."""
    np.save(tmp_path / "depth.npy", box_scene(((0.10, 0.03, 0.05), (0.0, 0.0), 0.4), noise=0.001).depth)
    write_sample(tmp_path / "sample")
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    for program in code_blocks(ROOT / document, "python"):
        exec(program, found)
    assert len(found["plan"]) > 0  # type: ignore[arg-type]
    assert "[[" in capsys.readouterr().out  # the pose of the best
