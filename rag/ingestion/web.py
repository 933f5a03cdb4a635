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
                self._store_if_changed(page, stored)
                on_progress()

        report = self.report
        was_any_read = report.added or report.updated or report.unchanged
        if report.skipped and not was_any_read:
            address, reason = report.skipped[0]
            raise InputError(f"{address} {reason}", "check the address")
        return report

    def _pages(self, fetcher: Fetcher, url: str, stored: dict[str, Document]) -> Iterator[WebPage]:
        """The page, or those of a sitemap."""
        waiting = [url]
        met = {url}
        while waiting:
            address = waiting.pop(0)
            page = self._fetch(fetcher, address, stored)
            if page is None:
                continue
            if not page.changed or not _is_sitemap(page):
                yield page
                continue

            unvisited = [link for link in _links(page) if link not in met]
            unvisited = unvisited[: MOST_PAGES - len(met)]
            met.update(unvisited)
            waiting += unvisited
            if len(met) >= MOST_PAGES:
                reason = f"lists more than {MOST_PAGES} pages; the others are left out"
                self.report.skipped.append((address, reason))

    def _fetch(self, fetcher: Fetcher, url: str, stored: dict[str, Document]) -> WebPage | None:
        """The page, if it can be fetched, without its text if it is stored and unchanged."""
        validators = {}
        if url in stored:
            metadata = stored[url].metadata
            validators = {name: metadata[name] for name in VALIDATORS if name in metadata}
        try:
            page = fetcher.get(url, validators)
        except ParseError as error:
            self.report.skipped.append((url, str(error)))
            return None
        time.sleep(fetcher.pause())
        return replace(page, url=url)

    def _store_if_changed(self, page: WebPage, stored: dict[str, Document]) -> None:
        """Store the page, unless it is stored as it is."""
        report = self.report
        stored_page = stored.get(page.url)
        if stored_page and _is_same(page, stored_page):
            report.unchanged.append(stored_page.id)
            return

        try:
            document = self._document(page)
        except ParseError as error:
            report.skipped.append((page.url, str(error)))
            return

        indexed = index([document], self.store, self.embedder, self.passage_tokens)
        for _, refusal in indexed.refused:
            report.skipped.append((page.url, str(refusal)))
        report.passages += indexed.passages
        if stored_page:
            report.updated += indexed.ids
        else:
            report.added += indexed.ids

    def _document(self, page: WebPage) -> Document:
        """The document of the page; its title is the address if it has no other."""
        loaded = self.read(_name(page), page.body)
        if len(loaded.documents) != 1:
            raise ParseError("contains no document, or several")
        (document,) = loaded.documents

        has_heading = any(block.name for block in document.blocks)
        title = page.url
        if has_heading or document.metadata.get("title"):
            title = document.title
        return replace(
            document,
            id=_id(page.url),
            source=page.url,
            title=title,
            metadata={**document.metadata, **page.validators},
        )


def _is_sitemap(page: WebPage) -> bool:
    start = page.body[:2000]
    return b"<urlset" in start or b"<sitemapindex" in start


def _links(page: WebPage) -> list[str]:
    """The addresses that a sitemap lists, each once, in order."""
    links = []
    for location in _LOCATION.findall(page.body):
        links.append(html.unescape(location.decode("utf-8", "replace")))
    return list(dict.fromkeys(links))


def _is_same(page: WebPage, stored: Document) -> bool:
    if not page.changed:
        return True
    return stored.sha256 == hashlib.sha256(page.body).hexdigest()


def _id(url: str) -> str:
    """Host and path, such as "example.org/docs/a.html"."""
    parts = urlsplit(url)
    path = unquote(parts.path, errors="replace").strip("/") or "index"
    name = f"{parts.netloc}/{path}"
    if parts.query:
        name += f"?{parts.query}"
    return name


def _name(page: WebPage) -> str:
    """A file name with the suffix of the served content type."""
    path = urlsplit(page.url).path
    suffix = _SUFFIXES.get(page.kind)
    if not suffix:
        return path
    stem = path.rstrip("/") or "/index"
    return f"{stem}{suffix}"
