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


def test_a_command_line_names_a_policy_and_its_settings():
    assert PlannerChoice.of("ranking", "m") == PlannerChoice("ranking", model="m")
    assert PlannerChoice.of("ranking=a/b.yaml", "m") == PlannerChoice("ranking", "a/b.yaml", "m")
    assert PlannerChoice.of("ranking=a=b.yaml").label == "ranking (a=b.yaml)"


@pytest.mark.parametrize(("text", "message"), [("ranking=", "after the equals sign"), ("oracle=a", "has no settings")])
def test_settings_that_cannot_be_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        PlannerChoice.of(text)
