"""Verdicts on quotations, against both stores."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rag.claims.alignment import Excerpt
from rag.claims.checker import Checker
from rag.claims.document_names import DocumentNames
from rag.claims.quotation_audit import QuotationAudit
from rag.claims.quotation_check import check_quotations
from rag.claims.quotations import find_quotations
from rag.claims.quoted_text import CanonicalText, QuotedText, canonical
from rag.claims.results import CheckedQuotation
from rag.claims.split import split_claims
from rag.protocols import Store
from tests.claims.parts import MODELS, engine
from tests.growth import MOST_GROWTH, growth
from tests.parsing.reading import load_bytes
from tests.store.helpers import local, postgres, put_text

LEASE = (
    "# Rent\n\nThe tenant must pay the rent of £500 on the ﬁrst day of each month, unless the "
    "landlord's agent agrees otherwise in writing. Late pay-\nments bear interest at 8 percent a "
    "year.\n\n# Repairs\n\nThe landlord repairs the roof – and the outer walls – within thirty "
    "days of a written notice. Small repairs are the tenant’s own business.[3]"
)
RULES = "Members who damage a boat pay for its repair. The tenant of a mooring keeps it clean."
BEE = "To be or not to be is what they were. No one said that the bees had left the hive at noon."
DOGS = (
    "2.1 Not to keep any dogs or cats in the flat. 2.2 To pay the rent, the rates, and the taxes, "
    "in advance. 2.3 Smoking on the stairs or in the yard is not allowed after 9 pm."
)
TEXTS = {"dogs.md": DOGS, "lease.md": LEASE, "club/rules.txt": RULES, "bees.md": BEE}


@pytest.fixture(params=["local", "postgres"], scope="module")
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    opening = local if request.param == "local" else postgres(request.getfixturevalue("cluster"))
    opened = opening(tmp_path_factory.mktemp("quoted") / "index")
    for name, text in TEXTS.items():
        put_text(opened, name, text)
    yield opened
    opened.close()


def audited(
    store: Store, text: str, sources: dict[int, str] | None = None
) -> list[CheckedQuotation]:
    quotations = find_quotations(text, split_claims(text).sentences)
    names = DocumentNames(store.documents())
    audit = QuotationAudit(store, text, sources or {}, names)
    checked = [audit.judge(quotation) for quotation in quotations]
    for quotation in checked:
        assert text[quotation.start : quotation.end] == quotation.text
        for place in quotation.places:
            document = store.document(place.document_id)
            assert document is not None
            assert document.text[place.start : place.end] == place.quote
            assert document.text[place.sentence_start : place.sentence_end] == place.sentence
    return checked


EXACT = "Late payments bear interest at 8 percent a year."


@pytest.mark.parametrize(
    "text",
    [
        f'It says: "{EXACT[:-1]}".',
        "»Late pay-\n ments  bear interest\nat 8 percent a year«",
        "> Late payments bear interest\n> at 8 percent a year.",
        "„late payments bear interest at 8 percent a year,“ it says",
        "« [L]ate payments bear interest [sic] at 8 percent a year »",
        "“The landlord repairs the roof — and the outer walls — within thirty days of a written "
        "notice. Small repairs are the tenant's own business.”",
        "“The tenant must pay the rent of £500 on the first day of each month, unless the "
        "landlord’s agent agree[d] otherwise in writing”",
    ],
)
def test_typesetting_and_an_editors_brackets_do_not_count(store: Store, text: str) -> None:
    (checked,) = audited(store, text)
    assert (checked.verdict, checked.is_fault) == ("exact", False), checked
    assert checked.places[0].document_id == "lease.md"


@pytest.mark.parametrize(
    ("quote", "verdict", "is_fault", "reason"),
    [
        ("Late payments bear interest at 9 percent a year.",
         "altered", True, "says “9”, lease.md says “8”"),
        ("The tenant must pay a rent of £600 on the first day of each month.",
         "altered", True, "says “£600”, lease.md says “£500”, and 1 more"),
        ("Late payments do not bear interest at 8 percent a year.",
         "altered", True, "adds “do not”"),
        ("Late payments bear interest at 8 Percent a year.",
         "altered", False, "only capitals or punctuation differ: says “Percent”"),
        ("The landlord repairs the roof – and the outer walls – of a written notice.",
         "altered", True, "leaves out “within thirty days”"),
        ("Members who damage a boat pay interest at 8 percent a year.",
         "stitched", True, "without"),
        ("Members who damage a boat pay … The tenant of a mooring keeps it clean.",
         "stitched", False, "joined by “…”"),
        ("Members who damage a boat pay […] interest at 8 percent a year.",
         "stitched", True, "places in club/rules.txt, lease.md"),
        ("The tenant must pay the rent of £500 on the first day of each month.",
         "cut", True, "goes on"),
        ("repairs the roof – and the outer walls", "cut", False, "goes on"),
        ("The tenant must pay the rent of £500 …", "exact", False, "word for word"),
        ("Cats may be kept by nobody in this house.", "not_found", True, "no document has it"),
        ("To keep any dogs or cats in the flat.",
         "cut", True, "leaves out “Not”: dogs.md says “Not to keep any dogs or cats in the flat”"),
        ("To keep any dogs, or small cats in the flat.",
         "altered", True, "leaves out “Not”: dogs.md says “Not to keep any dogs or cats"),
        ("To pay the rent the rates and the taxes in advance.",
         "altered", False, "only punctuation differs"),
        ("To pay the rent, the fees and the taxes in advance.",
         "altered", True, "says “fees”, dogs.md says “rates”"),
        ("To pay the rent, the taxes, in advance of everybody.",
         "altered", True, "leaves out “rates, and the”, and 1 more"),
        ("Smoking on the stairs or in the yard is … allowed",
         "stitched", True, "leaves out “not”: dogs.md says “not allowed”"),
        ("Smoking on the stairs or in the yard is [...] allowed",
         "stitched", True, "leaves out “not”"),
        ("Smoking on the stairs or … is not allowed", "stitched", False, "joined by “…”"),
        ("Smoking on the stairs or in the yard is [always] allowed",
         "altered", True, "says “always”, dogs.md says “not”"),
        ("Smoking on the stairs or in the yard is not allowed after [10 pm].",
         "altered", True, "says “10 pm”, dogs.md says “9 pm”"),
        ("Smoking on the stairs or in the yard is not allowed [late in the day].",
         "exact", False, "the writer's [late in the day] for “after 9 pm”"),
        ("[s]moking on the stairs will [be] allow[ed] after 9 pm.",
         "altered", True, "says “will [be]”, dogs.md says “is not”, and 1 more"),
        ("The Merchant of Venice", "not_found", False, "it reads like a title"),
        ("to be or not to be", "not_found", False, "too common"),
    ],
)  # fmt: skip
def test_verdicts(store: Store, quote: str, verdict: str, is_fault: bool, reason: str) -> None:
    (checked,) = audited(store, f"It says “{quote}” there.")
    assert (checked.verdict, checked.is_fault) == (verdict, is_fault), checked
    assert reason in checked.reason
    if is_fault and reason == "goes on":
        assert checked.rest == ", unless the landlord's agent agrees otherwise in writing."


@pytest.mark.parametrize(
    ("text", "sources", "verdict"),
    [
        (f"“{EXACT}” [1]", {1: "lease.md"}, "exact"),
        (f"“{EXACT}” [1]", {1: "bees.md"}, "misattributed"),
        (f"As [1] has it, “{EXACT}”", {1: "club/rules.txt"}, "misattributed"),
        ("“Late payments bear interest at 9 percent a year.” [1]", {1: "bees.md"}, "misattributed"),
        (f"According to club/rules.txt, “{EXACT}”", {}, "misattributed"),
        (f"According to rules.txt, “{EXACT}”", {}, "misattributed"),
        (f"The file says:\n\n> {EXACT}\n> — bees.md, p. 3\n", {}, "misattributed"),
        (f"The lease [1] says:\n\n> {EXACT}\n\nSo it is.", {1: "lease.md"}, "exact"),
        (
            f"“{EXACT}” [1] and “Members who damage a boat pay for its repair” [2].",
            {1: "lease.md", 2: "bees.md"},
            "exact misattributed",
        ),
    ],
)
def test_a_quotation_is_looked_for_in_what_it_cites(
    store: Store, text: str, sources: dict[int, str], verdict: str
) -> None:
    checked = audited(store, text, sources)
    assert [quotation.verdict for quotation in checked] == verdict.split(), checked


def test_a_title_that_the_quoted_document_mentions_too_is_no_citation(tmp_path: Path) -> None:
    store = local(tmp_path / "index")
    put_text(store, "wenham-lock.md", "Wenham Lock was built of red brick in the year 1840.")
    put_text(
        store, "barges.md", "The barges below Wenham Lock md were painted blue by their owners."
    )
    quote = "the barges below Wenham Lock md were painted blue by their owners."
    text = f"At Wenham Lock (wenham-lock.md), “{quote}”"
    (checked,) = audited(store, text)
    assert checked.verdict == "exact"
    store.close()


@pytest.mark.parametrize(
    "marked",
    [
        "He calls it a “so-called success” and “a good one”.",
        "He „¦sagt, es ist gut so¦“ und « ¦dit que c'est bien¦ » now.",
        "A “¦b “c d e” f g¦” h",
        'He wrote "¦one two three four¦", and "five".',
        '`"not in code at all"` and\n\n```\n“nor in a block of code”\n```\n',
        "“¦one two three four¦\n\n“¦five six seven eight¦”",
        "“one two three four\n\nfive six seven eight",
        "“¦one two three four\n\nfive six¦” seven",
        "> [!NOTE]\n> one two three four",
        "> ¦one two three four¦\n> — Author, Title",
        '[1] a.md "one two three four"',
        "It's the tenants' and the landlord's own' business' here.",
        "He says ‘¦the tenant’s dogs’ bowls are clean¦’, and so they are.",
        "Clause 2: ‘¦not to keep any dogs¦’ and ‘one dog’.",
        "It says '¦the landlord's agents' keys are lost¦'.",
        "A rule of the ‘¦tenants of the four mills¦’ and the landlords.",
        "In the '90s the tenants' rooms were cold, and the landlords' too.",
        "The tenants’ own rooms and the landlords’ four cold rooms.",
        "‘¦he wrote “one two three four” to me¦’",
        "“¦he wrote ‘one two three four’ to me¦”",
        "‘¦the forms of a '+' and a '-' sign¦’ and '¦N: see the manual of it¦' here.",
        "‚¦der Mieter zahlt die Miete¦‘ und ‹¦der Vermieter zahlt sie nicht¦›",
        "Rock 'n' roll and the lads' own band was what it was.",
    ],
)
def test_the_outermost_quotations_of_four_words_are_found(marked: str) -> None:
    text = marked.replace("¦", "")
    quotations = find_quotations(text, split_claims(text).sentences)
    assert [text[quotation.start : quotation.end] for quotation in quotations] == marked.split("¦")[
        1::2
    ]


@given(st.text(alphabet="abs1 .,\n>“”„«»‘’‚‹›\"'[]`—-…é\u0301ﬁ", max_size=120))
@example("“a b c d\n\n“e f g h")
@settings(max_examples=300)
def test_offsets_hold_for_any_text(text: str) -> None:
    end = 0
    for quotation in find_quotations(text, split_claims(text).sentences):
        assert (
            end
            <= quotation.outer_start
            <= quotation.start
            < quotation.end
            <= quotation.outer_end
            <= len(text)
        )
        end = quotation.outer_end
    characters, offsets = canonical(text)
    assert len(characters) == len(offsets)
    assert list(offsets) == sorted(offsets)
    assert all(0 <= offset < len(text) for offset in offsets)


@given(st.data(), st.text(alphabet="abc .,\n'’“”—-ﬁé\u030112", min_size=10, max_size=200))
@settings(max_examples=200, suppress_health_check=[HealthCheck.filter_too_much])
def test_what_is_cut_from_a_text_is_found_in_it(data: st.DataObject, text: str) -> None:
    words = CanonicalText(text).tokens
    if len(words) < 2:
        return
    first_word = data.draw(st.integers(0, len(words) - 2))
    last_word = data.draw(st.integers(first_word + 1, len(words) - 1))
    quote = text[words[first_word].start : words[last_word].end]
    matches = list(QuotedText(quote).matches(CanonicalText(text)))
    if canonical(quote)[0] == canonical(quote)[0].strip(".,"):
        assert any(match.start <= words[first_word].start < match.end for match in matches)


HOSTILE: dict[str, Callable[[int], str]] = {
    "marks": lambda n: '"' * n,
    "opening marks": lambda n: "“" * n,
    "pairs": lambda n: "“a b c d” " * (n // 10),
    "one opening mark": lambda n: "“" + "word " * (n // 5),
    "single marks": lambda n: "‘a s’ b" * (n // 7),
    "apostrophes": lambda n: "‘" + "a s’ b " * (n // 7),
    "straight single marks": lambda n: "'a' " * (n // 4),
    "nested": lambda n: "“a b " * (n // 10) + "”" * (n // 5),
    "mixed": lambda n: '„“«»"”' * (n // 6),
    "inches": lambda n: '"a 5" ' * (n // 6),
    "block quotes": lambda n: "> a b c d\n" * (n // 10),
    "ellipses": lambda n: "“a b c d" + " . . ." * (n // 6) + "”",
    "brackets": lambda n: "“a b c d" + "[a]" * (n // 3) + "”",
    "dashes": lambda n: "“a b c d" + "- " * (n // 2) + "”",
    "long": lambda n: "“" + "the tenant must not repair " * (n // 27) + "”",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_finding_quotations_takes_linear_time(kind: str) -> None:
    def find(size: int) -> None:
        text = HOSTILE[kind](size)
        for quotation in find_quotations(text, ())[:2]:
            list(QuotedText(text[quotation.start : quotation.end]).matches(CanonicalText(text)))

    assert growth(find, 30_000) <= MOST_GROWTH


@pytest.mark.parametrize("kind", ["one opening mark", "pairs", "long"])
def test_an_audit_takes_linear_time(tmp_path: Path, kind: str) -> None:
    store = local(tmp_path / "index")
    put_text(store, "lease.md", LEASE)
    assert growth(lambda size: audited(store, HOSTILE[kind](size)), 4_000) <= MOST_GROWTH
    store.close()


NOTE = "Opened in 1990. It leaks since the flood."
PARTS = 'Part,Note\npump,M4 | M5: steel bolts\nvalve,"Opened in 1990. It leaks since the flood."\n'
STEPS = "Set A | B before the start.\n\nThen wait.\n\n| Step | Tool |\n|-|-|\n| Cut | Saw |\n"


@pytest.mark.parametrize(
    ("name", "text", "quote", "sentence"),
    [
        ("parts.csv", PARTS, "M5: steel bolts", "M4 | M5: steel bolts"),
        ("parts.csv", PARTS, "leaks since", "Opened in 1990. It leaks since the flood."),
        ("parts.csv", PARTS, "Note: Opened in", "Note: Opened in 1990. It leaks since the flood."),
        ("parts.csv", PARTS, "valve | Note: Opened", f"valve | Note: {NOTE}"),
        ("steps.md", STEPS, "before the start", "Set A | B before the start."),
        ("steps.md", STEPS, "Saw", "Saw"),
        ("steps.md", STEPS, "Tool", "Tool"),
    ],
)  # fmt: skip
def test_the_sentence_of_a_quotation_is_within_its_cell_or_paragraph(
    name: str, text: str, quote: str, sentence: str
) -> None:
    (source,) = load_bytes(name, text)
    start = source.text.index(quote)
    assert Excerpt(source, start, start + len(quote)).citation.sentence == sentence


def test_a_writer_who_denies_what_is_quoted_leaves_nothing_out(store: Store) -> None:
    (checked,) = audited(store, "The tenant must not “keep any dogs or cats in the flat”.")
    assert (checked.verdict, checked.is_fault) == ("exact", False), checked
    (checked,) = audited(store, "The tenant is free “to keep any dogs or cats in the flat”.")
    assert (checked.verdict, checked.is_fault) == ("cut", True), checked


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("“Smoking on the stairs,” they write, “or in the yard is not allowed after 9 pm.”", 0),
        ("“Smoking on the stairs.” They write: “or in the yard is not allowed after 9 pm.”", 1),
        ("“Smoking on the stairs,” they write, “is not allowed after 9 pm.”", 1),
    ],
)
def test_a_quotation_that_the_writer_interrupts_is_no_fault(
    store: Store, text: str, faults: int
) -> None:
    report = check_quotations(store, text)
    assert [quotation.verdict for quotation in report.quotations] == ["cut", "exact"]
    assert report.quotation_counts["faults"] == faults


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(engine(tmp_path_factory.mktemp("index")), MODELS)


def test_a_sentence_that_is_a_quotation_is_not_judged_as_a_claim_too(checker: Checker) -> None:
    text = (
        "“Natanz keeps 6,060 centrifuges for ten years.” The United States left the agreement on "
        "“8 May 2018” and “announced the withdrawal from the White House”.\n\n"
        "> Iran may enrich uranium to no more than 3.67 percent."
    )
    report = checker.check(text)
    assert [judged.verdict for judged in report.sentences][::2] == ["not_a_claim", "not_a_claim"]
    assert report.sentences[1].verdict != "not_a_claim"
    assert [judged.verdict for judged in report.quotations] == ["altered", "exact", "exact"]
    assert report.quotation_counts["faults"] == 1
    assert report.failures(["quotation"]) == report.failures(["altered"]) == [report.quotations[0]]
    assert report.failures(["cut"]) == []
    text = "The whole deal says that “Natanz keeps 5,060 old centrifuges for ten years”."
    (sentence,) = checker.check(text).sentences
    assert sentence.verdict != "supported"
    (checked,) = checker.check("“Natanz keeps 5,060 centrifuges for ten years.”").quotations
    assert checked.verdict == "exact"
