"""Ingests web pages: one URL, or the pages listed by a sitemap. Unchanged pages are skipped."""

from __future__ import annotations

import hashlib
import html
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urldefrag, urlsplit

from rag.errors import InputError
from rag.ingestion.fetch import VALIDATORS, Fetcher, WebPage, host_of
from rag.ingestion.ingest import IngestReport
from rag.ingestion.pipeline import index
from rag.parsing.base import ParseError
from rag.parsing.load import Loaded
from rag.protocols import Embedder, Store
from rag.types import Document

MOST_PAGES = 1000
"""Maximum number of pages per sitemap, including nested sitemaps."""
_LOCATION = re.compile(rb"<loc>\s*([^<\s]{1,2000})\s*</loc>")
_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "application/epub+zip": ".epub",
    "text/csv": ".csv",
}


@dataclass(slots=True)
class WebIngest:
    """One run over URLs; `report` is updated as it proceeds, with URLs as paths.

    `read` turns bytes into documents, like `rag.parsing.load.load_data`.
    """

    store: Store
    embedder: Embedder
    passage_tokens: int
    read: Callable[[str, bytes], Loaded]
    most_bytes: int
    allow_private: bool = False
    report: IngestReport = field(default_factory=IngestReport, init=False)

    def run(
        self, urls: Sequence[str], on_progress: Callable[[], object] = lambda: None
    ) -> IngestReport:
        """Ingest the pages; each is stored before the next is fetched. InputError if none was."""
        stored = {document.source: document for document in self.store.documents()}
        for url in urls:
            fetcher = Fetcher(host_of(url), self.most_bytes, self.allow_private)
            for page in self._pages(fetcher, urldefrag(url).url, stored):
                self._take(page, stored)
                on_progress()
        report = self.report
        if report.skipped and not (report.added or report.updated or report.unchanged):
            raise InputError("{} {}".format(*report.skipped[0]), "check the address")
        return report

    def _pages(self, fetcher: Fetcher, url: str, stored: dict[str, Document]) -> Iterator[WebPage]:
        """The page, or those of a sitemap."""
        waiting, met = [url], {url}
        while waiting:
            address = waiting.pop(0)
            if page := self._fetch(fetcher, address, stored):
                is_sitemap = any(tag in page.body[:2000] for tag in (b"<urlset", b"<sitemapindex"))
                if not page.changed or not is_sitemap:
                    yield page
                    continue
                texts = (match.decode("utf-8", "replace") for match in _LOCATION.findall(page.body))
                links = dict.fromkeys(map(html.unescape, texts))
                unvisited = [link for link in links if link not in met][: MOST_PAGES - len(met)]
                met |= set(unvisited)
                waiting += unvisited
                if len(met) >= MOST_PAGES:
                    reason = f"lists more than {MOST_PAGES} pages; the others are left out"
                    self.report.skipped.append((address, reason))

    def _fetch(self, fetcher: Fetcher, url: str, stored: dict[str, Document]) -> WebPage | None:
        metadata = stored[url].metadata if url in stored else {}
        validators = {name: metadata[name] for name in VALIDATORS if name in metadata}
        try:
            page = fetcher.get(url, validators)
        except ParseError as error:
            self.report.skipped.append((url, str(error)))
            return None
        time.sleep(fetcher.pause())
        return replace(page, url=url)

    def _take(self, page: WebPage, stored: dict[str, Document]) -> None:
        stored_page = stored.get(page.url)
        if stored_page and (
            not page.changed or stored_page.sha256 == hashlib.sha256(page.body).hexdigest()
        ):
            self.report.unchanged.append(stored_page.id)
            return
        try:
            document = self._document(page)
        except ParseError as error:
            self.report.skipped.append((page.url, str(error)))
            return
        report = index([document], self.store, self.embedder, self.passage_tokens)
        self.report.skipped += [(page.url, str(error)) for _, error in report.refused]
        self.report.passages += report.passages
        (self.report.updated if stored_page else self.report.added).extend(report.ids)

    def _document(self, page: WebPage) -> Document:
        loaded = self.read(_name(page), page.body)
        if len(loaded.documents) != 1:
            raise ParseError("contains no document, or several")
        (document,) = loaded.documents
        is_titled = document.metadata.get("title") or any(b.name for b in document.blocks)
        title = document.title if is_titled else page.url
        metadata = {**document.metadata, **page.validators}
        return replace(document, id=_id(page.url), source=page.url, title=title, metadata=metadata)


def _id(url: str) -> str:
    """Host and path, such as "example.org/docs/a.html"."""
    parts = urlsplit(url)
    path = unquote(parts.path, errors="replace").strip("/") or "index"
    return f"{parts.netloc}/{path}" + (f"?{parts.query}" if parts.query else "")


def _name(page: WebPage) -> str:
    """A file name with the suffix of the served content type."""
    path, suffix = urlsplit(page.url).path, _SUFFIXES.get(page.kind)
    return f"{path.rstrip('/') or '/index'}{suffix}" if suffix else path
