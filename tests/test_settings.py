from pathlib import Path

import pytest

from rag.errors import InputError
from rag.settings import Settings, public_address


def test_arguments_override_the_environment_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "rag.toml"
    file.write_text('top_k = 3\nthreshold = 0.5\nindex = "from-file"\n')
    environment = {"RAG_CONFIG": str(file), "RAG_TOP_K": "4", "RAG_THRESHOLD": "0.6"}
    settings = Settings.load(environment, top_k=5, index=None)
    assert (settings.top_k, settings.threshold, settings.index) == (5, 0.6, Path("from-file"))


def test_defaults_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load({}) == Settings()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAG_TOP_H": "3"}, "unknown setting 'top_h' in the environment\n  did you mean top_k?"),
        ({"RAG_TOP_K": "many"}, "top_k = 'many' in the environment is not a whole number"),
        ({"RAG_THRESHOLD": "abc"}, "threshold = 'abc' in the environment is not a number"),
        ({"RAG_THRESHOLD": "1.5"}, "threshold = 1.5 in the environment is not between -1 and 1"),
        ({"RAG_BATCH_MS": "4"}, "unknown setting 'batch_ms' in the environment"),
        ({"RAG_PUBLIC_URL": "me"}, "public_url = 'me' in the environment is not an http"),
        ({"RAG_TOP_K": "0"}, "top_k = 0 in the environment is not between 1 and 200"),
        ({"RAG_INDEX": ""}, "index in the environment is empty"),
        ({"RAG_CONFIG": "/no/such.toml"}, "settings file /no/such.toml: No such file"),
    ],
)
def test_wrong_values_are_named_with_their_place(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as error:
        Settings.load(environment)
    assert str(error.value).startswith(message)
    assert error.value.hint


def test_the_index_is_named_without_a_password() -> None:
    settings = Settings.load({"RAG_STORE": "postgresql://u:secret@h/d"})
    assert settings.place == "postgresql://u:***@h/d"
    assert "secret" not in repr(settings)
    with pytest.raises(InputError, match='neither "local" nor a PostgreSQL address') as error:
        Settings.load({"RAG_STORE": "mysql://u:secret@h/d"})
    assert "secret" not in str(error.value)


def test_an_explicit_folder_overrides_a_database() -> None:
    environment = {"RAG_STORE": "postgresql://h/d"}
    assert Settings.load(environment, index=Path("here")).place == "here"
    assert Settings.load(environment, index=None).place == "postgresql://h/d"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("index = 5", "index = 5"),
        ("top_k = inf", "top_k = inf"),
        ("top_k = nan", "top_k = nan"),
        ("top_k = 8.7", "top_k = 8.7"),
        ("top_k = 8.0", "top_k = 8.0"),
        (f"threshold = 1{'0' * 400}", "threshold = 1000"),
    ],
)
def test_invalid_values_are_named_and_not_rounded(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "rag.toml"
    file.write_text(content)
    with pytest.raises(InputError, match="is not a") as error:
        Settings.load({"RAG_CONFIG": str(file)})
    assert error.value.message.startswith(message)


@pytest.mark.parametrize(
    "content",
    [
        b"top_k = [1]",
        b"top_k = true",
        b"reader",
        b"nothing = 1",
        b"\xff\xfe",
        b"x = " + b"[" * 9999,
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "rag.toml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"rag\.toml"):
        Settings.load({"RAG_CONFIG": str(file)})


def test_a_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert Settings.load({"RAG_INDEX": "~/rag"}).index == Path("/home/ada/rag")
    with pytest.raises(InputError, match="index"):
        Settings.load({"RAG_INDEX": "~nobody-has-this-name/rag"})


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
    assert public_address(address) == ADDRESSES[address]
