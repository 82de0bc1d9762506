"""Picks in MuJoCo's interactive viewer: what the physics sees, in real time, to be looked at from all sides."""

import time
import warnings
from collections.abc import Sequence
from typing import Any

import click
import numpy as np

from graspnet.data_gen.physics.film import FINGER_COLOURS, OBJECT_COLOURS, PALM_COLOUR, TABLE_COLOURS, WALL_COLOUR
from graspnet.data_gen.physics.pick import HandWorld
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.physics_engine import load_mujoco
from graspnet.sim_eval.replay.replay import ReplayedPick

__all__ = ["require_display", "show_picks"]

PICTURES = 60  # a second
EYE_DISTANCE = 0.6  # m


def require_display() -> None:
    """Refuse to go on without a display (InputError): MuJoCo's viewer would wait for its window for ever."""
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
        _dress(world)
        with viewer.launch_passive(world.model, world.data, show_left_ui=False, show_right_ui=False) as window:
            window.cam.lookat[:], window.cam.distance = pick.grasp_in_world.origin[0], EYE_DISTANCE
            window.cam.elevation, window.cam.azimuth = -30.0, _side_of(pick.grasp_in_world)
            clock = _RealTime(window, world.config.solver.time_step)
            while window.is_running():
                world.attempt(pick.world_from_objects, pick.grasp_in_world, watch=clock)


class _RealTime:
    """Draws after each step of the physics, and waits until that much time has passed."""

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


def _dress(world: HandWorld) -> None:
    """Give a world the films' colours, and light enough to see them; the physics does not know of either."""
    model = world.model
    model.vis.headlight.ambient, model.vis.headlight.diffuse = [0.35] * 3, [0.6] * 3
    model.site_rgba[:, 3] = 0.0  # the touch sensors' boxes are around the hand's
    fixed = {"left": FINGER_COLOURS[0], "right": FINGER_COLOURS[1], "palm": PALM_COLOUR, "table": TABLE_COLOURS[0]}
    for k in range(model.ngeom):
        geom, body = model.geom(k), int(model.geom_bodyid[k])
        object_colour = OBJECT_COLOURS[(body - 1) % len(OBJECT_COLOURS)]  # bodies: world, objects, hand
        of_object = 1 <= body <= len(world.solids)
        colour = object_colour if of_object else fixed.get(geom.name, WALL_COLOUR)
        geom.rgba[:] = [*(channel / 255 for channel in colour), 1.0]


def _side_of(grasp: Grasps) -> float:
    """Find the azimuth (degrees) from which one sees the jaws close sideways."""
    x, y = grasp.closing[0, :2]
    return float(np.rad2deg(np.arctan2(y, x))) + 90.0


def _window_system() -> bool:
    """Ask GLFW, the viewer's window system, for a display."""
    load_mujoco()
    from mujoco import viewer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GLFW says why as a warning; we say it as an error
        return bool(viewer.glfw.init())
