"""FC-GQ-CNN: a cell of the dense network is the network on the window there, in the bin of the angle."""

import math

import pytest
import torch

from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.models.fcgqcnn import FCGQCNNConfig, angle_bin


@pytest.fixture(scope="module")
def network():
    return NETWORKS["fcgqcnn_4.0_pj"](torch.Generator().manual_seed(2))


def test_it_has_the_published_number_of_weights(network):
    assert network.parameter_count() == 633_200


def test_a_cell_is_the_network_on_the_window_there(network):
    """Every angle bin, and cells at stride 4. Tolerance: float32 sums in another order."""
    generator = torch.Generator().manual_seed(0)
    image = 0.6 + 0.2 * torch.rand(1, 1, 104, 112, generator=generator)
    depth = torch.tensor([0.65])
    dense = network.dense(image, depth)
    assert dense.shape == (1, 16, 2, 3, 5)
    centers = math.pi / 2 - (torch.arange(16) + 0.5) * math.pi / 16
    pose = torch.stack([depth.expand(16), centers], dim=1)
    for i, j in ((0, 0), (2, 4), (1, 2)):
        window = image[:, :, 4 * i : 4 * i + 96, 4 * j : 4 * j + 96].expand(16, -1, -1, -1)
        torch.testing.assert_close(network(window, pose), dense[0, :, :, i, j], rtol=1e-4, atol=1e-4)


def test_an_image_of_a_camera_gives_the_published_number_of_grasps(network):
    """386 x 516 pixels: 74 x 106 cells (Satish et al., RA-L 2019)."""
    assert network.dense(torch.rand(1, 1, 386, 516), torch.ones(1)).shape[3:] == (74, 106)


@pytest.mark.parametrize(
    ("degrees", "expected"), [(89.9, 0), (-89.9, 15), (90.0, 0), (-90.0, 0), (5.0, 7), (-5.0, 8), (11.3, 6), (11.2, 7)]
)
def test_bins_of_11_degrees_begin_at_a_right_angle(degrees, expected):
    assert angle_bin(torch.tensor([math.radians(degrees)]), 16).tolist() == [expected]


def test_depth_is_seen_only_beside_the_image_s(network):
    images = 0.6 + 0.2 * torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    pose = torch.tensor([[0.65, 0.3], [0.7, -1.0]])
    further = pose + torch.tensor([0.1, 0.0])
    torch.testing.assert_close(
        network(images + 0.1, further), network(images, pose), rtol=1e-3, atol=1e-3
    )  # 0.1 m more is rounded in each pixel


def test_a_turned_crop_is_refused():
    with pytest.raises(InputError, match=r"crop.turned is True"):
        FCGQCNNConfig(crop=PixelCropConfig(size=96))
