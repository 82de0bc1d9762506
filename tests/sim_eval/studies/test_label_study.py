"""The label study: verdicts do not hang on labels, scores are those of textbooks, and seeds reproduce."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.tugs import TugConfig
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig
from graspnet.sim_eval.studies import label_study
from graspnet.sim_eval.studies.label_study import (
    LABELLED,
    StudyConfig,
    calibration,
    labels_of,
    main,
    scores,
    study_object,
)

FEW = MetricConfig(uncertainty=UncertaintyConfig(samples=4), tugs=TugConfig(executions=1))
STUDY = StudyConfig(grasps=8, assumed=FEW)


@pytest.fixture(scope="module")
def table():
    return study_object(STUDY, 3, 2)


def test_a_study_is_reproducible(table):
    again = study_object(STUDY, 3, 2)
    for name in table.column_names:
        np.testing.assert_array_equal(again[name].to_pylist(), table[name].to_pylist())
    assert set(table["object"].to_pylist()) == {"cylinder_00002"}
    assert table.num_rows == 8


def test_what_labels_assume_changes_neither_the_grasps_nor_the_verdicts(table):
    more = replace(FEW, uncertainty=UncertaintyConfig(samples=8))
    other = study_object(replace(STUDY, assumed=more), 3, 2)
    for name in ("outcome", "clearance", "friction", "density", "antipodality"):
        assert other[name].equals(table[name])
    assert not other["robust_pad_closure"].equals(table["robust_pad_closure"])


def test_labels_are_finite_and_collisions_only_lower_them(table):
    labels = labels_of(table, FEW)
    for name in LABELLED:
        free, hard = labels[name], labels[f"{name} × no collision"]
        assert np.isfinite(free).all()
        assert np.all((hard == free) | (hard == 0))
        assert np.all(labels[f"{name} × soft clearance"] <= free)


def test_scores_of_a_perfect_and_of_a_constant_label():
    lifted, objects = np.array([1, 0, 1, 0, 0, 0], dtype=bool), list("aabbcc")
    perfect, constant = (scores(label, lifted, objects) for label in (lifted.astype(float), np.zeros(6)))
    assert [figures[0] for figures in perfect.values()] == pytest.approx([1, 1, 2 / 3])  # nothing of c can be lifted
    assert [figures[0] for figures in constant.values()] == pytest.approx([1 / 2, 1 / 3, 1 / 3])  # ties: any of them


def test_a_label_is_calibrated_where_it_is_the_share_that_is_lifted():
    lifted = np.arange(100) < 30
    brier, error = calibration(np.full(100, 0.3), lifted)
    assert brier == pytest.approx(0.3 * 0.7)
    assert error == pytest.approx(0, abs=1e-12)
    assert calibration(np.full(100, 0.9), lifted)[1] == pytest.approx(0.6)


def test_a_kept_table_is_scored_again_without_a_new_run(tmp_path, table, monkeypatch):
    monkeypatch.setattr(label_study, "DRAWS", 20)  # of the bootstrap
    other = table.set_column(0, "object", [["another"] * 8])
    kept = tmp_path / "study.parquet"
    pq.write_table(pa.concat_tables([table, other]), kept)
    result = CliRunner().invoke(main, ["--table", str(kept)])
    assert result.exit_code == 0, result.output
    assert "2 objects, 16 grasps" in result.output
    for name in LABELLED:
        assert f"| {name} × soft clearance |" in result.output
