"""The structure in figures: which rooms a package has, which of them know of each other, and where in circles.

    python tests/rooms.py           # the table of docs/design.md
    python tests/rooms.py CHECKOUT  # the same of another checkout

A room is a folder of a package, or a module at its top. An arrow leads from a room to one that it knows of: by an
import at the top of a file or inside a function, by a name in a string ("graspnet.policies.ranking:RankingPolicy"), or
by the entry points of a group that it asks for. A circle is a set of rooms each of which knows of all others, directly
or by way of them. Floors are what the rooms stack up to where each stands above all that it knows of: the longest
chain of arrows, counted in rooms, with a circle as one.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["PACKAGES", "Rooms", "crowded_folders", "markdown_table", "rooms_of"]

PACKAGES = ("graspnet", "data_gen", "policies", "sim_eval")  # folders; all but the first import as graspnet.<folder>
Arrow = tuple[str, str]


@dataclass(frozen=True)
class Rooms:
    """The rooms of one package, and which knows of which."""

    rooms: frozenset[str]
    arrows: frozenset[Arrow]

    @cached_property
    def circles(self) -> list[frozenset[str]]:
        """Largest sets of two or more rooms that all reach each other."""
        reached = {room: self._reached_from(room) for room in self.rooms}
        sets = {frozenset(b for b in reached[a] if a in reached[b]) | {a} for a in self.rooms}
        return sorted((each for each in sets if len(each) > 1), key=sorted)

    @cached_property
    def floors(self) -> int:
        """Rooms on the longest chain of arrows; a circle counts as one room."""
        stands_for = {room: min(circle) for circle in self.circles for room in circle}
        arrows = {(stands_for.get(a, a), stands_for.get(b, b)) for a, b in self.arrows}
        below = {room: {b for a, b in arrows if a == room != b} for room in self.rooms}
        heights: dict[str, int] = {}

        def height(room: str) -> int:
            if room not in heights:
                heights[room] = 1 + max((height(b) for b in below[room]), default=0)
            return heights[room]

        return max(map(height, self.rooms), default=0)

    def _reached_from(self, room: str) -> set[str]:
        reached: set[str] = set()
        ahead = {room}
        while ahead:
            ahead = {b for a, b in self.arrows if a in ahead} - reached
            reached |= ahead
        return reached


def markdown_table(root: Path) -> str:
    """A row for each package of the checkout at `root`."""
    lines = ["| package | rooms | floors | arrows | circles |", "|---|---|---|---|---|"]
    for package in PACKAGES:
        found = rooms_of(root, package)
        figures = (len(found.rooms), found.floors, len(found.arrows), len(found.circles))
        lines.append(f"| `{package}` | {' | '.join(map(str, figures))} |")
    return "\n".join(lines)


def rooms_of(root: Path, package: str) -> Rooms:
    """Rooms and arrows of one package of the checkout at `root`."""
    modules = {path: _room(_inside(path, root / package)) for path in sorted((root / package).rglob("*.py"))}
    rooms = {room for room in modules.values() if room}
    dotted = f"{package}." if package == "graspnet" else f"graspnet.{package}."
    groups = _entry_points(root)
    arrows = {
        (room, _room(known.removeprefix(dotted)))
        for path, room in modules.items()
        for known in _known(ast.parse(path.read_text()), groups)
        if known.startswith(dotted)
    }
    inside = {(a, b) for a, b in arrows if a != b and {a, b} <= rooms}
    return Rooms(frozenset(rooms), frozenset(inside))


def crowded_folders(root: Path, most: int) -> dict[str, int]:
    """Folders of the packages with more than `most` modules, not counting `__init__.py`."""
    folders = {path.parent for package in PACKAGES for path in (root / package).rglob("*.py")}
    counts = {str(f.relative_to(root)): sum(p.name != "__init__.py" for p in f.glob("*.py")) for f in folders}
    return {folder: count for folder, count in sorted(counts.items()) if count > most}


def _inside(path: Path, package: Path) -> str:
    """data_gen/objects/__init__.py -> objects.__init__"""
    return ".".join(path.relative_to(package).with_suffix("").parts)


def _room(name: str) -> str:
    """The first part of a dotted name inside of a package; empty for the package itself."""
    first = name.partition(".")[0]
    return "" if first == "__init__" else first


def _entry_points(root: Path) -> dict[str, list[str]]:
    """Modules that pyproject.toml declares, by group."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return {
        group: [entry.partition(":")[0] for entry in entries.values()]
        for group, entries in project.get("entry-points", {}).items()
    }


def _known(tree: ast.Module, groups: dict[str, list[str]]) -> Iterator[str]:
    """Dotted names that a file imports, finds by a string, or gets from a group of entry points."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in groups:
                yield from groups[node.value]
            elif re.fullmatch(r"graspnet\.[\w.]+:\w+", node.value):
                yield node.value.partition(":")[0]


if __name__ == "__main__":
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    sys.stdout.write(markdown_table(checkout) + "\n")
