"""Renders a checked text: lines for a terminal, JUnit XML, the text with notes, and an HTML page
with evidence.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Sequence
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
_LONGEST_TEXT = 300
"""Maximum number of characters of a sentence in the terminal."""
_MOST_EVIDENCE = 2
"""Quotes of documents that are shown for a sentence or a quotation."""
_NOT_CHECKED = Checked(0, 0, "", "not_a_claim", 1.0, "not checked")
"""Stands for the sentences of a text whose quotations alone were checked, if it has none."""


def lines(report: CheckReport, quiet: bool = False) -> list[str]:
    """One line per sentence, quotation and place, then counts; `quiet` leaves out good ones."""
    rows: list[str] = []
    for sentence, quotations in _with_quotations(report):
        is_claim = sentence.verdict != "not_a_claim"
        is_good = sentence.verdict == "supported" and not sentence.wrong_citation
        is_left_out = quiet and is_good
        if is_claim and not is_left_out:
            rows += _sentence_lines(sentence, is_good)

        for quotation in quotations:
            if quotation.is_fault or not quiet:
                rows += _quotation_lines(quotation)
    return [*rows, "", *summary(report)]


def _sentence_lines(sentence: Checked, is_good: bool) -> list[str]:
    """A sentence with its verdict, the reason unless it is good, and its evidence."""
    rows = [shortened_line(sentence.text)]
    if not is_good:
        rows.append(sentence.reason)
    for evidence in sentence.evidence[:_MOST_EVIDENCE]:
        rows.append(f"{place(evidence.citation)}: {shortened_line(evidence.citation.quote)}")
    return _indented(label(sentence), rows)


def _indented(verdict: str, rows: Sequence[str]) -> list[str]:
    """The rows under each other, the first one beside the verdict."""
    lines = []
    for row in rows:
        lines.append(f"{verdict:{_INDENT}}{row}")
        verdict = ""
    return lines


def _quotation_lines(quotation: CheckedQuotation) -> list[str]:
    """A quotation with its verdict, the reason unless it is plainly exact, and its places."""
    rows = [f"“{shortened_line(_unsigned(quotation))}”"]
    is_exact = quotation.verdict == "exact" and bool(quotation.places)
    if not is_exact or quotation.differs:
        rows.append(quotation.reason)
    if quotation.rest:
        rows.append(f"it goes on: {shortened_line(quotation.rest)}")
    for citation in quotation.places:
        rows.append(f"{pincite(citation)}: {shortened_line(citation.quote)}")
    return _indented(WORDS[quotation.verdict], rows)


def _with_quotations(report: CheckReport) -> list[tuple[Checked, list[CheckedQuotation]]]:
    """The sentences with the quotations that begin in them, or between them and the next one."""
    sentences = report.sentences or (_NOT_CHECKED,)
    starts = [sentence.start for sentence in sentences]
    grouped: list[list[CheckedQuotation]] = [[] for _ in starts]
    for quotation in report.quotations:
        number = bisect_right(starts, quotation.start) - 1
        grouped[max(0, number)].append(quotation)
    return list(zip(sentences, grouped, strict=True))


def _unsigned(quotation: CheckedQuotation) -> str:
    """The words of a quotation without the signs of a block quote."""
    first_line, *other_lines = quotation.text.split("\n")
    unsigned_lines = [line.lstrip("> \t") for line in other_lines]
    return "\n".join([first_line, *unsigned_lines])


def pincite(citation: Citation) -> str:
    """The place of a quotation with its page and heading, for people."""
    words = place(citation)
    if citation.page:
        words += f", page {citation.page}"
    if citation.headings:
        words += f", {path_of(citation.headings)}"
    return words


def label(sentence: Checked) -> str:
    """The verdict in words, with its confidence if it is a judgement."""
    words = WORDS[sentence.verdict]
    if sentence.verdict in ("not_a_claim", "not_checkable"):
        return words
    return f"{words} {sentence.confidence:.0%}"


def place(citation: Citation) -> str:
    """`document:start-end` of a quote."""
    return f"{citation.document_id}:{citation.start}-{citation.end}"


def shortened_line(text: str) -> str:
    """The text on one line, cut if it is long."""
    text = " ".join(text.split())
    if len(text) <= _LONGEST_TEXT:
        return text
    return text[: _LONGEST_TEXT - 1] + "…"


def summary(report: CheckReport) -> list[str]:
    """The number of sentences and of quotations with each verdict."""
    rows = []
    if report.judged:
        counts = []
        for name, count in report.counts.items():
            if count:
                counts.append(f"{count} {WORDS[name]}")
        rows.append(f"{len(report.judged)} sentences: {', '.join(counts)}")
    if report.quotations:
        rows.append(_quotation_summary(report))
    return rows or ["no claims and no quotations"]


def _quotation_summary(report: CheckReport) -> str:
    """The number of quotations with each verdict, and of faults."""
    by_verdict = report.quotation_counts
    faults = by_verdict.pop("faults")
    counts = []
    for name, count in by_verdict.items():
        if count:
            counts.append(f"{count} {name.replace('_', ' ')}")
    ending = plural(faults, "fault") if faults else "no fault"
    return f"{plural(len(report.quotations), 'quotation')}: {', '.join(counts)}; {ending}"


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
    """The tests of one file."""
    claims: list[Checked | CheckedQuotation] = []
    claims += [sentence for sentence in report.sentences if sentence.verdict != "not_a_claim"]
    claims += report.quotations

    suite = ElementTree.Element("testsuite", {"name": "rag check"})
    suite.set("tests", str(len(claims)))
    suite.set("failures", str(len(failed)))
    for item in claims:
        text = shortened_line(item.text)
        if isinstance(item, CheckedQuotation):
            text = f"“{text}”"
        line = report.text.count("\n", 0, item.start) + 1
        title = _printable(f"{line}: {text}")
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=title)
        if item in failed:
            _add_failure(case, item)
    return suite


def _add_failure(case: ElementTree.Element, item: Checked | CheckedQuotation) -> None:
    """Add the reason why a claim or a quotation failed, with its evidence."""
    message = _printable(f"{_heading(item)}: {item.reason}")
    failure = ElementTree.SubElement(case, "failure", message=message)
    rows = [f"{place(citation)}: {citation.quote}" for citation in _citations(item)]
    failure.text = _printable("\n".join(rows))


_CLOSING = frozenset("”’»\"'")


def marked(report: CheckReport) -> str:
    """The text with a note after each sentence that the documents do not support, and after each
    quotation with a fault: `[⚠ contradicted: says "2029", lease.md says "2028"]`. Rows of tables,
    which are not checked, have none.
    """
    notes = []
    for item in _faults(report):
        end = _noted_end(report.text, item)
        notes.append((end, _note(item)))

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
    in_order = sorted(_faults(report), key=lambda item: (item.start, -item.end))
    pairs = []
    for item in in_order:
        words = report.text[item.start : item.end].removeprefix("- ")
        note = "\n".join([_note(item), *_quotes(item)])
        pairs.append((words, _printable(note)))
    return pairs


def _quotes(item: Checked | CheckedQuotation) -> list[str]:
    """The first evidence of a note, in lines."""
    cited = _citations(item)[:_MOST_EVIDENCE]
    return [f"{place(citation)}: “{shortened_line(citation.quote)}”" for citation in cited]


def _faults(report: CheckReport) -> list[Checked | CheckedQuotation]:
    """The quotations with a fault, and the sentences that are not supported."""
    noted: list[Checked | CheckedQuotation] = []
    noted += [quotation for quotation in report.quotations if quotation.is_fault]
    noted += [sentence for sentence in report.judged if _has_note(sentence)]
    return noted


def _noted_end(text: str, item: Checked | CheckedQuotation) -> int:
    """The end of a sentence, or of a quotation with the mark that closes it."""
    if isinstance(item, CheckedQuotation) and text[item.end : item.end + 1] in _CLOSING:
        return item.end + 1
    return item.end


def _has_note(sentence: Checked) -> bool:
    """Whether the documents do not support the sentence, and no note at a quotation says so."""
    if sentence.wrong_citation:
        return True
    if sentence.verdict in ("partly", "not_checkable"):
        return any(part.verdict != "supported" for part in sentence.parts)
    return sentence.verdict in ("contradicted", "not_in_documents")


def _note(item: Checked | CheckedQuotation) -> str:
    """The verdict in words, and its reason if there is more to say."""
    name = WORDS[item.verdict]
    if isinstance(item, Checked) and item.wrong_citation:
        name = WORDS["wrong_citation"]
    if item.verdict in ("not_in_documents", "not_found"):
        return name
    return f"{name}: {shortened_line(item.reason)}"


def _heading(item: Checked | CheckedQuotation) -> str:
    """The verdict in words."""
    if isinstance(item, CheckedQuotation):
        return WORDS[item.verdict]
    if item.wrong_citation:
        return WORDS["wrong_citation"]
    return label(item)


def _citations(item: Checked | CheckedQuotation) -> Sequence[Citation]:
    """The places of a quotation, or those of the evidence for a sentence."""
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
        text_before = _marked_quotations(report, end, sentence.start).strip()
        text = _marked_quotations(report, sentence.start, sentence.end)
        rows += _row(text_before, text, sentence, quotations)
        end = sentence.end

    text_after = _marked_quotations(report, end, len(report.text)).strip()
    if text_after:
        rows += f"<div><pre>{text_after}</pre></div><div></div>"

    counts = "<br>".join(map(html.escape, summary(report)))
    table = f'<div class="both"><b>Text</b><b>Documents</b>{rows}</div>'
    return html_page(f"{name}, checked", f"<p>{counts}</p>{table}", _STYLE)


def _marked_quotations(report: CheckReport, start: int, end: int) -> str:
    """The text [start, end) as HTML, its quotations marked."""
    parts: list[str] = []
    position = start
    for quotation in report.quotations:
        mark_start = max(start, quotation.start)
        mark_end = min(end, quotation.end)
        if mark_start >= mark_end:
            continue

        kind = "fault" if quotation.is_fault else "sound"
        text_before = report.text[position:mark_start]
        quoted = report.text[mark_start:mark_end]
        parts.append(html.escape(text_before))
        parts.append(f'<q class="{kind}">{html.escape(quoted)}</q>')
        position = mark_end

    parts.append(html.escape(report.text[position:end]))
    return "".join(parts)


def _row(
    text_before: str, text: str, sentence: Checked, quotations: Sequence[CheckedQuotation]
) -> str:
    """A sentence beside its verdict with the evidence, and those of its quotations."""
    kind = "wrong" if sentence.wrong_citation else sentence.verdict
    text_cell = f'<pre>{text_before}<mark class="{kind}">{text}</mark></pre>'

    document_cell = ""
    if sentence.verdict != "not_a_claim":
        document_cell = _verdict(_heading(sentence), f": {sentence.reason}")
        document_cell += "".join(map(_evidence, sentence.evidence))
    elif not quotations:
        document_cell = f"<small>{html.escape(_why_not(sentence))}</small>"
    document_cell += "".join(map(_quotation_row, quotations))
    return f"<div>{text_cell}</div><div>{document_cell}</div>"


def _evidence(evidence: FoundEvidence) -> str:
    """A sentence of a document, with what it says of the claim."""
    source = f"{evidence.says}: {place(evidence.citation)}, {evidence.probability:.0%}"
    return _quote(evidence.citation.quote, source)


def _why_not(sentence: Checked) -> str:
    """Why a sentence has no verdict; "" if none was wanted."""
    return "" if sentence.reason == "not checked" else "not a claim"


def _verdict(name: str, reason: str) -> str:
    """A verdict and its reason as HTML."""
    return f'<span class="verdict">{html.escape(name)}</span>{html.escape(reason)}'


def _quote(words: str, source: str, continuation: str = "") -> str:
    """A quote with how its sentence goes on, and where it is."""
    quote = html.escape(words)
    if continuation:
        quote += f" <i>{html.escape(shortened_line(continuation))}</i>"
    origin = f"<small>{html.escape(source)}</small>"
    return f"<blockquote>{quote}<br>{origin}</blockquote>"


def _quotation_row(quotation: CheckedQuotation) -> str:
    """The verdict on a quotation, and its places."""
    kind = "fault" if quotation.is_fault else "sound"
    reason = f" “{shortened_line(_unsigned(quotation))}”: {quotation.reason}"
    verdict = _verdict(WORDS[quotation.verdict], reason)
    row = f'<p class="{kind}">{verdict}</p>'
    for cited in quotation.places:
        row += _quote(cited.quote, pincite(cited), quotation.rest)
    return row
