"""Picks in MuJoCo's interactive viewer: what the physics sees, in real time, to be looked at from all sides."""

import time
from collections.abc import Sequence
from typing import Any

import click

from data_gen.physics.bodies import load_mujoco
from graspnet.errors import InputError
from sim_eval.replay import ReplayedPick

__all__ = ["require_display", "show_picks"]

PICTURES = 60  # a second


def require_display() -> None:
    """InputError: there is no display to open a window on. (MuJoCo's viewer would wait for its window for ever.)"""
    if not _window_system():
        raise InputError(
            "--view needs a display, and GLFW finds none (DISPLAY or WAYLAND_DISPLAY); the films in the trial's folder "
            "show the same picks, and `xvfb-run` lends a display that nobody sees"
        )


def show_picks(picks: Sequence[ReplayedPick]) -> None:
    """Show one pick after another, each again and again until its window is closed."""
    load_mujoco()  # MUJOCO_GL=disable concerns offscreen drawing only: the viewer has a window, and GLFW, of its own
    from mujoco import viewer

    for pick in picks:
        if not len(pick.grasp_in_world):
            continue
        click.echo(f"{pick.record.place}, {pick.record.planner}: close the window to go on")
        world = pick.world
        world.present[:] = pick.present
        with viewer.launch_passive(world.model, world.data, show_left_ui=False, show_right_ui=False) as window:
            clock = _RealTime(window, world.config.solver.time_step)
            while window.is_running():
                world.attempt(pick.world_from_objects, pick.grasp_in_world, watch=clock)


class _RealTime:
    """Called after each step of the physics: draws, and waits until that much time has passed."""

    def __init__(self, window: Any, time_step: float) -> None:
        self.window, self.time_step, self.every = window, time_step, max(1, round(1 / (PICTURES * time_step)))
        self.steps, self.due = 0, time.monotonic()

    def __call__(self, world: Any) -> None:
        self.steps += 1
        if self.steps % self.every or not self.window.is_running():
            return
        self.window.sync()
        self.due = max(self.due + self.every * self.time_step, time.monotonic() - 0.1)
        time.sleep(max(0.0, self.due - time.monotonic()))


def _window_system() -> bool:
    import warnings

    import glfw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GLFW says why as a warning; we say it as an error
        return bool(glfw.init())
