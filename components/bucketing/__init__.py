"""Factor bucketing: what a gene carries in.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.bucketing.base import Bucketing as Bucketing
from components.bucketing.profile import NoBucketing as NoBucketing
from components.bucketing.gene_cell import CumulativeBucketing as CumulativeBucketing
from components.bucketing.factorised import FactorisedBucketing as FactorisedBucketing
from components.bucketing.features import Features as Features
from components.bucketing.reduced import PrincipalComponents as PrincipalComponents
