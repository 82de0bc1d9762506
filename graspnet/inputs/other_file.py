"""Files that are not what their name says: what their first bytes tell, so that a message need not guess."""

__all__ = ["what_it_is_instead"]

_GIT_LFS, _APPLE_DOUBLE = b"version https://git-lfs.github.com/", b"\x00\x05\x16\x07"
_PAGES = (b"<!doctype html", b"<html")
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def what_it_is_instead(data: bytes) -> str:
    """What a file is that should hold an image or a mesh, and what to do; nothing where its first bytes do not tell."""
    start = data[:512]
    if not data:
        return "the file is empty; export it again"
    if start.startswith(_GIT_LFS):
        return "this is Git LFS's pointer to the file, not the file; run `git lfs pull`"
    if start.lstrip().lower().startswith(_PAGES):
        return "this is a web page, as a failed download leaves it; download the file itself"
    if start.startswith(_APPLE_DOUBLE):
        return "this is what macOS keeps beside a file (its name begins with ._); leave it out"
    if start.startswith(_UTF16):
        return "this is text in UTF-16; save it as UTF-8"
    packed = [name for magic, name in _PACKED.items() if start.startswith(magic)]
    return f"this is an archive ({packed[0]}); unpack it" if packed else ""
