import numpy as np
import pytest

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError

GENES = 20
FAULTS = {
    "no negative left": (
        [(a, b) for a in range(3) for b in range(GENES) if a != b],
        r"too dense .* 57 edges of 3 TFs no pair without an edge is left for validation and test and training",
    ),
    "one TF saturated": (
        [*((0, b) for b in range(1, GENES)), (1, 5)],
        r"too dense .* no pair without an edge is left for validation\. TFs that regulate nearly all .*: 1;",
    ),
    "two edges": ([(0, 5), (0, 7)], r"too small .* 2 edges of 1 TF no edge is left for validation"),
    "one TF": ([(0, b) for b in range(1, 8)], r"too small .* 7 edges of 1 TF .* at least 8 targets"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exam_that_cannot_be_set_names_what_the_network_lacks(fault):
    edges, message = FAULTS[fault]
    expression = np.random.default_rng(0).random((GENES, 5), dtype=np.float32)
    genes = tuple(f"G{i}" for i in range(GENES))
    dataset = Dataset("tiny", genes, expression, np.arange(3), np.array(edges))
    splitter = registry.level("split", "per_tf")(registry.parse("split", "per_tf", {"validation": "matched"}))
    with pytest.raises(KnockoutError, match=rf"data set tiny: the network is {message}"):
        splitter.split(dataset, np.random.default_rng(0))
