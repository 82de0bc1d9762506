"""A mesh file: vertices and triangles, by the reader of its format."""

from pathlib import Path

from graspnet.data_gen.objects.formats.glb import read_glb
from graspnet.data_gen.objects.formats.obj import read_obj
from graspnet.data_gen.objects.formats.off import read_off
from graspnet.data_gen.objects.formats.ply import read_ply
from graspnet.data_gen.objects.formats.polygons import Triangles
from graspnet.data_gen.objects.formats.stl import read_stl
from graspnet.errors import InputError

__all__ = ["MESH_SUFFIXES", "read_triangles"]

READERS = {".glb": read_glb, ".obj": read_obj, ".off": read_off, ".ply": read_ply, ".stl": read_stl}
MESH_SUFFIXES = tuple(READERS)


def read_triangles(path: Path) -> Triangles:
    """Vertices in the file's unit and frame, and triangles, all as they are written.

    InputError: no such file, another format, or its reader says why not.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(f"{path}: unknown mesh format {path.suffix!r}; expected one of {', '.join(MESH_SUFFIXES)}")
    with path.open("rb") as file:
        data = file.read()
    if not data:
        raise InputError(f"{path}: the file is empty; export the mesh again")
    try:
        return READERS[path.suffix.lower()](data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
