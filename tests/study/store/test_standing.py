from dataclasses import dataclass
from typing import Any

from study.spec.records import CellRecord, Status
from study.store.tracking.runs import EVERY_S, Standing


@dataclass
class Row:
    arm_digest: str
    repeat: int
    dataset: str = "net"
    split: str = "per_tf"


ROWS: list[Any] = [Row(arm, repeat) for repeat in (0, 1) for arm in ("a", "b")]


def record(value: float) -> CellRecord:
    return CellRecord(cell="0" * 20, scores={"test": {"auroc": value}}, data_digest="", identity={}, versions={})


def means(standing: Standing) -> dict[str, dict[str, float]]:
    return {arm: {name: value for name, value, _ in metrics} for arm, metrics in standing.means()}


def test_arms_are_compared_on_what_all_of_them_have_done():
    standing = Standing(ROWS)
    standing.add(ROWS[0], record(0.5))
    assert means(standing) == {}
    standing.add(ROWS[1], record(0.6))
    standing.add(ROWS[2], record(0.9))  # of an exam that the other arm has not ended
    assert {arm: seen["test.auroc.mean"] for arm, seen in means(standing).items()} == {"a": 0.5, "b": 0.6}
    standing.add(ROWS[3], record(0.8))
    assert means(standing)["a"]["test.auroc.mean"] == 0.7


def test_an_arm_with_a_failed_cell_has_no_mean_and_is_counted():
    standing = Standing(ROWS[:2])
    standing.add(ROWS[0], record(0.5))
    standing.add(ROWS[1], record(0.5).model_copy(update={"status": Status.ERROR}))
    assert "test.auroc.mean" not in means(standing)["b"] and means(standing)["b"]["cells_failed"] == 1
    assert standing.progress == [("cells", 2.0, 2), ("cells_failed", 1.0, 2), ("cells_planned", 2.0, 2)]


def test_updates_are_seconds_apart():
    now = [0.0]
    standing = Standing(ROWS, lambda: now[0])
    assert standing.due and not standing.due
    now[0] = EVERY_S
    assert standing.due
