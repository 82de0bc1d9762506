"""How a hand moves: joint values to poses of links, with mimic joints, closed loops and springs (jaws.py uses it)."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.robot_description.hand_description import Hand, Joint
from graspnet.transforms import rigid, rotation_about

__all__ = ["descendants", "driven_joints", "joint_values", "link_poses", "rigid_groups"]

LOOP_WEIGHT = 1e4  # per metre, against springs of some 0.1 N m/rad: a loop stays closed to micrometres
REST_WEIGHT = 1e-3  # what neither a loop nor a spring decides stays where it was
MAX_LOOP_GAP = 1e-4  # metres; a linkage that is further open cannot reach that pose


def rigid_groups(hand: Hand) -> list[int]:
    """For each link the topmost link that it is one rigid body with."""
    jointed = {joint.link for joint in hand.joints}
    groups: list[int] = []
    for i, link in enumerate(hand.links):  # parents come first
        fixed = link.parent >= 0 and i not in jointed and not link.floats
        groups.append(groups[link.parent] if fixed else i)
    return groups


def descendants(hand: Hand, link: int) -> set[int]:
    """The link and all links that hang on it, without what floats freely."""
    found = {link}
    for i, other in enumerate(hand.links):
        if other.parent in found and not other.floats:
            found.add(i)
    return found


def driven_joints(hand: Hand, links: set[int]) -> list[int]:
    """Joints of these links that move of their own accord.

    Where actuators are given, these are the joints that one drives, directly or by a joint that follows; else all
    joints that follow none.
    """
    own = [j for j, joint in enumerate(hand.joints) if joint.link in links and joint.polynomial is None]
    actuated = {_leader(hand, j) for j, joint in enumerate(hand.joints) if joint.actuated and joint.link in links}
    return [j for j in own if j in actuated] if actuated else own


def joint_values(
    hand: Hand, driven: Mapping[int, float], start: Float64[np.ndarray, "J"] | None = None
) -> Float64[np.ndarray, "J"]:
    """Values of all joints once some are driven: followers follow, loops close, springs relax, the others rest.

    `start`: values nearby, from which loops are closed. InputError: a loop that cannot close there.
    """
    values = np.array([joint.rest for joint in hand.joints]) if start is None else start.copy()
    for j, value in driven.items():
        values[j] = value
    passive = _passive(hand, set(driven))
    values = _followed(hand, values)
    if not passive:
        return values
    return _relaxed(hand, values, passive)


def link_poses(hand: Hand, values: Float64[np.ndarray, "J"]) -> Float64[np.ndarray, "L 4 4"]:
    """world_from_link of all links."""
    motions: dict[int, list[Float64[np.ndarray, "4 4"]]] = {}
    for joint, value in zip(hand.joints, values, strict=True):
        motions.setdefault(joint.link, []).append(_motion(joint, value - joint.rest))
    world_from_links = np.empty((len(hand.links), 4, 4))
    for i, link in enumerate(hand.links):
        pose = link.parent_from_link if link.parent < 0 else world_from_links[link.parent] @ link.parent_from_link
        for motion in motions.get(i, ()):
            pose = pose @ motion
        world_from_links[i] = pose
    return world_from_links


def _motion(joint: Joint, change: float) -> Float64[np.ndarray, "4 4"]:
    """link_from_moved_link: by how much a joint displaces its link."""
    if joint.slides:
        return rigid(np.eye(3), joint.axis_in_link * change)
    turn = rotation_about(joint.axis_in_link, np.asarray(change))
    return rigid(turn, joint.anchor_in_link - turn @ joint.anchor_in_link)


def _leader(hand: Hand, joint: int) -> int:
    """The joint at the end of a chain of followers."""
    seen = {joint}
    while (followed := hand.joints[joint].follows) is not None:
        if followed in seen:
            raise InputError(f"{hand.path}: joint {hand.joints[joint].name!r} mimics itself, by way of others")
        joint = followed
        seen.add(joint)
    return joint


def _followed(hand: Hand, values: Float64[np.ndarray, "J"]) -> Float64[np.ndarray, "J"]:
    """The values with followers where their leaders put them."""
    values = values.copy()
    chains = sorted(range(len(values)), key=lambda j: _depth(hand, j))  # leaders before followers
    for j in chains:
        joint = hand.joints[j]
        if joint.polynomial is not None:
            change = 0.0 if joint.follows is None else values[joint.follows] - hand.joints[joint.follows].rest
            values[j] = joint.rest + np.polynomial.Polynomial(joint.polynomial)(change)
    return values


def _depth(hand: Hand, joint: int) -> int:
    _leader(hand, joint)  # refuses a circle
    followed = hand.joints[joint].follows
    return 0 if followed is None else 1 + _depth(hand, followed)


def _passive(hand: Hand, driven: set[int]) -> list[int]:
    """Joints that a loop or a spring moves: not driven, and following none."""
    free = {j for j, joint in enumerate(hand.joints) if joint.polynomial is None} - driven
    sprung = {j for spring in hand.springs for j in spring.joints}
    looped = {j for loop in hand.loops for j in _joints_above(hand, loop.links[0]) ^ _joints_above(hand, loop.links[1])}
    return sorted(free & (sprung | looped))


def _joints_above(hand: Hand, link: int) -> set[int]:
    above = set()
    while link >= 0:
        above.add(link)
        link = hand.links[link].parent
    return {j for j, joint in enumerate(hand.joints) if joint.link in above}


def _relaxed(hand: Hand, values: Float64[np.ndarray, "J"], passive: Sequence[int]) -> Float64[np.ndarray, "J"]:
    """The values with passive joints where loops are closed and the springs' energy is least, within joint limits."""
    from scipy.optimize import least_squares

    limits = [hand.joints[j].limits or (-np.inf, np.inf) for j in passive]
    low, high = np.array(limits).T
    start = np.clip(values[list(passive)], low, high)

    def filled(changed: Float64[np.ndarray, "K"]) -> Float64[np.ndarray, "J"]:
        full = values.copy()
        full[list(passive)] = changed
        return _followed(hand, full)

    def residuals(changed: Float64[np.ndarray, "K"]) -> Float64[np.ndarray, "R"]:
        full = filled(changed)
        gaps = _loop_gaps(hand, full).ravel() * LOOP_WEIGHT
        pulls = [
            np.sqrt(spring.stiffness) * (np.dot(spring.coefficients, full[list(spring.joints)]) - spring.length)
            for spring in hand.springs
        ]
        return np.concatenate([gaps, np.array(pulls), REST_WEIGHT * (changed - start)])

    found = filled(least_squares(residuals, start, bounds=(low, high), xtol=1e-12, ftol=1e-12, gtol=1e-12).x)
    gaps = np.linalg.norm(_loop_gaps(hand, found), axis=-1)
    if gaps.max(initial=0.0) > MAX_LOOP_GAP:
        loop = hand.loops[int(gaps.argmax())]
        names = " and ".join(repr(hand.links[link].name) for link in loop.links)
        raise InputError(
            f"{hand.path}: the linkage cannot reach that pose: the loop between {names} stays "
            f"{1000 * gaps.max():.1f} mm open; give values that it reaches by --open and --closed"
        )
    return found


def _loop_gaps(hand: Hand, values: Float64[np.ndarray, "J"]) -> Float64[np.ndarray, "G 3"]:
    """What separates the two points of each loop, in the world."""
    if not hand.loops:
        return np.zeros((0, 3))
    world_from_links = link_poses(hand, values)
    links = np.array([loop.links for loop in hand.loops])
    points_in_links = np.array([loop.points_in_links for loop in hand.loops])
    poses = world_from_links[links]
    points = np.einsum("glij,glj->gli", poses[..., :3, :3], points_in_links) + poses[..., :3, 3]
    return points[:, 1] - points[:, 0]
