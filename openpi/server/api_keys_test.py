import base64

import pytest

from openpi.server import api_keys

_KEYS = ["0123456789abcdef", "another-key/with+signs=="]


def test_keys_of_a_file_let_their_holders_in(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# the lab\n\n{_KEYS[0]}\n  {_KEYS[1]}  \n# {'x' * 20}\n")
    keys = api_keys.load(path)
    for key in _KEYS:
        assert keys.admit(f"Api-Key {key}")
        assert keys.admit(f"api-key {key} ")
    for wrong in (None, "", "Api-Key", "Api-Key ", f"Api-Key {_KEYS[0]}0", f"Api-Key {_KEYS[0][:-1]}", _KEYS[0]):
        assert not keys.admit(wrong)
    for wrong in (
        f"Bearer {_KEYS[0]}",
        "Api-Key # the lab",
        f"Api-Key {'x' * 20}",
        "Api-Key \udcff",
        "Api-Key schlüssel",
    ):
        assert not keys.admit(wrong)


def test_a_browser_logs_in_with_a_key_as_the_password():
    keys = api_keys.ApiKeys(_KEYS)

    def login(text):
        return "Basic " + base64.b64encode(text.encode()).decode()

    for key in _KEYS:
        for right in (
            login(f"me:{key}"),
            login(f":{key}"),
            login(f"me:{key}").replace("Basic", "basic"),
            f"Api-Key {key}",
        ):
            assert keys.admit_login(right)
        assert not keys.admit(login(f"me:{key}"))  # for pages alone
    for wrong in (
        None,
        "",
        "Basic",
        "Basic ",
        "Basic ????",
        "Basic ü",
        login(_KEYS[0]),
        login(f"{_KEYS[0]}:"),
        login("me:"),
    ):
        assert not keys.admit_login(wrong)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "there is no API key; write one a line"),
        (b"# only a comment\n", "there is no API key"),
        (b"short\n", "API key 1 has 5 characters; take at least 16"),
        (f"{_KEYS[0]}\nsixteen is enough\n".encode(), "API key 2 must be of printable ASCII"),
        ("schlüssel-schlüssel".encode(), "API key 1 must be of printable ASCII"),
        (b"\xff\xfe\xff", "is no text"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(tmp_path, content, text):
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text) as raised:
        api_keys.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "short" not in str(raised.value)  # a key is never repeated


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OSError, match="API keys cannot be read from .*/none: No such file"):
        api_keys.load(tmp_path / "none")
