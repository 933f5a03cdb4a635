"""`rag verify` and `rag export`: proofs of answers, checked with the index or without rag."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag import build
from rag.answering.verification import (
    CitationCheck,
    ComputedCheck,
    citations,
    computed_value,
    verify,
    verify_computed,
)
from rag.cli.options import LocalPath, argument, command, option, read_json, show
from rag.desk import certificate as certificates
from rag.errors import InputError, NotFoundError
from rag.render.status import clean, one_line, plural
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.desk.proof import ProofCheck


@command("verify")
def verify_command(
    settings: Settings,
    file: str = argument(type=LocalPath(exists=True, dir_okay=False, allow_dash=True), default="-"),
    replay: bool = option("Ask the question again instead, and show what changed."),
) -> None:
    """Check the citations in FILE (or stdin) against the current index: ok, moved, changed or
    missing. A value that was computed from them is computed again: it holds, or differs.

    FILE is the output of `rag ask --json`, an answer of the HTTP service, or a list of citations.
    Exits with status 1 unless all citations are ok or moved. --replay needs the answer's receipt;
    it exits with status 1 if the answer differs.

    FILE may also be a certificate of `rag ask --certificate`. It is compared with the index:
    documents that were added, changed or removed since, the nearest passages, models and settings.
    Exits with status 1 if anything is different, or if the file was changed.

    FILE may also be a bundle of `rag export`: its files are compared with their digests, and its
    quotes with the index.

    \b
    Examples:
      rag ask --json "When does the lease end?" > answer.json
      rag verify answer.json
      rag verify proof.zip
      rag verify --replay answer.json
      rag ask --json "Who signed the lease?" | rag verify
      rag verify absence.html
    """
    if file != "-" and zipfile.is_zipfile(file):
        if replay:
            message = "a bundle has no receipt, so its questions cannot be asked again"
            raise InputError(message, "leave out --replay")
        sys.exit(0 if _verify_bundle(settings, Path(file)) else 1)

    content = read_json(file)
    is_certificate = isinstance(content, dict) and content.get("kind") == certificates.KIND
    if is_certificate:
        holds = _verify_certificate(settings, content, replay)
    elif replay:
        holds = _replay(settings, content)
    else:
        holds = _verify_answer(settings, content)
    sys.exit(0 if holds else 1)


def _verify_certificate(settings: Settings, content: dict[str, Any], replay: bool) -> bool:
    """Whether a certificate holds today; with `replay`, whether an intact one has the same
    answer.
    """
    with closing(build.store(settings, any_embedder=True)) as store:
        check = certificates.check(content, store, settings, build.judge(settings))
    if replay and check.is_intact:
        return _replay(settings, content)
    show(check, _certificate_lines(check))
    return check.holds


def _verify_answer(settings: Settings, content: Any) -> bool:
    """Whether the citations of an answer, and what was computed from them, hold today."""
    cited = citations(content)
    if not cited:
        hint = "give an answer with citations: rag ask --json QUESTION"
        raise InputError('the answer has no citations (it was "not found")', hint)

    store = build.store(settings, any_embedder=True)
    checks = [verify(store, citation) for citation in cited]
    results: list[CitationCheck | ComputedCheck] = [*checks]
    lines = _lines_of_all(checks)
    holds = all(check.status in ("ok", "moved") for check in checks)

    value = computed_value(content)
    if value:
        computed = verify_computed(store, value, cited, checks)
        results.append(computed)
        lines += _computed_lines(computed)
        holds = holds and computed.holds
    show(results, lines)
    return holds


def _verify_bundle(settings: Settings, path: Path) -> bool:
    """Whether a bundle is intact, and its quotes are in the index."""
    from rag.desk import proof

    with closing(build.store(settings, any_embedder=True)) as store:
        check = proof.check_file(path.read_bytes(), store, settings, build.judge(settings))
    show(check.to_dict(), proof_lines(check, "the bundle is intact"))
    return check.holds


def proof_lines(check: ProofCheck, intact: str) -> list[str]:
    """What is different, or that nothing is."""
    faults = [f"altered {one_line(fault)}" for fault in check.faults]
    lost = _lines_of_all(check.citations)
    quotes = plural(check.checked, "quote")
    found = f"{quotes}, of which differ:" if lost else f"{quotes}, all at their places"
    if intact and not faults:
        found = f"{intact}; {found}"
    return [*faults, found, *lost]


def _certificate_lines(check: certificates.CertificateCheck) -> list[str]:
    if not check.is_intact:
        state = "the certificate is not as rag wrote it"
        return [f"altered: {state}, so nothing in it can be relied on"]
    if check.holds:
        return ["intact; the documents, the models and the settings are the same today"]

    lines = ["intact, but since then:"]
    for word in ("added", "changed", "removed"):
        lines += [f"  {word:8}{one_line(name)}" for name in getattr(check, word)]
    for passage in check.passages:
        first_line, *_ = _lines(passage)
        lines.append(f"  passage {first_line}")
    lines += [f"  {one_line(difference)}" for difference in check.settings]
    return [*lines, "ask again with: rag verify --replay FILE"]


def _lines_of_all(checks: Iterable[CitationCheck]) -> list[str]:
    lines = []
    for check in checks:
        lines += _lines(check)
    return lines


def _lines(check: CitationCheck) -> list[str]:
    """Each on one line, so that no id or quote can look like a verdict of its own."""
    quote = check.quote if len(check.quote) <= 60 else check.quote[:59] + "…"
    place = f'{one_line(check.document_id)}  "{one_line(quote)}"'
    line = f"{check.status:8}{place}: {one_line(check.detail)}"
    return [line, f"        now: {one_line(check.now)}"] if check.now else [line]


def _computed_lines(check: ComputedCheck) -> list[str]:
    """A value that was computed, and what the cells give today if that is something else."""
    lines = [f"{check.status:8}{one_line(check.text)}: {one_line(check.detail)}"]
    if check.now is not None and not check.holds:
        lines.append(f"        now: {one_line(check.now)}")
    return lines


def _replay(settings: Settings, content: Any) -> bool:
    """Ask the receipt's question again with its options. Returns whether the answer is the same."""
    from rag.answering import receipts
    from rag.render import terminal

    receipt = receipts.load(content)
    replay = receipts.replay(build.engine(settings).ask, receipt)
    causes = replay.changed or ("nothing that affects it has changed",)
    head = "same answer" if replay.same else "the answer has changed"
    lines = [head, *(f"  {clean(cause)}" for cause in causes)]
    if not replay.same:
        lines += ["", terminal.answer(replay.answer)]
    value = {"same": replay.same, "changed": list(replay.changed), "answer": replay.answer}
    show(value, lines)
    return bool(replay.same)


@command("export", fields="path sha256 answers quotes documents left_out")
def export_command(
    settings: Settings,
    source: str,
    path: Path = option("The ZIP file to write.", "--bundle", required=True),
    key: Path | None = option(
        "Sign the bundle's list of digests with this private key of SSH.", "--sign"
    ),
) -> None:
    """Write SOURCE into a bundle that anyone can check without rag: a page to read, the answers
    with their offsets and digests, the documents that they quote, and a program, verify.py.

    SOURCE is a file with the output of `rag ask --json`, or the name of a grid. The bundle has the
    whole quoted documents; keep it from people who may not read them.

    \b
    Examples:
      rag export answer.json --bundle proof.zip
      rag export leases --bundle leases.zip --sign ~/.ssh/id_ed25519
    """
    from rag.desk import bundle
    from rag.desk import grid as grids

    bundle.check_path(path, key)
    with closing(build.store(settings, any_embedder=True)) as store:
        if Path(source).is_file():
            written = bundle.write(store, bundle.of_answer(read_json(source)), path, key)
        elif source in store.grids():
            contents = bundle.of_grid(grids.load(store, source))
            written = bundle.write(store, contents, path, key)
        else:
            hint = "list the grids with: rag grid list; or write: rag ask --json … > answer.json"
            raise NotFoundError(f"{source!r} is neither a file nor a grid", hint)
    counts = [
        plural(written.answers, "answer"),
        plural(written.quotes, "quote"),
        plural(written.documents, "document"),
    ]
    lines = [f"{written.path}: {', '.join(counts)}"]
    lines += [f"  without the original of {one_line(name)}" for name in written.left_out]
    show(written, [*lines, f"digest of its SHA256SUMS, for the recipient: {written.sha256}"])
