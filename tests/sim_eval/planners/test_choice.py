"""Choices of planners: a name that exists, a model where one is needed, and the weights that a run was begun with."""

import pytest

from graspnet.errors import InputError
from graspnet.sim_eval.planners.choice import PlannerChoice, make_planner


def test_a_name_that_nobody_has_gets_the_ceilings_named_too():
    with pytest.raises(InputError, match=r"did you mean 'oracle'.*antipodal.*oracle_calibrated, oracle_on_image"):
        make_planner(PlannerChoice("oracel"), lambda name: pytest.fail("nothing to load"))


def test_a_policy_that_ranks_wants_a_model():
    with pytest.raises(InputError, match="--model"):
        make_planner(PlannerChoice("cross_entropy"), lambda name: pytest.fail("nothing to load"))
