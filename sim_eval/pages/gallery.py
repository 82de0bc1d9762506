"""Pictures of replayed picks: an example of each outcome as a film strip, films, and a gallery of what was seen and how
it ended."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graspnet.data_gen.physics.film import film, film_strip, last_picture
from graspnet.data_gen.physics.outcome import OUTCOMES
from graspnet.drawing import draw_depth, draw_grasps, new_figure, quality_colors
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import Observation
from graspnet.report.page import figure_html, paragraph, picture_html
from graspnet.sim_eval.replay.replay import FRAME_INTERVAL, PickRecord, ReplayedPick, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Replay", "example_blocks", "film_blocks", "gallery_blocks"]

Replay = Callable[[PickRecord], ReplayedPick]
MAX_PICKS = 4  # each planner shows so many successes, and as many failures
MAX_PLANNERS = 6  # the first ones are shown: a page should stay below some megabytes
MAX_FILMS = 3


def example_blocks(picks: Sequence[PickRecord], replay: Replay, first: str = "") -> tuple[str, ...]:
    """Show a pick that ended in each way, moment by moment; of the planner `first`, if one of its picks ended so."""
    ranked = sorted(picks, key=lambda pick: pick.planner != first)
    chosen = [next((pick for pick in ranked if pick.result.outcome == outcome), None) for outcome in OUTCOMES]
    return tuple(_example(replay(pick)) for pick in chosen if pick is not None)


def film_blocks(picks: Sequence[PickRecord], replay: Replay, planner: str = "") -> tuple[str, ...]:
    """Show picks of one planner in real time: a success, and one of each of its commonest failures.

    planner: that of the first pick, if none is named.
    """
    planner = planner or picks[0].planner
    moved = [pick for pick in picks if pick.planner == planner and pick.result.moved]
    common = [outcome for outcome, _ in Counter(pick.result.outcome for pick in moved).most_common()]
    common.sort(key=lambda outcome: outcome != "success")
    chosen = [[pick for pick in moved if pick.result.outcome == outcome][-1] for outcome in common[:MAX_FILMS]]
    shown = [replay(pick) for pick in chosen]  # the last ones: the first have film strips
    blocks = [picture_html(film(one.frames, one.world), _caption(one.record), FRAME_INTERVAL) for one in shown]
    if not blocks:
        return (paragraph(f"No attempt of {planner} moved the hand."),)
    text = (
        f"Picks of {planner} as the simulator plays them, in real time: a success first, where there is one, then its "
        "commonest failures. The hand comes from above, with one finger blue and the other green. The texts say how "
        "far the object was moved before both pads touched it, with what force the hand met something on its way, and "
        "how high the object was lifted."
    )
    return (paragraph(text), *blocks)


def gallery_blocks(picks: Sequence[PickRecord], replay: Replay, first: str = "") -> tuple[str, ...]:
    """Show some successes and some failures of each planner: the image with the grasp, and how the pick ended.

    first: the planner that comes first.
    """
    blocks = []
    planners = sorted(dict.fromkeys(pick.planner for pick in picks), key=lambda planner: planner != first)
    for planner in planners[:MAX_PLANNERS]:
        executed = [pick for pick in picks if pick.planner == planner and pick.result.world_from_grasp]
        successes = _spread([pick for pick in executed if pick.result.success])
        failures = _spread([pick for pick in executed if not pick.result.success])
        if executed:
            shown = f"first successes ({len(successes)}), then failures ({len(failures)})"
            text = f"{planner}, evenly from its attempts: {shown}."
            blocks.append(figure_html(_gallery([replay(pick) for pick in [*successes, *failures]]), text))
    return (paragraph(
        "Each column is one pick. Above is what the camera saw, near is bright: violet is where it measured nothing, "
        "and the blue outline is what is to be grasped. The grasp that was executed is drawn on it, coloured by its "
        "quality: red is 0, yellow ½, green 1, and orange where the planner gives none. Below is the end of the pick."
    ), *blocks)  # fmt: skip


def _caption(pick: PickRecord) -> str:
    quality = f", quality {pick.result.quality:.2f}" if pick.result.quality > 0 else ""
    what = f"{pick.object}, " if pick.object else ""
    return f"{what}{pick.place}, {pick.planner}{quality}: {describe(pick.result)}."


def _example(pick: ReplayedPick) -> str:
    """Show a film strip, or what the camera saw where there was no grasp."""
    caption = _caption(pick.record)
    if pick.frames:
        return picture_html([film_strip(pick.frames, pick.world, count=7, size=180)], caption)
    if pick.observation is None:
        return paragraph(caption)
    figure, axes = new_figure(1, 1, width=3.2)
    _draw_view(axes[0, 0], pick.observation, pick, "")
    return figure_html(figure, caption)


def _spread(picks: Sequence[PickRecord]) -> list[PickRecord]:
    """Choose at most MAX_PICKS of them, evenly from the first to the last."""
    rows = np.linspace(0, len(picks) - 1, min(MAX_PICKS, len(picks))).round().astype(int)
    return [picks[row] for row in rows]


def _gallery(picks: Sequence[ReplayedPick]) -> "Figure":
    figure, axes = new_figure(2, len(picks), width=max(1.6, 12.8 / max(len(picks), 6)), aspect=1.0)
    for (above, below), pick in zip(axes.T, picks, strict=True):
        result = pick.record.result
        quality = f", Q = {result.quality:.2f}" if result.quality > 0 else ""
        assert pick.observation is not None, "a grasp was planned on it"
        _draw_view(above, pick.observation, pick, f"{pick.record.object}\n{pick.record.place}{quality}")
        below.imshow(last_picture(pick.frames, pick.world, size=160))
        below.set_title(result.outcome.replace("_", " "), fontsize=8)
        below.set_axis_off()
    return figure


def _draw_view(axes: "Axes", seen: Observation, pick: ReplayedPick, title: str) -> None:
    """Draw the part of the image with what is to be grasped, and the grasp."""
    grasp = pick.grasp_in_camera
    mask = seen.object_mask if seen.segmask is None else seen.segmask
    v, u = np.nonzero(mask)
    reach = grasp.width[:, None] / 2 + 2 * ParallelJaw.of(seen.gripper).finger_thickness
    ends = [seen.camera.project(grasp.origin + sign * reach * grasp.closing) for sign in (-1, 1)]
    points = np.concatenate([np.stack([u, v], axis=1), *ends])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, float(np.max(high - low)) / 2 * 1.1 + 2
    window = seen.depth[_pixels(middle[1], half), _pixels(middle[0], half)]
    near, far = np.nanpercentile(np.where(window > 0, window, np.nan), [1, 99])
    draw_depth(axes, seen.depth, limits=(float(near), float(max(far, near + 0.015))))  # not the noise alone
    axes.contour(mask, levels=[0.5], colors="deepskyblue", linewidths=0.8)
    quality = pick.record.result.quality
    color = tuple(quality_colors(np.array([quality]))[0].tolist()) if quality > 0 else "tab:orange"
    draw_grasps(axes, grasp, seen.camera, seen.gripper, color)
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
    axes.set_title(title, fontsize=8)


def _pixels(middle: float, half: float) -> slice:
    return slice(max(0, round(middle - half)), round(middle + half) + 1)
