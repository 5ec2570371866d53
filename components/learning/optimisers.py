"""PyTorch's optimisers, without its compiler."""

from __future__ import annotations

from functools import cache
from inspect import unwrap
from typing import Any

import torch


@cache
def eager(optimizer: type[torch.optim.Optimizer]) -> Any:
    """Return a class of optimisers without what torch wraps its methods in for ``torch.compile``; steps are the same.

    The wrappers import the compiler when a first optimiser is made: .9 s of CPU and 77 MB of every worker.
    """
    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: unwrap(getattr(optimizer, name)) for name in wrapped}
    step = torch.no_grad()(unwrap(optimizer.step))  # the wrapper of step holds gradients back, too
    return type(optimizer.__name__, (optimizer,), {**methods, "step": step})
