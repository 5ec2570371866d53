"""What the title of a column says: that it names regulators, targets or genes, by symbol or by identifier."""

from __future__ import annotations

import re

# title to its role, the plainest first; "source" may also be the database of an edge
ROLES = {
    **dict.fromkeys(("tf", "tfs", "tfgene", "transcriptionfactor", "transcriptionfactors", "gene1"), ("regulator", 0)),
    **dict.fromkeys(("regulator", "regulators", "regulatorgene"), ("regulator", 0)),
    **dict.fromkeys(("regulatorygene", "regulatinggene"), ("regulator", 0)),
    **dict.fromkeys(("source", "sourcegene", "from", "fromgene"), ("regulator", 1)),
    **dict.fromkeys(("target", "targets", "targetgene", "targetgenes", "tg", "gene2"), ("target", 0)),
    **dict.fromkeys(("regulated", "regulatedgene", "regulatee"), ("target", 0)),
    **dict.fromkeys(("to", "togene"), ("target", 1)),
    **dict.fromkeys(("gene", "genes", ""), ("gene", 0)),  # "" is left of symbol and name
}
SYMBOL, PLAIN, IDENTIFIER = 0, 1, 2
KINDS = (
    (SYMBOL, ("genesymbol", "genesymbols", "symbol", "symbols", "genename", "genenames", "name", "names", "hgnc")),
    (IDENTIFIER, ("ncbigeneid", "geneid", "id", "ids", "ensembl", "entrez", "uniprot", "ncbi", "accession")),
)


def role_of(title: str) -> tuple[str, tuple[int, int]] | None:
    """Return what a column's title says of it, or None for a title that is not known.

    Case, blanks and marks do not count. ``Target gene``, ``target_symbol`` and ``TF.ensembl.id`` are known.

    Returns
    -------
    tuple
        ``regulator``, ``target`` or ``gene``, and how good the column is among those of one role: symbols before plain
        titles before identifiers, then plain titles before those with another meaning.
    """
    text, kind = re.sub(r"[\W_]", "", title.casefold()), PLAIN
    while True:
        if text in ROLES and (text or kind == SYMBOL):
            role, place = ROLES[text]
            return role, (kind, place)
        shorter = _without_kind(text)
        if shorter is None:
            return None
        text, inner_kind = shorter
        kind = inner_kind if kind == PLAIN else max(kind, inner_kind)


def _without_kind(text: str) -> tuple[str, int] | None:
    """Return a title without the word for symbol or identifier at its end or start, and which it is."""
    for kind, words in KINDS:
        for word in sorted(words, key=len, reverse=True):
            if text.endswith(word):
                return text.removesuffix(word), kind
            if text.startswith(word):
                return text.removeprefix(word), kind
    return None
