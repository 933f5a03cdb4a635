import pytest

from rag import build
from rag.models.reader import ExtractiveReader
from rag.models.two_readers import TwoReaders
from rag.settings import Settings
from rag.types import Hit
from tests import tiny
from tests.small_index import hit

TEXTS = [f"town {n} was built in 1{n}00. it is small." for n in range(8)]


def hits(texts: list[str]) -> list[Hit]:
    return [hit(text, f"d{i}", score=1.0 - i / 10) for i, text in enumerate(texts)]


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExtractiveReader, ExtractiveReader]:
    spans, heads = tmp_path_factory.mktemp("spans"), tmp_path_factory.mktemp("heads")
    return ExtractiveReader(str(tiny.bert(spans))), ExtractiveReader(str(tiny.three_heads(heads)))


def test_each_reader_gives_what_it_is_for(
    readers: tuple[ExtractiveReader, ExtractiveReader],
) -> None:
    spans, heads = readers
    some = hits(TEXTS)
    found = TwoReaders(spans, heads).read("when?", some)
    alone = spans.read("when?", some)
    assert found.spans == alone.spans
    read = [verdict.hit for verdict in found.verdicts]
    assert len(read) == 3
    assert some[0] in read
    assert alone.spans[0].hit in read
    assert read == sorted(read, key=lambda hit: -hit.score)
    again = heads.read("when?", read)
    assert [s.score for s in found.sentences] == pytest.approx(
        [s.score for s in again.sentences], abs=1e-4
    )
    assert [v.yes for v in found.verdicts] == pytest.approx(
        [v.yes for v in again.verdicts], abs=1e-4
    )


def test_fewer_passages_than_the_second_reads_and_none(
    readers: tuple[ExtractiveReader, ExtractiveReader],
) -> None:
    both = TwoReaders(*readers)
    few, none = both.read_many([("when?", hits(TEXTS[:2])), ("when?", [])])
    assert [v.hit.passage.document_id for v in few.verdicts] == ["d0", "d1"]
    assert (none.spans, none.sentences, none.verdicts) == ([], [], [])


@pytest.mark.slow
def test_the_shipped_readers_know_what_a_text_says() -> None:
    reader = build.reader(Settings(reader="accurate"))
    text = "The rent is 900 euros a month. It is due on the first. Dogs are allowed in all flats."
    lease = hit(text, title="Lease")
    claims = [
        "The rent is 900 euros a month.",
        "The rent is 400 euros a month.",
        "The bridge is long.",
    ]
    same, changed, other = (
        found.verdicts[0] for found in reader.read_many([(c, [lease]) for c in claims])
    )
    assert same.yes > max(changed.yes, other.yes)
    assert changed.no > same.no
    assert len(reader.read(claims[0], [lease]).sentences) == 3
