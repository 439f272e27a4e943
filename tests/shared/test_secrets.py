import pytest

from shared.secrets import Masker, mask_uris, uri_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nats://user:pass@host:4222/x", "nats://user:***@host:4222/x"),
        ("token nats://tok@host", "token nats://***@host"),
        ("mongodb+srv://u:p%40q@h/?a=b@c", "mongodb+srv://u:***@h/?a=b@c"),
        ("a nats://x:y@h, b mysql://u:p@h", "a nats://x:***@h, b mysql://u:***@h"),
        ("http://host/path?mail=a@b", "http://host/path?mail=a@b"),
        ("someone@example.org", "someone@example.org"),
    ],
)
def test_credentials_of_uris_are_masked(text: str, masked: str) -> None:
    assert mask_uris(text) == masked


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert Masker(["abcd", "abcdefgh"])("x abcdefgh abcd") == "x *** ***"


def test_words_of_everyday_length_are_no_secrets() -> None:
    assert Masker(["", "a", "the"])("the cat") == "the cat"


def test_a_password_is_known_as_written_and_decoded() -> None:
    assert uri_secrets("mysql://u:p%40ss@h") == {"p%40ss", "p@ss"}
