"""Compares claims with evidence without a model: values by meaning, names, negations."""

import pytest

from rag.claims.checker import Checker
from rag.claims.differences import compare, is_quoted
from rag.claims.verdict import QUOTED
from rag.meaning.names import names
from tests.claims.parts import MODELS, engine
from tests.growth import cpu_seconds

SIGNED = "The Joint Comprehensive Plan, known as the JCPOA, was signed in Vienna on 14 July 2015."
LIMITS = (
    "Iran kept 6,104 installed centrifuges, of which 5,060 first-generation IR-1 machines at "
    "Natanz could enrich uranium for 10 years. Iran agreed to enrich to no more than 3.67 percent. "
    "The stockpile was capped at 300 kilograms. It paid $1.7 billion."
)
VOID = "China, Iran and Russia do not recognise the snapback, and they hold that it is void."
TEXTS = {
    "snapback.md": VOID,
    "mogherini.md": "# Federica Mogherini\n\nShe announced the deal in Lausanne with the minister.",
}


@pytest.mark.parametrize(
    ("claim", "evidence", "differs", "missing"),
    [
        ("The JCPOA was signed on 2015-07-14.", SIGNED, (), ()),
        ("More than 6,000 installed centrifuges were kept for ten years.", LIMITS, (), ()),
        ("The JCPOA was signed in 2018.", SIGNED, (("2018", "14 July 2015"),), ("2018",)),
        ("The cap was 500 kg.", LIMITS, (("500 kg", "300 kilograms"),), ("500 kg",)),
        (
            "It paid $17 billion.",
            LIMITS,
            (("$17,000,000,000", "$1,700,000,000"),),
            ("$17,000,000,000",),
        ),
        ("It was signed in Geneva on 14 July 2015.", SIGNED, (("Geneva", "Vienna"),), ()),
        ("It was founded on 29 July 1957.", "It was founded in 1957.", (), ("29 July 1957",)),
    ],
)
def test_values_and_names_that_differ_or_are_missing(
    claim: str, evidence: str, differs: tuple[tuple[str, str], ...], missing: tuple[str, ...]
) -> None:
    compared = compare(claim, evidence)
    assert (compared.differs, compared.missing) == (differs, missing)
    assert compared.values > 0


@pytest.mark.parametrize(
    ("claim", "evidence", "is_denied"),
    [
        ("The JCPOA was never signed in Vienna.", SIGNED, True),
        ("The JCPOA was signed in Vienna.", SIGNED, False),
        ("It never went to the Senate.", "It is not a treaty, so it never went there.", False),
        ("It was sent to the Senate.", "It is not a treaty, so it was never sent there.", True),
        ("Iran enriched no more than 3 %.", "Iran enriched at most 3 %.", False),
        ("Only Iraq had not hidden a plan.", "Only Iraq had hidden a plan.", True),
    ],
)
def test_a_denial_applies_to_its_own_clause(claim: str, evidence: str, is_denied: bool) -> None:
    assert compare(claim, evidence).denied is is_denied


def test_names_are_runs_of_capitals_or_spelled_out() -> None:
    announced = "In Vienna the European Union and Federica Mogherini announced it."
    assert names(announced) == ["Vienna", "European Union", "Federica Mogherini"]
    assert compare("The EU lifted it.", "The European Union lifted its sanctions.").unnamed == ()
    assert compare("Japan signed it.", SIGNED).unnamed == ("Japan",)
    assert compare("The JCPOA was signed.", "It was signed.", "The JCPOA").unnamed == ()


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


# Sentences that a document has word for word


@pytest.mark.parametrize(
    ("claim", "evidence", "expected"),
    [
        (VOID, VOID, True),
        ("China, Iran, and Russia do not recognise snapback.", VOID, True),
        ("They hold that it is void.", VOID, False),  # its context is a denial
        ("China, Iran and Russia recognise the snapback.", VOID, False),
        ("Iran and China do not recognise the snapback.", VOID, False),
        ("It is void.", VOID, False),
        ("Natanz was moved by night.", "Some claimed that Natanz was moved by night.", False),
    ],
)
def test_a_quotation_is_one_run_of_words(claim: str, evidence: str, expected: bool) -> None:
    assert is_quoted(claim, evidence) is expected


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(engine(tmp_path_factory.mktemp("index"), TEXTS), MODELS)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (VOID, "supported"),
        ("She announced the deal in Lausanne with the minister.", "supported"),
        ("She announced the deal.", "not_checkable"),
        ("China, Iran and Russia recognise the snapback, and they hold that it is void.", None),
    ],
)
def test_a_sentence_is_looked_up_whole(checker: Checker, text: str, verdict: str | None) -> None:
    (sentence,) = checker.check(text).sentences
    assert sentence.verdict == verdict if verdict else sentence.verdict != "supported"
    if verdict == "supported":
        assert sentence.evidence[0].citation.quote == text


def test_a_quotation_about_another_person_is_checked_by_meaning(checker: Checker) -> None:
    text = "Hans Blix led the agency. She announced the deal in Lausanne with the minister."
    sentence = checker.check(text).sentences[1]
    assert sentence.verdict != "contradicted"
    assert sentence.confidence < QUOTED


@pytest.mark.parametrize(
    ("evidence", "differs"),
    [
        ("2.1 It is long; see clause 7.2.", ()),
        ("(3) It lasts three months.", (("4 months", "3 months"),)),
        ("7. It lasts as paragraph 5 and schedule 2 say.", ()),
        ("1.5 months is how long it lasts.", (("4 months", "1.5 months"),)),
    ],
)
def test_the_number_of_a_clause_is_no_value(
    evidence: str, differs: tuple[tuple[str, str], ...]
) -> None:
    assert compare("It lasts 4 months.", evidence).differs == differs
