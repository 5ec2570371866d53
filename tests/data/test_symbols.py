import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.hints import looks_like_id, looks_like_number
from components.data.prepare.symbols import (
    likely_symbols,
    match_symbols,
    repaired_dates,
)

SYMBOLS = st.text(string.ascii_letters + string.digits + "-.", min_size=1, max_size=5)
LISTS = st.lists(SYMBOLS, unique=True, max_size=12)


@given(symbols=LISTS, genes=LISTS)
def test_every_symbol_is_found_or_ambiguous_or_absent_and_letter_by_letter_wins(symbols, genes):
    matches = match_symbols(symbols, genes)
    assert not set(matches.genes) & set(matches.ambiguous)
    for name in symbols:
        alike = {gene for gene in genes if gene.upper() == name.upper()}
        if name in genes:
            assert matches.genes[name] == name and name not in matches.how
        elif len(alike) == 1:
            assert {matches.genes[name]} == alike and matches.how[name] == "case"
        else:
            assert name not in matches.genes and set(matches.ambiguous.get(name, ())) == alike


@given(symbols=LISTS, genes=LISTS, seed=st.randoms())
def test_matches_do_not_depend_on_order(symbols, genes, seed):
    shuffled = [seed.sample(names, len(names)) for names in (symbols, genes)]
    here, there = match_symbols(symbols, genes), match_symbols(*shuffled)
    assert here.genes == there.genes and here.how == there.how
    assert here.ambiguous.keys() == there.ambiguous.keys()


@given(symbols=LISTS, genes=LISTS, synonyms=st.dictionaries(SYMBOLS.map(str.upper), SYMBOLS.map(str.upper), max_size=5))
def test_synonyms_add_matches_and_change_none(symbols, genes, synonyms):
    without, with_table = match_symbols(symbols, genes), match_symbols(symbols, genes, synonyms)
    assert without.genes.items() <= with_table.genes.items()
    assert set(with_table.genes.values()) <= set(genes)


def test_synonyms_join_alias_and_symbol_in_either_direction():
    synonyms = {"OCT4": "POU5F1", "OCT3": "POU5F1"}
    assert match_symbols(["OCT4"], ["Pou5f1"], synonyms).genes == {"OCT4": "Pou5f1"}
    assert match_symbols(["POU5F1"], ["Oct4"], synonyms).genes == {"POU5F1": "Oct4"}
    assert match_symbols(["OCT3"], ["OCT4"], synonyms).how == {"OCT3": "synonym"}
    assert match_symbols(["POU5F1"], ["OCT3", "OCT4"], synonyms).ambiguous == {"POU5F1": ("OCT3", "OCT4")}


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("1-Sep", (("SEPTIN1", "SEPT1"),)),
        ("Sep-01", (("SEPTIN1", "SEPT1"),)),
        ("7-sept", (("SEPTIN7", "SEPT7"),)),
        ("2023-09-07", (("SEPTIN7", "SEPT7"),)),
        ("2023-09-07 00:00:00", (("SEPTIN7", "SEPT7"),)),
        ("15-Sep", (("SELENOF", "SEP15"),)),
        ("2-Mar", (("MARCHF2", "MARCH2"), ("MTARC2", "MARC2"))),
        ("3-Mar-21", (("MARCHF3", "MARCH3"),)),
        ("1-Dec", (("DELEC1", "DEC1"),)),
        ("4-Oct", (("POU5F1", "OCT4"),)),
        ("1-Feb", ()),
        ("31-Sep", ()),
        ("2023-13-07", ()),
        ("9/7/2023", ()),
        ("SEPT7", None),
        ("SEP15", None),
        ("MARCKS", None),
        ("1810037I17RIK", None),
        ("44440", None),
        ("HLA-A", None),
    ],
)
def test_dates_are_distinguished_from_symbols(name, likely):
    assert likely_symbols(name) == likely


def test_a_date_is_repaired_only_where_one_gene_can_be_meant():
    dates = ["1-Sep", "7-Sep", "1-Mar", "2-Mar", "1-Feb", "SOX2"]
    assert repaired_dates(dates, []) == {"1-Sep": "SEPTIN1", "7-Sep": "SEPTIN7"}
    symbols = ["Sept7", "MARC1", "MARCH2", "MARC2"]
    assert repaired_dates(dates, symbols) == {"1-Sep": "SEPTIN1", "7-Sep": "Sept7", "1-Mar": "MARC1"}


def test_a_date_in_the_network_is_matched_only_if_asked_for():
    assert match_symbols(["7-Sep"], ["Sept7"]).genes == {}
    assert match_symbols(["7-Sep"], ["Sept7"], repair_dates=True).how == {"7-Sep": "date"}
    assert match_symbols(["1-Mar"], ["MARCH1", "MARC1"], repair_dates=True).ambiguous.keys() == {"1-Mar"}


@pytest.mark.parametrize("name", ["44440", "2.31E+19", "1e5", "7"])
def test_numbers_are_no_symbols(name):
    assert looks_like_number(name)


@pytest.mark.parametrize("name", ["A2M", "1810037I17RIK", "5S_RRNA", ""])
def test_symbols_are_no_numbers(name):
    assert not looks_like_number(name)


def test_identifiers_are_distinguished_from_symbols():
    assert looks_like_id("ENSG00000141510.11") and looks_like_id("ENSMUSG00000059552") and not looks_like_id("ENSA")
