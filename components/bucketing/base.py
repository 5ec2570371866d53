"""Base of bucketings, which turn expression into one feature vector per gene."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings


class Bucketing(nn.Module):
    """Base of every bucketing: built from expression ``[genes, cells]``, returns features ``[genes, width]``.

    Attributes
    ----------
    width
        Features per gene.
    tied_to
        What of its data set the trained encoder depends on. One that depends on nothing (empty text) can read other
        cells of the same genes (:meth:`show`), and so be tested on another data set.
    over_genes
        Whether there is one feature per gene of the data set, in its order.
    per_gene
        Names of the weights that have one row per gene.
    unsupervised
        Whether it is fitted to expression alone, before any label is read, and frozen then: :meth:`unfitted` and
        :meth:`keep`.
    named
        Whether it depends on which genes these are: it is built with their names and a random stream behind
        expression, and says by :meth:`check` how it fits a data set.
    by_default
        Whether a search over every level tries it; not one that needs a setting which only a user has.
    """

    width: int
    tied_to: ClassVar[str] = "the cells it was trained on"
    over_genes: ClassVar[bool] = False
    per_gene: ClassVar[tuple[str, ...]] = ()
    unsupervised: ClassVar[bool] = False
    named: ClassVar[bool] = False
    by_default: ClassVar[bool] = True

    class Settings(BaseSettings):
        """No settings common to all bucketings."""

    @classmethod
    def tie(cls, settings: Any) -> str:
        """Return what of its data set the encoder depends on with these settings: :attr:`tied_to`."""
        return cls.tied_to

    @classmethod
    def check(cls, settings: Any, genes: tuple[str, ...]) -> tuple[str, ...]:
        """Return what a user should know of it on a data set; raise :class:`KnockoutError` where it cannot be built."""
        return ()

    @classmethod
    def known_genes(cls, settings: Any) -> tuple[str, ...]:
        """Return the genes that it can be built for; none where names do not matter."""
        return ()

    def forward(self) -> Tensor:
        """Return gene features ``[genes, width]``."""
        raise NotImplementedError

    def show(self, expression: Tensor) -> None:
        """Compute features from other cells of the same genes, ``[genes, other cells]``, from now on.

        Raises
        ------
        TypeError
            If the encoder is tied to its data set.
        """
        raise TypeError(f"{type(self).__name__} is tied to {self.tied_to}")


class FixedBucketing(Bucketing):
    """Base of bucketings without weights: features ``[genes, width]`` are computed once."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.width = features.shape[1]
        self.features: Tensor = nn.Buffer(features, persistent=False)

    def forward(self) -> Tensor:
        """Return gene features ``[genes, width]``."""
        return self.features
