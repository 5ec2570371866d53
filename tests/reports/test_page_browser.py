"""The page in a real browser: no errors, tables sort, figures open, definitions copy, a phone scrolls one way."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from conftest import build, study_frame

from reports.table.table import load

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]

WATCH = "<script>window.wrong = []; window.onerror = (said) => { window.wrong.push(String(said)); };</script>"
DRIVE = """<script>
const seen = {wrong: window.wrong};
const table = document.querySelector("#scores table");
const column = (n) => Array.from(table.tBodies[0].rows, (row) => row.cells[n].textContent.trim());
const head = table.tHead.rows[0].cells[3];
head.querySelector("button").click();
seen.up = [head.getAttribute("aria-sort"), column(3)];
head.querySelector("button").click();
seen.down = [head.getAttribute("aria-sort"), column(3)];
seen.names = column(0);
const figures = Array.from(document.querySelectorAll("figure"));
seen.figures = figures.length;
seen.alts = figures.filter((figure) => (figure.getAttribute("aria-label") || "").length > 20).length;
figures[0].querySelector("svg").dispatchEvent(new MouseEvent("click", {bubbles: true}));
const dialog = document.querySelector("dialog");
seen.open = [dialog.open, dialog.querySelectorAll("svg").length];
dialog.querySelector("button").click();
seen.closed = !dialog.open;
const asker = document.querySelector("#findings table").parentElement.nextElementSibling.querySelector(".definitions");
asker.click();
seen.asked = [dialog.open, Array.from(dialog.querySelectorAll("dt"), (term) => term.textContent)];
seen.answers = dialog.querySelectorAll("dd .copy").length;
dialog.close();
seen.tables = document.querySelectorAll("main table").length;
seen.explained = Array.from(document.querySelectorAll("main table"))
  .filter((one) => one.parentElement.nextElementSibling.querySelector(".definitions")).length;
seen.definitions = document.querySelectorAll("#how .define").length;
seen.copiers = document.querySelectorAll("#how .define .copy").length;
seen.lost = Array.from(document.querySelectorAll("nav.side a"))
  .filter((link) => !document.getElementById(link.hash.slice(1))).length;
seen.links = document.querySelectorAll("nav.side a").length;
const said = document.createElement("pre");
said.id = "seen";
said.textContent = JSON.stringify(seen);
document.body.appendChild(said);
</script></body>"""
PHONE = """<!doctype html><iframe id="phone" src="report.html" style="width:390px;height:800px;border:0"></iframe>
<pre id="seen"></pre><script>
document.getElementById("phone").addEventListener("load", (event) => {
  const root = event.target.contentDocument.documentElement;
  document.getElementById("seen").textContent = JSON.stringify({needs: root.scrollWidth, has: root.clientWidth});
});</script>"""


def browse(path: Path) -> tuple[dict[str, Any], str]:
    """Open a page, let its scripts run, and return what it recorded and the log of the console."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={path.parent / 'profile'}", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=2000", "--dump-dom", path.as_uri()]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    match = re.search(r'<pre id="seen">(.*?)</pre>', completed.stdout, re.DOTALL)
    return json.loads(unescape(match.group(1))) if match and match.group(1) else {}, completed.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    study_frame(blocks=2, failed={("fusion=early", "cell0")}).to_parquet(folder / "cells.parquet")
    return build(load(folder / "cells.parquet"), folder / "out")


@pytest.fixture(scope="module")
def driven(page: Path) -> tuple[dict[str, Any], str]:
    html = page.read_text(encoding="utf-8").replace("<head>", f"<head>{WATCH}", 1)
    copy = page.with_name("driven.html")
    copy.write_text(html.replace("</body>", DRIVE), encoding="utf-8")
    return browse(copy)


def test_it_opens_without_an_error(driven: tuple[dict[str, Any], str]) -> None:
    recorded, console = driven
    assert recorded["wrong"] == []
    assert "CONSOLE" not in console, console


def test_a_header_sorts_numbers_both_ways_and_keeps_gaps_below(driven: tuple[dict[str, Any], str]) -> None:
    (up, rising), (down, falling) = driven[0]["up"], driven[0]["down"]
    assert (up, down) == ("ascending", "descending")
    numbers = [float(text.split()[0]) for text in rising if "failed" not in text]
    assert len(numbers) >= 5 and numbers == sorted(numbers)
    assert [float(text.split()[0]) for text in falling if "failed" not in text] == numbers[::-1]
    assert driven[0]["names"][0].startswith("full")
    assert "failed" in rising[-1] and "failed" in falling[-1]


def test_every_figure_has_words_and_opens_large(driven: tuple[dict[str, Any], str]) -> None:
    recorded = driven[0]
    assert recorded["figures"] == recorded["alts"] > 0
    assert recorded["open"] == [True, 1] and recorded["closed"]


def test_every_definition_can_be_copied_and_every_link_of_the_contents_leads_somewhere(
    driven: tuple[dict[str, Any], str],
) -> None:
    recorded = driven[0]
    assert recorded["copiers"] == recorded["definitions"] > 10
    assert recorded["links"] >= 10 and recorded["lost"] == 0


def test_every_table_explains_its_numbers(driven: tuple[dict[str, Any], str]) -> None:
    recorded = driven[0]
    assert recorded["tables"] - recorded["explained"] <= 1  # the list of missing cells holds words alone
    opened, terms = recorded["asked"]
    assert (
        opened and {"Max-T", "Simultaneous interval", "Complete blocks"} <= set(terms) and len(set(terms)) == len(terms)
    )
    assert recorded["answers"] == len(terms)


def test_a_phone_need_not_scroll_sideways(page: Path) -> None:
    frame = page.with_name("phone.html")
    frame.write_text(PHONE, encoding="utf-8")
    recorded, _ = browse(frame)
    assert 0 < recorded["needs"] <= recorded["has"] <= 390
