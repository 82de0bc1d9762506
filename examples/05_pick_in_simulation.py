"""From a grasp to a pick: an honest trial of two policies on the same scenes, and a film strip of what happened.

Writes 05_pick_in_simulation.png: what the camera saw with the planned grasp, and the pick in MuJoCo, for two trials.
"""

import numpy as np

from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.film import film_strip
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import CameraConfig
from graspnet.drawing import draw_depth, draw_grasps, new_figure, save_png
from graspnet.policies.registry import make_policy
from graspnet.sim_eval.analysis.statistics import paired_difference, wilson_interval
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.run import run_attempt
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

# p(trial): shapes, sizes beside the hand's opening, cameras, friction and density. A trial is an episode of one attempt
# at one object; number i is drawn from [seed, i].
config = ProtocolConfig(objects=ObjectConfig(count=12), view=CameraConfig(distance=(0.5, 0.6)))
heuristic, random = make_policy("principal_axis"), make_policy("antipodal")  # neither needs a network

with RaycastRenderer() as renderer:
    trials = [draw_episode(config, 3, index, renderer) for index in range(12)]
trial = trials[0]
grams = 1000 * trial.world.masses[0]
print(f"{trial.names[0]}: {grams:.1f} g, friction {trial.friction:.2f}, settled and photographed")

# A policy sees the noisy image, the camera, the mask and the gripper. Its best grasp is executed where the arm believes
# the camera to be (1 mm and 0.1° off): approach, close with limited force, lift 20 cm, shake. A failure has a name.
tried = {
    policy.name: [run_attempt(t, PolicyPlanner(policy), t.situation, t.world_from_objects) for t in trials]
    for policy in (heuristic, random)
}
outcomes = {name: [attempt for attempt, _, _ in each] for name, each in tried.items()}
for name, results in outcomes.items():
    successes = sum(result.success for result in results)
    low, high = wilson_interval(successes, len(results))
    failures = sorted({result.outcome for result in results if not result.success})
    print(f"{name}: {successes} of {len(results)} lifted, 95 % interval {low:.0%} to {high:.0%}; failures: {failures}")

first, second = (np.array([r.success for r in results]) for results in outcomes.values())
difference = paired_difference(first, second)  # the same trials: pairing tells more than two rates
print(f"difference: {difference.difference:+.0%}, 95 % interval {difference.low:+.0%} to {difference.high:+.0%}")

# One success and one failure of the heuristic, filmed.
heaviest = np.argsort([-t.world.masses[0] for t in trials])
shown = [next(i for i in heaviest if first[i]), next(i for i in heaviest if not first[i])]
figure, axes = new_figure(2, 2, width=7.0, aspect=0.3)
for row, index in zip(axes, shown, strict=True):
    trial = trials[index]
    _, plan, _ = tried[heuristic.name][index]
    best = plan.grasps_in_camera[slice(1)]
    pick = trial.execute(best, frame_interval=0.02)
    draw_depth(row[0], trial.observation.depth)
    draw_grasps(row[0], best, trial.observation.camera, trial.gripper)
    rows, columns = np.nonzero(trial.observation.object_mask)
    row[0].set_xlim(columns.mean() - 120, columns.mean() + 120)
    row[0].set_ylim(rows.mean() + 90, rows.mean() - 90)
    row[1].imshow(film_strip(pick.frames, trial.world, count=6))
    row[1].set_title(f"{trial.names[0]}: {pick.outcome}", fontsize=9)
    row[1].set_axis_off()
save_png(figure, "05_pick_in_simulation.png", dpi=100)
