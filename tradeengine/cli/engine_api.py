"""Commands that ask a running engine: where it is, the key, and its answers."""

from typing import Annotated, Any

import httpx
import typer

from shared.errors import EngineError
from tradeengine.cli.options import check_address

_TIMEOUT_S = 60.0

Url = Annotated[
    str, typer.Option("--url", envvar="TRADEENGINE_URL", help="The engine's API, such as http://127.0.0.1:8000")
]
ReaderKey = Annotated[str | None, typer.Option("--key", envvar="READER_API_KEY", help="Reader key.")]
OperatorKey = Annotated[str | None, typer.Option("--key", envvar="RISK_OVERRIDE_KEY", help="Operator key.")]
DEFAULT_URL = "http://127.0.0.1:8000"


def ask(method: str, url: str, path: str, key: str | None, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make one request to a running engine.

    Raises
    ------
    EngineError
        If it does not answer, or refuses; the text says what to do.
    typer.BadParameter
        If address or key are none.
    """
    check_address(url, "--url", "http", "https")
    if key is None or not (key.isascii() and key.isprintable()):
        raise typer.BadParameter("give the key of the running engine", param_hint="--key")
    try:
        answer = httpx.request(
            method,
            f"{url.rstrip('/')}{path}",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
        document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise EngineError(f"{url}{path}: no engine answers there ({reason}); start it or correct --url") from None
    if answer.is_error:
        raise EngineError(f"{url}{path} answered {answer.status_code}: {document.get('detail', document)}")
    return document
