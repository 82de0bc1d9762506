"""The least force that holds a weight: a linear programme's answer, closed forms, and what cannot hold."""

import numpy as np
import pytest
from scipy.optimize import linprog

from graspnet.data_gen.contact.contacts import Contacts
from graspnet.data_gen.contact.resistance import ResistanceConfig, least_force
from graspnet.data_gen.contact.wrenches import contact_frames
from graspnet.errors import InputError
from graspnet.transforms import unit

CONFIG = ResistanceConfig()
X = np.array([1.0, 0.0, 0.0])
WEIGHT = np.array([0.0, 0.0, -2.0])  # newtons


def opposed(distance: float = 0.04) -> Contacts:
    points = np.array([[0.0, -distance / 2, 0.0], [0.0, distance / 2, 0.0]])
    return Contacts(points, np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]), np.array(True))


def random_grasps(count: int, spread: float, seed: int):
    rng = np.random.default_rng(seed)
    line = unit(rng.normal(size=(count, 3)))
    half = rng.uniform(0.005, 0.05, (count, 1)) * line
    normals = unit(np.stack([-line, line], axis=1) + rng.normal(0, spread, (count, 2, 3)))
    contacts = Contacts(np.stack([-half, half], axis=1), normals, np.ones(count, dtype=bool))
    across = unit(np.cross(line, rng.normal(size=(count, 3))))
    return contacts, across, rng.normal(0, 0.02, (count, 3)), rng.uniform(0.1, 1.0, count)


def by_linear_programme(contacts: Contacts, across, center, friction: float, weight, config: ResistanceConfig) -> float:
    """min F over forces in the generated cones, torsions and F, in balance with the weight; ∞ if infeasible."""
    frames = contact_frames(contacts, across)
    edges = frames.around(2 * np.pi * np.arange(config.facets) / config.facets)
    forces = frames.inward[:, None] + friction * edges  # (2, facets, 3), each with a normal component of 1
    span = contacts.points[1] - contacts.points[0]
    closing = span / np.linalg.norm(span)
    count = 2 * config.facets
    columns = forces.reshape(count, 3)
    arms = np.repeat(contacts.points - center, config.facets, axis=0)
    balance = np.zeros((6, count + 3))
    balance[:3, :count], balance[3:, :count] = columns.T, np.cross(arms, columns).T
    balance[3:, count : count + 2] = frames.inward.T
    limits, most = [], 2 / 3 * config.pad_radius * friction
    for jaw, way in enumerate((closing, -closing)):
        own = slice(jaw * config.facets, (jaw + 1) * config.facets)
        push = np.zeros(count + 3)
        push[own], push[-1] = columns[own] @ way, -1
        limits.append(push)
        for sign in (1, -1):
            turn = np.zeros(count + 3)
            turn[own], turn[count + jaw] = -most, sign
            limits.append(turn)
    bounds = [(0, None)] * count + [(None, None)] * 3
    target = np.concatenate([-weight, np.zeros(3)])
    found = linprog(np.eye(count + 3)[-1], np.array(limits), np.zeros(6), balance, target, bounds)
    return found.fun if found.status == 0 else np.inf


@pytest.mark.parametrize("spread", [0.0, 1e-9, 0.05, 0.2])
def test_the_least_force_is_that_of_a_linear_programme(spread):
    contacts, across, center, friction = random_grasps(60, spread, seed=1)
    weight = np.array([0.3, -1.0, 1.5])
    ours = least_force(contacts, across, center, friction, weight, CONFIG)
    assert np.isfinite(ours).mean() > 0.5
    for i in np.flatnonzero(np.isfinite(ours)):
        one = Contacts(contacts.points[i], contacts.normals[i], np.array(True))
        expected = by_linear_programme(one, across[i], center[i], friction[i], weight, CONFIG)
        assert ours[i] == pytest.approx(expected, rel=1e-6)


def test_a_weight_between_two_pads_takes_its_half_over_friction():
    """Along an edge of the octagon, where the cone with facets is as wide as the round one."""
    force = least_force(opposed(), X, np.zeros(3), np.array(0.4), WEIGHT, CONFIG)
    assert force == pytest.approx(1.0 / 0.4)


def test_a_weight_beside_the_line_is_borne_by_torsion():
    """W · x = 2 · ⅔ r μ F, from where the torque asks for more than the weight itself."""
    center = np.array([0.02, 0.0, 0.0])
    force = least_force(opposed(), X, center, np.array(0.4), WEIGHT, CONFIG)
    assert force == pytest.approx(2.0 * 0.02 / (2 * 2 / 3 * 0.010 * 0.4))


def test_a_weight_along_the_closing_axis_is_borne_by_the_jaw_below():
    """With no sideways load, the other jaw need not press at all."""
    force = least_force(opposed(), X, np.zeros(3), np.array(0.4), np.array([0.0, -2.0, 0.0]), CONFIG)
    assert force == pytest.approx(2.0)


def test_swapped_jaws_need_the_same_force():
    contacts, across, center, friction = random_grasps(200, 0.1, seed=2)
    swapped = Contacts(contacts.points[:, ::-1].copy(), contacts.normals[:, ::-1].copy(), contacts.found)
    ours, other = (
        least_force(c, x, center, friction, WEIGHT, CONFIG) for c, x in ((contacts, across), (swapped, -across))
    )
    np.testing.assert_allclose(ours, other, rtol=1e-9)


def test_twice_the_weight_takes_twice_the_force():
    grasps = random_grasps(200, 0.1, seed=3)
    once, twice = (least_force(*grasps, factor * WEIGHT, CONFIG) for factor in (1.0, 2.0))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-9)


def test_what_slips_out_or_is_not_there_cannot_be_held():
    tilted = np.array([[0.0, -np.cos(0.5), np.sin(0.5)], [0.0, 1.0, 0.0]])  # 29°: outside atan 0.5
    slipping = Contacts(opposed().points, tilted, np.array(True))
    nothing = Contacts(np.full((2, 3), np.nan), np.full((2, 3), np.nan), np.array(False))
    for contacts in (slipping, nothing):
        assert least_force(contacts, X, np.zeros(3), np.array(0.5), WEIGHT, CONFIG) == np.inf
    assert least_force(opposed(), X, np.zeros(3), np.array(0.0), WEIGHT, CONFIG) == np.inf


@pytest.mark.parametrize("wrong", [{"facets": 2}, {"mass": 0.0}, {"force": -1.0}, {"pad_radius": 0.0}])
def test_impossible_loads_are_refused(wrong):
    with pytest.raises(InputError, match="is"):
        ResistanceConfig(**wrong)
