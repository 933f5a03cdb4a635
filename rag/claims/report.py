"""Renders a checked text: lines for a terminal, JUnit XML, and an HTML page with text and evidence
side by side."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from rag.claims.results import (
    CONTRADICTED,
    NO_CLAIM,
    NOT_CHECKABLE,
    NOT_FOUND,
    PARTLY,
    SUPPORTED,
    WRONG_CITATION,
    Checked,
    CheckReport,
    FoundEvidence,
)

_INDENT = 26
"""Columns for the longest verdict and its confidence, "not in the documents 100%"."""
WORDS = {
    SUPPORTED: "supported",
    CONTRADICTED: "contradicted",
    PARTLY: "partly supported",
    NOT_FOUND: "not in the documents",
    NO_CLAIM: "not a claim",
    NOT_CHECKABLE: "not checkable",
    WRONG_CITATION: "wrong citation",
}
_LONGEST = 300
"""Maximum number of characters of a sentence in the terminal."""


def lines(report: CheckReport, quiet: bool = False) -> list[str]:
    """One line per sentence and per piece of evidence, then the counts; `quiet` omits supported
    sentences."""
    made = []
    for one in report.sentences:
        if one.verdict == NO_CLAIM or (
            quiet and one.verdict == SUPPORTED and not one.wrong_citation
        ):
            continue
        made.append(f"{label(one):{_INDENT}}{shown(one.text)}")
        if one.verdict != SUPPORTED or one.wrong_citation:
            made.append(f"{'':{_INDENT}}{one.reason}")
        made += [
            f"{'':{_INDENT}}{place(found)}: {shown(found.citation.quote)}"
            for found in one.evidence[:2]
        ]
    return [*made, "", summary(report)]


def label(one: Checked) -> str:
    """The verdict in words, with its confidence if it is a judgement."""
    if one.verdict in (NO_CLAIM, NOT_CHECKABLE):
        return WORDS[one.verdict]
    return f"{WORDS[one.verdict]} {one.confidence:.0%}"


def place(found: FoundEvidence) -> str:
    """`document:start-end` of a piece of evidence."""
    citation = found.citation
    return f"{citation.document_id}:{citation.start}-{citation.end}"


def shown(text: str) -> str:
    """The text on one line, cut if it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def summary(report: CheckReport) -> str:
    """The number of sentences with each verdict."""
    found = [f"{count} {WORDS[name]}" for name, count in report.counts.items() if count]
    return f"{len(report.sentences)} sentences: {', '.join(found)}"


def junit(report: CheckReport, failed: Sequence[Checked], name: str) -> str:
    """JUnit XML with one test per claim; those in `failed` fail, with their reason."""
    claims = [one for one in report.sentences if one.verdict != NO_CLAIM]
    suite = ElementTree.Element(
        "testsuite", name="rag check", tests=str(len(claims)), failures=str(len(failed))
    )
    for one in claims:
        title = f"{line_of(report.text, one.start)}: {shown(one.text)}"
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=_printable(title))
        if one in failed:
            what = WORDS[WRONG_CITATION] if one.wrong_citation else label(one)
            failure = ElementTree.SubElement(
                case, "failure", message=_printable(f"{what}: {one.reason}")
            )
            failure.text = _printable(
                "\n".join(f"{place(e)}: {e.citation.quote}" for e in one.evidence)
            )
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def line_of(text: str, offset: int) -> int:
    """The number, from 1, of the line that contains the character at `offset`."""
    return text.count("\n", 0, offset) + 1


_NOT_XML = re.compile(r"[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _printable(text: str) -> str:
    """The text without characters that XML does not allow."""
    return _NOT_XML.sub("\ufffd", text)


_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 80rem; padding: 0 1rem; }
.both { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem; }
.both > * { border-top: 1px solid var(--line); padding: .5rem 0; }
pre { font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
mark { background: none; color: inherit; display: block; }
mark { border-left: .4rem solid #888; padding-left: .6rem; }
.supported { border-color: #2a7d3c; } .contradicted { border-color: #b3261e; }
.partly, .wrong { border-color: #b37400; } .not_in_documents { border-color: #6b4fbb; }
.verdict { font-weight: 600; } small { opacity: .75; } blockquote { margin: .3rem 0 .3rem 1rem; }
@media (max-width: 50rem) { .both { grid-template-columns: 1fr; } }
"""


def page(report: CheckReport, name: str) -> str:
    """A self-contained HTML page: each sentence on the left, the documents' evidence on the
    right."""
    rows = "".join(_row(report, one, before) for one, before in _with_gaps(report))
    title = html.escape(f"{name}, checked")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{html.escape(summary(report))}</p>"
        f'<div class="both"><b>Text</b><b>Documents</b>{rows}</div></body></html>\n'
    )


def _with_gaps(report: CheckReport) -> list[tuple[Checked, str]]:
    """The sentences, with the text between them."""
    ends = [0, *(one.end for one in report.sentences)]
    return [
        (one, report.text[end : one.start])
        for one, end in zip(report.sentences, ends, strict=False)
    ]


def _row(report: CheckReport, one: Checked, before: str) -> str:
    text = html.escape(report.text[one.start : one.end])
    kind = "wrong" if one.wrong_citation else one.verdict
    left = f'<pre>{html.escape(before.strip())}<mark class="{kind}">{text}</mark></pre>'
    if one.verdict == NO_CLAIM:
        return f"<div>{left}</div><div><small>{html.escape(WORDS[NO_CLAIM])}</small></div>"
    quotes = "".join(
        f"<blockquote>{html.escape(e.citation.quote)}<br><small>{html.escape(e.says)}: "
        f"{html.escape(place(e))}, {e.probability:.0%}</small></blockquote>"
        for e in one.evidence
    )
    heading = WORDS[WRONG_CITATION] if one.wrong_citation else label(one)
    right = (
        f'<span class="verdict">{html.escape(heading)}</span>: {html.escape(one.reason)}{quotes}'
    )
    return f"<div>{left}</div><div>{right}</div>"
