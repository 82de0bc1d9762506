"""PLY (Stanford): a header that tells the elements and their properties, then the rows of each, as text or binary."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.data_gen.objects.formats.polygons import Triangles, checked_triangles, fans, strips
from graspnet.errors import InputError

__all__ = ["read_ply"]

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
CORNERS = ("vertex_indices", "vertex_index")  # both names are common


@dataclass(frozen=True)
class _Property:
    """One property of an element; a list has a type for its length."""

    name: str
    kind: str
    length: str | None = None


@dataclass(frozen=True)
class _Element:
    """What the header says of one element."""

    name: str
    count: int
    properties: tuple[_Property, ...]


Column = tuple[Float64[np.ndarray, "_"], Int64[np.ndarray, "_"]]  # values, row after row, and how many each row has
NOTHING: Column = (np.zeros(0), np.zeros(0, dtype=np.int64))


def read_ply(data: bytes) -> Triangles:
    """Vertices and triangles of faces (polygons become fans) and of triangle strips.

    InputError: no PLY, one that ends too soon, or one without faces.
    """
    order, elements, body = _header(data)
    source = _Text(body) if order == "=" else _Binary(body, order)
    columns = {element.name: _columns(source, element) for element in elements}
    if left := source.left():
        raise InputError(f"{left} follow the rows that its header promises; export it again")
    try:
        vertices = np.stack([columns["vertex"][axis][0] for axis in "xyz"], axis=1)
    except (KeyError, ValueError):
        raise InputError("it has no vertices with x, y and z; expected a surface mesh") from None
    of_faces, counts = _corners(columns.get("face", {}))
    of_strips, lengths = _corners(columns.get("tristrips", {}))
    parted = np.insert(of_strips, np.cumsum(lengths), -1)  # every row begins a strip
    return checked_triangles(vertices, np.concatenate([fans(of_faces, counts), strips(parted)]))


def _corners(columns: dict[str, Column]) -> tuple[Int64[np.ndarray, "_"], Int64[np.ndarray, "_"]]:
    values, counts = next((columns[name] for name in CORNERS if name in columns), NOTHING)
    if np.any(~np.isfinite(values) | (values != np.rint(values))):
        raise InputError("a face has a vertex number that is not whole; export it again")
    return values.astype(np.int64), counts


def _header(data: bytes) -> tuple[str, list[_Element], bytes]:
    """Byte order (= for text), elements, and what follows the header."""
    end = re.search(rb"^end_header\b", data, re.MULTILINE) or re.search(rb"\rend_header\b", data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    lines = [line.decode("ascii", "replace").split() for line in head.splitlines()]
    if not end or not lines or lines[0] != ["ply"]:
        raise InputError("not a readable mesh (PLY begins with a header); export it again")
    body = body[2:] if body[:2] == b"\r\n" else body[1:]
    order, elements = "", list[_Element]()
    try:
        for words in lines[1:]:
            match words:
                case ["format", kind, _]:
                    order = ORDERS[kind]
                case ["element", name, count]:
                    elements.append(_Element(name, int(count), ()))
                case ["property", *rest]:
                    last = elements.pop()
                    elements.append(_Element(last.name, last.count, (*last.properties, _property(rest))))
    except (KeyError, ValueError, IndexError):
        raise InputError(
            f"not a readable mesh (PLY's header has the line {' '.join(words)!r}); export it again"
        ) from None
    if not order:
        raise InputError("not a readable mesh (PLY's header has no format); export it again")
    return order, elements, body


def _property(words: list[str]) -> _Property:
    if words[0] == "list":
        _, length, kind, name = words
        return _Property(name, TYPES[kind], TYPES[length])
    kind, name = words
    return _Property(name, TYPES[kind])


class _Text:
    """Numbers that stand as words, read one after another from `at` on."""

    def __init__(self, body: bytes) -> None:
        try:
            self._numbers = np.array(body.split(), dtype=np.bytes_).astype(np.float64)
        except ValueError as error:
            raise InputError(f"a value is no number ({error}); export it again") from None
        self.at = 0

    def left(self) -> str:
        """What was not read, in words; nothing where all was."""
        left = len(self._numbers) - self.at
        return f"{left} numbers" if left > 0 else ""

    def take(self, kind: str, count: int) -> Float64[np.ndarray, "_"]:
        """So many numbers. InputError: the file ends before."""
        _check_room(len(self._numbers) - self.at, count)
        self.at += count
        return self._numbers[self.at - count : self.at]

    def table(self, kinds: list[str], rows: int) -> Float64[np.ndarray, "_ _"]:
        """Rows of numbers of these kinds. InputError: the file ends before."""
        return self.take("", rows * len(kinds)).reshape(rows, len(kinds))


class _Binary:
    """Numbers of given types, read one after another from byte `at` on."""

    def __init__(self, body: bytes, order: str) -> None:
        self._body, self._order = body, order
        self.at = 0

    def left(self) -> str:
        """What was not read, in words; nothing where all was, but for blank bytes."""
        left = len(self._body[self.at :].strip(b"\0\r\n\t "))
        return f"{left} bytes" if left else ""

    def take(self, kind: str, count: int) -> Float64[np.ndarray, "_"]:
        """So many numbers. InputError: the file ends before."""
        return self._read(np.dtype(self._order + kind), count).astype(np.float64)

    def table(self, kinds: list[str], rows: int) -> Float64[np.ndarray, "_ _"]:
        """Rows of numbers of these kinds. InputError: the file ends before."""
        row = np.dtype([(f"_{k}", self._order + kind) for k, kind in enumerate(kinds)])
        found = self._read(row, rows)
        return np.stack([found[name].astype(np.float64) for name in row.names or ()], axis=1)

    def _read(self, kind: np.dtype, count: int) -> np.ndarray:
        _check_room(len(self._body) - self.at, count * kind.itemsize)
        found = np.frombuffer(self._body, kind, count, self.at)
        self.at += count * kind.itemsize
        return found


def _check_room(left: int, needed: int) -> None:
    if not 0 <= needed <= left:
        raise InputError("it ends before the rows that its header promises; truncated? export it again")


def _columns(source: _Text | _Binary, element: _Element) -> dict[str, Column]:
    """All properties of an element. In most files all lists of a property are as long as the first: a table."""
    if element.count <= 0 or not element.properties:
        return {}
    begin = source.at
    lengths = [len(values) for values in _row(source, element)]
    source.at = begin
    kinds = [
        kind
        for each, length in zip(element.properties, lengths, strict=True)
        for kind in ([each.length] if each.length else []) + [each.kind] * length
    ]
    try:
        found = _from_table(element, lengths, source.table(kinds, element.count))
    except InputError:  # rows that are shorter than the first may follow it
        found = None
    if found is not None:
        return found
    source.at = begin
    rows = [_row(source, element) for _ in range(element.count)]
    return {
        each.name: (np.concatenate([row[k] for row in rows]), np.array([len(row[k]) for row in rows], dtype=np.int64))
        for k, each in enumerate(element.properties)
    }


def _row(source: _Text | _Binary, element: _Element) -> list[Float64[np.ndarray, "_"]]:
    return [source.take(p.kind, _length(source, p.length) if p.length else 1) for p in element.properties]


def _length(source: _Text | _Binary, kind: str) -> int:
    found = float(source.take(kind, 1)[0])
    if not 0 <= found < np.inf or found != round(found):
        raise InputError(f"a list's length is {found:g}; export it again")
    return int(found)


def _from_table(element: _Element, lengths: list[int], table: Float64[np.ndarray, "_ _"]) -> dict[str, Column] | None:
    """The columns of rows that are all as long as the first; None where one is not."""
    found: dict[str, Column] = {}
    at = 0
    for each, length in zip(element.properties, lengths, strict=True):
        if each.length:
            if np.any(table[:, at] != length):
                return None
            at += 1
        found[each.name] = (table[:, at : at + length].ravel(), np.full(len(table), length))
        at += length
    return found
