"""A parallel-jaw gripper from a hand's description: collision geometry and joint limits -> the sizes of a gripper file.

The hand is measured while it is open, in its grasp frame. Each finger becomes the box around its geometry before the
palm's face, from its inner face outwards; the palm the box around all the rest. Where the hand is not symmetric, boxes
are enlarged, never shrunk, and a note says by how much.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError, unknown_name
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.robot_description.hand_description import Hand, read_hand
from graspnet.robot_description.hand_sizes import HandSizes, finger_box, measure_hand, palm_box
from graspnet.robot_description.jaws import MAX_SIDEWAYS, JawChoices, Jaws, find_jaws
from graspnet.transforms import frame_from_axes, rigid, transform_points, unit

__all__ = ["DerivedGripper", "HandChoices", "derive_gripper"]

DECIMALS = 6  # of lengths: a mesh of float32 has only noise below a micrometre
MIN_PAD_HEIGHT = 1e-3  # metres; an innermost face that is lower is an edge, and says nothing of a pad
MAX_FORCE = 1000.0  # N; a description that claims more has a placeholder as its effort
DEFAULT_FORCE, DEFAULT_FRICTION = 20.0, 0.5  # those of a gripper file without the keys
MAX_LEAN = np.radians(30)  # an axis of the hand counts as its approach only so near to the line from palm to fingers
SQUARE = 0.01  # radians; an approach is perpendicular to the closing axis up to this
NOTEWORTHY = 1e-4  # metres; what is smaller needs no note
MAX_NAMES = 6  # of links in a sentence


@dataclass(frozen=True, kw_only=True)
class HandChoices:
    """What a person may say where a description does not, or where a rule of ours would choose otherwise."""

    jaws: JawChoices = field(default_factory=JawChoices)
    tool: str | None = None  # a link or site at the pads' centre
    approach_in_root: tuple[float, float, float] | None = None
    force: float | None = None  # N
    friction: float | None = None
    name: str = "gripper"


@dataclass(frozen=True, kw_only=True)
class DerivedGripper:
    """A gripper, the source of each of its numbers, and the open hand that it was measured on."""

    gripper: ParallelJaw
    sources: dict[str, str]  # of each field that holds numbers
    notes: tuple[str, ...]  # sentences: what was assumed or enlarged
    root: str
    root_from_grasp: Float64[np.ndarray, "4 4"]
    palm_in_grasp: Float64[np.ndarray, "P 3 3"]  # triangles
    fingers_in_grasp: Float64[np.ndarray, "F 3 3"]


def derive_gripper(path: Path, choices: HandChoices) -> DerivedGripper:
    """The parallel-jaw gripper that a URDF or MJCF file describes.

    InputError: the file (read_hand), jaws that are none (find_jaws), a palm or finger without collision geometry, a
    name that does not exist, sizes that no gripper has.
    """
    hand = read_hand(path)
    jaws = find_jaws(hand, choices.jaws)
    palm, first, second = (_triangles_in_root(hand, jaws, links) for links in (jaws.palm, *jaws.fingers))
    root_from_axes, approach_note = _grasp_axes(hand, jaws, palm, np.concatenate([first, second]), choices)
    if root_from_axes[:, 1] @ jaws.closing_in_root < 0:
        first, second = second, first
    _check_drift(hand, jaws, root_from_axes)
    sizes = measure_hand(palm @ root_from_axes, (first @ root_from_axes, second @ root_from_axes), str(path))
    origin_in_axes, origin_source, origin_notes = _origin(hand, jaws, sizes, root_from_axes, choices.tool)
    lengths, length_sources, length_notes = _lengths(hand, jaws, sizes, origin_in_axes)
    force, force_source = _force(jaws, choices.force)
    friction = DEFAULT_FRICTION if choices.friction is None else choices.friction
    sources = length_sources | {
        "pad_to_tip": origin_source,
        "force": force_source,
        "friction": "assumed" if choices.friction is None else "given",
    }
    try:
        gripper = ParallelJaw(name=choices.name, force=force, friction=friction, **lengths)
    except InputError as error:
        raise InputError(f"{path}: derived {error}") from None
    return DerivedGripper(
        gripper=gripper,
        sources={key: sources[key] for key in FIELDS},
        notes=(approach_note, *origin_notes, *length_notes, *_motion_notes(hand, jaws, root_from_axes)),
        root=hand.links[jaws.root].name,
        root_from_grasp=rigid(root_from_axes, root_from_axes @ origin_in_axes),
        palm_in_grasp=sizes.palm - origin_in_axes,
        fingers_in_grasp=np.concatenate(sizes.fingers) - origin_in_axes,
    )


FIELDS = (
    "max_width", "min_width", "finger_length", "finger_thickness", "finger_breadth", "pad_to_tip", "palm", "force",
    "friction",
)  # fmt: skip


def _triangles_in_root(hand: Hand, jaws: Jaws, links: frozenset[int]) -> Float64[np.ndarray, "T 3 3"]:
    """The collision geometry of some links of the open hand."""
    parts = [
        transform_points(jaws.root_from_links[solid.link], solid.triangles_in_link.reshape(-1, 3)).reshape(-1, 3, 3)
        for solid in hand.solids
        if solid.link in links
    ]
    if not parts:
        raise InputError(
            f"{hand.path}: no collision geometry in {_names(hand, links)}; add <collision> (URDF) or a geom that "
            "collides (MJCF)"
        )
    return np.concatenate(parts)


def _names(hand: Hand, links: frozenset[int]) -> str:
    """Names of the links with geometry, or of all if none has any."""
    solid = links & {part.link for part in hand.solids}
    names = [hand.links[link].name for link in sorted(solid or links)]
    more = [f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return ", ".join(names[:MAX_NAMES] + more)


def _grasp_axes(
    hand: Hand,
    jaws: Jaws,
    palm: Float64[np.ndarray, "P 3 3"],
    fingers: Float64[np.ndarray, "F 3 3"],
    choices: HandChoices,
) -> tuple[Float64[np.ndarray, "3 3"], str]:
    """Axes x, y, z of the grasp frame, as columns in the root's frame, and a note on how z was chosen.

    y is the closing line; its largest component is positive, as the two jaws are interchangeable. z is the given
    approach, or the axis of a link, a box or a mesh that is nearest to the line from the palm's centroid to the
    fingers'; that line itself, where no axis is near.
    """
    closing = jaws.closing_in_root * np.sign(jaws.closing_in_root[np.abs(jaws.closing_in_root).argmax()])
    if choices.approach_in_root is not None:
        approach = np.array(choices.approach_in_root, dtype=np.float64)
        if not np.linalg.norm(approach) > 0 or abs(unit(approach) @ closing) > np.sin(MAX_LEAN):
            raise InputError(
                f"{hand.path}: --approach {choices.approach_in_root} must be perpendicular to the closing axis "
                f"{_vector(closing)} of {hand.links[jaws.root].name}"
            )
        return frame_from_axes(approach, closing), "Approach: given; only its part across the closing axis counts."
    line = _centroid(fingers) - _centroid(palm)
    line = line - line @ closing * closing
    if np.linalg.norm(line) < NOTEWORTHY:
        raise InputError(f"{hand.path}: the fingers are centred in the palm; give the approach: --approach X Y Z")
    axes = [axis for axis in _axes_in_root(hand, jaws) if abs(axis @ closing) < SQUARE]
    nearest = max(axes, key=lambda axis: axis @ unit(line), default=unit(line))
    lean = float(np.arccos(np.clip(nearest @ unit(line), -1, 1)))
    if lean > MAX_LEAN:
        return frame_from_axes(line, closing), (
            "Approach: assumed along the line from the palm's centroid to the fingers'; no axis of the hand is near it."
        )
    return frame_from_axes(nearest, closing), (
        f"Approach: the hand's axis {_vector(nearest)} in {hand.links[jaws.root].name}, {np.degrees(lean):.0f}° from "
        "the line from the palm's centroid to the fingers'."
    )


def _centroid(triangles: Float64[np.ndarray, "T 3 3"]) -> Float64[np.ndarray, "3"]:
    """Mean of the triangles' middles by area."""
    areas = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=-1)
    return np.average(triangles.mean(axis=1), axis=0, weights=areas)


def _axes_in_root(hand: Hand, jaws: Jaws) -> list[Float64[np.ndarray, "3"]]:
    """Both directions of the axes of all links and solids of the hand."""
    links = jaws.palm | jaws.fingers[0] | jaws.fingers[1]
    frames = [jaws.root_from_links[link][:3, :3] for link in sorted(links)]
    frames += [
        jaws.root_from_links[solid.link][:3, :3] @ solid.link_from_solid for solid in hand.solids if solid.link in links
    ]
    return [sign * axis for frame in frames for axis in frame.T for sign in (1.0, -1.0)]


def _vector(vector: Float64[np.ndarray, "3"]) -> str:
    return "(" + ", ".join(f"{entry:g}" for entry in np.round(vector, 3) + 0.0) + ")"  # no -0


def _check_drift(hand: Hand, jaws: Jaws, root_from_axes: Float64[np.ndarray, "3 3"]) -> None:
    """Refuses fingers that close as those of a chuck do: both shift along x meanwhile."""
    drift = abs(float(jaws.drift_in_root @ root_from_axes[:, 0]))
    if drift > MAX_SIDEWAYS * jaws.travel:
        raise InputError(
            f"{hand.path}: while the fingers close they move by {_mm(drift)} across closing axis and approach: no "
            "parallel jaw, or another approach: --approach X Y Z"
        )


def _origin(
    hand: Hand, jaws: Jaws, sizes: HandSizes, root_from_axes: Float64[np.ndarray, "3 3"], tool: str | None
) -> tuple[Float64[np.ndarray, "3"], str, list[str]]:
    """The pads' centre, along the grasp frame's axes from the root's origin; its source; notes.

    Without a tool frame the pads are assumed to be as high as the inner faces, but no higher than the fingers are
    broad, and flush with the end of these faces; where these are mere edges, square, and flush with the fingertips.
    """
    middle = sum(sizes.inner) / 2
    if tool is None:
        x = sizes.pads_x
        breadth = 2 * max(np.abs(corners[:, 0]).max() for corners in finger_box(sizes, x))
        high, end, where = min(sizes.pads_height, breadth), sizes.pads_front, "the end of the inner faces"
        if high < MIN_PAD_HEIGHT:
            high, end, where = min(breadth, sizes.tip - sizes.palm_face), sizes.tip, "the fingertips"
        recessed = sizes.tip - sizes.pads_front
        notes = [f"The inner faces end {_mm(recessed)} behind the fingertips."] if recessed > NOTEWORTHY else []
        return (
            np.array([x, middle, end - high / 2]),
            f"assumed: half a pad that is {_mm(high)} high, behind {where}",
            notes,
        )
    if tool not in hand.frames:
        raise unknown_name("frame (--tool)", tool, hand.frames, str(hand.path))
    link, point_in_link = hand.frames[tool]
    x, y, z = transform_points(jaws.root_from_links[link], point_in_link[None])[0] @ root_from_axes
    if not sizes.palm_face < z < sizes.tip:
        raise InputError(
            f"{hand.path}: --tool {tool} lies at {_mm(z)} along the approach; the pads' centre must lie between the "
            f"palm's face at {_mm(sizes.palm_face)} and the fingertips at {_mm(sizes.tip)}"
        )
    off = abs(float(y) - middle)
    notes = [f"Frame {tool} lies {_mm(off)} off the middle between the fingers; the middle counts."]
    return np.array([x, middle, z]), f"frame {tool}", notes if off > NOTEWORTHY else []


def _lengths(
    hand: Hand, jaws: Jaws, sizes: HandSizes, origin_in_axes: Float64[np.ndarray, "3"]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """All lengths of a gripper file, their sources, and notes."""
    x, y, z = (float(entry) for entry in origin_in_axes)
    first, second = finger_box(sizes, x)
    palm = palm_box(sizes) - [x, y, 0]
    closed_gap = sizes.gap - jaws.travel
    names = " and ".join(hand.links[min(links)].name for links in jaws.fingers)
    thicknesses = [float(np.ptp(box[:, 1])) for box in (first, second)]
    breadth = 2 * float(np.abs([first[:, 0], second[:, 0]]).max())
    across, along = (2 * float(np.abs(palm[:, axis]).max()) for axis in (0, 1))
    lengths = {
        "max_width": sizes.gap,
        "min_width": max(closed_gap, 0.0),
        "finger_length": sizes.tip - sizes.palm_face,
        "finger_thickness": max(thicknesses),
        "finger_breadth": breadth,
        "pad_to_tip": sizes.tip - z,
    }
    sources = {
        "max_width": f"gap between the inner faces of {names} at {jaws.open}",
        "min_width": f"the same gap at {jaws.closed}",
        "finger_length": "from the palm's face to the fingertips",
        "finger_thickness": f"box around {names} before the palm's face, from the inner face outwards",
        "finger_breadth": f"box around {names} before the palm's face",
        "palm": f"box around {_names(hand, jaws.palm)}",
    }
    if closed_gap < -NOTEWORTHY:
        sources["min_width"] = f"0: at {jaws.closed} the faces would overlap by {_mm(-closed_gap)}"
    notes = [
        f"{what} is {_mm(found)} on one side or in all; enlarged to {_mm(taken)}, as our model is symmetric."
        for what, found, taken in (
            ("finger_thickness", min(thicknesses), max(thicknesses)),
            ("finger_breadth", float(min(np.ptp(first[:, 0]), np.ptp(second[:, 0]))), breadth),
            ("palm along x", float(np.ptp(palm[:, 0])), across),
            ("palm along y", float(np.ptp(palm[:, 1])), along),
        )
        if taken - found > NOTEWORTHY
    ]
    if sizes.overhang > NOTEWORTHY:
        notes.append(
            f"Where the fingers do not face each other, parts of them reach {_mm(sizes.overhang)} further inwards than "
            "the inner faces; the boxes do not hold these parts."
        )
    rounded: dict[str, Any] = {key: round(length, DECIMALS) for key, length in lengths.items()}
    rounded["palm"] = tuple(round(size, DECIMALS) for size in (across, along, sizes.palm_face - float(palm[0, 2])))
    return rounded, sources, notes


def _mm(length: float) -> str:
    return f"{1000 * length:.1f} mm"


def _force(jaws: Jaws, given: float | None) -> tuple[float, str]:
    """Each finger's closing force and its source: given, or from efforts by virtual work, or the default."""
    if given is not None:
        return given, "given"
    if jaws.force is None:
        return DEFAULT_FORCE, "assumed: the description has no actuator force and no joint effort"
    if jaws.force > MAX_FORCE:
        return DEFAULT_FORCE, f"assumed: the description's effort would give {jaws.force:.0f} N, which no hand has"
    return float(f"{jaws.force:.4g}"), "efforts x joint motion / closing motion, mean over the stroke"


def _motion_notes(hand: Hand, jaws: Jaws, root_from_axes: Float64[np.ndarray, "3 3"]) -> list[str]:
    """Notes on what our model has no parameter for."""
    notes = []
    if moving := {part.link for part in hand.solids} & jaws.linkage:
        notes.append(f"Counted as palm, as they stand when open: {_names(hand, frozenset(moving))}.")
    drift = jaws.drift_in_root @ root_from_axes
    if np.abs(drift).max() > NOTEWORTHY:
        shifts = ", ".join(f"{shift:.1f}" for shift in np.round(1000 * drift, 1) + 0.0)  # no -0
        notes.append(
            f"The pads' centre moves by ({shifts}) mm in the grasp frame while the hand closes; the frame is the open "
            "hand's."
        )
    return notes
