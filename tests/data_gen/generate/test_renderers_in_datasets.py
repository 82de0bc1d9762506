"""The two renderers make the same examples: the proof that training cannot tell them apart starts here."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.run import generate_unit
from graspnet.data_gen.objects.object_source import ObjectConfig, object_names
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.height_map import DepthView

CONFIG = GenerateConfig(
    objects=ObjectConfig(count=12),
    hands=HandConfig(presets=("yumi",), random_share=0.0),
    views=3,
    grasps_per_view=24,
)


@pytest.mark.slow
def test_crops_of_ray_cast_and_of_rasterised_datasets_are_the_same_but_for_silhouettes():
    sizes = load_gripper("yumi").sizes()
    differences, missing = [], []
    for name in object_names(CONFIG.objects):
        cast, drawn = (generate_unit(replace(CONFIG, renderer=r), 0, name, 3) for r in ("raycast", "raster"))
        np.testing.assert_array_equal(cast.grasps.camera_from_grasp, drawn.grasps.camera_from_grasp)
        for i, camera in enumerate(cast.images.cameras):
            poses = cast.grasps.camera_from_grasp[cast.grasps.image == i]
            of_grasps = np.tile(sizes, (len(poses), 1))
            seen = [
                grasp_crops(DepthView(shard.images.depth[i], camera), poses, of_grasps, MetricCropConfig())
                for shard in (cast, drawn)
            ]
            np.testing.assert_array_equal(seen[0].pose, seen[1].pose)
            differences.append(np.abs(seen[0].images[:, 0].numpy() - seen[1].images[:, 0].numpy()).ravel())
            missing.append(seen[0].images[:, 1].numpy().ravel() != seen[1].images[:, 1].numpy().ravel())
    difference = np.concatenate(differences)  # in max_width, 50 mm
    assert np.mean(difference > 0.002) < 1e-4  # 0.1 mm, a dataset's unit of depth; beyond it are pixels across an edge
    assert difference.mean() < 2e-4  # 10 µm: half a unit, for some
    assert np.concatenate(missing).mean() < 1e-4
