"""Facts about meshes.py: what is mended, what is refused, and that a solid is closed, outward and centred."""

from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graspnet.data_gen.objects import unions
from graspnet.data_gen.objects.meshes import Solid, find_meshes, load_solid, solid_from_mesh
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.unions import manifold_from_mesh
from graspnet.errors import InputError
from tests.places import SHARED

DATA = SHARED / "meshes"
KIT, RANDOM, RAW, VGN = (DATA / name for name in ("kit", "random_urdfs", "random_urdfs_raw", "vgn_test"))


def needs(folder: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not folder.is_dir(), reason=f"{folder} is not on this machine")


def box(extents=(0.06, 0.04, 0.02), center=(0.0, 0.0, 0.0)) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(extents)
    mesh.apply_translation(center)
    return mesh


def plain(vertices, faces) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices, faces, process=False)


def joined(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)])
    return plain(np.concatenate([m.vertices for m in meshes]), faces)


def assert_sound(solid: Solid) -> None:
    """By trimesh's own tests, which are not the code's."""
    assert solid.mesh.is_watertight
    assert solid.mesh.is_winding_consistent
    assert solid.volume > 0
    np.testing.assert_allclose(solid.mesh.center_mass, 0, atol=1e-9)


def test_a_good_mesh_needs_no_note_and_only_moves_to_its_centre_of_mass():
    solid = solid_from_mesh(box(center=(0.3, -0.2, 0.1)), "box")
    assert_sound(solid)
    assert solid.notes == ()
    np.testing.assert_allclose(solid.mesh.bounds, [[-0.03, -0.02, -0.01], [0.03, 0.02, 0.01]], atol=1e-12)
    assert solid.volume == pytest.approx(0.06 * 0.04 * 0.02)
    assert solid.radius == pytest.approx(np.linalg.norm([0.03, 0.02, 0.01]))
    np.testing.assert_allclose(solid.center_of_mass, 0, atol=1e-12)


def test_the_origin_of_a_cone_is_a_quarter_of_its_height_above_its_base():
    solid = solid_from_mesh(trimesh.creation.cone(radius=0.02, height=0.08), "cone")
    assert solid.mesh.bounds[:, 2] == pytest.approx([-0.02, 0.06])


def test_the_caller_keeps_the_mesh_as_it_was():
    mesh = plain(box().vertices, box().faces[:, ::-1])
    before = mesh.vertices.copy(), mesh.faces.copy()
    solid_from_mesh(mesh, "box")
    np.testing.assert_array_equal(mesh.vertices, before[0])
    np.testing.assert_array_equal(mesh.faces, before[1])


def test_a_mesh_that_is_inside_out_is_flipped_and_says_so():
    solid = solid_from_mesh(plain(box().vertices, box().faces[:, ::-1]), "box")
    assert_sound(solid)
    assert any("inside out" in note for note in solid.notes)


def test_faces_wound_at_random_end_up_outward():
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=0.03)
    turned = np.random.default_rng(0).random(len(sphere.faces)) < 0.4
    solid = solid_from_mesh(plain(sphere.vertices, np.where(turned[:, None], sphere.faces[:, ::-1], sphere.faces)), "s")
    assert_sound(solid)
    assert solid.volume == pytest.approx(sphere.volume)
    assert np.all(np.sum(solid.mesh.face_normals * solid.mesh.triangles_center, axis=1) > 0)


def test_a_soup_of_triangles_is_merged():
    triangles = box().triangles
    solid = solid_from_mesh(plain(triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3)), "soup")
    assert_sound(solid)
    assert len(solid.mesh.vertices) == 8
    assert "merged 28 vertices" in solid.notes


def test_a_soup_with_rounded_coordinates_is_merged():
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=0.03)
    shake = np.random.default_rng(1).uniform(-1e-8, 1e-8, (len(sphere.faces) * 3, 3))
    soup = sphere.triangles.reshape(-1, 3) + shake
    assert_sound(solid_from_mesh(plain(soup, np.arange(len(soup)).reshape(-1, 3)), "soup"))


def test_duplicate_and_degenerate_faces_and_unused_vertices_go():
    mesh = box()
    vertices = np.concatenate([mesh.vertices, [[0.5, 0.5, 0.5]]])
    solid = solid_from_mesh(plain(vertices, np.concatenate([mesh.faces, mesh.faces[:3], [[0, 0, 1]]])), "box")
    assert_sound(solid)
    assert len(solid.mesh.faces) == 12
    assert solid.radius < 0.05
    assert any("degenerate" in note for note in solid.notes)
    assert any("duplicate" in note for note in solid.notes)


@pytest.mark.parametrize("diagonals", ["crossing", "equal"])
def test_the_wall_between_two_boxes_that_share_a_side_is_removed(diagonals):
    low, high = box((0.04, 0.04, 0.02)), box((0.04, 0.04, 0.02), (0, 0, 0.02))
    if diagonals == "equal":
        high = plain(low.vertices * [1, 1, -1] + [0, 0, 0.02], low.faces[:, ::-1])
    both = joined(low, high)
    both.merge_vertices()
    solid = solid_from_mesh(both, "two")
    assert_sound(solid)
    assert solid.volume == pytest.approx(0.04**3)
    assert len(solid.mesh.split()) == 1
    levels = solid.mesh.triangles_center[np.abs(solid.mesh.face_normals[:, 2]) > 0.5][:, 2]
    np.testing.assert_allclose(np.abs(levels), 0.02)


@pytest.mark.parametrize("shift", [0.01, 0.03, 0.06])
def test_pieces_that_overlap_or_touch_become_one_with_the_volume_of_their_union(shift):
    solid = solid_from_mesh(joined(box(), box(center=(shift, 0.0, 0.0))), "pair")
    assert_sound(solid)
    assert solid.volume == pytest.approx((0.06 + shift) * 0.04 * 0.02, rel=1e-6)
    assert any("united 2 pieces" in note for note in solid.notes)


def test_a_cavity_stays_a_cavity():
    hollow = joined(box((0.06, 0.06, 0.06)), plain(box((0.04, 0.04, 0.04)).vertices, box().faces[:, ::-1]))
    assert solid_from_mesh(hollow, "hollow").volume == pytest.approx(0.06**3 - 0.04**3)


def test_an_inner_box_that_is_wound_outward_is_swallowed():
    assert solid_from_mesh(joined(box((0.06, 0.06, 0.06)), box((0.04, 0.04, 0.04))), "x").volume == pytest.approx(
        0.06**3
    )


def test_one_of_two_separate_pieces_that_is_inside_out_is_flipped():
    small = box((0.02, 0.02, 0.02), (0.1, 0.0, 0.0))
    solid = solid_from_mesh(joined(box(), plain(small.vertices, small.faces[:, ::-1])), "pair")
    assert solid.volume == pytest.approx(0.06 * 0.04 * 0.02 + 0.02**3)
    assert any("piece that was inside out" in note for note in solid.notes)


def test_small_holes_are_filled():
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.03)
    around = np.any(sphere.faces == 100, axis=1)  # a hole of five or six triangles about vertex 100
    solid = solid_from_mesh(plain(sphere.vertices, sphere.faces[~around][5:]), "sphere")
    assert_sound(solid)
    assert solid.volume == pytest.approx(sphere.volume, rel=0.01)
    assert any("filled" in note for note in solid.notes)


def test_a_box_without_lid_is_refused_with_its_open_edges():
    lidless = box().faces[~np.all(box().vertices[box().faces][..., 2] > 0, axis=1)]
    with pytest.raises(InputError, match=r"lidless.*4 open edges of 10 faces.*mesh editor.*objects\.wall"):
        solid_from_mesh(plain(box().vertices, lidless), "lidless")


def test_a_sheet_with_two_sides_is_refused():
    square = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0, 0.1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]])
    with pytest.raises(InputError, match="encloses no volume"):
        solid_from_mesh(plain(square, faces), "sheet")


def test_a_thin_plate_is_not_a_sheet():
    assert_sound(solid_from_mesh(box((0.1, 0.1, 0.0005)), "plate"))


@pytest.mark.parametrize(
    ("factor", "hint"),
    [
        (1e5, r"unit=1e-05 would make it 0\.1 m"),
        (5e-4, r"unit=2e\+03 would make it 0\.1 m"),  # 0.05 mm
        (5e2, r"millimetres \(objects\.unit=0\.001\)"),  # 50 m
        (1e3, r"millimetres \(objects\.unit=0\.001\)"),
    ],
)
def test_a_mesh_of_kilometres_or_micrometres_is_refused_with_a_remedy(factor, hint):
    with pytest.raises(InputError, match=f"longest side is .* expected 0.001 to 2.0 m.*{hint}"):
        solid_from_mesh(box(np.multiply(0.1, [1, 1, 1]) * factor), "box")


def test_a_vertex_that_is_not_finite_leaves_a_hole_which_is_filled_if_small_and_named_if_not():
    mesh = box()
    mesh.vertices[3, 1] = np.nan
    with pytest.raises(InputError, match=r"surface is open.*1 of 8 vertices are not finite"):
        solid_from_mesh(mesh, "box")
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.03)
    sphere.vertices[100] = np.inf
    solid = solid_from_mesh(sphere, "sphere")
    assert_sound(solid)
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.03**3, rel=0.02)
    assert any("1 of 642 vertices are not finite" in note for note in solid.notes)
    mesh.vertices[:] = np.nan
    with pytest.raises(InputError, match="8 of 8 vertices are not finite; export"):
        solid_from_mesh(mesh, "box")


def test_a_file_in_millimetres_loads_with_its_unit(tmp_path):
    box((60.0, 40.0, 20.0)).export(tmp_path / "box.stl")
    solid = load_solid(tmp_path / "box.stl", unit=0.001)
    assert_sound(solid)
    assert solid.name == "box"
    np.testing.assert_allclose(solid.mesh.extents, [0.06, 0.04, 0.02], rtol=1e-6)
    for wrong in (1.0, 1e-6):
        with pytest.raises(InputError, match=r"box\.stl.*millimetres \(objects\.unit=0\.001\)"):
            load_solid(tmp_path / "box.stl", unit=wrong)


@pytest.mark.parametrize("suffix", ["obj", "stl", "ply", "off", "glb"])
def test_every_format_gives_the_same_solid(tmp_path, suffix):
    trimesh.creation.cone(radius=0.02, height=0.08).export(tmp_path / f"cone.{suffix}")
    solid = load_solid(tmp_path / f"cone.{suffix}")
    assert_sound(solid)
    assert solid.volume == pytest.approx(trimesh.creation.cone(radius=0.02, height=0.08).volume, rel=1e-5)


def test_a_scene_comes_as_one_solid_with_its_transforms_applied(tmp_path):
    scene = trimesh.Scene()
    half_size_beside_it = np.diag([0.5, 0.5, 0.5, 1.0])
    half_size_beside_it[0, 3] = 0.04  # overlaps by 5 mm
    scene.add_geometry(box(), node_name="whole")
    scene.add_geometry(box(), node_name="half", transform=half_size_beside_it)
    scene.export(tmp_path / "scene.glb")
    solid = load_solid(tmp_path / "scene.glb")
    assert_sound(solid)
    assert solid.volume == pytest.approx(0.06 * 0.04 * 0.02 + 0.025 * 0.02 * 0.01, rel=1e-5)
    np.testing.assert_allclose(solid.mesh.extents, [0.085, 0.04, 0.02], rtol=1e-5)


def test_faces_with_four_corners_are_split(tmp_path):
    corners = [f"{x} {y} {z}" for x in (0, 0.1) for y in (0, 0.1) for z in (0, 0.1)]
    quads = ["0 1 3 2", "4 6 7 5", "0 4 5 1", "2 3 7 6", "0 2 6 4", "1 5 7 3"]
    (tmp_path / "cube.off").write_text("\n".join(["OFF", "8 6 0", *corners, *(f"4 {quad}" for quad in quads)]))
    solid = load_solid(tmp_path / "cube.off")
    assert_sound(solid)
    assert solid.volume == pytest.approx(0.001)


def test_no_other_file_is_opened_for_a_mesh(tmp_path, monkeypatch):
    (tmp_path / "cube.obj").write_text("mtllib colours.mtl\nusemtl red\n" + box().export(file_type="obj"))
    (tmp_path / "colours.mtl").write_text("newmtl red\nmap_Kd picture.png\n")
    opened = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self.name) or real(self, *a, **k))
    assert_sound(load_solid(tmp_path / "cube.obj"))
    assert opened == ["cube.obj"]


@pytest.mark.parametrize("suffix", ["obj", "stl", "ply", "off", "glb"])
@pytest.mark.parametrize("content", ["empty", "noise", "zip", "pickle", "truncated"])
def test_a_file_that_is_damaged_or_of_another_kind_is_refused_in_one_line(tmp_path, suffix, content):
    path = tmp_path / f"x.{suffix}"
    box().export(path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "noise": np.random.default_rng(0).bytes(5000),
            "zip": b"PK\x03\x04" + bytes(200),
            "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
            "truncated": whole[: len(whole) * 2 // 3],
        }[content]
    )
    with pytest.raises(InputError, match=rf"x\.{suffix}: .*(export|expected|close it|unpack it)"):
        load_solid(path)


@pytest.mark.parametrize("suffix", ["npz", "npy", "pkl", "zip", "gltf", "dae", "json", "xyz"])
def test_only_five_formats_are_read(tmp_path, suffix):
    (tmp_path / f"x.{suffix}").write_bytes(b"anything")
    with pytest.raises(InputError, match=rf"unknown mesh format '\.{suffix}'; expected one of \.glb, \.obj, \.off"):
        load_solid(tmp_path / f"x.{suffix}")


def test_a_fine_mesh_is_simplified_and_its_note_bounds_how_far_the_surface_moved():
    ball = trimesh.creation.icosphere(subdivisions=6, radius=0.05)
    assert len(ball.faces) == 81920
    solid = solid_from_mesh(ball, "ball")
    assert_sound(solid)
    assert 5_000 < len(solid.mesh.faces) <= 20_000
    moved = next(float(n.split("at most ")[1].split()[0]) for n in solid.notes if "simplified 81920 faces" in n) / 1000
    assert moved < 0.0001
    radii = np.linalg.norm(solid.mesh.triangles_center, axis=1)
    assert radii.min() > 0.05 - moved - 1e-5  # 1e-5: the facets of the ball itself lie inside of it
    assert radii.max() < 0.05 + 1e-5


def test_a_fine_sheet_that_would_vanish_is_not_simplified(tmp_path):
    fine = box((0.1, 0.1, 0.00001)).subdivide().subdivide().subdivide().subdivide()
    shaken = fine.vertices + np.random.default_rng(0).uniform(-2e-6, 2e-6, fine.vertices.shape)
    trimesh.Trimesh(shaken, fine.faces, process=False).export(tmp_path / "sheet.obj", digits=12)
    kept = load_solid(tmp_path / "sheet.obj", most_faces=500)
    assert len(kept.mesh.faces) > 500
    assert any("; 500 would change its shape" in note for note in kept.notes)
    with pytest.raises(InputError, match=r"sheet.*3072 faces, of which .* within 5%; .*objects\.most_faces"):
        load_solid(tmp_path / "sheet.obj", most_faces=100)


def tea_ball(holes: int) -> trimesh.Trimesh:
    """A closed spherical shell of 100 mm, 2 mm thick, with round holes of 3 mm: one surface that is all edges."""
    shell = manifold3d.Manifold.sphere(0.05, 96) - manifold3d.Manifold.sphere(0.048, 96)
    k = np.arange(holes) + 0.5
    polar, turn = np.degrees(np.arccos(1 - 2 * k / holes)), np.degrees(np.pi * (1 + 5**0.5) * k)
    drill = manifold3d.Manifold.cylinder(0.01, 0.0015, 0.0015, 24).translate([0, 0, 0.045])
    drills = [drill.rotate([0, p, t]) for p, t in zip(polar, turn, strict=True)]
    drilled = (shell - manifold3d.Manifold.batch_boolean(drills, manifold3d.OpType.Add)).to_mesh64()
    return plain(drilled.vert_properties[:, :3], drilled.tri_verts.astype(np.int64))


def test_a_shell_with_hundreds_of_holes_keeps_its_shape_and_a_note_says_how_many_faces_that_takes():
    ball = tea_ball(800)
    assert len(ball.faces) > 100_000
    solid = solid_from_mesh(ball, "tea ball")
    assert_sound(solid)
    assert 20_000 < len(solid.mesh.faces) < 60_000
    assert solid.volume == pytest.approx(ball.volume, rel=0.05)
    assert any("; 20000 would change its shape" in note for note in solid.notes)


def test_an_open_box_gets_walls_of_the_thickness_that_was_asked_for(tmp_path):
    whole = box((0.1, 0.1, 0.1)).subdivide().subdivide()
    lidless = plain(whole.vertices, whole.faces[whole.triangles_center[:, 2] < 0.0499])
    lidless.export(tmp_path / "lidless.ply")
    with pytest.raises(InputError, match="the surface is open"):
        load_solid(tmp_path / "lidless.ply")
    solid = load_solid(tmp_path / "lidless.ply", wall=0.002)
    assert_sound(solid)
    assert solid.volume == pytest.approx(5 * 0.1 * 0.1 * 0.002, rel=0.05)
    assert any("1 open sheets a thickness of 2 mm" in note for note in solid.notes)
    ring = manifold_from_mesh(solid.mesh).slice(0.0)  # four walls and no lid: a square ring
    assert ring.area() == pytest.approx(0.102**2 - 0.098**2, rel=0.01)
    assert manifold_from_mesh(solid.mesh).slice(float(solid.mesh.bounds[1, 2]) - 1e-4).area() < ring.area() * 1.01


def test_pieces_that_do_not_touch_are_one_rigid_object_and_said_to_be():
    solid = solid_from_mesh(joined(box(), box((0.02, 0.02, 0.02), (0.1, 0, 0))), "pair")
    assert_sound(solid)
    assert "one rigid object of 2 pieces that do not touch" in solid.notes
    assert solid.parts is None


def test_pieces_a_hair_apart_are_joined():
    solid = solid_from_mesh(joined(box(), box(center=(0.06 + 5e-6, 0.0, 0.0))), "pair")
    assert_sound(solid)
    assert len(solid.mesh.split()) == 1
    assert solid.volume == pytest.approx(0.12 * 0.04 * 0.02, rel=3e-3)
    assert any("close the gaps" in note for note in solid.notes)


def test_a_fold_whose_two_sides_coincide_survives_being_torn_into_triangles():
    ring = make_solid("ring", np.random.default_rng(1))  # rounding left two faces back to back in it
    vertices = ring.mesh.triangles.reshape(-1, 3)
    faces = np.arange(len(vertices)).reshape(-1, 3)
    for torn in (faces, np.concatenate([faces, faces[::50]])):
        solid = solid_from_mesh(plain(vertices, torn), "ring")
        assert_sound(solid)
        assert solid.volume == pytest.approx(ring.volume)


def test_a_surface_with_two_sides_is_a_body_not_a_cavity():
    there = box()
    solid = solid_from_mesh(joined(there, plain(there.vertices, there.faces[:, ::-1])), "two-sided")
    assert_sound(solid)
    assert solid.volume == pytest.approx(there.volume)


damages = st.sets(st.sampled_from(["soup", "turned", "inside out", "duplicated", "shuffled", "strays", "copied"]))


@settings(deadline=None, max_examples=40)
@given(family=st.sampled_from(["box", "mug", "gear", "tube", "figure"]), damage=damages, seed=st.integers(0, 999))
def test_what_exporters_do_to_a_mesh_changes_neither_its_volume_nor_its_shape(family, damage, seed):
    rng = np.random.default_rng(seed)
    good = make_solid(family, rng)
    vertices, faces = np.asarray(good.mesh.vertices), np.asarray(good.mesh.faces)
    assume(len(np.unique(vertices, axis=0)) == len(vertices))  # folds: nothing would tell on which side there is matter
    if "soup" in damage:
        vertices, faces = vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3)
    if "copied" in damage:  # the same body twice, one over the other
        vertices, faces = np.tile(vertices, (2, 1)), np.concatenate([faces, faces + len(vertices)])
    if "turned" in damage:
        faces = np.where(rng.random((len(faces), 1)) < 0.3, faces[:, ::-1], faces)
    if "inside out" in damage:
        faces = faces[:, ::-1]
    if "duplicated" in damage:
        faces = np.concatenate([faces, faces[rng.integers(0, len(faces), 7)]])
    if "shuffled" in damage:
        faces = rng.permutation(faces)
    if "strays" in damage:
        vertices = np.concatenate([vertices, [[np.nan, 0, 0], [9.0, 9.0, 9.0]]])
    solid = solid_from_mesh(plain(vertices, faces), "it")
    assert_sound(solid)
    assert solid.volume == pytest.approx(good.volume, rel=1e-6)
    np.testing.assert_allclose(solid.mesh.bounds, good.mesh.bounds, atol=1e-7)


def test_files_that_hold_no_mesh_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none\.obj: no such file"):
        load_solid(tmp_path / "none.obj")
    (tmp_path / "a.step").write_text("x")
    with pytest.raises(InputError, match=r"a\.step: unknown mesh format '\.step'; expected one of .*\.obj"):
        load_solid(tmp_path / "a.step")
    (tmp_path / "b.ply").write_text("not a mesh")
    with pytest.raises(InputError, match=r"b\.ply: not a readable mesh"):
        load_solid(tmp_path / "b.ply")
    (tmp_path / "c.obj").write_text("v 0 0 0\nv 1 0 0\n")
    with pytest.raises(InputError, match=r"c\.obj: no"):
        load_solid(tmp_path / "c.obj")
    box().export(tmp_path / "d.obj")
    with pytest.raises(InputError, match="unit is -1"):
        load_solid(tmp_path / "d.obj", unit=-1.0)


def test_a_mesh_without_triangles_is_refused():
    with pytest.raises(InputError, match="points: no triangles in it"):
        solid_from_mesh(plain(np.zeros((3, 3)), np.zeros((0, 3), np.int64)), "points")


def test_meshes_are_found_in_subfolders_in_order(tmp_path):
    for name in ("b.obj", "sub/a.STL", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_meshes(tmp_path) == [tmp_path / "b.obj", tmp_path / "sub" / "a.STL"]
    with pytest.raises(InputError, match="no such folder"):
        find_meshes(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no mesh file"):
        find_meshes(tmp_path / "empty")


def test_parts_move_and_scale_with_the_solid():
    left, right = box((0.02, 0.02, 0.02), (0.09, 0, 0)), box((0.04, 0.02, 0.02), (0.12, 0, 0))
    solid = solid_from_mesh(joined(left, right), "pair", (left, right)).scaled(2.0)
    assert solid.parts is not None
    assert sum(part.volume for part in solid.parts) == pytest.approx(solid.volume)
    assert solid.volume == pytest.approx(8 * 0.06 * 0.02 * 0.02)
    parts = np.concatenate([part.vertices for part in solid.parts])
    np.testing.assert_allclose([parts.min(0), parts.max(0)], solid.mesh.bounds, atol=1e-9)
    with pytest.raises(InputError, match="scale factor is 0"):
        solid.scaled(0.0)


def test_a_convex_solid_is_its_own_part_and_others_have_none():
    assert solid_from_mesh(box(), "box").parts is not None
    torus = trimesh.creation.torus(0.03, 0.01)
    assert solid_from_mesh(torus, "torus").parts is None


@needs(KIT)
def test_the_62_kit_meshes_that_are_inside_out_are_turned_and_the_rest_left_or_refused_as_open():
    inside_out, flipped, refused = set(), set(), set()
    for path in find_meshes(KIT):
        raw = trimesh.load_mesh(path, process=True, merge_tex=True)
        if raw.volume < 0:
            inside_out.add(path.stem)
        try:
            solid = load_solid(path)
        except InputError as error:
            assert "open edges" in str(error)  # noqa: PT017 (most files load; this says why the others do not)
            refused.add(path.stem)
            continue
        assert_sound(solid)
        if any("inside out" in note for note in solid.notes):
            flipped.add(path.stem)
    assert len(inside_out) == 62
    assert len(refused) == 6  # glasses and bowls scanned as one sheet, and a toy car with eight holes
    assert flipped == inside_out - refused
    for path in (KIT / f"{name}.obj" for name in refused):
        solid = load_solid(path, wall=0.002)
        assert_sound(solid)
        assert any("open sheets a thickness of 2 mm" in note for note in solid.notes)


@needs(VGN)
def test_all_meshes_of_the_vgn_protocol_load():
    for path in find_meshes(VGN):
        assert_sound(load_solid(path))


@pytest.mark.slow
@needs(RANDOM)
def test_all_999_random_urdfs_load_and_none_needs_merging_or_filling():
    paths = find_meshes(RANDOM)
    assert len(paths) == 999
    for path in paths:
        solid = load_solid(path)
        assert solid.mesh.volume > 0
        assert manifold_from_mesh(solid.mesh) is not None or not solid.mesh.is_watertight
        assert not any("merged" in note or "filled" in note or "grew" in note for note in solid.notes)


@needs(RANDOM)
def test_random_urdfs_are_closed_as_they_stand_though_merging_opens_some():
    for name in ("083", "499", "748", "000", "361"):
        path = RANDOM / f"{name}.obj"
        solid = load_solid(path)
        assert solid.volume > 0
        assert not any("merged" in note or "filled" in note for note in solid.notes)
    assert not trimesh.load_mesh(RANDOM / "748.obj", process=True).volume < 0


@needs(RAW)
def test_raw_pieces_of_random_urdfs_are_united_into_one_closed_body():
    for name in ("000", "010", "045"):
        solid = load_solid(RAW / f"{name}.obj", unit=0.015)
        assert_sound(solid)
        raw = trimesh.load_mesh(RAW / f"{name}.obj")
        assert solid.volume < raw.volume * 0.015**3 * 1.005  # overlaps were counted twice; gaps of 0.01 mm are closed
        assert len(solid.mesh.split(only_watertight=False)) == 1
        assert any("united" in note for note in solid.notes)
    with pytest.raises(InputError, match="not finite"):
        load_solid(RAW / "168.obj")


def test_meshes_behind_links_are_found_once_though_a_link_leads_back(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "deep").mkdir(parents=True)
    box().export(tmp_path / "there" / "deep" / "box.STL")
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "back").symlink_to(tmp_path / "there")
    assert find_meshes(tmp_path / "here") == [tmp_path / "here" / "linked" / "deep" / "box.STL"]


def test_a_link_may_lead_back_to_the_folder_itself_or_give_a_file_a_second_name(tmp_path):
    box().export(tmp_path / "a.stl")
    (tmp_path / "here").symlink_to(tmp_path)
    (tmp_path / "b.stl").symlink_to("a.stl")
    assert find_meshes(tmp_path) == [tmp_path / "a.stl"]


def test_a_mesh_given_as_a_folder_is_called_a_file(tmp_path):
    box().export(tmp_path / "a.stl")
    with pytest.raises(InputError, match=r"a\.stl: is a file; give the folder that it lies in"):
        find_meshes(tmp_path / "a.stl")


def test_a_link_to_nothing_is_no_quiet_loss(tmp_path):
    (tmp_path / "annexed.stl").symlink_to("absent/annexed.stl")
    (tmp_path / "round.stl").symlink_to("round.stl")
    found = find_meshes(tmp_path)
    assert [path.name for path in found] == ["annexed.stl", "round.stl"]
    for path in found:
        with pytest.raises(InputError, match=r"a link to .*\.stl, where no file is"):
            load_solid(path)


def test_a_folder_of_other_formats_alone_says_what_it_holds(tmp_path):
    for name in ("a.dae", "b.DAE", "c.step", "readme.txt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(InputError, match=r"no mesh file in it; expected one of \.glb.*; it holds 2 \.dae, 1 \.step"):
        find_meshes(tmp_path)


def test_a_wall_thicker_than_the_object_is_refused_as_in_another_unit(tmp_path):
    whole = box((0.1, 0.1, 0.1))
    plain(whole.vertices, whole.faces[:-2]).export(tmp_path / "lidless.ply")
    with pytest.raises(InputError, match=r"objects\.wall is 2 m, and the object only 0\.1 m long; it is in metres"):
        load_solid(tmp_path / "lidless.ply", wall=2.0)


def test_a_heap_of_triangles_that_cross_everywhere_is_given_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(unions, "PATIENCE", 0.0)
    corners = np.random.default_rng(0).uniform(0, 0.1, (120, 3))
    plain(corners, np.arange(120).reshape(-1, 3)).export(tmp_path / "heap.ply")
    with pytest.raises(InputError, match=r"heap\.ply: its faces cross each other so often"):
        load_solid(tmp_path / "heap.ply", wall=0.002)


def test_a_vertex_beyond_all_numbers_is_no_matter_of_units(tmp_path):
    corners = [f"v {x}1e308 {y}0.05 {z}0.05" for x in ("", "-") for y in ("", "-") for z in ("", "-")]
    (tmp_path / "far.obj").write_text("\n".join([*corners, "f 1 2 4 3", "f 5 7 8 6"]))
    with pytest.raises(InputError, match="farther away than numbers reach"):
        load_solid(tmp_path / "far.obj")
