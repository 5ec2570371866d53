"""Warnings where validation asks otherwise than the test, or ranks arms otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from conftest import analyse

from reports.table.table import Table

Study = Callable[..., Table]


def with_validation(shift: dict[str, float]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Move the validation scores of some arms."""

    def move(frame: pd.DataFrame) -> pd.DataFrame:
        moved = frame["arm"].map(shift).fillna(0.0).where(frame["part"] == "validation", 0.0)
        return frame.assign(value=frame["value"] + moved)

    return move


def rules(table: Table) -> dict[str, str]:
    return {r.rule: r.message for r in analyse(table).refusals if r.rule.startswith("validation")}


def test_an_arm_that_validation_puts_on_the_other_side_is_named(study: Study) -> None:
    messages = rules(study(with_validation({"gnn=none": 0.3})))
    assert list(messages) == ["validation ranks otherwise"]
    assert "validation has gnn=none +0." in messages["validation ranks otherwise"]
    assert "the test −0." in messages["validation ranks otherwise"]


@pytest.mark.parametrize("shift", [{}, {"gnn=none": 0.02}, {"degree": 0.5}])
def test_the_same_order_is_not_warned_of(study: Study, shift: dict[str, float]) -> None:
    """Controls choose nothing, so their rank in validation is not reported."""
    assert not rules(study(with_validation(shift)))


def test_a_table_without_validation_is_not_warned_of(study: Study) -> None:
    assert not rules(study(lambda frame: frame[frame["part"] == "test"]))


def test_an_exam_whose_parts_differ_is_warned_of_once_for_all_its_data_sets(study: Study) -> None:
    table = study(lambda frame: frame.assign(exam_differs="50.0% of validation's pairs are edges"), blocks=2)
    message = rules(table)["validation asks otherwise"]
    assert message.count("50.0% of validation's pairs are edges") == 1
    assert all(dataset in message for dataset in table.frame["dataset"].unique())
