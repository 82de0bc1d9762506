"""The front door: what `import graspnet as gn` offers is stable, and everything else may change.

>>> import numpy as np, graspnet as gn
>>> depth = np.full((240, 320), 0.5, np.float32)  # metres: a table half a metre below the camera ...
>>> depth[100:140, 150:170] = 0.46  # ... and a block on it, 4 cm high
>>> plan = gn.plan(depth, gn.Camera.from_fov(0.98, 320, 240), gn.load_gripper("yumi"))
>>> plan.best.camera_from_grasp.shape
(4, 4)

A name is imported when it is first used, so that `import graspnet` itself takes no time.

Conventions: SI units; 4x4 float64 `target_from_source`; OpenCV cameras (x right, y down, z forward), integer pixel =
centre; depth is z in metres, NaN = missing; world z up, table at z = 0; grasp frame z = approach, y = closing axis.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graspnet.camera import Camera, load_camera
    from graspnet.crops.of_observation import crop, heightmap
    from graspnet.dataset.reader import Dataset
    from graspnet.errors import InputError
    from graspnet.grasp_plan import GraspPlan
    from graspnet.grasps.grasps import Grasps
    from graspnet.grippers.gripper import load_gripper
    from graspnet.grippers.parallel_jaw import ParallelJaw
    from graspnet.models.checkpoint import load_checkpoint as load_model
    from graspnet.observation.observation import Observation
    from graspnet.policies.planning import load_policy, plan, plan_each
    from graspnet.policies.policy import Policy
    from graspnet.policies.servo.servo import Servo, load_servo
    from graspnet.quality import Quality

    open_dataset = Dataset.open

__all__ = [
    "Camera",
    "Dataset",
    "GraspPlan",
    "Grasps",
    "InputError",
    "Observation",
    "ParallelJaw",
    "Policy",
    "Quality",
    "Servo",
    "__version__",
    "crop",
    "heightmap",
    "load_camera",
    "load_gripper",
    "load_model",
    "load_policy",
    "load_servo",
    "open_dataset",
    "plan",
    "plan_each",
]

__version__: str

# Where each name lives, as `module:attribute`.
_HOMES = {
    "Camera": "graspnet.camera:Camera",
    "Dataset": "graspnet.dataset.reader:Dataset",
    "GraspPlan": "graspnet.grasp_plan:GraspPlan",
    "Grasps": "graspnet.grasps.grasps:Grasps",
    "InputError": "graspnet.errors:InputError",
    "Observation": "graspnet.observation.observation:Observation",
    "ParallelJaw": "graspnet.grippers.parallel_jaw:ParallelJaw",
    "Policy": "graspnet.policies.policy:Policy",
    "Quality": "graspnet.quality:Quality",
    "Servo": "graspnet.policies.servo.servo:Servo",
    "crop": "graspnet.crops.of_observation:crop",
    "heightmap": "graspnet.crops.of_observation:heightmap",
    "load_camera": "graspnet.camera:load_camera",
    "load_gripper": "graspnet.grippers.gripper:load_gripper",
    "load_model": "graspnet.models.checkpoint:load_checkpoint",
    "load_policy": "graspnet.policies.planning:load_policy",
    "load_servo": "graspnet.policies.servo.servo:load_servo",
    "open_dataset": "graspnet.dataset.reader:Dataset.open",
    "plan": "graspnet.policies.planning:plan",
    "plan_each": "graspnet.policies.planning:plan_each",
}


def __getattr__(name: str) -> Any:
    """Import a name of the front door where it is first used (PEP 562)."""
    if name == "__version__":
        return version("graspnet")
    if name not in _HOMES:
        raise AttributeError(f"module 'graspnet' has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, _, path = _HOMES[name].partition(":")
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
