"""Entry points that load no heavy libraries; the import contracts are in pyproject (import-linter)."""

import ast
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import grimp
import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("components", "knockout", "reports", "search_spaces", "study")


@pytest.mark.parametrize(
    ("statement", "left_out"),
    [
        ("import knockout; dir(knockout)", ["torch", "mlflow", "optuna", "pandas", "numpy", "pydantic", "rich"]),
        ("import study.cli.main", ["torch", "mlflow", "optuna", "pandas", "matplotlib"]),
        (
            "from study.cli.main import app; app(['--help'], standalone_mode=False)",
            ["torch", "mlflow", "optuna", "pandas"],
        ),
        ("from study.cli.main import app; app(['run', '-h'], standalone_mode=False)", ["torch", "mlflow", "optuna"]),
        ("import reports, reports.statistics.attainability", ["torch", "optuna", "mlflow", "matplotlib"]),
        ("import components, search_spaces, study", ["torch", "mlflow", "optuna", "pandas"]),
        ("import study.cli.components", ["torch", "mlflow", "optuna", "pandas", "numpy"]),
        ("import study.cli.stored.status", ["torch", "mlflow", "optuna", "pandas", "scipy", "matplotlib"]),
        (
            "import study.cli.stored.reporting, study.cli.stored.experiments, reports.findings.analysis, reports.build",
            ["torch", "mlflow", "optuna"],
        ),
        (
            "import study.run.pool, study.train.cell; from components.core import registry; "
            "[registry.levels(name) for name in registry.FACTORS]",
            ["sklearn", "scipy.stats", "scipy.sparse", "pandas", "mlflow", "optuna", "matplotlib", "torch_geometric"],
        ),  # a worker
        (  # nor does it for the predictions of its first cell
            "import tempfile; from pathlib import Path; import numpy as np; "
            "from study.spec.files import write_columns; "
            "write_columns(Path(tempfile.mkdtemp()) / 'a.parquet', {'tf': np.array(['A']), 'score': np.ones(1)})",
            ["pandas"],
        ),
        (  # nor does training: torch's optimisers import its compiler
            "import torch; from components.learning.optimisers import eager; "
            "from study.train.score import fixed_order; fixed_order('cpu').__enter__(); "
            "weight = torch.nn.Parameter(torch.ones(2)); adam = eager(torch.optim.Adam)([weight], fused=True); "
            "weight.sum().backward(); adam.step(); adam.zero_grad(); adam.load_state_dict(adam.state_dict())",
            ["torch._dynamo", "sympy"],
        ),
    ],
)
def test_heavy_libraries_are_left_out(statement: str, left_out: list[str]):
    script = f"import sys; {statement}; print(); print(*(m for m in {left_out} if m in sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.splitlines()[-1] == ""


def test_every_metric_that_a_cell_computes_has_its_words_in_reports():
    from components.core import metrics as computed
    from reports.words import metrics as worded

    assert set(computed.METRICS) <= set(worded.METRICS)
    assert all(worded.METRICS[name].higher_is_better for name in computed.METRICS), "searches maximise them"


def test_every_status_of_a_cell_is_defined_in_reports():
    from reports.table.scores import Status as Known
    from study.spec.records import Status

    assert {status.value for status in Status} <= {status.value for status in Known}


DATA = {".parquet", ".h5ad", ".h5", ".loom", ".npy", ".npz", ".mtx", ".pt", ".pkl", ".gz", ".zip", ".db"}


def test_no_data_are_kept_in_the_repository():
    completed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if completed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in completed.stdout.split("\0") if name]
    assert not [name for name in names if Path(name).suffix in DATA]
    assert not [name for name in names if (ROOT / name).is_file() and (ROOT / name).stat().st_size > 250_000]


def test_a_room_holds_nine_files_at_most():
    rooms = {folder.parent for name in PACKAGES for folder in (ROOT / name).rglob("*.py")}
    sizes = {room: sum(path.name != "__init__.py" for path in room.glob("*.py")) for room in rooms}
    assert len(rooms) > 20 and {room for room, size in sizes.items() if size > 9} == set()


def test_no_file_imports_one_that_imports_it():
    graph = grimp.build_graph(*PACKAGES)
    imports = [(file, other) for file in graph.modules for other in graph.find_modules_directly_imported_by(file)]
    assert list(nx.simple_cycles(nx.DiGraph(imports))) == []


def test_commands_that_are_printed_are_quoted():
    """A path with a space names other files in a command that a user copies: ``components.core.errors.command``."""
    typed = re.compile(r"(knockout|mlflow ui|optuna-dashboard)( -*[a-z][a-z-]+)+ *$")
    for room in ("components", "knockout", "reports", "search_spaces", "study"):
        for path in (ROOT / room).rglob("*.py"):
            texts = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr))
            for text in texts:
                for before, after in itertools.pairwise(text.values):
                    constant = before.value if isinstance(before, ast.Constant) else ""
                    assert not (isinstance(after, ast.FormattedValue) and typed.search(constant)), (
                        f"{path}: {constant!r}"
                    )
