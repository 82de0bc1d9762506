"""The drawing of an episode, whatever its task: it settles, and the camera looks for the first time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from graspnet.data_gen.objects.object_source import object_names
from graspnet.data_gen.scenes.rendering import Renderer
from graspnet.errors import InputError
from graspnet.sim_eval.episodes.clutter import draw_clutter, drawn_shapes
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.look import look
from graspnet.sim_eval.episodes.single import draw_single
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import BinConfig, PackedConfig, PileConfig, SingleConfig

__all__ = ["draw_episode", "looked_at", "objects_met"]

DRAWN: dict[type, Callable[..., Episode]] = {
    SingleConfig: draw_single, PileConfig: draw_clutter, PackedConfig: draw_clutter, BinConfig: draw_clutter,
}  # fmt: skip


def draw_episode(config: ProtocolConfig, seed: int, index: int, renderer: Renderer) -> Episode:
    """Draw episode number `index` of a seed: what lies there and its physics drawn, settled, rendered and sensed.

    InputError: it cannot start (a mesh that is no solid, a single object out of view).
    """
    return looked_at(DRAWN[type(config.task)](config, config.task, seed, index), renderer)


def objects_met(config: ProtocolConfig, seed: int) -> set[str]:
    """Name the objects of all episodes, if all of them can be used. The task has no frozen set."""
    names, task = object_names(config.objects), config.task
    if isinstance(task, SingleConfig):
        return set(names[: config.episodes])
    drawn = (drawn_shapes(len(names), task, np.random.default_rng([seed, i])) for i in range(config.episodes))
    return {names[shape] for shapes in drawn for shape in shapes}


def looked_at(episode: Episode, renderer: Renderer) -> Episode:
    """Let the camera look at what has settled. InputError: the only object is out of view."""
    first = look(episode, episode.world_from_seen_objects, (), renderer)
    if first is None and episode.workspace is None:
        raise InputError(f"{episode.names[0]}: out of the camera's view after settling")
    return replace(episode, situation=first)
