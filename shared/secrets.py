"""Secrets stay secret: masks for values, URIs and texts."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

MASK = "***"

_MIN_SECRET = 4
_USERINFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<userinfo>[^\s/?#@]+)@", re.IGNORECASE)


def mask_uris(text: str) -> str:
    """Replace the credentials of every URI in a text; a user name before a password stays."""

    def masked(match: re.Match[str]) -> str:
        user, colon, _ = match["userinfo"].partition(":")
        return f"{match['scheme']}{user}:{MASK}@" if colon else f"{match['scheme']}{MASK}@"

    return _USERINFO.sub(masked, text) if "@" in text else text


def uri_secrets(text: str) -> set[str]:
    """Passwords (or tokens) in the URIs of a text, as written and decoded."""
    found: set[str] = set()
    for match in _USERINFO.finditer(text):
        user, colon, password = match["userinfo"].partition(":")
        secret = password if colon else user
        found |= {secret, unquote(secret)}
    return found


class Masker:
    """Masks known secrets, and the credentials of URIs, in texts.

    Parameters
    ----------
    secrets
        Values that must never be shown. Those shorter than four characters are left alone: they would mask words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _MIN_SECRET}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Mask one text."""
        shown = mask_uris(text)
        return self._pattern.sub(MASK, shown) if self._pattern else shown
