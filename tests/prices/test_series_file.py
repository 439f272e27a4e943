"""Files of market data: they grow at their end, and whatever interrupts a write, what they hold is whole."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import ConfigError
from tradeengine.prices.series import Row
from tradeengine.prices.series_file import Extent, Gap, SeriesFile

COLUMNS = ("time", "price")
HEADER = "time,price\n"
START = 1_767_225_600_000
MINUTE = 60_000


def row(minute: int, price: str = "1.50") -> Row:
    return Row(START + minute * MINUTE, (price,))


def line(minute: int, price: str = "1.50") -> str:
    return f"2026-01-01T00:{minute:02}:00.000Z,{price}\n"


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files may have so many bytes and no more, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_rows_are_appended_below_one_header(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "prices.csv"
    for block in ([row(0), row(1)], [row(2)]):
        with SeriesFile(path, COLUMNS) as file:
            file.append(block)

    assert path.read_text() == HEADER + line(0) + line(1) + line(2)


def test_without_rows_there_is_no_file(tmp_path: Path) -> None:
    with SeriesFile(tmp_path / "prices.csv", COLUMNS) as file:
        assert file.extent(MINUTE) is None

    assert list(tmp_path.iterdir()) == []


def test_the_extent_says_where_it_begins_and_ends_and_what_is_missing(tmp_path: Path) -> None:
    with SeriesFile(tmp_path / "prices.csv", COLUMNS) as file:
        file.append([row(0), row(1), row(5), row(6, "2"), row(8, "3")])

        assert file.extent(MINUTE) == Extent(
            first_ms=START,
            last=row(8, "3"),
            rows=5,
            gaps=(Gap(START + MINUTE, START + 5 * MINUTE), Gap(START + 6 * MINUTE, START + 8 * MINUTE)),
        )


@pytest.mark.parametrize("cut", range(1, len(HEADER + line(0) + line(1))))
def test_what_an_interruption_left_of_a_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "prices.csv"
    path.write_text((HEADER + line(0) + line(1))[:cut])
    with SeriesFile(path, COLUMNS) as file:
        extent = file.extent(MINUTE)
        held = extent.rows if extent else 0
        file.append([row(minute) for minute in range(held, 3)])

    assert path.read_text() == HEADER + line(0) + line(1) + line(2)


def test_a_full_disk_leaves_what_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    with SeriesFile(path, COLUMNS) as file:
        file.append([row(0)])
        before = path.read_text()
        with room_for(len(before) + 10), pytest.raises(ConfigError, match="what it holds is whole: make room"):
            file.append([row(1), row(2)])

        assert path.read_text() == before
        file.append([row(1)])
    assert path.read_text() == HEADER + line(0) + line(1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("open,close\n1,2\n", ":1: is no file of this command, whose header is time,price"),
        (HEADER + line(0) + "yesterday,1\n", ":3: timestamp 'yesterday'"),
        (HEADER + line(0).replace(",", ",1,"), ":2: 3 fields, but the header names 2"),
        (HEADER + line(1) + line(0), "2026-01-01T00:00:00.000Z follows 2026-01-01T00:01:00.000Z"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_stays_as_it_is(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with SeriesFile(path, COLUMNS) as file, pytest.raises(ConfigError) as refused:
        file.extent(MINUTE)

    assert said in str(refused.value)
    assert "name another --out" in str(refused.value)
    assert path.read_text() == text


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with SeriesFile(path, COLUMNS) as file, pytest.raises(ConfigError, match="no CSV text in UTF-8"):
        file.extent(MINUTE)


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    with (
        SeriesFile(path, COLUMNS) as first,
        pytest.raises(ConfigError, match="being written by another process"),
        SeriesFile(path, COLUMNS),
    ):
        pass
    assert first.path == path


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"), SeriesFile(tmp_path / "file" / "x.csv", COLUMNS):
        pass
