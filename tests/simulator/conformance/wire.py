"""The exchange's HTTP side as bytes: no client library between the test and the wire."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote_plus, urlsplit

from tests.support.deadline import PATIENCE_S

FORM = "application/x-www-form-urlencoded"


class Answer(NamedTuple):
    """What came back: numbers with a point are Decimals, header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


def signature(secret: str, text: str) -> str:
    """HMAC SHA256 in hex (Binance docs, "General Info", SIGNED endpoints)."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def encoded(parameters: Iterable[tuple[str, object]]) -> str:
    """Query or form text of parameters, in the order given."""
    return "&".join(f"{name}={quote_plus(str(value))}" for name, value in parameters)


def ok(answer: Answer) -> Any:
    """Return the document of an answer that must be a success."""
    assert answer.status == 200, f"HTTP {answer.status}: {answer.text}"
    return answer.body


def refused(answer: Answer, *codes: int, status: int = 400) -> str:
    """Check a refusal by its code (any of those given) and HTTP status, and return its message."""
    assert answer.status == status, f"HTTP {answer.status}: {answer.text}"
    assert set(answer.body) == {"code", "msg"}
    assert answer.body["code"] in codes, answer.text
    assert isinstance(answer.body["msg"], str)
    return str(answer.body["msg"])


class Wire:
    """One kept-alive connection of one API key.

    Parameters
    ----------
    url
        Base address, ``http://host:port``.
    key, secret
        The API key's two halves.
    now_ms
        The exchange's clock, for timestamps.
    """

    def __init__(self, url: str, key: str, secret: str, now_ms: Callable[[], int]) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        self.key = key
        self.secret = secret
        self.now_ms = now_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def send(
        self, method: str, path: str, query: str = "", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send exactly these texts; the key's header is added unless ``headers`` has its own."""
        target = f"{path}?{query}" if query else path
        sent = {"X-MBX-APIKEY": self.key, **(headers if headers is not None else {"Content-Type": FORM})}
        try:
            self._connection.request(method, target, body=body, headers={k: v for k, v in sent.items() if v})
            response = self._connection.getresponse()
            text = response.read().decode()
        except (HTTPException, OSError):
            self._connection.close()
            raise
        try:
            document = json.loads(text, parse_float=Decimal) if text else None
        except json.JSONDecodeError:
            document = None
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, document, text)

    def public(self, path: str, **parameters: object) -> Answer:
        """GET without key, timestamp or signature."""
        return self.send("GET", path, encoded(parameters.items()), headers={"X-MBX-APIKEY": ""})

    def signed(self, method: str, path: str, **parameters: object) -> Answer:
        """Sign and send: in the query for GET, as a form else; ``None`` leaves a parameter out."""
        values = {name: value for name, value in parameters.items() if value is not None}
        values.setdefault("timestamp", self.now_ms())
        text = encoded(values.items())
        text = f"{text}&signature={signature(self.secret, text)}"
        return self.send(method, path, text) if method == "GET" else self.send(method, path, body=text)

    def get(self, path: str, **parameters: object) -> Answer:
        return self.signed("GET", path, **parameters)

    def post(self, path: str, **parameters: object) -> Answer:
        return self.signed("POST", path, **parameters)

    def put(self, path: str, **parameters: object) -> Answer:
        return self.signed("PUT", path, **parameters)

    def delete(self, path: str, **parameters: object) -> Answer:
        return self.signed("DELETE", path, **parameters)
