from rag.parsing.pdf.characters import Line
from rag.parsing.pdf.forms import with_forms
from rag.parsing.pdf.layout import paragraphs_of as paragraphs
from rag.parsing.pdf.layout import regions


def line(left: float, top: float, text: str, bold: bool = False) -> Line:
    return Line(left, top, left + 5 * len(text), top + 10, text, 10.0, bold)


def form(*rows: tuple[float, str, str]) -> list[Line]:
    """Labels at 50 points and values at 200 points; "" for none."""
    lines = []
    for top, label, value in rows:
        lines.append(line(50, top, label, bold=True))
        lines += [line(200, top, value)] if value else []
    return lines


AIRPORT = [(100, "Airport:", "Belen"), (116, "Elevation:", "5194 ft"), (132, "Runway:", "21")]


def texts(lines: list[Line]) -> list[str]:
    return [one.text.replace("\t", " | ") for one in with_forms(lines)]


def test_each_label_keeps_its_value() -> None:
    lines = form(*AIRPORT)
    lines += [line(320, 100, "Surface:", bold=True), line(450, 100, "Asphalt")]
    assert texts(lines) == ["Airport: Belen | Surface: Asphalt", "Elevation: 5194 ft", "Runway: 21"]
    (paragraph,) = [p for region in regions(with_forms(lines)) for p in paragraphs(region)]
    assert paragraph.lines == (
        "Airport: Belen | Surface: Asphalt",
        "Elevation: 5194 ft",
        "Runway: 21",
    )


def test_labels_and_values_may_have_several_lines() -> None:
    lines = form(*AIRPORT, (150, "Owner:", "ABQ New Mexico"), (176, "Certificates", ""))
    lines += [line(200, 160, "Tours"), line(50, 186, "Held:", bold=True), line(200, 176, "None")]
    assert texts(lines)[-2:] == ["Owner: ABQ New Mexico Tours", "Certificates Held: None"]


def test_a_label_without_a_value_takes_none() -> None:
    lines = form(*AIRPORT, (148, "Seats:", ""), (164, "Engines:", "1"))
    lines += [line(320, 148, "Rated Power:", bold=True), line(450, 148, "180 hp")]
    assert texts(lines)[-2:] == ["Seats: | Rated Power: 180 hp", "Engines: 1"]


def test_a_label_in_one_line_with_its_value_belongs_to_the_form() -> None:
    lines = [*form(*AIRPORT), line(50, 148, "Length: 6601 ft"), line(200, 158, "by 60 ft")]
    assert texts(lines)[-1] == "Length: 6601 ft by 60 ft"


def test_prose_with_run_in_headings_is_not_a_form() -> None:
    lines = [
        line(50, 100, "Aim:", bold=True),
        line(50, 116, "To see who comes."),
        line(50, 140, "Methods:", bold=True),
        line(50, 156, "We ask: who comes?"),
    ]
    assert with_forms(lines) == lines
