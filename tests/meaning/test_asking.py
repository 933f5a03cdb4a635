"""Sentences become questions that they answer, or none."""

import pytest

from rag.meaning.asking import LONGEST_SENTENCE, question_for


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("The lease ends on 31 March 2028.", "When does the lease end?"),
        ("The rent is £5,150 a month.", "How much is the rent?"),
        ("Our monthly fee is 1,240 pounds plus VAT.", "How much is the monthly fee?"),
        ("A day ticket costs 12 euros.", "How much does a day ticket cost?"),
        ("Day tickets cost 12 euros.", "How much do day tickets cost?"),
        ("Invoices are paid within 30 days.", "How soon are invoices paid?"),
        ("Expense claims are paid within 30 days.", "How soon are expense claims paid?"),
        ("Lost keys must be reported within two hours.", "How soon must lost keys be reported?"),
        (
            "Trainees get 25 days of annual leave a year.",
            "How many days of annual leave do trainees get?",
        ),
        (
            "Full staff members get 25 days of annual leave a year.",
            "How many days of annual leave do full staff members get?",
        ),
        (
            "Damage must be reported within 24 hours by e-mail.",
            "How soon must damage be reported?",
        ),
        ("A guest pays 12 euros per outing.", "How much does a guest pay?"),
        ("The regatta takes place on 23 August 2025.", "When does the regatta take place?"),
        ("The season opens on Saturday, 12 April 2025.", "When does the season open?"),
        ("The club has 24 boats.", "How many boats does the club have?"),
        ("Anyone who can swim may become a member.", "Who may become a member?"),
        ("The secretary is Ann Lee.", "Who is the secretary?"),
        ("The JCPOA was signed in Vienna on 14 July 2015.", "When was the JCPOA signed?"),
        ("The notice period is three months.", "How long is the notice period?"),
        (
            "The applicant shall submit a plan of the site.",
            "What must the applicant submit?",
        ),
        ("The budget is approved by the board.", "Who approves the budget?"),
        ("The boiler is checked every year.", "How often is the boiler checked?"),
        (
            "The landlord is responsible for the roof and the walls.",
            "Who is responsible for the roof and the walls?",
        ),
        ("Only paying members may vote at the meeting.", "Who may vote at the meeting?"),
        (
            "If you lose your card, tell the desk at once.",
            "What happens if I lose my card?",
        ),
        (
            "If the cost exceeds the deposit, the applicant shall pay the difference.",
            "What happens if the cost exceeds the deposit?",
        ),
        (
            "If you do not pay the fine, the court adds fifty pounds to it.",
            "What happens if I do not pay the fine?",
        ),
        (
            "If the application is approved by the board, work may begin at once.",
            "What happens if the application is approved by the board?",
        ),
        (
            "To reset the old router, hold the button for ten seconds.",
            "How do I reset the old router?",
        ),
        ("The VPN is a private network of the whole studio.", "What is the VPN?"),
    ],
)
def test_a_plain_sentence_becomes_a_question(sentence: str, question: str) -> None:
    suggested = question_for(sentence)
    assert (suggested.question if suggested else "") == question


@pytest.mark.parametrize(
    "sentence",
    [
        "It ends on 31 March 2028.",
        "This is £5 a month.",
        "The first is £5 a month.",
        "The tower is 20 years old.",
        "The council has three duties under the law.",
        "A further resolution was adopted on 17 November 2022.",
        "Everything must be reported within 24 hours.",
        "The application will not require a drawing of the whole site.",
        "Kind regards, Peter Osgood",
        "If you are an early riser, you will like the quiet hours before nine.",
        "If you have a question, the staff at the desk will help you.",
        "If you prefer a window seat, the reading room has several of them.",
        "If your visit becomes a habit, you can buy a pass for the whole year.",
        "The first part aims to include all of the members of the club.",
        "You can quickly a form by using the blue button on the page.",
        "The rent is £5,150 a month, " + "and so on, " * (LONGEST_SENTENCE // 11),
    ],
)
def test_a_sentence_that_needs_its_text_becomes_none(sentence: str) -> None:
    assert question_for(sentence) is None
