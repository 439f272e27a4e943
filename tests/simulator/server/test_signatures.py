"""Every form of signature that the exchange takes, and those that it does not."""

from urllib.parse import quote_plus, unquote_plus

import pytest

from tests.simulator.server.raw import RESTING, SECRET, Answer, Raw, form, signature
from tradeengine.simulator.signing import is_signed, sign, text_of_params, texts_of_request

PATH = "/fapi/v1/order"
DOCS_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
DOCS_TEXT = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
)


def text_of(raw: Raw, **more: object) -> str:
    return form({**RESTING, "timestamp": raw.now_ms, **more})


def accepted(answer: Answer) -> None:
    assert answer.status == 200, answer.text


def refused(answer: Answer, code: int, status: int = 400) -> None:
    assert (answer.status, answer.code) == (status, code), answer.text


def test_the_published_example() -> None:
    published = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    assert sign(DOCS_SECRET, DOCS_TEXT) == published
    assert is_signed(DOCS_SECRET, [DOCS_TEXT], published.upper())
    assert not is_signed(DOCS_SECRET, [DOCS_TEXT + " "], published)


def test_query_and_body_are_joined_without_separator() -> None:
    assert texts_of_request("a=1", "b=2") == ("a=1b=2",)
    assert texts_of_request("a=%2F", "b=x+y") == ("a=%2Fb=x+y", "a=/b=x y")


def test_params_of_the_websocket_api_are_sorted_and_booleans_are_words() -> None:
    params = {"symbol": "BTCUSDT", "apiKey": "k", "closePosition": True, "timestamp": 5, "signature": "ff"}
    assert text_of_params(params) == "apiKey=k&closePosition=true&symbol=BTCUSDT&timestamp=5"


async def test_in_the_body(raw: Raw) -> None:
    text = text_of(raw)
    accepted(await raw.send("POST", PATH, body=f"{text}&signature={signature(text)}"))


async def test_in_the_query_of_a_post(raw: Raw) -> None:
    text = text_of(raw)
    accepted(await raw.send("POST", PATH, f"{text}&signature={signature(text)}"))


@pytest.mark.parametrize("place", ["query", "body"])
async def test_mixed_with_the_signature_last_in_either_part(raw: Raw, place: str) -> None:
    query = form({name: RESTING[name] for name in ("symbol", "side", "positionSide")})
    body = form({name: RESTING[name] for name in ("type", "timeInForce", "price", "quantity")})
    body += f"&timestamp={raw.now_ms}"
    signed = f"&signature={signature(query + body)}"
    if place == "query":
        accepted(await raw.send("POST", PATH, query + signed, body))
    else:
        accepted(await raw.send("POST", PATH, query, body + signed))


async def test_over_the_decoded_text(raw: Raw) -> None:
    text = text_of(raw, newClientOrderId="a:b/c")
    answer = await raw.send("POST", PATH, body=f"{text}&signature={signature(unquote_plus(text))}")
    accepted(answer)
    assert answer.body["clientOrderId"] == "a:b/c"


async def test_over_the_encoded_text(raw: Raw) -> None:
    text = text_of(raw, newClientOrderId="a:b/c")
    assert quote_plus("a:b/c") in text
    accepted(await raw.send("POST", PATH, body=f"{text}&signature={signature(text)}"))


async def test_upper_case_digits(raw: Raw) -> None:
    text = text_of(raw)
    accepted(await raw.send("POST", PATH, body=f"{text}&signature={signature(text).upper()}"))


async def test_a_body_is_a_form_whatever_its_type(raw: Raw) -> None:
    text = text_of(raw)
    headers = {"X-MBX-APIKEY": raw.key, "Content-Type": "application/json"}
    accepted(await raw.send("POST", PATH, body=f"{text}&signature={signature(text)}", headers=headers))


async def test_the_query_wins_over_the_body(raw: Raw) -> None:
    body = text_of(raw)
    query = "price=48000"
    answer = await raw.send("POST", PATH, query, f"{body}&signature={signature(query + body)}")
    accepted(answer)
    assert float(answer.body["price"]) == 48000


async def test_a_signature_that_is_not_last_is_refused(raw: Raw) -> None:
    text = text_of(raw)
    refused(await raw.send("POST", PATH, body=f"signature={signature(text)}&{text}"), -1022)


async def test_a_wrong_secret_is_refused(raw: Raw) -> None:
    text = text_of(raw)
    refused(await raw.send("POST", PATH, body=f"{text}&signature={signature(text, SECRET + 'x')}"), -1022)


async def test_a_changed_parameter_is_refused(raw: Raw) -> None:
    text = text_of(raw)
    forged = text.replace("price=49000", "price=49001")
    refused(await raw.send("POST", PATH, body=f"{forged}&signature={signature(text)}"), -1022)


async def test_a_get_with_its_parameters_in_the_body_has_none(raw: Raw) -> None:
    text = f"timestamp={raw.now_ms}"
    refused(await raw.send("GET", "/fapi/v1/accountConfig", body=f"{text}&signature={signature(text)}"), -1102)


async def test_refusals_come_in_this_order(raw: Raw) -> None:
    """Key, then form, then what is mandatory, then the signature, then the time."""
    old = raw.now_ms - 60_000
    wrong = "&signature=00"
    steps = [
        ({}, f"a=1&a=1&timestamp={old}{wrong}", -2014, 401),
        ({"X-MBX-APIKEY": "no key!"}, f"a=1&a=1&timestamp={old}{wrong}", -2014, 401),
        ({"X-MBX-APIKEY": "somebody"}, f"a=1&a=1&timestamp={old}{wrong}", -2015, 401),
        ({"X-MBX-APIKEY": raw.key}, f"a=1&a=1&timestamp={old}{wrong}", -1101, 400),
        ({"X-MBX-APIKEY": raw.key}, "a=1", -1102, 400),
        ({"X-MBX-APIKEY": raw.key}, f"a=1&timestamp={old}", -1102, 400),
        ({"X-MBX-APIKEY": raw.key}, f"a=1&timestamp={old}&recvWindow=60001{wrong}", -1130, 400),
        ({"X-MBX-APIKEY": raw.key}, f"a=1&timestamp={old}{wrong}", -1022, 400),
        ({"X-MBX-APIKEY": raw.key}, f"timestamp={old}&signature={signature(f'timestamp={old}')}", -1021, 400),
        (
            {"X-MBX-APIKEY": raw.key},
            f"timestamp={raw.now_ms}&signature={signature(f'timestamp={raw.now_ms}')}",
            -1102,
            400,
        ),
    ]
    for headers, body, code, status in steps:
        refused(await raw.send("POST", PATH, body=body, headers=headers), code, status)


@pytest.mark.parametrize(
    ("offset_ms", "window_ms", "is_accepted"),
    [
        (999, 5000, True),
        (1000, 5000, False),
        (-5000, None, True),
        (-5001, None, False),
        (-60_000, 60_000, True),
        (-60_001, 60_000, False),
        (0, 0, True),
        (-1, 0, False),
    ],
)
async def test_the_window_of_time(raw: Raw, offset_ms: int, window_ms: int | None, is_accepted: bool) -> None:
    values = {} if window_ms is None else {"recvWindow": window_ms}
    answer = await raw.signed("GET", "/fapi/v1/accountConfig", timestamp=raw.now_ms + offset_ms, **values)
    if is_accepted:
        accepted(answer)
    else:
        refused(answer, -1021)
