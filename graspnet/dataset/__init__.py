"""A dataset on disk: whole clean depth images, and for every image a table of labelled grasps.

    DATASET/dataset.json                 version, config, grippers, cameras, splits, counts; `complete` at the end
    DATASET/shards/00012/images.parquet  one row an image: camera, its pose, the bin
                        /objects.parquet one row an object in an image: what it is and where
                        /grasps.parquet  one row a grasp
                        /depth.zarr      uint16 (image, row, column), units of 0.1 mm, 0 = missing
                        /instance.zarr   uint8, 0 = table, bin or nothing, k = object k
                        /shard.json      sizes and checksums of those; written last: with it, the shard is whole

Crops are not stored: `graspnet.crops.crops` cuts them, so that noise, crop size and augmentation are chosen at
training time. Files are plain Parquet and Zarr 3, readable without us; docs/dataset.md tells every column.
"""

from graspnet.dataset.labels import Clearance, MetricEstimate
from graspnet.dataset.physics_labels import HOLD, PhysicsLabels, PhysicsWriter
from graspnet.dataset.reader import Dataset
from graspnet.dataset.records import DatasetHeader
from graspnet.dataset.shard import DepthImages, GraspTable, SceneObjects, Shard
from graspnet.dataset.shard_files import quantised
from graspnet.dataset.writer import DatasetWriter

__all__ = [
    "HOLD",
    "Clearance",
    "Dataset",
    "DatasetHeader",
    "DatasetWriter",
    "DepthImages",
    "GraspTable",
    "MetricEstimate",
    "PhysicsLabels",
    "PhysicsWriter",
    "SceneObjects",
    "Shard",
    "quantised",
]
