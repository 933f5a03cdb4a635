"""The tools' results as text for a model; it contains everything in their fields.

Lines with a document's words start with a line number or a dash, so that they cannot pass for the
text around them.
"""

from __future__ import annotations

from rag.render.cited import shortened
from rag.server.mcp import tool_schemas
from rag.server.mcp.tool_schemas import NOTICE

_NUMBER_WIDTH = 6


def asked(made: tool_schemas.AskResult) -> str:
    lines = [made.text, ""]
    for cited in made.citations:
        digest = f"sha256 {cited.sha256}"
        lines.append(
            f"[{cited.number}] {cited.document_id} characters {cited.start}-{cited.end}, "
            f"{digest}, {cited.url}"
        )
    lines.append(f"Confidence: {made.confidence:.0%}. Understood as: {made.question}")
    if made.note:
        lines.append(f"Not resolved: {made.note}")
    for passage in made.nearest:
        lines.append(
            f"- {passage.document_id} characters {passage.start}-{passage.end}, {passage.url}"
        )
    return "\n".join([*lines, NOTICE])


def excerpt(made: tool_schemas.Excerpt) -> str:
    if not made.found:
        return not_there(made.document_id, made.did_you_mean)
    place = f"lines {made.first_line}-{made.last_line} of {made.total_lines}"
    head = (
        f"{made.document_id}: {made.title}; {place}, characters {made.start}-{made.end} of "
        f"{made.total_characters}"
    )
    numbered = [
        f"{number:>{_NUMBER_WIDTH}}  {line}"
        for number, line in enumerate(made.text.removesuffix("\n").split("\n"), made.first_line)
    ]
    rest = (
        f"Continue with start_line={made.next_line}."
        if made.next_line
        else "This is the end of the document."
    )
    return "\n".join([head, made.url, *numbered, rest, NOTICE])


def outline(made: tool_schemas.Outline) -> str:
    if not made.found:
        return not_there(made.document_id, made.did_you_mean)
    head = (
        f"{made.document_id}: {made.title}; {made.total_lines} lines, {made.total_characters} "
        f"characters"
    )
    lines = [
        f"line {one.line}, characters {one.start}-{one.end}: {one.heading}" for one in made.sections
    ]
    more = [f"and {made.more} more"] if made.more else []
    return "\n".join([head, *(lines or ["The document has no headings."]), *more])


def documents(made: tool_schemas.DocumentList) -> str:
    lines = [
        f"- {one.id}: {shortened(one.title, 200)}"
        + "".join(f"; {key}={shortened(value, 100)}" for key, value in one.metadata.items())
        + f" ({one.source})"
        for one in made.documents
    ]
    rest = [f'Next page: after="{made.next}"'] if made.next else []
    return "\n".join([f"{len(lines)} shown, {made.total} in the index", *lines, *rest])


def verified(made: tool_schemas.Verified) -> str:
    where = f" (characters {made.start}-{made.end})" if made.start is not None else ""
    now = f"\nIt now reads: {shortened(made.now)}" if made.now else ""
    edited = "\nThe document's bytes have changed since." if made.edited else ""
    return (
        f"{made.status}: “{shortened(made.quote)}” in {made.document_id}{where}: "
        f"{made.detail}{edited}{now}"
    )


def checked(made: tool_schemas.CheckedClaims) -> str:
    lines = []
    for one in made.claims:
        wrong = ", but not by the passage it cites" if one.wrong_citation else ""
        lines.append(f"{one.verdict} ({one.confidence:.0%}){wrong}: {shortened(one.text)}")
        lines += [f"  {one.reason}"] if one.reason else []
        for found in one.evidence:
            place = f"{found.document_id} characters {found.start}-{found.end}, {found.url}"
            lines.append(f"  - {found.says}: “{shortened(found.quote)}” {place}")
    counts = ", ".join(f"{name} {number}" for name, number in made.counts.items() if number)
    return "\n".join([*lines, f"Sentences: {counts}", NOTICE])


def why(made: tool_schemas.Why) -> str:
    lines = [f"Question: {made.question}", *made.explanation, "", "Passages, best first:"]
    for one in made.passages:
        ranks = f"by meaning {one['dense_rank'] or '-'}, by words {one['lexical_rank'] or '-'}"
        place = f"{one['document_id']} characters {one['start']}-{one['end']}"
        lines.append(f"- {one['score']:.3f} ({ranks}) {place}: {shortened(one['text'], 200)}")
    return "\n".join([*lines, NOTICE])


def ingested(made: tool_schemas.Ingested) -> str:
    detail = f": {made.detail}" if made.detail else ""
    return f"{made.outcome}{detail}. Documents: {', '.join(made.document_ids) or 'none'}"


def not_there(document_id: str, meant: list[str]) -> str:
    near = (
        f" Did you mean {' or '.join(meant)}?"
        if meant
        else " List the documents with list_documents."
    )
    return f"No document {document_id} in the index.{near}"
