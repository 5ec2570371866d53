"""Pages of the site that are notebooks: run when the site is built, in folders of their own, and shown with outputs."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent / "notebooks"
AT_ONCE = 2
QUIET = {"PYTHONWARNINGS": "ignore:IProgress not found", "OMP_NUM_THREADS": "1"}
LATEST = 900  # seconds that a cell may take on a busy machine


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, which itself stays beside it, to be downloaded."""
    for path, notebook in zip(_paths(), executed(), strict=True):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=_markdown(path, notebook)))
    return files


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Put outputs in their places, once Markdown cannot change them any more."""
    for path, notebook in zip(_paths(), executed(), strict=True):
        if page.file.src_uri == f"notebooks/{path.stem}.md":
            for cell in _code(notebook):
                content = content.replace(_place(cell), "".join(map(_shown, cell.outputs)))
    return content


def executed() -> tuple[Any, ...]:
    """Return all notebooks, run on simulated data; an error in a cell ends the build."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(_execute, (path.read_text(encoding="utf-8") for path in _paths())))


@cache
def _execute(text: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="knockout-notebook-") as folder:
        environment = {key: value for key, value in os.environ.items() if key != "BEELINE"} | QUIET
        notebook = nbformat.reads(text, as_version=4)
        client = NotebookClient(
            notebook,
            timeout=LATEST,
            kernel_name="python3",
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        client.execute(env=environment)
        here = f"{Path(folder).resolve()}/"
        return nbformat.reads(nbformat.writes(notebook).replace(here, ""), as_version=4)


def _paths() -> list[Path]:
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def _markdown(path: Path, notebook: Any) -> str:
    """Return a notebook as Markdown, with a place for the outputs of each cell."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts += [f"```python\n{cell.source}\n```", *([_place(cell)] if cell.outputs else [])]
    head, *rest = parts
    return "\n\n".join([head, f"This page is a notebook: [{path.name}]({path.name}).", *rest]) + "\n"


def _code(notebook: Any) -> Iterator[Any]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _place(cell: Any) -> str:
    return f'<div class="output" id="{cell.id}"></div>'


def _shown(output: Any) -> str:
    """Return an output as HTML, in the richest form that it has."""
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="md-typeset__scrollwrap">{data["text/html"]}</div>'
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"]}">'
    return f"<pre><code>{html.escape(output.get('text') or data['text/plain'])}</code></pre>"
