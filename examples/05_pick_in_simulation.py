"""From a grasp to a pick: an honest trial of two policies on the same scenes, and a film strip of what happened.

Writes 05_pick_in_simulation.png: what the camera saw with the planned grasp, and the pick in MuJoCo, for two trials.
"""

import numpy as np

from data_gen.objects.object_source import ObjectConfig
from data_gen.physics.film import film_strip
from data_gen.scenes.rendering import RaycastRenderer
from data_gen.scenes.scenes import SceneConfig
from graspnet.drawing import draw_depth, draw_grasps, new_figure, save_png
from policies.registry import make_policy
from sim_eval.analysis.statistics import paired_difference, wilson_interval
from sim_eval.planners.policy_planner import PolicyPlanner
from sim_eval.protocols.trial import TrialConfig, draw_trial, execute, run_trial

# p(trial): shapes, sizes beside the hand's opening, cameras, friction and density. Trial i is drawn from [seed, i].
config = TrialConfig(objects=ObjectConfig(count=12), scene=SceneConfig(distance=(0.5, 0.6)))
heuristic, random = make_policy("principal_axis"), make_policy("antipodal")  # neither needs a network

with RaycastRenderer() as renderer:
    trials = [draw_trial(config, 3, index, renderer) for index in range(12)]
trial = trials[0]
print(f"{trial.solid.name}: {1000 * trial.world.mass:.1f} g, friction {trial.friction:.2f}, settled and photographed")

# A policy sees the noisy image, the camera, the mask and the gripper. Its best grasp is executed where the arm believes
# the camera to be (1 mm and 0.1° off): approach, close with limited force, lift 20 cm, shake. A failure has a name.
outcomes = {policy.name: [run_trial(t, PolicyPlanner(policy))[0] for t in trials] for policy in (heuristic, random)}
for name, results in outcomes.items():
    successes = sum(result.success for result in results)
    low, high = wilson_interval(successes, len(results))
    failures = sorted({result.outcome for result in results if not result.success})
    print(f"{name}: {successes} of {len(results)} lifted, 95 % interval {low:.0%} to {high:.0%}; failures: {failures}")

first, second = (np.array([r.success for r in results]) for results in outcomes.values())
difference = paired_difference(first, second)  # the same trials: pairing tells more than two rates
print(f"difference: {difference.difference:+.0%}, 95 % interval {difference.low:+.0%} to {difference.high:+.0%}")

# One success and one failure of the heuristic, filmed.
heaviest = np.argsort([-t.world.mass for t in trials])
shown = [next(i for i in heaviest if first[i]), next(i for i in heaviest if not first[i])]
figure, axes = new_figure(2, 2, width=7.0, aspect=0.3)
for row, index in zip(axes, shown, strict=True):
    trial = trials[index]
    _, plan = run_trial(trial, PolicyPlanner(heuristic))
    best = plan.grasps_in_camera[slice(1)]
    pick = execute(trial, best, frame_interval=0.02)
    draw_depth(row[0], trial.observation.depth)
    draw_grasps(row[0], best, trial.observation.camera, trial.gripper)
    rows, columns = np.nonzero(trial.observation.object_mask)
    row[0].set_xlim(columns.mean() - 120, columns.mean() + 120)
    row[0].set_ylim(rows.mean() + 90, rows.mean() - 90)
    row[1].imshow(film_strip(pick.frames, trial.world, count=6))
    row[1].set_title(f"{trial.solid.name}: {pick.outcome}", fontsize=9)
    row[1].set_axis_off()
save_png(figure, "05_pick_in_simulation.png", dpi=100)
