"""The curves of docs/limits.md, from the table limits.csv beside this file.

`python docs/img/limits.py` writes limits.png beside itself. The table is a copy of what
`python -m graspnet.sim_eval.studies.limits --output DIR` leaves in DIR.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graspnet.drawing import new_figure, save_png
from graspnet.models.checkpoint import load_checkpoint
from graspnet.sim_eval.protocols.protocol import BASE
from graspnet.sim_eval.studies.limits import FACTORS, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HERE = Path(__file__).parent
PLANNERS = {"cross_entropy": ("#1f5fd0", "the network"), "principal_axis": ("#e28a2b", "the heuristic")}
PANELS = (  # factors of one panel; the second one is dashed, the third a single point
    ("distance",), ("tilt",), ("hand", "hand_alone", "hand_far"), ("object_width",),
    ("blobs", "grains"), ("focal_length",), ("image_width",), ("sensor",),
)  # fmt: skip
LOGARITHMIC = ("hand", "focal_length", "image_width")
rows = read_table(HERE / "limits.csv")
details = load_checkpoint("parallel_jaw").details
TRAINED = {
    "distance": details["camera"]["distance"],
    "tilt": [0, 30],
    "hand": details["grippers"]["max_width"],
    "object_width": details["objects"]["width_in_openings"],
    "focal_length": details["camera"]["focal_length_px"],
}


def curve(factor: str, planner: str) -> list[dict[str, str]]:
    """Rows of one factor and planner, with those of `single` where its value is known, by their values."""
    found = [row for row in rows if row["factor"] == factor and row["planner"] == planner]
    unchanged = FACTORS[factor].unchanged
    if unchanged is not None:
        found += [
            row | {"value": str(unchanged)} for row in rows if row["factor"] == BASE and row["planner"] == planner
        ]
    return found if factor == "sensor" else sorted(found, key=lambda row: float(row["value"]))


def draw(axes: Axes, factors: tuple[str, ...]) -> None:
    """One panel: Wilson's intervals, the trained range in grey, and what `single` has as a thin line."""
    first = FACTORS[factors[0]]
    for planner, (color, _) in PLANNERS.items():
        base = next(row for row in rows if row["factor"] == BASE and row["planner"] == planner)
        axes.axhline(100 * float(base["rate"]), color=color, linewidth=0.7, linestyle=":")
        for factor, style in zip(factors, ("-", "--", "none"), strict=False):
            found = curve(factor, planner)
            rates, low, high = ([100 * float(row[name]) for row in found] for name in ("rate", "low", "high"))
            shift = 0.0 if planner == "cross_entropy" else 0.12
            x = [k + shift for k in range(len(found))] if factor == "sensor" else [float(row["value"]) for row in found]
            bars = [
                [r - lo for r, lo in zip(rates, low, strict=True)],
                [hi - r for r, hi in zip(rates, high, strict=True)],
            ]
            line = "none" if factor == "sensor" else style
            axes.errorbar(
                x, rates, bars, color=color, linestyle=line, marker="o", markersize=3, linewidth=1.2, capsize=2
            )
    if factors[0] in TRAINED:
        axes.axvspan(*TRAINED[factors[0]], color="#000000", alpha=0.07, linewidth=0)
    if factors[0] in LOGARITHMIC:
        axes.set_xscale("log")
        ticks = [float(value) for value in first.values]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
        axes.minorticks_off()
    if factors[0] == "sensor":
        names = [row["value"] for row in curve("sensor", "cross_entropy")]
        axes.set_xticks(range(len(names)), names, rotation=40, fontsize=7, ha="right")
    axes.set(ylim=(0, 100), xlabel=f"{first.title}{f' ({first.unit})' if first.unit else ''}")
    axes.grid(alpha=0.3)


figure, axes = new_figure(2, 4, width=3.6)
for panel, factors in zip(axes.flat, PANELS, strict=True):
    draw(panel, factors)
for panel in axes[:, 0]:
    panel.set_ylabel("lifted (%)")
axes[0, 0].legend(
    handles=[axes[0, 0].plot([], [], color=color, marker="o", label=name)[0] for color, name in PLANNERS.values()],
    loc="lower left",
)
axes[0, 2].set_xlabel("opening of the hand (m); dashed: objects as for 50 mm;\nlone point: camera at 1.5 to 2 m")
axes[1, 0].set_xlabel("missing depth, share of pixels: blobs; dashed: grains")
save_png(figure, HERE / "limits.png", dpi=90)
