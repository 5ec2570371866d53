"""Every number on a page is defined on it: the head of its column, or the title of its table, is a term at the end."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import build

from reports.table.table import Table
from reports.words.glossary import CONCLUSIONS, HEADS, SEARCHES, STATISTICS
from reports.words.metrics import METRICS, label

NAMES = {"Arm", "Data set", "Metric", "Difference of", "Method", "Factor", "Level", "Reason", "Parameter", "Range"}


class Heads(HTMLParser):
    """Collects the heads of all columns, table by table, with the terms that a table names itself."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[str]]] = []
        self.terms: set[str] = set()
        self._in_head, self._cell, self._section = False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.tables.append((given.get("data-words") or "", []))
        self._in_head = self._in_head or tag == "thead"
        if tag == "th":
            self._cell = ""
        if tag == "dd":
            self.terms |= {given.get("data-term") or "", *(given.get("data-heads") or "").split("|")}

    def handle_endtag(self, tag: str) -> None:
        if tag == "thead":
            self._in_head = False
        if tag == "th" and self._in_head:
            self.tables[-1][1].append(" ".join(self._cell.split()))

    def handle_data(self, data: str) -> None:
        self._cell += data


def heads_of(page: Path) -> Heads:
    parser = Heads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


@pytest.mark.parametrize("blocks", [1, 7])
def test_every_column_of_numbers_is_defined_on_the_page(
    study: Callable[..., Table], tmp_path: Path, blocks: int
) -> None:
    table = study(blocks=blocks, failed={("fusion=early", "cell0")})
    page = heads_of(build(table, tmp_path / "out"))
    data = {*table.frame["arm"], *table.frame["dataset"], "degree alone (AUROC)"}
    assert len(page.tables) >= 5
    for words, heads in page.tables:
        for head in heads[1:]:
            plain = head.removeprefix("95 % ").removesuffix(" reference").removesuffix(" control")
            plain = plain.removesuffix(" baseline").removesuffix(" difference")
            defined = plain in page.terms or plain in NAMES
            # arms and data sets are heads, too: what is below them is named once, by the table
            defined_by_table = words and set(words.split("|")) <= page.terms
            assert defined or (defined_by_table and (plain in data or plain.startswith("Mean of "))), (words, head)


def test_heads_stand_for_defined_terms() -> None:
    metrics = {label(metric) for metric in METRICS}
    assert set(HEADS) <= {*STATISTICS, *CONCLUSIONS, *SEARCHES}
    heads = [head for group in HEADS.values() for head in group]
    assert len(heads) == len(set(heads))
    assert not set(heads) & ({*STATISTICS, *CONCLUSIONS, *SEARCHES, *metrics} - set(HEADS))
