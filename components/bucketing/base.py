"""What a gene carries in: turns expression into one feature vector per gene."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings


class Bucketing(nn.Module):
    """Base of every gene encoder: built from expression ``[genes, cells]``, gives ``[genes, width]``.

    ``per_gene`` names the weights that have one row per gene: those of an encoder that knows genes by their index.
    ``tied_to`` says what of the data set it was trained on an encoder cannot do without; an encoder tied to nothing can
    be shown other cells of the same genes (:meth:`show`), and so be tested on another data set. ``over_genes`` says
    whether its features, too, are one per gene, in the data set's order.
    """

    width: int
    tied_to: ClassVar[str] = "the cells it was trained on"
    over_genes: ClassVar[bool] = False
    per_gene: ClassVar[tuple[str, ...]] = ()

    class Settings(BaseSettings):
        """What every gene encoder can be asked."""

    def forward(self) -> Tensor:
        """Return gene features ``[genes, width]``."""
        raise NotImplementedError

    def show(self, expression: Tensor) -> None:
        """Read the features of the same genes off other cells, ``[genes, other cells]``, from now on."""
        raise TypeError(f"{type(self).__name__} is tied to {self.tied_to}")
