from __future__ import annotations

from email.message import EmailMessage

import pytest

from rag.errors import InputError
from rag.parsing.load import load_bytes
from rag.structure import sections


def message(subject: str = "The deal", body: str = "It was signed.\n") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Date"] = (
        "Ada Bell <ada@example.org>",
        "bo@example.org",
        "Fri, 13 Feb 2026 10:00:00 +0000",
    )
    made["Subject"] = subject
    made.set_content(body)
    return made


def test_a_message() -> None:
    made = message("Über den Fisch")
    made.add_alternative("<p>Another body</p>", subtype="html")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="terms.pdf")
    (document,) = load_bytes("a.eml", made.as_bytes())
    head = (
        "From: Ada Bell <ada@example.org>\nTo: bo@example.org\nDate: Fri, 13 Feb 2026 10:00:00 "
        "+0000"
    )
    assert document.text == "\n\n".join(
        ["Über den Fisch", head, "It was signed.", "Attachments: terms.pdf"]
    )
    headings = ["Über den Fisch", "Über den Fisch > message headers", "Über den Fisch"]
    assert [s.heading for s in sections(document.blocks)] == headings
    assert document.title == "Über den Fisch"
    assert document.metadata["author"] == "Ada Bell <ada@example.org>"
    assert (document.metadata["date"], document.metadata["year"]) == ("2026-02-13", "2026")


def test_an_attached_message_keeps_its_headers() -> None:
    made, inner = message("Fwd"), message("The rent", "It rises to 900.\n")
    made.add_attachment(inner)
    (document,) = load_bytes("a.eml", made.as_bytes())
    assert "Subject: The rent\nFrom: Ada Bell <ada@example.org>" in document.text
    assert document.text.index("Subject: The rent") < document.text.index("It rises to 900.")


def test_html_and_other_encodings() -> None:
    made = EmailMessage()
    made["Subject"] = "x"
    made.set_content(
        "<p>Caf\u00e9 <b>one</b></p><script>no</script>", subtype="html", charset="iso-8859-1"
    )
    assert load_bytes("a.eml", made.as_bytes())[0].text.endswith("Caf\u00e9 one")


def test_a_mailbox_contains_messages() -> None:
    box = b"".join(
        b"From ada Fri Feb 13\n" + message(f"No {n}", f">From here.\n{n}\n").as_bytes() + b"\n"
        for n in range(3)
    )
    documents = load_bytes("in.mbox", box)
    assert [d.id for d in documents] == [f"in.mbox/{n:05}.eml" for n in (1, 2, 3)]
    assert [d.title for d in documents] == ["No 0", "No 1", "No 2"]
    assert documents[1].text.endswith("From here.\n1")


def test_other_files_are_not_mail() -> None:
    with pytest.raises(InputError, match="no headers"):
        load_bytes("a.eml", b"just text")
    with pytest.raises(InputError, match="not a mailbox"):
        load_bytes("a.mbox", b"just text")


def test_a_blank_plain_alternative_is_skipped() -> None:
    made = message(body=" \n")
    made.add_alternative("<p>The lease ends on 31 May 2027.</p>", subtype="html")
    assert load_bytes("a.eml", made.as_bytes())[0].text.endswith("The lease ends on 31 May 2027.")


def test_quotes_and_signatures_are_separate_sections() -> None:
    body = """It rises to 900.

On Fri, 13 Feb 2026, Bo <bo@example.org> wrote:
> How much is it?
> Bo

I hope that helps.
--\x20
Ada Bell
Mill Lane 4
"""
    (document,) = load_bytes("a.eml", message("The rent", body).as_bytes())
    said = [
        (document.text[s.start :].split("\n")[0].strip(), s.heading.split(" > ")[1:])
        for s in sections(document.blocks)
    ]
    assert said[2:] == [
        ("It rises to 900.", []),
        ("On Fri, 13 Feb 2026, Bo <bo@example.org> wrote:", ["quoted text"]),
        ("I hope that helps.", []),
        ("--", ["signature"]),
    ]
