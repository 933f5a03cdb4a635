from email.message import EmailMessage

import pytest

from rag.errors import InputError
from tests.parsing.reading import headings, load_bytes, places


def message(subject: str = "The deal", body: str = "It was signed.\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "Ada Bell <ada@example.org>", "bo@example.org"
    mail["Date"], mail["Subject"] = "Fri, 13 Feb 2026 10:00:00 +0000", subject
    mail.set_content(body)
    return mail


def text_of(mail: EmailMessage) -> str:
    return load_bytes("a.eml", mail.as_bytes())[0].text


def test_a_message() -> None:
    mail = message("Über den Fisch")
    mail.add_alternative("<p>Another body</p>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="terms.pdf")
    (document,) = load_bytes("a.eml", mail.as_bytes())
    head = "From: Ada Bell <ada@example.org>\nTo: bo@example.org\nDate: Fri, 13 Feb 2026 10:00:00 "
    parts = ["Über den Fisch", f"{head}+0000", "It was signed.", "Attachments: terms.pdf"]
    assert document.text.split("\n\n") == parts
    assert headings(document) == [parts[0], f"{parts[0]} > message headers", parts[0]]
    assert document.title == "Über den Fisch"
    assert document.metadata["author"] == "Ada Bell <ada@example.org>"
    assert (document.metadata["date"], document.metadata["year"]) == ("2026-02-13", "2026")


def test_an_attached_message_keeps_its_headers() -> None:
    mail = message("Fwd")
    mail.add_attachment(message("The rent", "It rises to 900.\n"))
    text = text_of(mail)
    assert "Subject: The rent\nFrom: Ada Bell <ada@example.org>" in text
    assert text.index("Subject: The rent") < text.index("It rises to 900.")


def test_html_and_other_encodings_and_a_blank_plain_alternative() -> None:
    mail = EmailMessage()
    mail["Subject"] = "x"
    page = "<p>Caf\u00e9 <b>one</b></p><script>no</script>"
    mail.set_content(page, subtype="html", charset="iso-8859-1")
    assert text_of(mail).endswith("Caf\u00e9 one")
    mail = message(body=" \n")
    mail.add_alternative("<p>The lease ends on 31 May 2027.</p>", subtype="html")
    assert text_of(mail).endswith("The lease ends on 31 May 2027.")


def test_a_mailbox_contains_messages() -> None:
    messages = (message(f"No {n}", f">From here.\n{n}\n").as_bytes() for n in range(3))
    box = b"".join(b"From ada Fri Feb 13\n" + mail + b"\n" for mail in messages)
    documents = load_bytes("in.mbox", box)
    assert [d.id for d in documents] == [f"in.mbox/{n:05}.eml" for n in (1, 2, 3)]
    assert [d.title for d in documents] == ["No 0", "No 1", "No 2"]
    assert documents[1].text.endswith("From here.\n1")


def test_other_files_are_not_mail() -> None:
    with pytest.raises(InputError, match="no headers"):
        load_bytes("a.eml", b"just text")
    with pytest.raises(InputError, match="not a mailbox"):
        load_bytes("a.mbox", b"just text")


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
    assert places(document)[2:] == [
        ("It rises to 900.", "The rent"),
        ("On Fri, 13 Feb 2026, Bo <bo@example.org> wrote:", "The rent > quoted text"),
        ("I hope that helps.", "The rent"),
        ("--", "The rent > signature"),
    ]
