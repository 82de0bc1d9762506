"""Figures in sentences read as a person would write them."""

from pathlib import Path

import pytest

from graspnet.report.words import counted, folder_name, listed, percent


def test_one_thing_is_no_plural_and_thousands_are_set_apart():
    assert [counted(n, "grasp") for n in (0, 1, 2, 2400)] == ["0 grasps", "1 grasp", "2 grasps", "2,400 grasps"]


@pytest.mark.parametrize(
    ("parts", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_parts_are_joined_as_in_a_sentence(parts, text):
    assert listed(parts) == text


def test_a_share_of_nothing_is_a_dash():
    assert [percent(0.5), percent(float("nan"))] == ["50.0 %", "–"]


def test_a_folder_is_named_without_the_way_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = [tmp_path, ".", Path(), f"{tmp_path}/", "../" + tmp_path.name, f"s3://bucket/{tmp_path.name}/"]
    assert {folder_name(place) for place in places} == {tmp_path.name}
