from pathlib import Path

import pytest

from rag import build
from rag.engine import Engine
from rag.query import Query
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.store.spelling import WordSpeller
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document
from tests.small_index import add, new_store

TEXTS = {
    "lease": (
        "The insurance of the building is paid by the tenant. The tenant, Martin Weber, "
        "renewed the contract in 2018."
    ),
    "manual": (
        "Retrieval of the boiler's log takes a minute. The contract with the installer ended."
    ),
}
TYPED, MEANT = "When was the contrct renewed?", "When was the contract renewed?"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = new_store(tmp_path)
    add(store, *(document(text, key, key) for key, text in TEXTS.items()))
    return store


@pytest.fixture
def speller(store: LocalStore) -> WordSpeller:
    return WordSpeller(store)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("who pays the insurnce?", "who pays the insurance?"),  # a missing letter
        ("Insuurance of what?", "Insurance of what?"),  # an extra letter
        ("what does retreival take", "what does retrieval take"),  # swapped
        ("who is the tenent?", "who is the tenant?"),  # another
        ("when was the contrct renewd?", "when was the contract renewed?"),
        ("when did Marttin renew it?", "when did Martin renew it?"),  # a longer name
        # a form in the language, but not in the index
        ("the contrcts of 2018", "the contracts of 2018"),
    ],
)
def test_a_word_one_edit_away_is_corrected(speller: WordSpeller, typed: str, expected: str) -> None:
    assert speller.correct(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "What does the hire cost?",  # a common word that is not in the index
        "Is the hire organised? Please summarise and optimise its log.",  # British spelling
        "who insures the tenants?",  # other forms of the index's words
        "INSURNCE",  # possibly an acronym
        "mail tenent@example.org, see tenent/lease.pdf or tenent_2018",
        "xqzzrt",
        "who is Webor?",  # a short name
        "who tennan't pay?",  # a contraction
        "tena",
        "",
        "insurnce tenent contrct renewd",  # in no language
        "Wann endet der Contract mit dem Tenent?",
    ],
)
def test_known_words_and_other_languages_are_unchanged(speller: WordSpeller, typed: str) -> None:
    assert speller.correct(typed) == typed


def test_words_of_a_deleted_document_are_forgotten(store: LocalStore, speller: WordSpeller) -> None:
    store.delete("lease")
    assert speller.correct("who pays the insurnce?") == "who pays the insurnce?"


def engine_of(store: LocalStore, spelling: int = 1) -> Engine:
    settings = Settings(index=store.folder, threshold=0.0, spelling=spelling)
    engine = build.assemble(settings, store, BagOfWordsEmbedder(), NameReader(), SpanJudge())
    assert isinstance(engine, Engine)
    return engine


def test_the_corrected_question_is_answered_and_shown(store: LocalStore) -> None:
    engine = engine_of(store)
    answer = engine.ask(TYPED)
    assert (answer.question, answer.understood) == (TYPED, MEANT)
    assert answer.receipt is not None
    assert answer.receipt.question == TYPED
    assert engine.ask(MEANT).understood is None


def test_it_can_be_switched_off(store: LocalStore) -> None:
    (answer,) = engine_of(store).ask_many([Query(TYPED, as_typed=True)])
    assert answer.understood is None
    assert engine_of(store, spelling=0).ask(TYPED).understood is None
