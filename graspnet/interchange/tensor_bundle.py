"""Tensors out of a TensorFlow checkpoint (`NAME.index`, `NAME.data-…`), without TensorFlow.

The index is a LevelDB table: blocks of sorted keys, each key with what differs from the one before, and a footer that
says where the block of blocks is. A key is a tensor's name, its value a protocol buffer that says type, shape, place
and checksum of the tensor's bytes in the data file. Formats: leveldb's table_format.md, TensorFlow's
tensor_bundle.proto.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

from graspnet.errors import InputError

__all__ = ["read_bundle"]

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # TensorFlow's DataType; what else a network holds we have not seen
LARGEST = 2**31  # bytes of one tensor: more is no network of this kind
MASK_DELTA = 0xA282EAD8  # LevelDB stores a checksum rotated by 15 bits, plus this


@dataclass(frozen=True)
class _Entry:
    """Where a tensor lies in the data file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


def read_bundle(prefix: Path) -> dict[str, np.ndarray]:
    """The tensors of the checkpoint `prefix` (`…/model.ckpt`) by name.

    InputError: a file is missing, truncated, changed, compressed, of several shards, or holds another type of number.
    """
    index, data_file = Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")
    try:
        table, data = index.read_bytes(), data_file.read_bytes()
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; a TensorFlow checkpoint is two files") from None
    try:
        entries = {key.decode(): _entry(value) for key, value in _table(table) if key}
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise InputError(f"{index}: cannot be read as a TensorFlow checkpoint ({error})") from None
    return {name: _tensor(entry, data, f"{data_file}: {name}") for name, entry in entries.items()}


def _tensor(entry: _Entry, data: bytes, where: str) -> np.ndarray:
    content = data[entry.offset : entry.offset + entry.size]
    wanted = int(np.prod(entry.shape, dtype=np.int64)) * np.dtype(entry.dtype).itemsize
    if not 0 <= entry.offset <= entry.offset + entry.size <= len(data) or wanted != entry.size or wanted > LARGEST:
        raise InputError(
            f"{where}: {entry.size} bytes at {entry.offset} of {len(data)}; the file is truncated or changed"
        )
    if _masked(google_crc32c.value(content)) != entry.checksum:
        raise InputError(f"{where}: its checksum does not fit; the file is damaged")
    return np.frombuffer(content, dtype=entry.dtype).reshape(entry.shape)


def _masked(checksum: int) -> int:
    return (((checksum >> 15) | (checksum << 17)) + MASK_DELTA) & 0xFFFFFFFF


# The table


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key and value, in order."""
    if len(content) < FOOTER or struct.unpack("<Q", content[-8:])[0] != MAGIC:
        raise ValueError("it does not end as a LevelDB table does")
    footer, at = content[-FOOTER:], 0
    handle = []
    for _ in range(4):  # offset and size of two blocks: of what we do not need, and of the index
        number, at = _varint(footer, at)
        handle.append(number)
    for _, place in _block(content, *handle[2:]):
        offset, after = _varint(place, 0)
        size, _ = _varint(place, after)
        yield from _block(content, offset, size)


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block, tail = content[offset : offset + size], content[offset + size : offset + size + 5]
    if len(block) != size or len(tail) != 5:
        raise ValueError("a block is truncated")
    if tail[0]:
        raise ValueError("its blocks are compressed, which TensorFlow's own checkpoints are not")
    if _masked(google_crc32c.value(block + tail[:1])) != struct.unpack("<I", tail[1:])[0]:
        raise ValueError("a block's checksum does not fit")
    end, at, key = size - 4 - 4 * struct.unpack("<I", block[-4:])[0], 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where the next one begins."""
    number = 0
    for shift in range(0, 64, 7):
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number has no end")


# Protocol buffers


def _entry(message: bytes) -> _Entry:
    """BundleEntryProto: 1 type, 2 shape, 3 shard, 4 offset, 5 size, 6 checksum, 7 slices."""
    numbers, parts = _fields(message)
    if numbers.get(3) or 7 in dict(parts):
        raise ValueError("a tensor is spread over several files")
    if numbers.get(1) not in TYPES:
        raise ValueError(f"a tensor has TensorFlow's type {numbers.get(1)}; known are {sorted(TYPES)}")
    dimensions = [part for _, shape in parts for number, part in _fields(shape)[1] if number == 2]
    sizes = tuple(_fields(dimension)[0].get(1, 0) for dimension in dimensions)
    return _Entry(TYPES[numbers[1]], sizes, numbers.get(4, 0), numbers.get(5, 0), numbers.get(6, 0))


def _fields(message: bytes) -> tuple[dict[int, int], list[tuple[int, bytes]]]:
    """A message's numbers by field, and its parts (messages, text), each with its field, in order."""
    numbers: dict[int, int] = {}
    parts: list[tuple[int, bytes]] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            numbers[field], at = _varint(message, at)
        elif kind == 5:
            numbers[field] = struct.unpack("<I", message[at : at + 4])[0]
            at += 4
        elif kind == 2:
            size, at = _varint(message, at)
            parts.append((field, message[at : at + size]))
            at += size
        else:
            raise ValueError(f"a field has the wire type {kind}")
    return numbers, parts
