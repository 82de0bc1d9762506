"""Preparation: users' meshes loaded and cut into convex pieces once, before work that shares them begins.

So a mesh that cannot be used is named at once and by itself, and no heap, trial or split counts on it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, mesh_files, with_parts
from graspnet.errors import InputError
from graspnet.run.engines import Engine
from graspnet.run.progress import track

__all__ = ["prepare", "usable_objects"]


def usable_objects(config: ObjectConfig, engine: Engine, said_by: str) -> tuple[ObjectConfig, dict[str, str]]:
    """The config without those of its meshes that cannot be used, and why not.

    InputError: none can be used, and there are no procedural objects.
    """
    if not config.folders:
        return config, {}
    names = list(mesh_files(config))
    left_out = prepare(config, names, engine, said_by)
    usable = tuple(name for name in names if name not in left_out)
    if not usable and not config.count:
        raise InputError(f"no object could be used; the first: {left_out[names[0]]}")
    return (replace(config, files=usable) if usable else replace(config, folders=(), files=())), left_out


def prepare(config: ObjectConfig, names: Sequence[str], engine: Engine, said_by: str) -> dict[str, str]:
    """Load these objects of meshes, and cut them into pieces, which are kept on disk; why some cannot be used.

    said_by: what the progress begins with.
    """
    work = engine.run(partial(_problem, config), names)
    found = dict(track(work, len(names), f"{said_by}: preparing objects", "objects"))
    return {name: found[name] for name in names if found[name]}


def _problem(config: ObjectConfig, name: str) -> tuple[str, str]:
    try:
        with_parts(load_object(config, name, np.random.default_rng(0)), config)
    except InputError as error:
        return name, str(error)
    return name, ""
