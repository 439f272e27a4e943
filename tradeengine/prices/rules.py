"""Trading rules of chosen symbols, as the exchange states them."""

import json
from collections.abc import Collection, Mapping
from typing import Any


def rules_document(info: Mapping[str, Any], symbols: Collection[str]) -> str:
    """Make the ``exchangeInfo`` answer one of these symbols only.

    Parameters
    ----------
    info
        The whole answer.
    symbols
        None of them means all.

    Returns
    -------
    str
        JSON text in the answer's own form.
    """
    entries = [entry for entry in info["symbols"] if not symbols or entry["symbol"] in symbols]
    return json.dumps({**info, "symbols": entries}, indent=1) + "\n"
