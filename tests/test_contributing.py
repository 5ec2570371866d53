"""The example that CONTRIBUTING gives must work as it stands."""

import re
from pathlib import Path

import torch

from components.core import registry


def test_the_level_in_ten_lines_is_a_working_gnn():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    registry.levels("gnn")
    before = dict(registry._LEVELS["gnn"])
    try:
        exec(compile(code, "CONTRIBUTING.md", "exec"), {"__name__": "contributing"})
        settings = registry.parse("gnn", "graphconv", {"widths": [8, 4]})
        gnn = registry.level("gnn", "graphconv")(settings, 5)
        embeddings = gnn(torch.ones(6, 5), torch.tensor([[0, 1], [1, 0]]))
        assert [tuple(layer.shape) for layer in embeddings.layers] == [(6, 8), (6, 4)]
        assert embeddings.expert_score(torch.tensor([[0, 1]])).shape == (1,)
    finally:
        registry._LEVELS["gnn"] = before
