"""Renders a checked text: lines for a terminal, JUnit XML, the text with notes, and an HTML page
with evidence.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import zip_longest
from typing import get_args
from xml.etree import ElementTree

from rag.claims.results import (
    Checked,
    CheckedFile,
    CheckedQuotation,
    CheckReport,
    ClaimVerdict,
    FoundEvidence,
    QuotationVerdict,
)
from rag.render.html_page import html_page
from rag.render.status import plural
from rag.types import Citation, path_of

_INDENT = 26
"""Columns for the longest verdict and its confidence, "not in the documents 100%"."""
WORDS: dict[str, str] = {
    **{name: name.replace("_", " ") for name in get_args(ClaimVerdict)},
    **{name: f"{name} quotation" for name in get_args(QuotationVerdict)},
    "partly": "partly supported",
    "not_in_documents": "not in the documents",
    "wrong_citation": "wrong citation",
    "not_found": "quotation not found",
}
_LONGEST = 300
"""Maximum number of characters of a sentence in the terminal."""


def lines(report: CheckReport, quiet: bool = False) -> list[str]:
    """One line per sentence, quotation and place, then counts; `quiet` leaves out good ones."""
    rows: list[str] = []
    for sentence, quotations in _with_quotations(report):
        is_good = sentence.verdict == "supported" and not sentence.wrong_citation
        if sentence.verdict != "not_a_claim" and not (quiet and is_good):
            rows += _sentence_lines(sentence, is_good)

        for quotation in quotations:
            if quotation.is_fault or not quiet:
                rows += _quotation_lines(quotation)
    return [*rows, "", *summary(report)]


def _sentence_lines(sentence: Checked, is_good: bool) -> list[str]:
    citations = [evidence.citation for evidence in sentence.evidence[:2]]
    further = [] if is_good else [sentence.reason]
    further += [f"{place(citation)}: {shown(citation.quote)}" for citation in citations]
    return _indented(label(sentence), shown(sentence.text), *further)


def _indented(verdict: str, *rows: str) -> list[str]:
    return [f"{name:{_INDENT}}{row}" for name, row in zip_longest([verdict], rows, fillvalue="")]


def _quotation_lines(quotation: CheckedQuotation) -> list[str]:
    is_plain = quotation.verdict == "exact" and quotation.places and not quotation.differs
    further = [] if is_plain else [quotation.reason]
    further += [f"it goes on: {shown(quotation.rest)}"] if quotation.rest else []
    further += [f"{pincite(citation)}: {shown(citation.quote)}" for citation in quotation.places]
    return _indented(WORDS[quotation.verdict], f"“{shown(_unsigned(quotation))}”", *further)


def _with_quotations(report: CheckReport) -> list[tuple[Checked, list[CheckedQuotation]]]:
    """The sentences with the quotations that begin in them, or between them and the next one."""
    sentences = report.sentences or (Checked(0, 0, "", "not_a_claim", 1.0, "not checked"),)
    starts = [item.start for item in sentences]
    grouped: list[list[CheckedQuotation]] = [[] for _ in starts]
    for item in report.quotations:
        grouped[max(0, bisect_right(starts, item.start) - 1)].append(item)
    return list(zip(sentences, grouped, strict=True))


def _unsigned(quotation: CheckedQuotation) -> str:
    """The words of a quotation without the signs of a block quote."""
    line_one, *others = quotation.text.split("\n")
    return "\n".join([line_one, *(line.lstrip("> \t") for line in others)])


def pincite(citation: Citation) -> str:
    """The place of a quotation with its page and heading, for people."""
    page = f", page {citation.page}" if citation.page else ""
    heading = f", {path_of(citation.headings)}" if citation.headings else ""
    return f"{place(citation)}{page}{heading}"


def label(sentence: Checked) -> str:
    """The verdict in words, with its confidence if it is a judgement."""
    is_judged = sentence.verdict not in ("not_a_claim", "not_checkable")
    return WORDS[sentence.verdict] + (f" {sentence.confidence:.0%}" if is_judged else "")


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
    rows = [f"{len(report.judged)} sentences: {', '.join(counts)}"] if report.judged else []
    if report.quotations:
        by_verdict = report.quotation_counts
        faults = by_verdict.pop("faults")
        counts = [
            f"{count} {name.replace('_', ' ')}" for name, count in by_verdict.items() if count
        ]
        ending = plural(faults, "fault") if faults else "no fault"
        rows.append(f"{plural(len(report.quotations), 'quotation')}: {', '.join(counts)}; {ending}")
    return rows or ["no claims and no quotations"]


def junit(checked: Sequence[CheckedFile]) -> str:
    """JUnit XML with a suite per file, and a test per claim and quotation; those that fail have
    their reason.
    """
    suites = ElementTree.Element("testsuites")
    for name, report, failed in checked:
        suites.append(_suite(name, report, failed))
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    name: str, report: CheckReport, failed: Sequence[Checked | CheckedQuotation]
) -> ElementTree.Element:
    claims: list[Checked | CheckedQuotation] = [
        *(item for item in report.sentences if item.verdict != "not_a_claim"),
        *report.quotations,
    ]
    counts = {"tests": str(len(claims)), "failures": str(len(failed))}
    suite = ElementTree.Element("testsuite", {"name": "rag check", **counts})
    for item in claims:
        text = f"“{shown(item.text)}”" if isinstance(item, CheckedQuotation) else shown(item.text)
        line = report.text.count("\n", 0, item.start) + 1
        title = _printable(f"{line}: {text}")
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=title)
        if item in failed:
            message = _printable(f"{_heading(item)}: {item.reason}")
            failure = ElementTree.SubElement(case, "failure", message=message)
            rows = (f"{place(citation)}: {citation.quote}" for citation in _citations(item))
            failure.text = _printable("\n".join(rows))
    return suite


_CLOSING = frozenset("”’»\"'")


def marked(report: CheckReport) -> str:
    """The text with a note after each sentence that the documents do not support, and after each
    quotation with a fault: `[⚠ contradicted: says "2029", lease.md says "2028"]`. Rows of tables,
    which are not checked, have none.
    """
    notes = [(_noted_end(report.text, item), _note(item)) for item in _noted(report)]
    text = ""
    position = 0
    for end, note in sorted(notes):
        text += f"{report.text[position:end]} [⚠ {note}]"
        position = end
    return text + report.text[position:]


def comments(report: CheckReport) -> list[tuple[str, str]]:
    """What `marked` marks, as pairs (words of the text, note with its evidence), in its order. The
    words lack the sign before a list's item, which a DOCX file does not have as text.
    """
    pairs = []
    for item in sorted(_noted(report), key=lambda item: (item.start, -item.end)):
        words = report.text[item.start : item.end].removeprefix("- ")
        pairs.append((words, _printable("\n".join([_note(item), *_quotes(item)]))))
    return pairs


def _quotes(item: Checked | CheckedQuotation) -> list[str]:
    return [f"{place(citation)}: “{shown(citation.quote)}”" for citation in _citations(item)[:2]]


def _noted(report: CheckReport) -> list[Checked | CheckedQuotation]:
    """The quotations with a fault, and the sentences that are not supported."""
    faults = [item for item in report.quotations if item.is_fault]
    return [*faults, *(item for item in report.judged if _has_note(item))]


def _noted_end(text: str, item: Checked | CheckedQuotation) -> int:
    """The end of a sentence, or of a quotation with the mark that closes it."""
    is_closed = isinstance(item, CheckedQuotation) and text[item.end : item.end + 1] in _CLOSING
    return item.end + is_closed


def _has_note(sentence: Checked) -> bool:
    """Whether the documents do not support the sentence, and no note at a quotation says so."""
    if sentence.wrong_citation:
        return True
    if sentence.verdict in ("partly", "not_checkable"):
        return any(part.verdict != "supported" for part in sentence.parts)
    return sentence.verdict in ("contradicted", "not_in_documents")


def _note(item: Checked | CheckedQuotation) -> str:
    is_absent = item.verdict in ("not_in_documents", "not_found")
    is_wrong = isinstance(item, Checked) and item.wrong_citation
    name = WORDS["wrong_citation" if is_wrong else item.verdict]
    return name if is_absent else f"{name}: {shown(item.reason)}"


def _heading(item: Checked | CheckedQuotation) -> str:
    if isinstance(item, CheckedQuotation):
        return WORDS[item.verdict]
    return WORDS["wrong_citation"] if item.wrong_citation else label(item)


def _citations(item: Checked | CheckedQuotation) -> Sequence[Citation]:
    if isinstance(item, CheckedQuotation):
        return item.places
    return [evidence.citation for evidence in item.evidence]


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
p.fault, p.sound { border-left: .4rem solid; padding-left: .6rem; margin: .6rem 0 0; }
p.fault { border-color: #b3261e; } p.sound { border-color: #2a7d3c; }
.verdict { font-weight: 600; } q { quotes: none; border: 0; padding: 0; margin: 0; }
q.fault { text-decoration: underline wavy #b3261e; } q.sound { text-decoration: underline #2a7d3c; }
@media (max-width: 50rem) { .both { grid-template-columns: 1fr; } }
"""


def page(report: CheckReport, name: str) -> str:
    """A marked copy of the text as an HTML page: its sentences and quotations marked on the left,
    evidence on the right.
    """
    rows = ""
    end = 0
    for sentence, quotations in _with_quotations(report):
        text_before = _marked(report, end, sentence.start).strip()
        text = _marked(report, sentence.start, sentence.end)
        rows += _row(text_before, text, sentence, quotations)
        end = sentence.end

    text_after = _marked(report, end, len(report.text)).strip()
    if text_after:
        rows += f"<div><pre>{text_after}</pre></div><div></div>"

    counts = f"<p>{'<br>'.join(map(html.escape, summary(report)))}</p>"
    body = f'{counts}<div class="both"><b>Text</b><b>Documents</b>{rows}</div>'
    return html_page(f"{name}, checked", body, _STYLE)


def _marked(report: CheckReport, start: int, end: int) -> str:
    """The text [start, end) as HTML, its quotations marked."""
    parts: list[str] = []
    position = start
    for quotation in report.quotations:
        mark_start = max(start, quotation.start)
        mark_end = min(end, quotation.end)
        if mark_start >= mark_end:
            continue

        kind = "fault" if quotation.is_fault else "sound"
        quoted = html.escape(report.text[mark_start:mark_end])
        parts.append(html.escape(report.text[position:mark_start]))
        parts.append(f'<q class="{kind}">{quoted}</q>')
        position = mark_end
    return "".join([*parts, html.escape(report.text[position:end])])


def _row(
    text_before: str, text: str, sentence: Checked, quotations: Sequence[CheckedQuotation]
) -> str:
    kind = "wrong" if sentence.wrong_citation else sentence.verdict
    text_cell = f'<pre>{text_before}<mark class="{kind}">{text}</mark></pre>'
    if sentence.verdict == "not_a_claim":
        document_cell = "" if quotations else f"<small>{html.escape(_why_not(sentence))}</small>"
    else:
        verdict = _verdict(_heading(sentence), f": {sentence.reason}")
        document_cell = verdict + "".join(map(_evidence, sentence.evidence))
    rows = "".join(map(_quotation_row, quotations))
    return f"<div>{text_cell}</div><div>{document_cell}{rows}</div>"


def _evidence(evidence: FoundEvidence) -> str:
    source = f"{evidence.says}: {place(evidence.citation)}, {evidence.probability:.0%}"
    return _quote(evidence.citation.quote, source)


def _why_not(sentence: Checked) -> str:
    return "" if sentence.reason == "not checked" else "not a claim"


def _verdict(name: str, further: str) -> str:
    return f'<span class="verdict">{html.escape(name)}</span>{html.escape(further)}'


def _quote(words: str, source: str, further: str = "") -> str:
    goes_on = f" <i>{html.escape(shown(further))}</i>" if further else ""
    origin = f"<small>{html.escape(source)}</small>"
    return f"<blockquote>{html.escape(words)}{goes_on}<br>{origin}</blockquote>"


def _quotation_row(quotation: CheckedQuotation) -> str:
    kind = "fault" if quotation.is_fault else "sound"
    further = f" “{shown(_unsigned(quotation))}”: {quotation.reason}"
    verdict = _verdict(WORDS[quotation.verdict], further)
    quotes = (_quote(cited.quote, pincite(cited), quotation.rest) for cited in quotation.places)
    return f'<p class="{kind}">{verdict}</p>{"".join(quotes)}'
