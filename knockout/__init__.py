"""Ablation and hyperparameter studies from Python; ``import knockout`` loads no heavy library before it is needed.

>>> import knockout
>>> study = knockout.study("study.yaml", overrides=["repeats=5"])  # doctest: +SKIP
>>> study.plan()  # doctest: +SKIP
>>> study.run("results").report()  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from components.core.errors import KnockoutError

if TYPE_CHECKING:
    from knockout.sources import study
    from knockout.stored import check, report, results
    from knockout.studies import Study

__all__ = ["KnockoutError", "Study", "check", "report", "results", "study"]

_HOMES = {"Study": "studies", "check": "stored", "report": "stored", "results": "stored", "study": "sources"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'knockout' has no attribute {name!r}")
    return getattr(import_module(f"knockout.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
