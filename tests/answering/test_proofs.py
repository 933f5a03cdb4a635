"""What stands beside "Yes.", "No." or "On a condition." is what says so, read alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from rag import build
from rag.answering.candidate import Candidate
from rag.answering.compose import Ruling
from rag.answering.features import Featurizer
from rag.answering.proofs import PROOFS, Proof, proofs, question_first, verdicts, with_proofs
from rag.answering.proposals import candidates
from rag.answering.reading import Reading, likeliest_verdict
from rag.engine import Engine
from rag.models.reader import ExtractiveReader
from rag.parsing.load import load_data
from rag.protocols import Verdict
from rag.query import Query
from rag.settings import Settings
from rag.types import Document
from tests import tiny
from tests.answering.readings import UNSURE, Prefers, composed, hit_of, reading_of
from tests.fakes import BagOfWordsEmbedder, document
from tests.small_index import add, new_store

YES, NO, NEITHER, DEPENDS = range(4)
POOL = document(
    "The pool opens at nine. Dogs may swim on Sundays. They need a lead then. Bring a towel.",
    "pool",
    "pool",
)
SCORES = [0.1, 0.9, 0.2, 0.1]
ASKED = "May my dog swim?"
PASSAGE_SAYS_YES = (0.9, 0.04, 0.03, 0.03)


def taught_reader(folder: Path, *lessons: tuple[str, int], title: str = "pool") -> ExtractiveReader:
    """A tiny reader that has learnt what these texts say to `ASKED`."""
    rows = [(ASKED, title, text, verdict) for text, verdict in lessons]
    return ExtractiveReader(str(tiny.four_verdicts(folder, rows)))


def says_always(folder: Path, verdict: int) -> ExtractiveReader:
    return ExtractiveReader(str(tiny.four_verdicts(folder, otherwise=verdict)))


def read(reader: ExtractiveReader, limit: int = PROOFS) -> Reading:
    (reading,) = with_proofs([reading_of(POOL, SCORES, PASSAGE_SAYS_YES, ASKED)], reader, [limit])
    return reading


def yes_no(reading: Reading) -> list[Candidate]:
    return [candidate for candidate in candidates(reading) if candidate.form == "yes_no"]


def words(places: Proof, source: Document = POOL) -> str:
    return " ".join(source.text[place.start : place.end] for place in places)


@pytest.mark.parametrize(
    ("learnt", "verdict", "lead"),
    [(YES, "yes", "Yes."), (NO, "no", "No."), (DEPENDS, "condition", "On a condition.")],
)
def test_the_sentence_that_is_shown_decides(
    tmp_path: Path, learnt: int, verdict: str, lead: str
) -> None:
    reading = read(taught_reader(tmp_path, ("Dogs may swim on Sundays.", learnt)), limit=1)
    (candidate,) = yes_no(reading)
    assert (candidate.verdict, candidate.lead) == (verdict, lead)
    answer = composed(reading, Ruling(Prefers("yes_no"), 0.5, 3))
    assert answer.text == f"{lead} Dogs may swim on Sundays."
    assert answer.to_dict()["verdict"] == answer.verdict == verdict


def test_no_verdict_stands_beside_sentences_that_say_nothing(tmp_path: Path) -> None:
    reading = read(says_always(tmp_path, NEITHER))
    assert len(reading.proofs or {}) == PROOFS
    assert yes_no(reading) == []
    assert composed(reading, Ruling(Prefers("sentence"), 0.5, 3)).verdict is None


def test_a_condition_in_the_next_sentence_joins_the_quote(tmp_path: Path) -> None:
    sentence, sentences = (
        "Dogs may swim on Sundays.",
        "Dogs may swim on Sundays. They need a lead then.",
    )
    reader = taught_reader(tmp_path, (sentence, YES), (sentences.replace(". T", ".\nT"), DEPENDS))
    reading = read(reader, limit=2)
    assert [(candidate.verdict, words(candidate.places)) for candidate in yes_no(reading)] == [
        ("condition", sentences)
    ]


def test_a_longer_proof_that_says_the_same_leaves_the_shorter(tmp_path: Path) -> None:
    answers = yes_no(read(says_always(tmp_path, DEPENDS)))
    assert words(answers[0].places) == "Dogs may swim on Sundays."
    assert {answer.verdict for answer in answers} == {"condition"}


def test_the_verdict_of_the_proof_is_weighed_not_that_of_the_passage(tmp_path: Path) -> None:
    reading = read(says_always(tmp_path, NO))
    (row, *_) = map(Featurizer(reading).vector, yes_no(reading))
    assert row["no"] > 5 > row["yes"]
    assert row["verdict"] == row["no"]
    assert row["depends"] == pytest.approx(-3.476, abs=0.01)  # the passage's
    (sentence, *_) = (
        candidate for candidate in candidates(reading) if candidate.generator == "sentence"
    )
    assert Featurizer(reading).vector(sentence)["yes"] == pytest.approx(2.197, abs=0.01)


def test_a_reader_of_three_verdicts_reads_no_proofs(tmp_path: Path) -> None:
    reading = reading_of(POOL, SCORES, (0.9, 0.06, 0.04), ASKED)
    reader = ExtractiveReader(str(tiny.three_heads(tmp_path)))
    (with_verdicts,) = with_proofs([reading], reader, [PROOFS])
    assert with_verdicts is reading
    assert {candidate.verdict for candidate in yes_no(with_verdicts)} == {"yes", "no"}
    row = Featurizer(with_verdicts).vector(yes_no(with_verdicts)[0])
    assert row["verdict"] == row["yes"] == pytest.approx(2.197, abs=0.01)
    assert row["depends"] == -9


def test_a_question_that_wants_no_verdict_has_no_proofs(tmp_path: Path) -> None:
    reading = reading_of(POOL, SCORES, PASSAGE_SAYS_YES, "When does it open?")
    spans = UNSURE | {"yes_no": 0.01}
    open_question = Reading(
        reading.question, reading.hits, reading.output, reading.documents, spans
    )
    (with_verdicts,) = with_proofs([open_question], says_always(tmp_path, YES), [PROOFS])
    assert with_verdicts.proofs == {}
    assert yes_no(with_verdicts) == []


def first_proof(source: Document, scores: Sequence[float]) -> str:
    return words(next(proofs(reading_of(source, scores, PASSAGE_SAYS_YES))), source)


def test_an_item_is_read_with_its_lead_in() -> None:
    rules = document("These are forbidden:\n\n- open fires\n- loud music\n- glass bottles\n")
    assert first_proof(rules, [0.1, 0.1, 0.9, 0.1]) == "These are forbidden: - loud music"


PARK = (
    b"# Park rules\n\n## Not allowed in the park\n\n- drones and kites\n- bicycles on the grass\n"
    b"- music after 22:00\n"
)


@pytest.mark.parametrize(
    ("question", "scores", "verdict", "proof"),
    [
        ("May I fly a kite?", [0.9, 0.1, 0.1], "no", "Not allowed in the park - drones and kites"),
        ("May I play music?", [0.1, 0.1, 0.9], "condition", "- music after 22:00"),
        ("Are kites not allowed?", [0.9, 0.1, 0.1], "condition", "- drones and kites"),
    ],
)
def test_an_item_under_a_heading_that_forbids_is_a_no_with_its_heading(
    tmp_path: Path, question: str, scores: list[float], verdict: str, proof: str
) -> None:
    (rules,) = load_data("park.md", PARK).documents
    reading = reading_of(rules, [0.0, 0.0, *scores], PASSAGE_SAYS_YES, question)
    (read_with_proofs,) = with_proofs([reading], says_always(tmp_path, DEPENDS), [1])
    (candidate,) = yes_no(read_with_proofs)
    assert candidate.verdict == verdict
    assert words(candidate.places, rules).endswith(proof)


def test_an_item_that_may_forbid_only_a_part_decides_nothing(tmp_path: Path) -> None:
    (rules,) = load_data("park.md", PARK).documents
    scores = [0.0, 0.0, 0.1, 0.9, 0.1]
    reading = reading_of(rules, scores, PASSAGE_SAYS_YES, "May I bring my bicycle?")
    (read_with_proofs,) = with_proofs([reading], says_always(tmp_path, DEPENDS), [1])
    assert yes_no(read_with_proofs) == []


@pytest.mark.parametrize(
    ("heading", "item", "question", "verdict"),
    [
        ("Not allowed without a permit", "barbecues", "Are barbecues allowed?", "condition"),
        ("2.1 Not allowed", "barbecues", "Are barbecues allowed?", "no"),
        ("Not allowed", "dogs, except guide dogs", "Are guide dogs allowed?", "condition"),
        (
            "Not allowed",
            "tents outside the camp",
            "Are tents allowed in the camp?",
            "condition",
        ),
    ],
)
def test_a_condition_of_an_item_or_its_heading_is_no_flat_no(
    tmp_path: Path, heading: str, item: str, question: str, verdict: str
) -> None:
    text = f"# Park rules\n\n## {heading}\n\n- {item}\n- open fires\n"
    (rules,) = load_data("park.md", text.encode()).documents
    reading = reading_of(rules, [0.0, 0.0, 0.9, 0.1], PASSAGE_SAYS_YES, question)
    (read_with_proofs,) = with_proofs([reading], says_always(tmp_path, NO), [1])
    assert [candidate.verdict for candidate in yes_no(read_with_proofs)] == [verdict]


HICCUPS = document(
    "Myth: A cold bath cures hiccups. Fact: Nothing cures them. They pass by themselves.",
    "hiccups",
    "hiccups",
)


@pytest.mark.parametrize("scores", [[0.9, 0.5, 0.1], [0.5, 0.9, 0.1]])
def test_a_myth_comes_with_its_correction(scores: list[float]) -> None:
    made = proofs(reading_of(HICCUPS, scores, PASSAGE_SAYS_YES))
    first_text, *other_texts = (words(proof, HICCUPS) for proof in made)
    assert first_text == "Myth: A cold bath cures hiccups. Fact: Nothing cures them."
    assert not [text for text in other_texts if "Myth" in text]


def test_what_a_myth_says_is_reversed(tmp_path: Path) -> None:
    reader = taught_reader(tmp_path, ("A cold bath cures hiccups.", YES), title="hiccups")
    reading = reading_of(HICCUPS, [0.9, 0.5, 0.1], PASSAGE_SAYS_YES, ASKED)
    (read_with_proofs,) = with_proofs([reading], reader, [1])
    (candidate,) = yes_no(read_with_proofs)
    assert candidate.verdict == "no"
    assert words(candidate.places, HICCUPS).startswith("Myth: A cold bath cures hiccups. Fact:")


def test_a_reply_is_read_with_its_question() -> None:
    faq = document("Is it contagious? No. It cannot be passed on. Rest a day.")
    proof = first_proof(faq, [0.2, 0.1, 0.9, 0.1])
    assert proof == "Is it contagious? No. It cannot be passed on."


def test_a_proof_is_read_under_title_and_heading(tmp_path: Path) -> None:
    content = b"# Hall\n\n## Prohibited\n\nOpen fires of any kind in the hall. Loud music.\n"
    (hall,) = load_data("hall.md", content).documents
    scores = [0.1, 0.1, 0.9, 0.1]
    reading = reading_of(hall, scores, PASSAGE_SAYS_YES, ASKED)
    text = "Open fires of any kind in the hall."
    reader = taught_reader(tmp_path, (text, NO), title="Hall > Prohibited")
    (with_verdicts,) = with_proofs([reading], reader, [1])
    ((proof, verdict),) = (with_verdicts.proofs or {}).items()
    assert words(proof, hall) == text
    assert (likeliest_verdict(verdict), verdict.no > 0.99) == ("no", True)


def test_a_long_path_keeps_its_innermost_heading(tmp_path: Path) -> None:
    content = f"# {'Long ' * 50}\n\n## Prohibited\n\nOpen fires of any kind in the hall.\n"
    (hall,) = load_data("hall.md", content.encode()).documents
    reading = reading_of(hall, [0.1, 0.1, 0.9], PASSAGE_SAYS_YES, ASKED)
    reader = taught_reader(
        tmp_path, ("Open fires of any kind in the hall.", NO), title="Prohibited"
    )
    (with_verdicts,) = with_proofs([reading], reader, [1])
    assert [likeliest_verdict(verdict) for verdict in (with_verdicts.proofs or {}).values()] == [
        "no"
    ]


def test_what_is_asked_is_read_before_a_long_story() -> None:
    story = "I am 17 and I live with my aunt. " + "We have two dogs and a cat. " * 6
    assert question_first(f"{story}May I swim?") == f"May I swim? {story.strip()}"
    assert question_first("I am 17. May I swim?") == "I am 17. May I swim?"


def test_the_likeliest_is_said_if_anything_is() -> None:
    hit = hit_of(POOL)
    shares = [
        (0.3, 0.1, 0.2, 0.4),
        (0.5, 0.1, 0.2, 0.2),
        (0.1, 0.4, 0.2, 0.3),
        (0.2, 0.1, 0.6, 0.1),
    ]
    words = [likeliest_verdict(Verdict(hit, *probabilities), lean=0.0) for probabilities in shares]
    assert words == ["condition", "yes", "no", None]
    leaning = Verdict(hit, 0.5, 0.1, 0.2, 0.2)
    assert likeliest_verdict(leaning, lean=2.0) == "condition"
    assert verdicts({}) == {}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An index whose reader says of everything that it depends."""
    store, reader = new_store(tmp_path / "index"), says_always(tmp_path, DEPENDS)
    add(store, POOL)
    settings = Settings(index=tmp_path / "index", threshold=0.0)
    return build.assemble(settings, store, BagOfWordsEmbedder(), reader, Prefers("yes_no"))


def test_an_engine_says_on_a_condition(engine: Engine) -> None:
    answer = engine.ask(ASKED, form="yes_no")
    assert answer.verdict == "condition"
    assert answer.text is not None
    assert answer.text.startswith("On a condition. ")
    assert {alternative.verdict for alternative in answer.alternatives} == {"condition"}
    for piece in answer.pieces:
        assert POOL.text[piece.citation.start : piece.citation.end] == piece.text


def test_after_the_deadline_one_proof_is_read(engine: Engine) -> None:
    query = Query(ASKED, form="yes_no", deadline=time.monotonic())
    (search_result,) = engine.find_many([query])
    (answer,) = engine.answer_many([query], [search_result], {})
    assert answer.verdict == "condition"
    assert answer.alternatives == ()
