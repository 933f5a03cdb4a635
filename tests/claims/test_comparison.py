"""Compares claims with evidence without a model: values by meaning, names, negations."""

from __future__ import annotations

import pytest

from rag.claims.comparison import compare
from rag.meaning.figures import figures
from rag.meaning.names import names
from tests.growth import cpu_seconds

SIGNED = (
    "The Joint Comprehensive Plan of Action, known as the JCPOA, was signed in Vienna on 14 "
    "July 2015."
)
LIMITS = (
    "Iran kept 6,104 installed centrifuges, of which 5,060 first-generation IR-1 machines at "
    "Natanz could enrich uranium for 10 years. Iran agreed to enrich to no more than 3.67 percent. "
    "The stockpile was capped at 300 kilograms. It paid $1.7 billion."
)


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The JCPOA was signed on 14 July 2015.", SIGNED),
        ("The JCPOA was signed on 2015-07-14.", SIGNED),
        ("The JCPOA was signed in July 2015.", SIGNED),
        ("The JCPOA was signed in 2015.", SIGNED),
        ("Iran kept 5,060 IR-1 machines for ten years.", LIMITS),
        ("Enrichment was limited to 3.67%.", LIMITS),
        ("The stockpile was capped at 0.3 tonnes.", LIMITS),
        ("More than 6,000 installed centrifuges were kept.", LIMITS),
        ("It paid 1,700,000,000 dollars.", LIMITS),
    ],
)
def test_a_value_is_the_same_in_other_words_units_and_less_exact(claim: str, evidence: str) -> None:
    found = compare(claim, evidence)
    assert (found.missing, found.differs) == ((), ())
    assert found.values > 0


@pytest.mark.parametrize(
    ("claim", "evidence", "pair"),
    [
        ("The JCPOA was signed on 14 July 2018.", SIGNED, ("14 July 2018", "14 July 2015")),
        ("The JCPOA was signed in 2018.", SIGNED, ("2018", "14 July 2015")),
        ("The stockpile was capped at 500 kg.", LIMITS, ("500 kg", "300 kilograms")),
        ("Enrichment was limited to 5 percent.", LIMITS, ("5 percent", "3.67 percent")),
        ("It paid $17 billion.", LIMITS, ("$17,000,000,000", "$1,700,000,000")),
        ("The JCPOA was signed in Geneva on 14 July 2015.", SIGNED, ("Geneva", "Vienna")),
    ],
)
def test_contradicting_values_are_named(claim: str, evidence: str, pair: tuple[str, str]) -> None:
    assert pair in compare(claim, evidence).differs


def test_more_than_and_less_than_are_not_the_same() -> None:
    assert compare("More than 400 kg were kept.", LIMITS).missing
    assert not compare("Less than 400 kg were kept.", LIMITS).missing


@pytest.mark.parametrize(
    ("claim", "denied"),
    [("The JCPOA was never signed in Vienna.", True), ("The JCPOA was signed in Vienna.", False)],
)
def test_a_denial_on_one_side_is_recognised(claim: str, denied: bool) -> None:
    assert compare(claim, SIGNED).denied is denied


def test_names_are_runs_of_capitals_or_spelled_out() -> None:
    assert names("In Vienna the European Union and Federica Mogherini announced it.") == [
        "Vienna",
        "European Union",
        "Federica Mogherini",
    ]
    assert compare("The EU lifted it.", "The European Union lifted its sanctions.").unnamed == ()
    assert compare("The JCPOA ended.", SIGNED, "").unnamed == ()
    assert compare("Japan signed it.", SIGNED).unnamed == ("Japan",)


def test_a_name_in_the_heading_counts() -> None:
    assert compare("The JCPOA was signed.", "It was signed in 2015.", "The JCPOA").unnamed == ()


def test_a_quotation_is_equal_in_every_word() -> None:
    assert compare(SIGNED, SIGNED).likeness == 1.0
    assert compare("Bananas are yellow.", SIGNED).likeness < 0.5


def test_a_long_text_is_read_in_pieces() -> None:
    assert len(figures("It rose in 2015 by 3 percent. " * 100)) == 200


@pytest.mark.parametrize("value", ["{} May {}", "{} km and {}", "1{}, {}"])
def test_thousands_of_values_are_compared_in_time(value: str) -> None:
    """Every value of either side differs from every other: none is found at once."""
    claim = " ".join(value.format(1 + number % 28, 1700 + number) for number in range(60))
    evidence = " ".join(value.format(1 + number % 28, 1850 + number) for number in range(60, 130))
    assert cpu_seconds(lambda: compare(claim, evidence), 2) < 0.25
    assert compare(claim, evidence).values == 50


def test_a_value_is_the_same_in_another_unit_however_many_are_stated() -> None:
    evidence = f"{' '.join(f'{number} kg,' for number in range(3, 90))} and 2 tonnes."
    compared = compare("The load was 2,000 kg and 95 kg.", evidence)
    assert (compared.missing, compared.differs) == (("95 kg",), (("95 kg", "3 kg"),))
