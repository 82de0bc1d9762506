"""A hand as links, joints and collision geometry, read from URDF or MJCF (hand_motion.py: how does it move?).

MuJoCo's compiler reads both formats: it knows defaults, includes, units, mesh scales and mimic joints. What it refuses
and a derivation has no need of is taken away first: inertias, textures, geometry that is only seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from graspnet.errors import InputError
from graspnet.physics_engine import load_mujoco
from graspnet.transforms import rigid, transform_points

__all__ = ["Hand", "Joint", "Link", "Loop", "Solid", "Spring", "read_hand"]

WORLD = 0  # the first link is the frame that the file is written in


@dataclass(frozen=True, kw_only=True)
class Link:
    """A rigid part, and where it hangs on its parent while all joints rest."""

    name: str
    parent: int  # -1 for the world
    parent_from_link: Float64[np.ndarray, "4 4"]
    floats: bool  # a free or ball joint holds it: an object, or a base that drives about


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A slide or a hinge that moves a link against its parent."""

    name: str
    link: int
    slides: bool
    anchor_in_link: Float64[np.ndarray, "3"]
    axis_in_link: Float64[np.ndarray, "3"]
    rest: float  # the value at which parent_from_link holds
    limits: tuple[float, float] | None
    effort: float | None  # N or N m
    actuated: bool
    follows: int | None = None  # index of the joint that this one mimics
    polynomial: tuple[float, ...] | None = None  # value - rest = sum of a_k (followed value - its rest)^k; a_0 if none


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A piece of collision geometry as triangles; `link_from_solid` has the axes of its box, or of its mesh's file."""

    link: int
    triangles_in_link: Float64[np.ndarray, "T 3 3"]
    link_from_solid: Float64[np.ndarray, "3 3"]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Two points, each fixed in a link, that coincide: how MJCF closes a four-bar linkage."""

    links: tuple[int, int]
    points_in_links: Float64[np.ndarray, "2 3"]


@dataclass(frozen=True, kw_only=True)
class Spring:
    """A spring that pulls the sum of coefficient x joint value to a length."""

    joints: tuple[int, ...]
    coefficients: tuple[float, ...]
    stiffness: float
    length: float


@dataclass(frozen=True, kw_only=True)
class Hand:
    """What a file says of a hand (and of the arm below it, if that is in the same file)."""

    path: Path
    links: tuple[Link, ...]  # parents first; the first is the world
    joints: tuple[Joint, ...]
    solids: tuple[Solid, ...]
    loops: tuple[Loop, ...]
    springs: tuple[Spring, ...]
    frames: Mapping[str, tuple[int, Float64[np.ndarray, "3"]]]  # links and sites by name: link, origin in that link


def read_hand(path: Path) -> Hand:
    """The hand of a URDF or MJCF file.

    Geometry that collides counts; where a file has none, all of it. InputError: no such file, xacro, broken XML, a
    mesh file that is missing or of a kind that MuJoCo cannot read.
    """
    spec = _parse(path)
    _drop_all_but_geometry(spec)
    _resolve_packages(spec, path)
    try:
        model = spec.compile()
    except ValueError as error:
        raise InputError(f"{path}: {_one_line(error)}{_remedy(str(error))}") from None
    _check_numbers(model, path)
    return Hand(
        path=path,
        links=_links(model),
        joints=_joints(model),
        solids=_solids(model),
        loops=_loops(model),
        springs=_springs(model),
        frames=_frames(model),
    )


def _check_numbers(model: Any, path: Path) -> None:
    """MuJoCo compiles `nan` as a scale, a position or a limit without a word."""
    fields = ("body_pos", "body_quat", "geom_pos", "geom_quat", "geom_size", "mesh_vert", "jnt_range", "jnt_axis")
    wrong = [name for name in fields if not np.isfinite(getattr(model, name)).all()]
    if wrong:
        raise InputError(f"{path}: a scale, size, pose or limit in it is not finite (MuJoCo's {wrong[0]}); correct it")


def _parse(path: Path) -> Any:
    """The file as an MjSpec."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: not a text file; expected URDF or MJCF (MuJoCo XML)") from None
    # A URDF that xacro wrote still declares the namespace: only its elements and ${...} tell.
    if path.suffix == ".xacro" or "<xacro:" in text or "${" in text:
        raise InputError(f"{path}: is a xacro file; run `xacro {path.name} > hand.urdf` first, and give hand.urdf")
    try:
        return load_mujoco().MjSpec.from_file(str(path))
    except ValueError as error:
        raise InputError(f"{path}: no URDF or MJCF that MuJoCo can read: {_one_line(error)}") from None


def _drop_all_but_geometry(spec: Any) -> None:
    """Takes away what could stop the compiler and says nothing of sizes: inertias, looks, sensors, contact pairs."""
    spec.compiler.fusestatic = False  # MuJoCo's default for URDF would merge fixed links, and lose their names
    spec.compiler.discardvisual = False
    seen_only = [geom for geom in spec.geoms if not (geom.contype or geom.conaffinity)]
    if len(seen_only) < len(spec.geoms):
        for geom in seen_only:
            spec.delete(geom)
    used = {geom.meshname for geom in spec.geoms}
    for mesh in [mesh for mesh in spec.meshes if mesh.name not in used]:
        spec.delete(mesh)
    for surface in (*spec.geoms, *spec.sites):
        surface.material = ""
    for looks in (*spec.sensors, *spec.pairs, *spec.excludes, *spec.skins, *spec.materials, *spec.textures):
        spec.delete(looks)
    for mesh in spec.meshes:  # a scan need not enclose a volume
        mesh.inertia = load_mujoco().mjtMeshInertia.mjMESH_INERTIA_SHELL
    for body in spec.bodies[1:]:  # URDF may leave inertias out
        body.explicitinertial = True
        body.mass, body.inertia, body.fullinertia = 1.0, np.ones(3), np.full(6, np.nan)


def _resolve_packages(spec: Any, path: Path) -> None:
    """Gives meshes that are named by `package://` or `file://` the place where they lie."""
    if spec.strippath:  # the author tells MuJoCo where the meshes are
        return
    for mesh in spec.meshes:
        if mesh.file.startswith("file://"):
            mesh.file = mesh.file.removeprefix("file://")
        elif mesh.file.startswith("package://"):
            mesh.file = str(_in_package(mesh.file, path))


def _in_package(url: str, path: Path) -> Path:
    """The file of `package://NAME/REST`: NAME/REST or REST in a folder above the URDF, the nearest first."""
    whole = url.removeprefix("package://")
    rest = whole.partition("/")[2]
    for folder in path.resolve().parents:
        for candidate in (folder / whole, folder / rest):
            if candidate.is_file():
                return candidate
    raise InputError(
        f"{path}: mesh {url} not found as {whole} or {rest} in the URDF's folder or one above; lay the package's "
        "folder beside the URDF, or edit the path"
    )


def _remedy(message: str) -> str:
    if "Error opening file" in message:
        return "; the path counts from the description's folder (MJCF: from its meshdir)"
    if "no decoder found" in message:
        return "; MuJoCo reads STL, OBJ and MSH: convert the mesh, and name the new file in the description"
    return ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).removeprefix("Error: ")


def _links(model: Any) -> tuple[Link, ...]:
    mujoco = load_mujoco()
    loose = {int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)}
    floating = {int(model.jnt_bodyid[j]) for j in range(model.njnt) if int(model.jnt_type[j]) in loose}
    return tuple(
        Link(
            name=model.body(i).name or f"link {i}",
            parent=int(model.body_parentid[i]) if i != WORLD else -1,
            parent_from_link=_pose(model.body_pos[i], model.body_quat[i]),
            floats=i in floating,
        )
        for i in range(model.nbody)
    )


def _joints(model: Any) -> tuple[Joint, ...]:
    """Slides and hinges; indices of joints are those among them."""
    numbers = _joint_numbers(model)
    efforts, actuated = _efforts(model)
    followed = _followed(model)
    slide = int(load_mujoco().mjtJoint.mjJNT_SLIDE)
    joints = []
    for j in numbers:
        low, high = (float(bound) for bound in model.jnt_range[j])
        followed_joint, polynomial = followed.get(j, (None, None))
        joints.append(
            Joint(
                name=model.joint(j).name or f"joint {j}",
                link=int(model.jnt_bodyid[j]),
                slides=int(model.jnt_type[j]) == slide,
                anchor_in_link=model.jnt_pos[j].copy(),
                axis_in_link=model.jnt_axis[j].copy(),
                rest=float(model.qpos0[model.jnt_qposadr[j]]),
                limits=(low, high) if model.jnt_limited[j] and low < high else None,
                effort=efforts.get(j),
                actuated=j in actuated,
                follows=None if followed_joint is None else numbers[followed_joint],
                polynomial=polynomial,
            )
        )
    return tuple(joints)


def _joint_numbers(model: Any) -> dict[int, int]:
    """Our index of each of MuJoCo's joints that is a slide or a hinge."""
    kinds = load_mujoco().mjtJoint
    scalar = {int(kinds.mjJNT_SLIDE), int(kinds.mjJNT_HINGE)}
    return {j: number for number, j in enumerate(j for j in range(model.njnt) if int(model.jnt_type[j]) in scalar)}


def _followed(model: Any) -> dict[int, tuple[int | None, tuple[float, ...]]]:
    """For each joint that another one determines: that other one (None: it is locked), and the polynomial."""
    followed: dict[int, tuple[int | None, tuple[float, ...]]] = {}
    for e in _active_equalities(model, "mjEQ_JOINT"):
        leader = int(model.eq_obj2id[e])
        polynomial = tuple(float(a) for a in model.eq_data[e, :5])
        followed[int(model.eq_obj1id[e])] = (leader, polynomial) if leader >= 0 else (None, polynomial[:1])
    return followed


def _active_equalities(model: Any, kind: str) -> list[int]:
    number = int(getattr(load_mujoco().mjtEq, kind))
    return [e for e in range(model.neq) if int(model.eq_type[e]) == number and model.eq_active0[e]]


def _efforts(model: Any) -> tuple[dict[int, float], set[int]]:
    """Largest force (N, N m) of each joint that has one, and the joints that an actuator drives.

    An actuator's force reaches a joint through its gear, and through a tendon's coefficient. Where a file has no
    actuator, as a URDF, the joint's own limit counts.
    """
    mujoco = load_mujoco()
    bounds = {j: float(np.abs(model.jnt_actfrcrange[j]).max()) for j in range(model.njnt) if model.jnt_actfrclimited[j]}
    if not model.nu:
        return bounds, set()
    efforts: dict[int, float] = {}
    actuated = set()
    for a in range(model.nu):
        force = _actuator_force(model, a)
        driven = [(int(model.actuator_trnid[a, 0]), 1.0)]
        if int(model.actuator_trntype[a]) == int(mujoco.mjtTrn.mjTRN_TENDON):
            driven = _tendon_joints(model, driven[0][0])
        elif int(model.actuator_trntype[a]) not in (
            int(mujoco.mjtTrn.mjTRN_JOINT),
            int(mujoco.mjtTrn.mjTRN_JOINTINPARENT),
        ):
            continue
        for j, coefficient in driven:
            actuated.add(j)
            if force is not None:
                effort = efforts.get(j, 0.0) + abs(coefficient * float(model.actuator_gear[a, 0])) * force
                efforts[j] = min(effort, bounds.get(j, np.inf))
    return efforts, actuated


def _actuator_force(model: Any, a: int) -> float | None:
    """An actuator's largest force: its limit, or what a plain motor gives at the end of its control range."""
    mujoco = load_mujoco()
    if model.actuator_forcelimited[a]:
        return float(np.abs(model.actuator_forcerange[a]).max())
    fixed = int(model.actuator_gaintype[a]) == int(mujoco.mjtGain.mjGAIN_FIXED)
    unbiased = int(model.actuator_biastype[a]) == int(mujoco.mjtBias.mjBIAS_NONE)
    if fixed and unbiased and model.actuator_ctrllimited[a]:
        return float(np.abs(model.actuator_ctrlrange[a]).max() * abs(model.actuator_gainprm[a, 0]))
    return None


def _tendon_joints(model: Any, tendon: int) -> list[tuple[int, float]]:
    """Joints and coefficients of a fixed tendon; none of a spatial one."""
    joint = int(load_mujoco().mjtWrap.mjWRAP_JOINT)
    first = int(model.tendon_adr[tendon])
    wraps = range(first, first + int(model.tendon_num[tendon]))
    return [(int(model.wrap_objid[w]), float(model.wrap_prm[w])) for w in wraps if int(model.wrap_type[w]) == joint]


def _loops(model: Any) -> tuple[Loop, ...]:
    site = int(load_mujoco().mjtObj.mjOBJ_SITE)
    loops = []
    for e in _active_equalities(model, "mjEQ_CONNECT"):
        ends = [int(model.eq_obj1id[e]), int(model.eq_obj2id[e])]
        points = model.eq_data[e, :6].reshape(2, 3).copy()
        if int(model.eq_objtype[e]) == site:
            points = model.site_pos[ends].copy()
            ends = [int(model.site_bodyid[end]) for end in ends]
        loops.append(Loop(links=(ends[0], ends[1]), points_in_links=points))
    return tuple(loops)


def _springs(model: Any) -> tuple[Spring, ...]:
    numbers = _joint_numbers(model)
    springs = []
    for j, number in numbers.items():
        if model.jnt_stiffness[j] > 0:
            length = float(model.qpos_spring[model.jnt_qposadr[j]])
            stiffness = float(model.jnt_stiffness[j])
            springs.append(Spring(joints=(number,), coefficients=(1.0,), stiffness=stiffness, length=length))
    for t in range(model.ntendon):
        joints = _tendon_joints(model, t)
        if model.tendon_stiffness[t] > 0 and joints:
            springs.append(
                Spring(
                    joints=tuple(numbers[j] for j, _ in joints),
                    coefficients=tuple(coefficient for _, coefficient in joints),
                    stiffness=float(model.tendon_stiffness[t]),
                    length=float(model.tendon_lengthspring[t].mean()),  # between these two it is slack
                )
            )
    return tuple(springs)


def _frames(model: Any) -> dict[str, tuple[int, Float64[np.ndarray, "3"]]]:
    frames = {model.body(i).name: (i, np.zeros(3)) for i in range(1, model.nbody)}
    frames |= {model.site(i).name: (int(model.site_bodyid[i]), model.site_pos[i].copy()) for i in range(model.nsite)}
    return {name: frame for name, frame in frames.items() if name}


def _solids(model: Any) -> tuple[Solid, ...]:
    """All geometry that is finite."""
    solids = []
    for g in range(model.ngeom):
        triangles = _triangles(model, g)
        if triangles is None:
            continue
        link_from_geom = _pose(model.geom_pos[g], model.geom_quat[g])
        mesh = int(model.geom_dataid[g])
        # MuJoCo turns a mesh to its axes of inertia: the file's own axes are the ones that a designer chose.
        turned = _pose(np.zeros(3), model.mesh_quat[mesh])[:3, :3] if mesh >= 0 else np.eye(3)
        solids.append(
            Solid(
                link=int(model.geom_bodyid[g]),
                triangles_in_link=transform_points(link_from_geom, triangles.reshape(-1, 3)).reshape(-1, 3, 3),
                link_from_solid=link_from_geom[:3, :3] @ turned.T,
            )
        )
    return tuple(solids)


def _triangles(model: Any, g: int) -> Float64[np.ndarray, "T 3 3"] | None:
    """The surface of a geom in its own frame; None for a plane or a height field, which is no part of a hand."""
    from trimesh import creation

    kinds, size, mesh = load_mujoco().mjtGeom, model.geom_size[g], int(model.geom_dataid[g])
    kind = kinds(int(model.geom_type[g]))
    if kind == kinds.mjGEOM_MESH:
        vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
        faces = model.mesh_face[model.mesh_faceadr[mesh] :][: model.mesh_facenum[mesh]]
        return np.asarray(vertices[faces], dtype=np.float64)
    if kind == kinds.mjGEOM_BOX:
        surface = creation.box(extents=2 * size)
    elif kind in (kinds.mjGEOM_SPHERE, kinds.mjGEOM_ELLIPSOID):
        surface = creation.icosphere(subdivisions=4).apply_scale(size[0] if kind == kinds.mjGEOM_SPHERE else size)
    elif kind == kinds.mjGEOM_CYLINDER:
        surface = creation.cylinder(radius=size[0], height=2 * size[1], sections=64)
    elif kind == kinds.mjGEOM_CAPSULE:
        surface = creation.capsule(radius=size[0], height=2 * size[1], count=(64, 64))
    else:
        return None
    return np.asarray(surface.triangles, dtype=np.float64)


def _pose(position: Float64[np.ndarray, "3"], quaternion: Float64[np.ndarray, "4"]) -> Float64[np.ndarray, "4 4"]:
    return rigid(Rotation.from_quat(quaternion, scalar_first=True).as_matrix(), np.asarray(position, dtype=np.float64))
