"""Renders a checked text: lines for a terminal, JUnit XML, and an HTML page with text and evidence
side by side."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Sequence
from xml.etree import ElementTree

from rag.claims.results import (
    ALTERED,
    CONTRADICTED,
    CUT,
    EXACT,
    MISATTRIBUTED,
    NO_CLAIM,
    NO_PLACE,
    NOT_CHECKABLE,
    NOT_FOUND,
    PARTLY,
    STITCHED,
    SUPPORTED,
    WRONG_CITATION,
    Checked,
    CheckedQuotation,
    CheckReport,
)
from rag.render.html_page import html_page
from rag.types import Citation

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
    EXACT: "exact quotation",
    ALTERED: "altered quotation",
    STITCHED: "stitched quotation",
    CUT: "cut quotation",
    MISATTRIBUTED: "misattributed quotation",
    NO_PLACE: "quotation not found",
}
_LONGEST = 300
"""Maximum number of characters of a sentence in the terminal."""


def lines(report: CheckReport, quiet: bool = False) -> list[str]:
    """One line per sentence, quotation and place, then the counts; `quiet` omits supported
    sentences and quotations without a fault."""
    rows = list[str]()
    for one, quotations in _with_quotations(report):
        is_good = one.verdict == SUPPORTED and not one.wrong_citation
        if one.verdict != NO_CLAIM and not (quiet and is_good):
            rows += _sentence_lines(one, is_good)
        for quotation in quotations:
            if quotation.is_fault or not quiet:
                rows += _quotation_lines(quotation)
    return [*rows, "", *summary(report)]


def _sentence_lines(one: Checked, is_good: bool) -> list[str]:
    citations = [evidence.citation for evidence in one.evidence[:2]]
    further = [] if is_good else [one.reason]
    further += [f"{place(citation)}: {shown(citation.quote)}" for citation in citations]
    return [f"{label(one):{_INDENT}}{shown(one.text)}", *_indented(further)]


def _indented(rows: Sequence[str]) -> list[str]:
    return [f"{'':{_INDENT}}{row}" for row in rows]


def _quotation_lines(one: CheckedQuotation) -> list[str]:
    goes_on = [f"it goes on: {shown(one.rest)}"] if one.rest else []
    reason = [] if one.verdict == EXACT and one.places and not one.differs else [one.reason]
    places = [f"{pincite(citation)}: {shown(citation.quote)}" for citation in one.places]
    quote = f"{WORDS[one.verdict]:{_INDENT}}“{shown(_unsigned(one))}”"
    return [quote, *_indented([*reason, *goes_on, *places])]


def _with_quotations(report: CheckReport) -> list[tuple[Checked, list[CheckedQuotation]]]:
    """The sentences with the quotations that begin in them, or between them and the next one."""
    starts = [one.start for one in report.sentences]
    grouped: list[list[CheckedQuotation]] = [[] for _ in starts]
    for one in report.quotations:
        grouped[max(0, bisect_right(starts, one.start) - 1)].append(one)
    return list(zip(report.sentences, grouped, strict=True))


def _unsigned(one: CheckedQuotation) -> str:
    """The words of a quotation without the signs of a block quote."""
    return re.sub(r"\n[> \t]+", "\n", one.text)


def pincite(citation: Citation) -> str:
    """The place of a quotation with its page and heading, for people."""
    page = f", page {citation.page}" if citation.page else ""
    heading = f", {citation.heading}" if citation.heading else ""
    return f"{place(citation)}{page}{heading}"


def label(one: Checked) -> str:
    """The verdict in words, with its confidence if it is a judgement."""
    if one.verdict in (NO_CLAIM, NOT_CHECKABLE):
        return WORDS[one.verdict]
    return f"{WORDS[one.verdict]} {one.confidence:.0%}"


def place(citation: Citation) -> str:
    """`document:start-end` of a quote."""
    return f"{citation.document_id}:{citation.start}-{citation.end}"


def shown(text: str) -> str:
    """The text on one line, cut if it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def summary(report: CheckReport) -> list[str]:
    """The number of sentences and of quotations with each verdict."""
    counts = [f"{count} {WORDS[name]}" for name, count in report.counts.items() if count]
    rows = [f"{len(report.sentences)} sentences: {', '.join(counts)}"]
    if report.quotations:
        verdicts = [
            f"{count} {name.replace('_', ' ')}"
            for name, count in report.quotation_counts.items()
            if count and name != "faults"
        ]
        faults = report.quotation_counts["faults"]
        rows.append(
            f"{_counted(len(report.quotations), 'quotation')}: {', '.join(verdicts)}; "
            f"{_counted(faults, 'fault') if faults else 'no fault'}"
        )
    return rows


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def junit(report: CheckReport, failed: Sequence[Checked | CheckedQuotation], name: str) -> str:
    """JUnit XML with one test per claim and quotation; those in `failed` fail, with their
    reason."""
    claims: list[Checked | CheckedQuotation] = [
        *(one for one in report.sentences if one.verdict != NO_CLAIM),
        *report.quotations,
    ]
    suite = ElementTree.Element(
        "testsuite", name="rag check", tests=str(len(claims)), failures=str(len(failed))
    )
    for one in claims:
        is_quotation = isinstance(one, CheckedQuotation)
        text = f"“{shown(one.text)}”" if is_quotation else shown(one.text)
        line = report.text.count("\n", 0, one.start) + 1
        title = _printable(f"{line}: {text}")
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=title)
        if one in failed:
            message = _printable(f"{_heading(one)}: {one.reason}")
            failure = ElementTree.SubElement(case, "failure", message=message)
            rows = (f"{place(citation)}: {citation.quote}" for citation in _citations(one))
            failure.text = _printable("\n".join(rows))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _heading(one: Checked | CheckedQuotation) -> str:
    if isinstance(one, CheckedQuotation):
        return WORDS[one.verdict]
    return WORDS[WRONG_CITATION] if one.wrong_citation else label(one)


def _citations(one: Checked | CheckedQuotation) -> Sequence[Citation]:
    if isinstance(one, CheckedQuotation):
        return one.places
    return [evidence.citation for evidence in one.evidence]


_NOT_XML = re.compile(r"[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _printable(text: str) -> str:
    """The text without characters that XML does not allow."""
    return _NOT_XML.sub("\ufffd", text)


_STYLE = """
.both { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem; }
.both > * { border-top: 1px solid var(--line); padding: .5rem 0; }
pre { font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
mark { background: none; color: inherit; display: block; }
mark { border-left: .4rem solid #888; padding-left: .6rem; }
.supported { border-color: #2a7d3c; } .contradicted { border-color: #b3261e; }
.partly, .wrong { border-color: #b37400; } .not_in_documents { border-color: #6b4fbb; }
.fault, .sound { border-left: .4rem solid; padding-left: .6rem; margin: .6rem 0 0; }
.fault { border-color: #b3261e; } .sound { border-color: #2a7d3c; }
.verdict { font-weight: 600; }
@media (max-width: 50rem) { .both { grid-template-columns: 1fr; } }
"""


def page(report: CheckReport, name: str) -> str:
    """A self-contained HTML page: each sentence on the left, the documents' evidence on the
    right."""
    ends = [0, *(one.end for one in report.sentences)]
    rows = "".join(
        _row(report.text[end : one.start], report.text[one.start : one.end], one, quotations)
        for end, (one, quotations) in zip(ends, _with_quotations(report), strict=False)
    )
    title = f"{name}, checked"
    body = (
        f"<p>{'<br>'.join(map(html.escape, summary(report)))}</p>"
        f'<div class="both"><b>Text</b><b>Documents</b>{rows}</div>'
    )
    return html_page(title, body, _STYLE)


def _row(before: str, text: str, one: Checked, quotations: Sequence[CheckedQuotation]) -> str:
    kind = "wrong" if one.wrong_citation else one.verdict
    mark = f'<mark class="{kind}">{html.escape(text)}</mark>'
    left = f"<pre>{html.escape(before.strip())}{mark}</pre>"
    if one.verdict == NO_CLAIM:
        right = "" if quotations else f"<small>{html.escape(WORDS[NO_CLAIM])}</small>"
    else:
        right = _verdict(_heading(one), f": {one.reason}") + "".join(
            _quote(e.citation.quote, f"{e.says}: {place(e.citation)}, {e.probability:.0%}")
            for e in one.evidence
        )
    return f"<div>{left}</div><div>{right}{''.join(map(_quotation_row, quotations))}</div>"


def _verdict(name: str, further: str) -> str:
    return f'<span class="verdict">{html.escape(name)}</span>{html.escape(further)}'


def _quote(words: str, source: str, rest: str = "") -> str:
    goes_on = f" <i>{html.escape(shown(rest))}</i>" if rest else ""
    small = f"<small>{html.escape(source)}</small>"
    return f"<blockquote>{html.escape(words)}{goes_on}<br>{small}</blockquote>"


def _quotation_row(one: CheckedQuotation) -> str:
    kind = "fault" if one.is_fault else "sound"
    verdict = _verdict(WORDS[one.verdict], f" “{shown(_unsigned(one))}”: {one.reason}")
    quotes = (_quote(citation.quote, pincite(citation), one.rest) for citation in one.places)
    return f'<p class="{kind}">{verdict}</p>{"".join(quotes)}'
