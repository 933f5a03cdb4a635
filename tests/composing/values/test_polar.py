import pytest

from rag.composing.values.polar import says


@pytest.mark.parametrize(
    ("question", "sentence", "yes"),
    [
        ("Did Iran sign the treaty?", "Iran signed the treaty in 1968.", True),
        ("Is the deal still alive?", "The deal is still alive.", True),
        ("Was the JCPOA signed in 2015?", "The JCPOA was signed in 2015.", True),
        ("Did Iran sign the treaty?", "Iran did not sign the treaty.", False),
        ("Did Iran sign the treaty?", "Iran never signed the treaty.", False),
        ("Was the JCPOA signed in 2016?", "The JCPOA was signed in 2015.", None),
        ("Did Israel attack Iran?", "Iran attacked Israel.", None),
        ("Did Iran sign the treaty?", "Iran said it signed the treaty.", None),
        ("Did Iran sign the treaty?", "Iran refused to sign the treaty.", None),
        ("Did Iran sign the treaty?", "Iran signed the treaty that Israel did not.", None),
        ("Did Iran sign the treaty?", "Did Iran sign the treaty?", None),
        ("Did Iran sign the treaty in 1968?", "Iran signed a protocol, but the treaty came in 1968.", None),
        ("Did Iran not sign the treaty?", "Iran did not sign the treaty.", None),
        ("Did the US leave?", "The US may leave.", None),
    ],
)
def test_yes_or_no_only_where_the_sentence_says_it(question: str, sentence: str, yes: bool | None) -> None:
    assert says(question, sentence) is yes
