"""Small PDFs that would take gigabytes or hours are parsed, or refused in time and memory."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest

from rag.errors import InputError
from rag.parsing.base import ParseError
from rag.parsing.pool import ParseLimits, Pool
from rag.server import pdf_pages
from tests.parsing.pdfs import file_of

pytestmark = [pytest.mark.slow, pytest.mark.soak]
SECONDS, MEGABYTES = 1, 1000
DRAW = b"q 595 0 0 842 0 0 cm /X Do Q"
SIDE = 30_000


def stream(entries: str, data: bytes) -> bytes:
    head = f"<< {entries} /Length {len(data)} >>\nstream\n"
    return head.encode() + data + b"\nendstream"


def page(contents: bytes, *objects: bytes, box: str = "0 0 595 842", count: int = 1) -> bytes:
    """A PDF of one page, `count` times, whose resource /X is the first of `objects`."""
    kids = " ".join(["3 0 R"] * count)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R "
        "/Resources << /XObject << /X 5 0 R >> >> >>".encode(),
        stream("", contents),
        *objects,
    ]
    return file_of(parts)


def image(codec: str, data: bytes, side: int = SIDE, bits: int = 8, colours: str = "RGB") -> bytes:
    return stream(
        f"/Type /XObject /Subtype /Image /Width {side} /Height {side} /BitsPerComponent {bits} "
        f"/ColorSpace /Device{colours} /Filter {codec}",
        data,
    )


def deflated_zeros(megabytes: int) -> bytes:
    """A zlib stream of so many megabytes, from one block that repeats."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\x9c" + block * megabytes + b"\x03\0"


def forms(depth: int, times: int) -> list[bytes]:
    """Forms that each draw the next one so many times."""
    entries = "/Type /XObject /Subtype /Form /BBox [0 0 600 900]"
    last_object = 5 + depth
    return [
        stream(f"{entries} /Resources << /XObject << /X {n + 1} 0 R >> >>", b"/X Do " * times)
        for n in range(5, last_object)
    ] + [stream(entries, b"0 0 1 1 re f")]


def jbig2() -> bytes:
    """A page of SIDE x SIDE pixels, and a generic region of that size without data."""
    side = SIDE.to_bytes(4, "big")
    place = side + side + bytes(8)
    region = place + b"\0\0" + bytes([3, 255, 253, 255, 2, 254, 254, 254]) + bytes(64)

    def segment(number: int, kind: int, data: bytes) -> bytes:
        head = number.to_bytes(4, "big") + bytes([kind, 0, 1])
        return head + len(data).to_bytes(4, "big") + data

    return segment(0, 48, place + bytes(3)) + segment(1, 38, region)


def jpx() -> bytes:
    """A JPEG 2000 stream whose header promises SIDE x SIDE pixels in one tile."""
    side = SIDE.to_bytes(4, "big")
    size = bytes(2) + (side + side + bytes(8)) * 2 + b"\0\3" + b"\7\1\1" * 3
    coding = bytes([0, 0, 0, 1, 1, 5, 4, 4, 0, 0])
    quantized = b"\x40" * 17
    marks = ((0x51, size), (0x52, coding), (0x5C, quantized))
    header = b"".join(
        bytes([0xFF, mark]) + (2 + len(data)).to_bytes(2, "big") + data for mark, data in marks
    )
    tile = b"\xff\x90\0\x0a" + bytes(7) + b"\1\xff\x93"
    return b"\xff\x4f" + header + tile + bytes(99) + b"\xff\xd9"


BOMBS: dict[str, Callable[[], bytes]] = {
    "image": lambda: page(DRAW, image("/FlateDecode", deflated_zeros(2700))),
    "image, packed twice": lambda: page(
        DRAW, image("[/FlateDecode /FlateDecode]", zlib.compress(deflated_zeros(2700), 9))
    ),
    "image of bits": lambda: page(
        DRAW, image("/FlateDecode", deflated_zeros(108), bits=1, colours="Gray")
    ),
    "image without data": lambda: page(DRAW, image("/FlateDecode", b"", side=2**31 - 1)),
    "thousands of images": lambda: page(
        DRAW * 5000, image("/FlateDecode", deflated_zeros(26), 3000)
    ),
    "pages of an image": lambda: page(
        DRAW, image("/FlateDecode", deflated_zeros(26), 3000), count=1000
    ),
    "form that draws itself": lambda: page(
        DRAW,
        stream("/Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>", DRAW * 2),
    ),
    "forms": lambda: page(DRAW, *forms(12, 10)),
    "huge page": lambda: page(DRAW, *forms(0, 0), box="0 0 14000000 14000000"),
    "narrow page": lambda: page(DRAW, *forms(0, 0), box="0 0 0.001 20000"),
    "page without size": lambda: page(DRAW, *forms(0, 0), box="0 0 0 0"),
    "JBIG2": lambda: page(DRAW, image("/JBIG2Decode", jbig2(), bits=1, colours="Gray")),
    "JPX": lambda: page(DRAW, image("/JPXDecode", jpx())),
    "CCITT": lambda: page(DRAW, image("/CCITTFaxDecode", b"\0", bits=1, colours="Gray")),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, ParseLimits(seconds=SECONDS, memory=MEGABYTES)) as pool:
        yield pool


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_handled_or_refused_in_time(
    name: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_pages, "_SECONDS", SECONDS)
    bomb = BOMBS[name]()
    assert len(bomb) < 4_000_000
    calls: Sequence[tuple[Callable[[], object], type[Exception]]] = (
        (lambda: pool.load_data("bomb.pdf", bomb), ParseError),
        (lambda: pdf_pages.picture(bomb, 1, 800), InputError),
        (lambda: pdf_pages.layout(bomb, 1, [("word", "", "")]), InputError),
    )
    for call, refusal in calls:
        started = time.monotonic()
        with suppress(refusal):
            call()
        assert time.monotonic() - started < 4 * SECONDS + 10
