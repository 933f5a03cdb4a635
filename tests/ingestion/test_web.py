"""Web ingestion from a real server on loopback."""

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from rag.errors import InputError
from rag.ingestion.fetch import Fetcher, _is_public, host_of
from rag.ingestion.ingest import IngestReport
from rag.ingestion.web import WebIngest
from rag.parsing.base import ParseError
from rag.parsing.load import load_data
from rag.store.local.store import LocalStore
from tests.fakes import BagOfWordsEmbedder
from tests.http_server import Handler, listening

PAGE = "<title>{0}</title><body><h1>{0}</h1><p>Sardines swim near {0}.</p></body>"


class Site(ThreadingHTTPServer):
    """Serves `pages`, (type, body, headers) or a status by path, and records the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, tuple[str, bytes, dict[str, str]] | int] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def page(self, path: str, body: str | bytes, kind: str = "text/html", **headers: str) -> None:
        self.pages[path] = (kind, body.encode() if isinstance(body, str) else body, headers)


class _Handler(Handler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path, 404)
        if isinstance(page, int):
            self.send_error(page)
            return
        kind, body, headers = page
        if "ETag" in headers and self.headers.get("If-None-Match") == headers["ETag"]:
            self.answer(304)
        else:
            self.answer(302 if "Location" in headers else 200, body, Content_Type=kind, **headers)


@pytest.fixture
def site() -> Iterator[Site]:
    with listening(Site()) as server:
        yield server


def take(store: LocalStore, *urls: str, limit: int = 100_000, private: bool = True) -> IngestReport:
    return WebIngest(store, BagOfWordsEmbedder(), 60, load_data, limit, private).run(urls)


def test_a_page_is_a_document_whose_source_is_its_address(store: LocalStore, site: Site) -> None:
    site.page("/docs/fish", PAGE.format("Muscat"))
    report = take(store, f"{site.url}/docs/fish#part")
    host = site.url.removeprefix("http://")
    assert report.added == [f"{host}/docs/fish"]
    document = store.document(report.added[0])
    assert document is not None
    assert (document.source, document.title) == (f"{site.url}/docs/fish", "Muscat")
    assert "Sardines swim near Muscat." in document.text


def test_an_unchanged_page_is_skipped(store: LocalStore, site: Site) -> None:
    site.page("/a", PAGE.format("A"), ETag='"1"')
    site.page("/b", PAGE.format("B"))
    a, b = f"{site.url}/a", f"{site.url}/b"
    assert len(take(store, a, b).added) == 2
    generation = store.stats().generation
    assert len(take(store, a, b).unchanged) == 2
    assert store.stats().generation == generation
    site.page("/a", PAGE.format("Another"), ETag='"2"')
    assert len(take(store, a, b).updated) == 1


def test_a_sitemaps_pages_on_its_host_are_read(store: LocalStore, site: Site) -> None:
    places = [f"{site.url}/{path}" for path in ("a", "b?x=1&amp;y=2", "gone")]
    urls = "".join(f"<url><loc>{p}</loc></url>" for p in (*places, "http://other.invalid/c"))
    nested = f"<sitemap><loc>{site.url}/inner.xml</loc></sitemap>"
    site.page("/a", PAGE.format("A"))
    site.page("/b?x=1&y=2", PAGE.format("B"))
    site.page("/inner.xml", f"<urlset>{urls}</urlset>", "text/xml")
    site.page("/sitemap.xml", f"<sitemapindex>{nested}</sitemapindex>", "text/xml")
    report = take(store, f"{site.url}/sitemap.xml")
    assert [name.partition("/")[2] for name in report.added] == ["a", "b?x=1&y=2"]
    reasons = dict(report.skipped)
    assert "not on" in reasons["http://other.invalid/c"]
    assert "404" in reasons[f"{site.url}/gone"]


def test_robots_txt_is_respected(store: LocalStore, site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /private/\n", "text/plain")
    site.page("/private/a", PAGE.format("A"))
    site.page("/b", PAGE.format("B"))
    report = take(store, f"{site.url}/private/a", f"{site.url}/b")
    assert (len(report.added), len(report.skipped)) == (1, 1)
    assert "robots.txt" in report.skipped[0][1]
    assert "/private/a" not in site.asked


def test_redirects_are_limited_and_stay_on_the_host(store: LocalStore, site: Site) -> None:
    site.page("/old", "", Location="/new")
    site.page("/new", PAGE.format("New"))
    site.page("/away", "", Location="http://169.254.169.254/latest/meta-data")
    site.page("/loop", "", Location="/loop")
    report = take(store, f"{site.url}/old", f"{site.url}/away", f"{site.url}/loop")
    assert len(report.added) == 1
    other_host, loop = (reason for _, reason in report.skipped)
    assert "not on" in other_host
    assert "redirected" in loop


def test_large_pages_and_an_unreachable_robots_txt_are_named(store: LocalStore, site: Site) -> None:
    site.page("/big", "x" * 5000, "text/plain")
    with pytest.raises(InputError, match="larger"):
        take(store, f"{site.url}/big", limit=1000)
    site.pages["/robots.txt"] = 503
    why = r"robots\.txt cannot be fetched: the server answers 503"
    with pytest.raises(InputError, match=why):
        take(store, f"{site.url}/big")


def test_this_machine_is_not_read_by_default(store: LocalStore, site: Site) -> None:
    site.page("/a", PAGE.format("A"))
    with pytest.raises(InputError, match=r"is at the private address .*; --allow-private"):
        take(store, f"{site.url}/a", private=False)
    assert site.asked == []
    fetcher = Fetcher(host_of("http://localhost:1/"), 1000)
    with pytest.raises(ParseError, match="private address"):
        fetcher.get("http://localhost:1/")


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a", "https://", "https://user:secret@example.org/", "http://a:port/"]
)
def test_invalid_addresses_are_errors(url: str) -> None:
    with pytest.raises(InputError):
        host_of(url)


@pytest.mark.parametrize(
    "address",
    (
        "::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:7f00:1:: "
        "2001:0:7f00:1:: fec0::1 fe80::1%eth0 100.64.0.1 169.254.169.254 0.0.0.0"
    ).split(),
)
def test_embedded_private_addresses_are_not_public(address: str) -> None:
    assert not _is_public(address)
