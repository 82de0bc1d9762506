"""Which two links of a hand are its jaws, and how they close (from_urdf.py: how large is everything?).

A jaw is a rigid part with collision geometry that moves against the palm without turning. A parallel jaw has two of
them, and they come nearer to each other along one line: slides do so exactly, a parallel four-bar linkage on two arcs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError, unknown_name
from graspnet.robot_description.hand_description import WORLD, Hand
from graspnet.robot_description.hand_motion import descendants, driven_joints, joint_values, link_poses, rigid_groups
from graspnet.transforms import invert, unit

__all__ = ["MAX_SIDEWAYS", "JawChoices", "Jaws", "find_jaws"]

STEPS = np.linspace(0, 1, 25)  # poses that are looked at, from one end of the joints to the other
MAX_TURN = np.radians(3)  # a real parallel linkage is not exact; pads that turn more do not stay parallel
MIN_STROKE = np.radians(3)  # a hinge that turns less has its radians read as degrees
MIN_TRAVEL = 1e-4  # metres; a jaw that moves less does not move
MAX_LISTED = 6  # parts in an error message
MAX_SIDEWAYS = 0.05  # of the travel; what two jaws may shift against each other, across the line on which they close


@dataclass(frozen=True, kw_only=True)
class JawChoices:
    """What a person may say where a description does not: names of two finger links, a root link, joint values.

    Joint values are `VALUE`, for every driven joint, or `JOINT=VALUE`.
    """

    fingers: tuple[str, str] | None = None
    root: str | None = None
    open: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Jaws:
    """Two jaws and the palm, and where all links are in the frame of the hand's root link when the hand is open."""

    root: int
    palm: frozenset[int]  # all links from the root on that are no finger
    linkage: frozenset[int]  # those of them that move
    fingers: tuple[frozenset[int], frozenset[int]]
    root_from_links: Float64[np.ndarray, "L 4 4"]
    closing_in_root: Float64[np.ndarray, "3"]  # from the first finger to the second
    travel: float  # by how much the fingers come nearer to each other
    drift_in_root: Float64[np.ndarray, "3"]  # by how much the middle between the fingers moves while they close
    force: float | None  # of the fingers on what they hold, N
    open: str  # joint values in words
    closed: str


def find_jaws(hand: Hand, choices: JawChoices) -> Jaws:
    """The jaws of a hand.

    The palm is the part from which two or more branches with moving geometry grow; an arm below it has one branch, and
    is left out. InputError: no palm or several, fingers that are not two, that turn, or that move in other directions
    than each other's; joints without limits; names that do not exist.
    """
    groups = rigid_groups(hand)
    found, refusals = [], []
    for palm in _possible_palms(hand, groups, choices):
        try:
            found.append(_jaws_on(hand, groups, palm, choices))
        except InputError as error:
            refusals.append(error)
    if len(found) == 1:
        return found[0]
    if found:
        names = "; ".join(" and ".join(_finger_names(hand, jaws)) for jaws in found)
        raise InputError(f"{hand.path}: {len(found)} pairs of jaws ({names}); choose one: --fingers LEFT RIGHT")
    if refusals:
        raise refusals[-1]
    moving = ", ".join(f"{joint.name} ({hand.links[joint.link].name})" for joint in hand.joints) or "none"
    raise InputError(
        f"{hand.path}: no two moving fingers with collision geometry on one palm; a parallel jaw needs two, and a "
        f"fixed one beside a moving one is no such hand. Joints, and the links that they move: {moving}"
    )


def _finger_names(hand: Hand, jaws: Jaws) -> list[str]:
    return [repr(hand.links[min(finger)].name) for finger in jaws.fingers]


def _possible_palms(hand: Hand, groups: Sequence[int], choices: JawChoices) -> list[int]:
    """Rigid parts from which two branches with geometry grow, nearest to the root first; one, if fingers are named."""
    if choices.fingers is not None:
        lines = [_ancestors(hand, groups, groups[_link(hand, name, "finger")]) for name in choices.fingers]
        if lines[0][0] == lines[1][0]:
            raise InputError(f"{hand.path}: the links of --fingers {' '.join(choices.fingers)} are one rigid part")
        return [next(group for group in lines[0] if group in lines[1])]
    solid = {groups[part.link] for part in hand.solids}
    branches: dict[int, int] = {}
    for group in sorted(set(groups) - {WORLD}):
        link = hand.links[group]
        if not link.floats and solid & descendants(hand, group):
            parent = groups[link.parent]
            branches[parent] = branches.get(parent, 0) + 1
    return [group for group, count in branches.items() if count >= 2]


def _link(hand: Hand, name: str, what: str) -> int:
    names = {link.name: i for i, link in enumerate(hand.links)}
    if name not in names:
        raise unknown_name(f"{what} link", name, names, str(hand.path))
    return names[name]


def _ancestors(hand: Hand, groups: Sequence[int], group: int) -> list[int]:
    """The group and those below it, down to the world."""
    line = [group]
    while hand.links[line[-1]].parent >= 0:
        line.append(groups[hand.links[line[-1]].parent])
    return line


def _jaws_on(hand: Hand, groups: Sequence[int], palm: int, choices: JawChoices) -> Jaws:
    """The jaws that a palm carries."""
    inside = descendants(hand, palm)
    pair, ends = _fingers(hand, groups, palm, _ends(hand, groups, palm, inside, choices), choices)
    fingers = (_members(groups, inside, pair[0]), _members(groups, inside, pair[1]))
    ends = _aligned(hand, fingers, ends, choices)
    path = _values_along(hand, [{j: first + t * (last - first) for j, (first, last) in ends.items()} for t in STEPS])
    root = _root(hand, groups, palm, pair, choices)
    poses = np.stack([link_poses(hand, values) for values in path])
    root_from_links = invert(poses[:, root])[:, None] @ poses

    centers = np.stack([_track(hand, finger, root_from_links) for finger in fingers], axis=1)  # step, finger, xyz
    closing = _line(hand, pair, centers)
    separation = (centers[:, 1] - centers[:, 0]) @ closing
    at_open, at_closed = int(separation.argmax()), int(separation.argmin())
    if choices.open and at_open > at_closed:
        raise InputError(f"{hand.path}: the hand is wider at --closed than at --open; exchange the two")
    travel = float(separation[at_open] - separation[at_closed])
    efforts = _efforts(hand, inside, set(ends))
    work = sum(effort * abs(path[at_closed][j] - path[at_open][j]) for j, effort in efforts.items())
    below = descendants(hand, root)
    still = (below if set(pair) <= below else inside) - fingers[0] - fingers[1]
    return Jaws(
        root=root,
        palm=frozenset(still),
        linkage=frozenset(link for link in still if groups[link] != palm),
        fingers=fingers,
        root_from_links=root_from_links[at_open],
        closing_in_root=closing,
        travel=travel,
        drift_in_root=(centers[at_closed] - centers[at_open]).mean(axis=0),
        force=float(work / travel) if work else None,
        open=_in_words(hand, path[at_open], ends),
        closed=_in_words(hand, path[at_closed], ends),
    )


Ends = Mapping[int, tuple[float, float]]  # of each driven joint: its value at one end of the motion, and at the other


def _ends(hand: Hand, groups: Sequence[int], palm: int, inside: set[int], choices: JawChoices) -> Ends:
    """Between which values each driven joint of a palm moves: by option, or its limits, or those of its followers."""
    if bool(choices.open) != bool(choices.closed):
        raise InputError(f"{hand.path}: --open and --closed are given together, or neither")
    driven = driven_joints(hand, {link for link in inside if groups[link] != palm})
    solid = {part.link for part in hand.solids}
    driven = [j for j in driven if solid & descendants(hand, hand.joints[j].link)]
    if choices.open:
        opened, closed = (_given(hand, driven, values) for values in (choices.open, choices.closed))
        return {j: (opened[j], closed[j]) for j in driven}
    ends = {}
    for j in driven:
        limits = hand.joints[j].limits or _limits_of_followers(hand, j)
        if limits is None:
            names = ", ".join(hand.joints[j].name for j in driven)
            raise InputError(
                f"{hand.path}: joint {hand.joints[j].name!r} has no limits; give its values when the hand is open and "
                f"when it is closed: --open VALUE --closed VALUE, or JOINT=VALUE for each of {names}"
            )
        stroke = limits[1] - limits[0]
        if not hand.joints[j].slides and stroke < MIN_STROKE:
            raise InputError(
                f"{hand.path}: joint {hand.joints[j].name!r} turns by {np.degrees(stroke):.2f}° only; limits in "
                'radians need <compiler angle="radian"/> in MJCF; other limits: --open VALUE --closed VALUE'
            )
        ends[j] = limits
    return ends


def _given(hand: Hand, driven: Sequence[int], values: Sequence[str]) -> dict[int, float]:
    """Values of driven joints from `VALUE` or `JOINT=VALUE`."""
    names = {hand.joints[j].name: j for j in driven}
    given: dict[int, float] = {}
    for text in values:
        name, equals, number = text.rpartition("=")
        if equals and name not in names:
            raise unknown_name("joint", name, names, str(hand.path))
        try:
            value = float(number)
        except ValueError:
            raise InputError(f"{hand.path}: {text!r} is no joint value; expected VALUE or JOINT=VALUE") from None
        given |= {names[name]: value} if equals else dict.fromkeys(driven, value)
    if missing := [name for name, j in names.items() if j not in given]:
        raise InputError(f"{hand.path}: no value is given for joint {', '.join(missing)}; add JOINT=VALUE for it")
    return given


def _limits_of_followers(hand: Hand, leader: int) -> tuple[float, float] | None:
    """Limits of the first joint that follows linearly, as values of its leader."""
    for joint in hand.joints:
        if joint.follows == leader and joint.limits and joint.polynomial and joint.polynomial[1]:
            offset, slope = joint.polynomial[:2]
            first, second = ((limit - joint.rest - offset) / slope for limit in joint.limits)
            rest = hand.joints[leader].rest
            return rest + min(first, second), rest + max(first, second)
    return None


def _fingers(
    hand: Hand, groups: Sequence[int], palm: int, ends: Ends, choices: JawChoices
) -> tuple[tuple[int, int], Ends]:
    """The two rigid parts that move against the palm and do not turn, and the joints that move them."""
    inside = descendants(hand, palm)
    named = [groups[_link(hand, name, "finger")] for name in choices.fingers or ()]
    movers = sorted({groups[part.link] for part in hand.solids if part.link in inside} | set(named) - {palm})
    motions = {j: _motions(hand, palm, movers, j, ends) for j in ends}
    turns = {g: max((motions[j][g][0] for j in ends), default=0.0) for g in movers}
    shifts = {g: max((motions[j][g][1] for j in ends), default=0.0) for g in movers}
    jaws = named or [g for g in movers if turns[g] <= MAX_TURN and shifts[g] > MIN_TRAVEL]
    _check_named(hand, named, turns, shifts)
    if len(jaws) != 2:
        raise InputError(
            f"{hand.path}: {len(jaws)} parts move without turning; a parallel jaw has two. Moving parts: "
            f"{_moving_parts(hand, turns, shifts)}. Where two of them are the jaws: --fingers LEFT RIGHT"
        )
    return (jaws[0], jaws[1]), {j: ends[j] for j in ends if any(motions[j][g][1] > MIN_TRAVEL for g in jaws)}


def _moving_parts(hand: Hand, turns: Mapping[int, float], shifts: Mapping[int, float]) -> str:
    """At most MAX_LISTED parts, those that turn least first, in words."""
    parts = sorted((g for g in turns if shifts[g] > MIN_TRAVEL or turns[g] > MAX_TURN), key=lambda g: turns[g])
    words = [f"{hand.links[g].name} (turns by {np.degrees(turns[g]):.0f}°)" for g in parts[:MAX_LISTED]]
    return ", ".join(words + [f"{len(parts) - MAX_LISTED} more"] * (len(parts) > MAX_LISTED)) or "none"


def _motions(hand: Hand, palm: int, groups: Sequence[int], joint: int, ends: Ends) -> dict[int, tuple[float, float]]:
    """By how much each part turns and shifts against the palm while one joint moves and the others are halfway."""
    halfway = {j: (first + last) / 2 for j, (first, last) in ends.items()}
    first, last = ends[joint]
    values = _values_along(hand, [halfway | {joint: first + t * (last - first)} for t in STEPS])
    poses = np.stack([link_poses(hand, step) for step in values])
    palm_from_links = invert(poses[:, palm])[:, None] @ poses
    motions = {}
    for g in groups:
        change = invert(palm_from_links[:1, g]) @ palm_from_links[:, g]
        cosines = (np.trace(change[:, :3, :3], axis1=1, axis2=2) - 1) / 2
        shift = np.linalg.norm(change[:, :3, 3], axis=-1).max()
        motions[g] = (float(np.arccos(np.clip(cosines, -1, 1)).max()), float(shift))
    return motions


def _values_along(hand: Hand, path: Sequence[Mapping[int, float]]) -> list[Float64[np.ndarray, "J"]]:
    """Values of all joints on a path of the driven ones; each step starts from the last, as loops close near by."""
    values, along = None, []
    for driven in path:
        values = joint_values(hand, driven, values)
        along.append(values)
    return along


def _check_named(hand: Hand, named: Sequence[int], turns: Mapping[int, float], shifts: Mapping[int, float]) -> None:
    for g in named:
        where = f"{hand.path}: --fingers {hand.links[g].name}"
        if turns[g] > MAX_TURN:
            raise InputError(
                f"{where}: turns by {np.degrees(turns[g]):.0f}° while the hand closes; the faces of a parallel jaw "
                "stay parallel, and this gripper file describes no other hand"
            )
        if shifts[g] <= MIN_TRAVEL:
            raise InputError(f"{where}: does not move while the hand closes; name the links that do")


def _members(groups: Sequence[int], inside: set[int], group: int) -> frozenset[int]:
    return frozenset(link for link in inside if groups[link] == group)


Pair = tuple[frozenset[int], frozenset[int]]


def _aligned(hand: Hand, fingers: Pair, ends: Ends, choices: JawChoices) -> Ends:
    """Ends of the joints such that all fingers open, or all close, from the first to the second.

    One joint needs nothing. With two, that way round counts which changes the distance of the fingers most.
    """
    if choices.open or len(ends) < 2:
        return ends
    if len(ends) > 2:
        names = ", ".join(hand.joints[j].name for j in ends)
        raise InputError(
            f"{hand.path}: {len(ends)} joints move the fingers independently ({names}); a parallel jaw has one, or one "
            "for each finger. Joints that move together need <mimic> (URDF) or <equality><joint> (MJCF)"
        )
    (j, first), (k, second) = ends.items()
    ways = [{j: first, k: turned} for turned in (second, second[::-1])]
    return max(ways, key=lambda way: _change_of_distance(hand, fingers, way))


def _change_of_distance(hand: Hand, fingers: Pair, ends: Ends) -> float:
    values = _values_along(hand, [{j: pair[end] for j, pair in ends.items()} for end in (0, 1)])
    poses = np.stack([link_poses(hand, step) for step in values])
    gaps = _track(hand, fingers[1], poses) - _track(hand, fingers[0], poses)
    return float(abs((gaps[1] - gaps[0]) @ unit(gaps.mean(axis=0))))


def _root(hand: Hand, groups: Sequence[int], palm: int, pair: tuple[int, int], choices: JawChoices) -> int:
    """The link in whose frame the grasp frame is given: the palm's first link; below the world, if there is one."""
    if choices.root is not None:
        root = _link(hand, choices.root, "root")
        if groups[root] != palm:
            parts = ", ".join(link.name for link, group in zip(hand.links, groups, strict=True) if group == palm)
            raise InputError(f"{hand.path}: --root {choices.root} is no part of the palm; these are: {parts}")
        return root
    if palm != WORLD:
        return palm
    above = [set(_chain(hand, finger)) for finger in pair]
    shared = [i for i in range(len(hand.links)) if i in above[0] & above[1] and groups[i] == palm]
    return shared[1] if len(shared) > 1 else WORLD


def _chain(hand: Hand, link: int) -> list[int]:
    """The link and all links below it."""
    chain = [link]
    while hand.links[chain[-1]].parent >= 0:
        chain.append(hand.links[chain[-1]].parent)
    return chain


def _track(
    hand: Hand, links: frozenset[int], frame_from_links: Float64[np.ndarray, "S L 4 4"]
) -> Float64[np.ndarray, "S 3"]:
    """Where the middle of some links' geometry is, or their frame where they have none."""
    middles = [(solid.link, solid.triangles_in_link.mean(axis=(0, 1))) for solid in hand.solids if solid.link in links]
    middles = middles or [(min(links), np.zeros(3))]
    rotations, offsets = frame_from_links[..., :3, :3], frame_from_links[..., :3, 3]
    return np.mean([rotations[:, link] @ middle + offsets[:, link] for link, middle in middles], axis=0)


def _line(hand: Hand, pair: tuple[int, int], centers: Float64[np.ndarray, "S 2 3"]) -> Float64[np.ndarray, "3"]:
    """The line on which two parts close, from the first to the second; refuses parts that do not."""
    gaps = centers[:, 1] - centers[:, 0]
    change = gaps[0] - gaps[-1]
    travel = float(np.linalg.norm(change))
    names = " and ".join(repr(hand.links[finger].name) for finger in pair)
    if travel < MIN_TRAVEL:
        raise InputError(f"{hand.path}: {names} keep their distance; name links that close: --fingers LEFT RIGHT")
    closing = change / travel
    along = (centers[-1] - centers[0]) @ closing
    sideways = float(np.linalg.norm(gaps - gaps[0] - ((gaps - gaps[0]) @ closing)[:, None] * closing, axis=-1).max())
    apart = gaps.mean(axis=0)
    if along[0] * along[1] >= 0 or sideways > MAX_SIDEWAYS * travel or apart @ closing == 0:
        raise InputError(
            f"{hand.path}: {names} do not move towards each other along one line (along it by {1000 * along[0]:.1f} "
            f"and {1000 * along[1]:.1f} mm, across it by {1000 * sideways:.1f} mm); they are no parallel jaw. Other "
            "links: --fingers LEFT RIGHT"
        )
    return closing * np.sign(apart @ closing)


def _efforts(hand: Hand, inside: set[int], driven: set[int]) -> dict[int, float]:
    """Efforts of the joints that do work: those with an actuator, or (URDF) the driven ones and slides that follow.

    A hinge that mimics another is taken for a part of a linkage, which has no motor.
    """
    inner = {j: joint for j, joint in enumerate(hand.joints) if joint.link in inside}
    powered = any(joint.actuated for joint in inner.values())
    works = {j for j, joint in inner.items() if (joint.actuated if powered else j in driven or joint.slides)}
    return {j: joint.effort for j, joint in inner.items() if j in works and joint.effort}


def _in_words(hand: Hand, values: Float64[np.ndarray, "J"], ends: Ends) -> str:
    return ", ".join(f"{hand.joints[j].name} = {round(float(values[j]), 6):g}" for j in ends)
