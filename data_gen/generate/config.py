"""What a dataset is a sample of: the variables of the generative model, and which labels each grasp gets.

docs/dexnet.md sets the paper, its released code and the presets beside each other, variable by variable.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from graspnet.data_gen.candidates.mixture import CandidateConfig
from graspnet.data_gen.candidates.object_grasps import ObjectGraspConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.labels.metrics import METRICS, MetricConfig
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.heaps import HeapConfig
from graspnet.data_gen.scenes.rendering import RENDERERS
from graspnet.data_gen.scenes.scenes import SceneConfig
from graspnet.errors import InputError, unknown_name

__all__ = ["GenerateConfig"]


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """A dataset: the distributions of objects, hands, scenes and candidates, and what is computed for each grasp."""

    objects: ObjectConfig = field(default_factory=ObjectConfig)
    hands: HandConfig = field(default_factory=HandConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    cameras: tuple[str, ...] = ()  # presets or files, one of them for each object; none: as `scene` says
    candidates: CandidateConfig = field(default_factory=CandidateConfig)  # drawn afresh in every pose, or …
    object_grasps: ObjectGraspConfig | None = None  # … these instead: of the object, reused in every pose and image
    heap: HeapConfig | None = None  # the objects are dropped together; None: each lies alone on the table
    scenes: int | None = None  # So many heaps are made, where `heap` is given; None: two for each object.
    # An object in a heap gets grasps in a view only if its visible area is at least so many max_width².
    visible_area: float = 0.04
    # Jaws stay so far (metres) beside what they close on (jaw_width.py); None: they open wide.
    opening_margin: float | None = None
    metrics: tuple[str, ...] = ("robust_centered_closure", "robust_pad_closure", "robust_force_closure")
    assumed: MetricConfig = field(default_factory=MetricConfig)  # what the metrics assume
    threshold: float = 0.5  # summaries call a grasp positive that touches nothing and whose first metric is above this
    views: int = 8  # images of each object, in poses drawn by their probability, or …
    views_per_pose: int | None = None  # … so many of every stable pose
    hands_per_view: int = 1  # every image is labelled for so many; objects are scaled for the first
    grasps_per_view: int = 48  # Each hand gets so many grasps in a view.
    stable_pose_probability: float = 0.01  # poses less likely than this are left out
    renderer: str = "raycast"

    def with_one_camera(self, rng: np.random.Generator) -> "GenerateConfig":
        """The same with one of `cameras`, drawn, as the camera of its scenes."""
        if not self.cameras:
            return self
        return replace(self, scene=replace(self.scene, camera=str(rng.choice(self.cameras))))

    def with_physics(self) -> "GenerateConfig":
        """The same, led by the metrics that are executed in a physics engine."""
        executed = tuple(name for name, metric in METRICS.items() if metric.executed)
        return replace(self, metrics=tuple(dict.fromkeys((*executed, *self.metrics))))

    def __post_init__(self) -> None:
        for name in ("scenes", "views", "views_per_pose", "hands_per_view", "grasps_per_view"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.renderer not in RENDERERS:
            raise unknown_name("renderer", self.renderer, RENDERERS)
        if not self.metrics:
            raise InputError("metrics is empty; name at least one")
        for metric in self.metrics:
            if metric not in METRICS:
                raise unknown_name("metric", metric, METRICS)
        if self.heap is not None and (self.object_grasps is not None or self.views_per_pose is not None):
            raise InputError(
                "heap is given, and so is object_grasps or views_per_pose; these are of single objects only"
            )
        if self.object_grasps is not None and (self.candidates != CandidateConfig() or self.opening_margin is not None):
            raise InputError(
                "object_grasps are given, and so are candidates (--on-policy) or opening_margin; these are of fresh "
                "grasps only: leave them out, or add object_grasps=null"
            )
        if self.object_grasps is not None and self.objects.scaling == "graspable_width":
            raise InputError(
                "object_grasps are reused in all poses, but objects.scaling is by the graspable width in each"
            )
        if self.object_grasps is not None and any(METRICS[metric].weighs for metric in self.metrics):
            weighing = ", ".join(metric for metric in self.metrics if METRICS[metric].weighs)
            raise InputError(f"object_grasps are labelled in no pose; leave out {weighing}")
        if self.visible_area < 0 or (self.opening_margin is not None and self.opening_margin < 0):
            raise InputError("visible_area and opening_margin must not be negative")
        if self.hands.random_share == 0 and self.hands_per_view > len(self.hands.presets):
            raise InputError(
                f"hands_per_view is {self.hands_per_view}, but hands has {len(self.hands.presets)} presets and no "
                "random hands; name more presets, or raise hands.random_share"
            )
