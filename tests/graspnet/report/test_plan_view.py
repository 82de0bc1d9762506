"""A plan in the browser: a server on this machine alone, with all that there is to see."""

import sys
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.errors import InputError
from graspnet.report.plan_view import serve_plan

viser = pytest.importorskip("viser")
CAMERA = gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240)


@pytest.fixture(scope="module")
def plan():
    depth = np.full((240, 320), 0.5, np.float32)
    depth[100:140, 150:170] = 0.46
    return gn.plan(depth, CAMERA, gn.load_gripper("yumi"))


def noting(add, nodes):
    """The same method of a scene, which also keeps what it adds."""

    def noted(self, name, *given, **options):
        nodes[name] = add(self, name, *given, **options)
        return nodes[name]

    return noted


def shown(plan, monkeypatch) -> tuple[dict[str, object], str]:
    """The nodes of the scene by their names, and the page."""
    nodes = {}
    for kind in ("add_point_cloud", "add_mesh_simple", "add_line_segments"):
        monkeypatch.setattr(viser.SceneApi, kind, noting(getattr(viser.SceneApi, kind), nodes))
    server = serve_plan(plan, port=0)
    try:
        assert server.get_host() == "127.0.0.1"
        page = urllib.request.urlopen(f"http://127.0.0.1:{server.get_port()}").read().decode()
    finally:
        server.stop()
    return nodes, page


def test_points_hands_map_refusals_and_every_generation_are_there(plan, monkeypatch):
    nodes, page = shown(plan, monkeypatch)
    assert "<html" in page.lower()
    assert {f"/hands/{rank}" for rank in range(1, len(plan) + 1)} < nodes.keys()
    assert {f"/search/{k}" for k in range(1, 5)} < nodes.keys()
    assert sum(name.startswith("/refused/") for name in nodes) == len(plan.refusals.counts)
    assert nodes["/hands/1"].visible
    assert not nodes["/map"].visible
    best = plan.grasps_in_camera.poses[0]
    hand = nodes["/hands/1"].vertices
    assert len(hand) == 24
    assert np.ptp(hand[:8], axis=0).max() < 0.06
    above = nodes["/seen"].points[:, 2].astype(float)
    assert np.ptp(above) == pytest.approx(0.04, abs=1e-3)  # the block stands up
    assert best.shape == (4, 4)


def test_a_plan_without_grasps_or_without_a_search_is_shown_all_the_same(plan, monkeypatch):
    nodes, _ = shown(gn.GraspPlan.nothing("ranking", plan.observation, {}), monkeypatch)
    assert nodes.keys() == {"/seen", "/map"}
    nodes, _ = shown(replace(plan, generations=()), monkeypatch)
    assert not any(name.startswith("/search") for name in nodes)


def test_the_surface_of_the_map_lies_on_what_was_seen(plan, monkeypatch):
    """Oracle: but for curtains, every vertex is within a cell of a point of the cloud."""
    nodes, _ = shown(plan, monkeypatch)
    vertices, points = nodes["/map"].vertices, nodes["/seen"].points.astype(float)
    inside = np.abs(vertices[:, :2]).max(axis=1) < 0.05
    nearest = np.linalg.norm(vertices[inside][:, None] - points[None, ::5], axis=2).min(axis=1)
    assert np.quantile(nearest, 0.75) < 0.005


def test_without_viser_it_says_how_to_get_it(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(InputError, match=r"pip install 'graspnet\[view\]'"):
        serve_plan(plan)
