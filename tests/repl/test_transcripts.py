"""Transcripts of sessions: typed lines in, the exact screen out. Only the models are fakes."""

import json
from pathlib import Path

import pytest

from rag import build
from rag.ingestion.pipeline import index
from rag.repl.run import converse
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, document
from tests.repl.helpers import Talk

TYPED = ["When was the deal signed?", "and when did the US leave it?"]
IN_COLUMNS = """\
> When was the deal signed?

  2015                                             ▰▰▰▰▱ 77%

  1  The deal
     The deal was signed in Vienna in 2015.
     docs/deal.md

  also Vienna 77% · 2018 50%

> and when did the US leave it?
  understood as: When did the US leave the deal?

  2018                                             ▰▰▰▱▱ 65%

  1  The deal › The exit
     The US left the deal in 2018.
     docs/deal.md

  also 2015 50% · Vienna 50%

"""
IN_WORDS = """\
> When was the deal signed?
Answer: 2015. Confidence 77%.
Source 1: docs/deal.md, The deal.
  The deal was signed in Vienna in [[2015]].
Also considered: Vienna 77%; 2018 50%
> and when did the US leave it?
understood as: When did the US leave the deal?
Answer: 2018. Confidence 65%.
Source 1: docs/deal.md, The deal > The exit.
  The US left the deal in [[2018]].
Also considered: 2015 50%; Vienna 50%
"""


@pytest.mark.parametrize(("in_words", "screen"), [(False, IN_COLUMNS), (True, IN_WORDS)])
def test_questions_and_a_follow_up(filled: Settings, in_words: bool, screen: str) -> None:
    assert Talk(filled, in_words=in_words)(*TYPED) == screen


def test_not_found_shows_the_reason_and_the_closest_passages(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_THRESHOLD", "0.9")
    printed = Talk(Settings.load(), in_words=False)("When was the deal signed?")
    assert printed.startswith(
        "> When was the deal signed?\n\n"
        '  Not found: best guess "2015" (77%, needs 90%)\n\n'
        "  nearest\n"
        "  1  The deal\n     The deal was signed in Vienna in 2015.\n     docs/deal.md\n"
    )
    assert "  2  The deal › The exit\n" in printed
    assert "  3  " not in printed  # a third candidate is in the first sentence, too


def test_an_index_is_created_asked_and_emptied(settings: Settings) -> None:
    talk = Talk(settings, width=90)
    printed = "".join(talk("When was the deal signed?").split())  # the path is wrapped
    assert f"noindexin{Path('index').absolute()}createonewith:/ingestPATH" in printed
    assert talk("/ingest docs", "/list") == (
        "> /ingest docs\n2 added\n> /list\ndocs/deal.md: The deal\ndocs/oman.txt: Oman, the "
        "mediator\n"
    )
    assert talk("/list MEDIATOR").endswith("\ndocs/oman.txt: Oman, the mediator\n")
    assert talk("/list z") == "> /list z\nno document matches z\n"
    assert talk("Who hosted the secret talks?").splitlines()[1].startswith("Answer: Oman.")
    assert talk("/delete Oman, the mediator", "/delete docs/deal.md", "/list") == (
        "> /delete Oman, the mediator\ndeleted docs/oman.txt; 2 searches for its passages no "
        "longer find it\n"
        "> /delete docs/deal.md\ndeleted docs/deal.md; 4 searches for its passages no "
        "longer find it\n"
        "> /list\nthe index is empty; add documents with /ingest PATH\n"
    )
    assert talk("Who hosted the secret talks?").endswith(
        "the index is empty\nadd documents with: /ingest PATH\n"
    )


def test_ingest_lists_skipped_files_and_leaves_the_index_out(filled: Settings) -> None:
    for number in range(7):
        Path(f"docs/{number}.txt").write_bytes(b"\0")
    talk = Talk(filled)
    lines = talk("/ingest ./docs").splitlines()
    assert lines[1] == "2 unchanged, 7 skipped"
    assert "docs/0.txt: is binary, not text" in " ".join(lines)
    assert lines[-1] == "and 2 more were skipped"
    careful = Talk(filled, agree=False)
    assert careful("/delete docs/oman.txt") == "> /delete docs/oman.txt\nkept\n"
    assert len(build.store(filled).documents()) == 2
    (filled.index / "keys.json").write_text('{"keys": []}')
    talk("/ingest .")
    sources = {Path(document.source).name for document in build.store(filled).documents()}
    assert sources == {"deal.md", "oman.txt", "calibration.json"}
    assert "is an index folder" in talk("/ingest index")


def test_filters_and_numbers_persist(filled: Settings) -> None:
    talk = Talk(filled, width=90)
    assert talk("/filter type=txt", "/filter year>=2024") == (
        "> /filter type=txt\nonly documents that match type=txt; /filter off for all\n"
        "> /filter year>=2024\nonly documents that match type=txt and year>=2024; /filter off "
        "for all\n"
    )
    assert talk("/filter off", "/filter", "/filter type=txt", "/top-k 1")
    assert "docs/deal.md" not in talk("When did the US leave the deal?")
    assert len(talk.session.exchanges[-1].answer.hits) == 1
    assert talk("/top-k") == "> /top-k\n1 passages are read for a question\n"


def test_search_and_sources_show_places(filled: Settings) -> None:
    talk = Talk(filled)
    assert talk("/top-k 1", "/search secret talks").endswith(
        "Source 1: docs/oman.txt, Oman, the mediator. score 1.000.\n  Date: 2025-11-24 Oman "
        "hosted the secret talks in Muscat.\n"
    )
    talk("When did the US leave the deal?")
    assert talk("/sources") == (
        "> /sources\ndocs/deal.md, characters 84 to 88 of 89:\n"
        "  The deal The deal was signed in Vienna in 2015. The exit\n  The US left the deal in "
        "[[2018]].\n"
    )
    Path("docs/deal.md").write_text("# The deal\n\nNothing more.\n")
    assert talk("/ingest docs", "/sources").endswith(
        "> /sources\ndocs/deal.md has changed since the answer\nask again\n"
    )
    assert talk("/delete docs/deal.md", "/sources").endswith(
        "> /sources\ndocs/deal.md is no longer in the index\nask again\n"
    )


def test_why_shows_an_explanation_ranks_and_scores(filled: Settings) -> None:
    talk = Talk(filled, width=80, in_words=False)
    printed = talk("When did the US leave the deal?", "/why")
    words, _, numbers = printed.partition("/why\n")[2].partition("\n\n")
    assert '"2018": confidence 65%' in words
    lines = numbers.splitlines()
    assert lines[0].split() == ["rank", "score", "meaning", "words", "passage"]
    assert lines[1].split()[0] == "1"
    assert lines[1].count("(#1)") == 2
    assert lines[1].endswith("docs/deal.md > The exit")
    assert lines[4].startswith("  retrieve ")


def test_json_equals_that_of_the_command_line(filled: Settings) -> None:
    talk = Talk(filled)
    printed = talk("/json", "When did the US leave the deal?").split("deal?\n")[1]
    assert json.loads(printed)["answer"] == "2018"
    assert talk("/json").endswith("answers as text\n")


def test_a_session_is_saved_as_markdown(filled: Settings) -> None:
    talk = Talk(filled)
    nothing = "> /save s.md\nno question has been asked yet\nask a question first\n"
    assert talk("/save s.md") == nothing
    talk(*TYPED)
    assert talk('/save "s.md"').startswith('> /save "s.md"\nsaved 2 questions to')
    digest = build.store(filled).documents()[0].sha256[:12]
    assert Path("s.md").read_text() == (
        "# Questions and answers\n\n## When was the deal signed?\n\n**2015** (confidence 77%)\n\n"
        f"1. The deal: `docs/deal.md`, characters 43 to 47, sha256 `{digest}`\n\n"
        "   > The deal was signed in Vienna in **2015**.\n\n"
        "## and when did the US leave it?\n\nUnderstood as: When did the US leave the "
        "deal?\n\n**2018** (confidence 65%)\n\n"
        f"1. The deal \\> The exit: `docs/deal.md`, characters 84 to 88, sha256 `{digest}`\n\n"
        "   > The US left the deal in **2018**.\n"
    )
    assert "saved 2 questions" in talk("/save s.md")
    Path("t.md").write_text("mine")
    careful = Talk(filled, agree=False)
    careful("When was the deal signed?")
    assert careful("/save t.md").endswith("not saved\n")
    assert Path("t.md").read_text() == "mine"
    assert "saved 2 questions" in talk("/save t.md")
    assert "cannot be written" in talk("/save nowhere/t.md")


NEXT_STEPS = {
    "/serch x": "no command /serch\ndid you mean /search?\n",
    "/xyz": "no command /xyz\nlist all commands with: /help\n",
    "/": "no command /\nlist all commands with: /help\n",
    "/top-k 300": "'300' is not a number from 1 to 200\nas in /top-k 8\n",
    "/sources": "no sources have been shown yet\nask a question, or /search WORDS\n",
    "/why": "no question has been asked yet\nask a question\n",
    "/ingest": "no path given\ngive a file or folder: /ingest PATH\n",
    "/ingest nowhere": "no such file or folder: nowhere\ncheck the path; /ingest takes ",
    "/delete": "no document given\ngive an id or a title: /delete DOCUMENT\n",
    "/delete docs/omen.txt": "no document docs/omen.txt in the index\ndid you mean docs/oman",
    "/save": "no file given\ngive a file: /save FILE.md\n",
    "/search": "the question is empty\n",
    "/help top-k": "/top-k [N]: set the number of passages to read per question\n",
    "/help": 'Type a question. Follow-up questions may say "it" or "and where?".\n/search WORDS: ',
    "/info": "index: index\ndocuments: 2\npassages: 3\n",
}


def test_each_line_says_what_follows(filled: Settings) -> None:
    talk = Talk(filled, width=80)
    for line, text in NEXT_STEPS.items():
        assert talk(line).startswith(f"> {line}\n{text}")
    assert talk("/quit", "/help") == "> /quit\n"


def test_an_error_does_not_end_the_session(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def read_many(self, questions: object) -> object:
            raise MemoryError("too little")

    monkeypatch.setattr(build, "reader", lambda settings: Broken())
    printed = Talk(filled)("When?", "/top-k")
    assert "unexpected error: MemoryError: too little\n" in printed
    assert printed.endswith("> /top-k\n8 passages are read for a question\n")


def test_ctrl_c_between_pasted_lines_discards_the_rest(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, noted = Talk(filled), list[str]()

    def note(text: str) -> None:
        noted.append(text)
        if text == "> /top-k 4":
            raise KeyboardInterrupt

    monkeypatch.setattr(talk.screen, "note", note)
    converse(talk.desk, [["/top-k 3", "/top-k 4", "/top-k 5"], ["/top-k"]])
    assert noted[-3:] == ["> /top-k 4", "stopped", "3 passages are read for a question"]


def test_changes_by_another_process_are_seen_at_the_next_question(filled: Settings) -> None:
    talk = Talk(filled)
    assert "1999" not in talk("When was the treaty of Geneva signed?")
    second_store = build.store(filled)
    added = document("The treaty of Geneva was signed in 1999.", "docs/new.txt", "New")
    index([added], second_store, BagOfWordsEmbedder())
    assert "[[1999]]" in talk("When was the treaty of Geneva signed?")
    assert "docs/new.txt" in talk("/list new")
    second_store.delete("docs/new.txt")
    assert "1999" not in talk("When was the treaty of Geneva signed?")
