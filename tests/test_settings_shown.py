import pytest

from rag.settings import shown

ADDRESSES = {
    "postgresql://h/d": "postgresql://h/d",
    "postgresql://u@h/d": "postgresql://u@h/d",
    "postgresql://u:secret@h:5/d": "postgresql://u:***@h:5/d",
    "postgresql://:secret@h/d": "postgresql://:***@h/d",
    "postgresql://u:secret@a,b:5/d?target_session_attrs=any": (
        "postgresql://u:***@a,b:5/d?target_session_attrs=any"
    ),
    "postgresql://u:sec@ret/se?cr#et@h/d": "postgresql://u:***@h/d",  # malformed, and still hidden
    "postgresql://u:sec\nret@h/d": "postgresql://u:***@h/d",
    "postgresql://u@h/d?password=secret&x=1": "postgresql://u@h/d?password=***&x=1",
    "postgresql:///d?user=u&password=secret": "postgresql:///d?user=u&password=***",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_password_is_never_shown(address: str) -> None:
    assert shown(address) == ADDRESSES[address]
