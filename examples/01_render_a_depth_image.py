"""A depth image from nothing: an object, how it rests, a camera that sees it, and what a real sensor would give.

Writes 01_render_a_depth_image.png: the clean image, the same as a structured-light camera measures it, the difference.
"""

import numpy as np

from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene, SceneConfig, sample_camera, sample_placement
from graspnet.drawing import draw_depth, new_figure, save_png
from graspnet.sensors import load_sensor

rng = np.random.default_rng(4)  # every draw below comes from here: the same seed, the same picture

# p(x): an object. It knows its frame (the origin is the centre of mass) and that its surface is closed.
solid = make_solid("mug", rng)
print(f"{solid.name}: {len(solid.mesh.faces)} faces, {solid.volume * 1e6:.0f} cm³")

# How it can lie on a table, most likely first: transforms from the object's frame to the world's, where z is up.
poses = stable_poses(solid)
print(f"{len(poses.probability)} stable poses, with probabilities {np.round(poses.probability, 2)}")

# A camera at any angle (by default 40 to 110 cm away, with any lens), and the object turned and put in its view.
config = SceneConfig(distance=(0.5, 0.6), field_of_view=(np.deg2rad(35), np.deg2rad(40)))
camera, world_from_camera = sample_camera(config, rng, radius=solid.radius)
world_from_object = sample_placement(
    poses.world_from_object[0], camera, world_from_camera, config, rng, radius=solid.radius
)

# p(y|x): z for every pixel centre, in metres; NaN where nothing is. The table is the plane z = 0 of the world.
scene = Scene((solid,), world_from_object[None])
with RaycastRenderer() as renderer:
    clean = renderer.render(scene, camera, world_from_camera)
print(f"the object covers {np.sum(clean.instance == 1)} of {clean.depth.size} pixels")

# No camera sees that. Noise that grows with z², ragged edges, a shadow beside every step, a scale error:
sensor = load_sensor("structured_light")
noisy = sensor(clean.depth, camera, rng)
error = 1000 * (noisy - clean.depth)
print(f"{np.isnan(noisy).mean():.1%} missing; errors of {np.nanstd(error[clean.instance == 0]):.1f} mm on the table")

rows, columns = np.nonzero(clean.instance)
window = (slice(max(0, rows.min() - 30), rows.max() + 30), slice(max(0, columns.min() - 30), columns.max() + 30))
limits = (float(clean.depth[window].min()), float(clean.depth[window].max()))

figure, axes = new_figure(1, 3, width=4.0)
draw_depth(axes[0, 0], clean.depth[window], limits=limits, title="clean")
draw_depth(axes[0, 1], noisy[window], limits=limits, title="structured light (violet: missing)")
picture = axes[0, 2].imshow(error[window], cmap="coolwarm", vmin=-6, vmax=6)
axes[0, 2].set_title("error, mm", fontsize=9)
figure.colorbar(picture, ax=axes[0, 2], shrink=0.8)
save_png(figure, "01_render_a_depth_image.png", dpi=80)
