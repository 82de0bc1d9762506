"""CoACD on one mesh, in a process of its own: it may abort or run for ever, and takes nobody with it.

Run as a file with the path of an .npz, CoACD's parameters as JSON, and the seconds of processor time that it may take;
decomposition.py reads what it leaves there. The system ends it by SIGXCPU when these are over. It also ends when its
standard input does, so that nobody's death leaves it running.
"""

import json
import os
import resource
import sys
import threading

import numpy as np

__all__ = ["main"]


def main(path: str, parameters: str, seconds: str) -> None:
    """Replace the file's `vertices` and `faces` by those of all pieces; `counts` says how many each has."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    import coacd

    threading.Thread(target=_end_with_parent, daemon=True).start()
    with np.load(path, allow_pickle=False) as file:
        mesh = coacd.Mesh(file["vertices"], file["faces"])
    coacd.set_log_level("error")
    pieces = coacd.run_coacd(mesh, **json.loads(parameters))
    np.savez(
        path,
        vertices=np.concatenate([np.zeros((0, 3)), *(vertices for vertices, _ in pieces)]),
        faces=np.concatenate([np.zeros((0, 3), dtype=np.int32), *(faces for _, faces in pieces)]),
        counts=np.array([[len(vertices), len(faces)] for vertices, faces in pieces], dtype=np.int64).reshape(-1, 2),
    )


def _end_with_parent() -> None:
    os.read(0, 1)  # not sys.stdin: its lock would be held when Python ends
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
