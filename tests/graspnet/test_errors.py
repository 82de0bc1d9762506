"""Messages for what a person can mend."""

from graspnet.errors import InputError, unknown_name


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


def test_an_unknown_name_is_answered_with_the_nearest_valid_one_and_all_others():
    message = str(unknown_name("gripper", "yumy", ["yumi", "panda"], where="plan.yaml"))
    assert message == "plan.yaml: unknown gripper 'yumy'; did you mean 'yumi'? Valid: panda, yumi"


def test_a_name_that_resembles_none_gets_no_guess():
    assert str(unknown_name("gripper", "qqq", ["yumi"])) == "unknown gripper 'qqq'. Valid: yumi"


def test_where_no_name_is_valid_the_message_says_so():
    assert str(unknown_name("preset", "x", [])).endswith("Valid: none")
