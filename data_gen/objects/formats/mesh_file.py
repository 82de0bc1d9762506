"""A mesh file: vertices and triangles, by the reader of its format."""

import re
from pathlib import Path

from graspnet.data_gen.objects.formats.glb import read_glb
from graspnet.data_gen.objects.formats.obj import read_obj
from graspnet.data_gen.objects.formats.off import read_off
from graspnet.data_gen.objects.formats.ply import read_ply
from graspnet.data_gen.objects.formats.polygons import Triangles
from graspnet.data_gen.objects.formats.stl import read_stl
from graspnet.errors import InputError
from graspnet.inputs.other_file import what_it_is_instead

__all__ = ["MESH_SUFFIXES", "read_triangles"]

READERS = {".glb": read_glb, ".obj": read_obj, ".off": read_off, ".ply": read_ply, ".stl": read_stl}
MESH_SUFFIXES = tuple(READERS)
BEGINNINGS = {b"glTF": ".glb", b"ply\n": ".ply", b"ply\r": ".ply", b"OFF\n": ".off", b"OFF\r": ".off"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put it before a text
NONSENSE = (  # what readers stumble over in a damaged file: numbers too large, keys that are not there, endless nests
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError,
)  # fmt: skip


def read_triangles(path: Path) -> Triangles:
    """Vertices in the file's unit and frame, and triangles, all as they are written.

    InputError: no such file, another format, or its reader says why not.
    """
    if not path.is_file():
        what = f"a link to {path.readlink()}, where no file is" if path.is_symlink() else "no such file"
        raise InputError(f"{path}: {what}")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(f"{path}: unknown mesh format {path.suffix!r}; expected one of {', '.join(MESH_SUFFIXES)}")
    with path.open("rb") as file:
        data = file.read()
    suffix, data = path.suffix.lower(), data.removeprefix(BYTE_ORDER_MARK)
    if instead := what_it_is_instead(data) or _other_format(data, suffix):
        raise InputError(f"{path}: {instead}")
    try:
        return READERS[suffix](data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except NONSENSE as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise InputError(f"{path}: not a readable mesh ({reason}); export it again") from None


def _other_format(data: bytes, suffix: str) -> str:
    """The other format of meshes that the first bytes tell; nothing where they tell none, or that of the name."""
    found = next((other for beginning, other in BEGINNINGS.items() if data.startswith(beginning)), suffix)
    if suffix != ".stl" and re.match(rb"solid\b[^\n]*\s+facet\s", data[:512], re.IGNORECASE):
        found = ".stl"
    return "" if found == suffix else f"its first bytes are those of {found}, not of {suffix}; rename it"
