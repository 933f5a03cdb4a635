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
        ("Did Iran sign the treaty?", "Iran formally signed the first treaty in 1968.", True),
        ("Did Iran sign the treaty?", "In 1968, Iran signed the treaty.", True),
        ("Did Iran sign the treaty?", "Yes, Iran signed the treaty.", True),
        ("Did Iran sign the treaty?", "No, Iran did not sign the treaty.", False),
        ("Did Iran sign the treaty?", "Yes, Iran did not sign the treaty.", None),
        ("Is smoking allowed in the office?", "Smoking is not allowed in the office.", False),
        ("Can the tenant sublet the flat?", "The tenant can sublet the flat.", True),
        ("Can the tenant sublet the flat?", "The tenant cannot sublet the flat.", False),
        ("Can the tenant sublet the flat?", "The tenant is prohibited from subletting the flat.", None),
        ("Can the tenant sublet the flat?", "It is illegal for the tenant to sublet the flat.", None),
        ("Did Israel attack Iran?", "Israel was attacked by Iran.", None),
        ("Is Oman in Africa?", "Oman is far from Africa.", None),
        ("Is Oman in Asia?", "Oman is in Asia.", True),
        ("Is smoking allowed in the office?", "Smoking is allowed outside the office.", None),
        ("Was Einstein born in Berlin?", "Einstein was born in Ulm and died in Berlin.", None),
        ("Did Iran sign the treaty?", "Unlike Iran, Oman signed the treaty.", None),
        ("Did Iran sign the treaty?", "Nobody in Iran signed the treaty.", None),
        ("Did Iran sign the treaty?", "The parliament of Iran signed the treaty.", None),
        ("Did Iran sign the treaty?", "Iran has yet to sign the treaty.", None),
        ("Did Iran sign the treaty?", "Iran declined to sign the treaty.", None),
        ("Did Iran sign the treaty?", "Iran will sign the treaty.", None),
        ("Did the Senate pass the bill?", "The Senate voted against passing the bill.", None),
        ("Is the limit 100 km?", "The limit is more than 100 km.", None),
        ("Did Iran sign the treaty?", "No one doubts that Iran signed the treaty.", None),
        ("Did Iran sign the treaty?", "No other state but Iran signed the treaty.", None),
        ("Did Iran sign the treaty?", "Iran did not hesitate to sign the treaty.", None),
        ("Did Iran sign the treaty?", "Iran, not Iraq, signed the treaty.", None),
    ],
)
def test_yes_or_no_only_where_the_sentence_says_it(question: str, sentence: str, yes: bool | None) -> None:
    assert says(question, sentence) is yes
