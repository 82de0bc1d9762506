"""The UR5's analytic inverse kinematics, for many poses at once, and what an arm on a bench reaches with it.

Denavit-Hartenberg parameters from the manufacturer's page "DH parameters for calculations of kinematics and dynamics".
A pose has up to eight solutions: shoulder left or right, wrist up or down, elbow up or down.
"""

import numpy as np

D1, D4, D5, D6 = 0.089159, 0.10915, 0.09465, 0.0823  # metres along the joints' axes
A2, A3 = -0.425, -0.39225  # metres across them

# How this arm stands and what it carries; yours differs.
BASE_IN_WORLD = np.array([-0.45, 0.0, 0.0])  # metres; its axes are the world's
FLANGE_TO_GRASP = 0.15  # metres from the flange to the pads' centre, along the approach


def reaches(world_from_grasp: np.ndarray) -> np.ndarray:
    """Whether the arm brings the hand to each pose, (N, 4, 4) to (N,), with its elbow above the table."""
    base_from_flange = world_from_grasp.copy()
    base_from_flange[:, :3, 3] -= BASE_IN_WORLD + FLANGE_TO_GRASP * world_from_grasp[:, :3, 2]
    joints = solutions(base_from_flange)
    # the shoulder is at D1, and the second link rises from there by −|A2| sin θ₂ (A2 is negative)
    elbow = BASE_IN_WORLD[2] + D1 + A2 * np.sin(joints[..., 1])
    return np.any(elbow > 0.05, axis=1)  # a comparison with NaN, no solution, is False


def solutions(base_from_flange: np.ndarray) -> np.ndarray:
    """Joint angles, (N, 8, 6) radians; NaN where a solution does not exist."""
    pose = base_from_flange[:, None]  # (N, 1, 4, 4); the second axis becomes that of the eight solutions
    left, up, out = np.array(np.meshgrid([0, 1], [-1, 1], [-1, 1], indexing="ij")).reshape(3, 8)
    with np.errstate(invalid="ignore", divide="ignore"):  # the arcus functions answer NaN where there is no solution
        x, y = np.moveaxis((pose[..., :3, 3] - D6 * pose[..., :3, 2])[..., :2], -1, 0)  # the wrist's centre
        beside = np.arcsin(D4 / np.hypot(x, y))  # x sin θ₁ − y cos θ₁ = D4
        theta1 = np.arctan2(y, x) + np.where(left == 0, beside, np.pi - beside)
        from_shoulder = _turned_back(pose, theta1)
        cosine5 = (from_shoulder[..., 2, 3] - D4) / D6
        theta5 = up * np.arccos(np.where(np.abs(cosine5) <= 1 + 1e-12, np.clip(cosine5, -1, 1), np.nan))
        sign = np.where(np.sin(theta5) < 0, -1.0, 1.0)  # at θ₅ = 0 any θ₆ will do
        theta6 = np.arctan2(-sign * from_shoulder[..., 2, 1], sign * from_shoulder[..., 2, 0])
        to_wrist = _link(theta5, 0.0, D5, -np.pi / 2) @ _link(theta6, 0.0, D6, 0.0)
        forearm = from_shoulder @ _inverse(to_wrist)
        px, py = forearm[..., 0, 3], forearm[..., 1, 3]
        theta3 = out * np.arccos((px**2 + py**2 - A2**2 - A3**2) / (2 * A2 * A3))
        theta2 = np.arctan2(py, px) - np.arctan2(A3 * np.sin(theta3), A2 + A3 * np.cos(theta3))
        theta4 = np.arctan2(forearm[..., 1, 0], forearm[..., 0, 0]) - theta2 - theta3
        joints = np.stack([theta1, theta2, theta3, theta4, theta5, theta6], axis=-1)
    joints = (joints + np.pi) % (2 * np.pi) - np.pi
    return np.where(np.isnan(joints).any(axis=-1, keepdims=True), np.nan, joints)


def forward(joints: np.ndarray) -> np.ndarray:
    """The flange in the arm's base, (..., 6) radians to (..., 4, 4): the check of `solutions`."""
    offsets = ((0, D1, np.pi / 2), (A2, 0, 0), (A3, 0, 0), (0, D4, np.pi / 2), (0, D5, -np.pi / 2), (0, D6, 0))
    pose = np.eye(4)
    for k, (a, d, twist) in enumerate(offsets):
        pose = pose @ _link(joints[..., k], a, d, twist)
    return pose


def _link(theta: np.ndarray, a: float, d: float, twist: float) -> np.ndarray:
    """Rz(θ) Tz(d) Tx(a) Rx(twist)."""
    c, s, cos_twist, sin_twist = np.cos(theta), np.sin(theta), np.cos(twist), np.sin(twist)
    zero, one = np.zeros_like(c), np.ones_like(c)
    rows = (
        (c, -s * cos_twist, s * sin_twist, a * c),
        (s, c * cos_twist, -c * sin_twist, a * s),
        (zero, zero + sin_twist, zero + cos_twist, zero + d),
        (zero, zero, zero, one),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _turned_back(pose: np.ndarray, theta1: np.ndarray) -> np.ndarray:
    """The pose in the frame after the first joint."""
    return _inverse(_link(theta1, 0.0, D1, np.pi / 2)) @ pose


def _inverse(pose: np.ndarray) -> np.ndarray:
    """Of a rigid transform; NaN stays NaN."""
    rotation = np.swapaxes(pose[..., :3, :3], -1, -2)
    inverse = np.broadcast_to(np.eye(4), pose.shape).copy()
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -np.squeeze(rotation @ pose[..., :3, 3:], -1)
    return inverse
