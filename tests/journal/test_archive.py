"""Files of the archive: what they hold, and that no damage goes unnoticed."""

import gzip
import hashlib
import json
import random
from pathlib import Path

import pytest

from shared.errors import ConfigError, RetrySafe
from tests.support.records import RecordedWorld, signal_records
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_file import ArchiveDamaged, ArchiveFile, load_file, read_header
from tradeengine.journal.record import encode
from tradeengine.journal.stored import PAGE_BYTES, Stored


def rows_of(count: int, *, first: int = 1, shard: int = 3) -> list[Stored]:
    records = signal_records(first + count - 1, shard=shard)[first - 1 :]
    return [Stored(record.sequence, encode(record)) for record in records]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


# ---------------------------------------------------------------- what a file holds


def test_a_file_is_json_lines_that_any_tool_reads(archive: Archive) -> None:
    rows = rows_of(3, first=2)
    file = archive.write(3, "journal-of-the-test", rows)

    assert file.path.name == "shard-003.000000000002-000000000004.jsonl.gz"
    lines = gzip.decompress(file.path.read_bytes()).splitlines(keepends=True)
    content = b"".join(lines[1:])
    header = json.loads(lines[0])
    assert header.pop("first_ms") < header.pop("last_ms")
    assert header == {
        "format": "tradeengine-journal",
        "version": 1,
        "journal_id": "journal-of-the-test",
        "shard": 3,
        "first": 2,
        "last": 4,
        "count": 3,
        "events": 3,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert [json.loads(line)["sequence"] for line in lines[1:]] == [2, 3, 4]
    assert load_file(file)[1] == rows


def test_the_same_records_give_the_same_bytes(archive: Archive, tmp_path: Path) -> None:
    first = archive.write(3, "j", rows_of(5)).path.read_bytes()
    (tmp_path / "other").mkdir()
    assert Archive(tmp_path / "other").write(3, "j", rows_of(5)).path.read_bytes() == first


def test_records_are_read_across_files_from_any_position(archive: Archive) -> None:
    rows = rows_of(10)
    for first, last in ((1, 4), (5, 5), (6, 10)):
        archive.write(3, "j", rows[first - 1 : last])

    for after in range(10):
        found, at = [], after
        while at < 10:
            page = archive.stored(3, at, 3)
            assert 1 <= len(page) <= 3
            found += page
            at = page[-1].sequence
        assert found == rows[after:]
    assert archive.last_sequence(3) == 10
    assert (archive.missing(3, 10), archive.missing(3, 12), archive.missing(4, 2)) == ([], [(11, 12)], [(1, 2)])


def test_pages_are_bounded_in_bytes(archive: Archive) -> None:
    world = RecordedWorld(shard=3)
    for number in range(5):
        world.signal("hold", signal_id=str(number), carried={"text": "x" * (PAGE_BYTES // 2)})
        world.cut()
    archive.write(3, "j", [Stored(record.sequence, encode(record)) for record in world.records])

    assert [len(archive.stored(3, after, 1000)) for after in range(5)] == [2, 2, 2, 2, 1]


def test_an_archive_that_is_not_there_is_empty(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "none")

    assert (archive.files(), archive.headers(), archive.last_sequence(0)) == ([], [], 0)
    with pytest.raises(
        ArchiveDamaged, match=r"none lacks record 1 of shard 0: it holds none of that shard;.*ARCHIVE_DIR"
    ):
        archive.stored(0, 0, 10)


# ---------------------------------------------------------------- damage


def test_every_changed_byte_and_every_cut_is_noticed(archive: Archive) -> None:
    file = archive.write(3, "j", rows_of(4))
    good = file.path.read_bytes()
    what = r"000000000001-000000000004.jsonl.gz, records 1 to 4 of shard 3, is damaged"
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for at in [0, len(good) - 1, *chance.sample(range(len(good)), 150)]:
        for bad in (good[:at], good[:at] + bytes([good[at] ^ (1 << chance.randrange(8))]) + good[at + 1 :]):
            file.path.write_bytes(bad)
            try:
                found = load_file(file)[1]
            except ArchiveDamaged as error:
                assert "records 1 to 4 of shard 3, is damaged" in str(error)  # noqa: PT017 - some bytes of a gzip header mean nothing
            else:
                assert found == rows_of(4), f"seed {seed}: byte {at}"
    for bad in (b"", b"no gzip", good[: len(good) // 2]):
        file.path.write_bytes(bad)
        with pytest.raises(ArchiveDamaged, match=what):
            load_file(file)


def test_contents_that_do_not_fit_their_header_are_damage(archive: Archive) -> None:
    file = archive.write(3, "j", rows_of(3))
    header, *lines = gzip.decompress(file.path.read_bytes()).splitlines(keepends=True)

    def rewritten(*parts: bytes) -> ArchiveFile:
        file.path.write_bytes(gzip.compress(b"".join(parts)))
        return file

    assert load_file(rewritten(header, *lines))[0].count == 3
    for parts in ((header, *lines[:2]), (header, *lines, lines[0]), (header, lines[1], lines[0], lines[2]), (header,)):
        with pytest.raises(ArchiveDamaged, match="records 1 to 3 of shard 3, is damaged"):
            load_file(rewritten(*parts))
    with pytest.raises(ArchiveDamaged, match="its format is 'something'"):
        read_header(rewritten(header.replace(b"tradeengine-journal", b"something"), *lines))
    with pytest.raises(ConfigError, match=r"is of version 9, this engine knows 1: use the engine that wrote it"):
        read_header(rewritten(header.replace(b'"version":1', b'"version":9'), *lines))


def test_a_file_under_another_name_is_damage(archive: Archive, tmp_path: Path) -> None:
    file = archive.write(3, "j", rows_of(3))
    file.path.rename(tmp_path / "shard-004.000000000001-000000000003.jsonl.gz")

    (other,) = archive.files()
    with pytest.raises(ArchiveDamaged, match="its header names records 1 to 3 of shard 3"):
        load_file(other)


def test_a_missing_file_is_named_by_what_lies_around_it(archive: Archive) -> None:
    rows = rows_of(9)
    files = [archive.write(3, "j", rows[first : first + 3]) for first in (0, 3, 6)]
    files[1].path.unlink()

    with pytest.raises(ArchiveDamaged, match="lacks record 4 of shard 3: its files hold records up to 3, then 7"):
        archive.stored(3, 3, 10)
    assert archive.missing(3, 9) == [(4, 6)]
    files[0].path.unlink()
    with pytest.raises(ArchiveDamaged, match="lacks record 1 of shard 3: its files begin with 7"):
        archive.stored(3, 0, 10)


def test_another_journals_archive_is_refused(archive: Archive) -> None:
    archive.write(3, "mine", rows_of(3))

    assert len(archive.stored(3, 0, 10, "mine")) == 3
    with pytest.raises(ConfigError, match="is of the journal 'mine', this one is 'theirs'"):
        archive.stored(3, 0, 10, "theirs")


# ---------------------------------------------------------------- writing


def test_a_folder_that_takes_nothing_leaves_no_file(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "file")
    archive.folder.write_text("no folder")

    with pytest.raises(RetrySafe, match=r"cannot write .*shard-003.*Not a directory"):
        archive.write(3, "j", rows_of(1))
    with pytest.raises(ConfigError, match=r"the archive .*file cannot be written"), archive.held():
        pass


def test_one_process_at_a_time_writes_and_the_next_cleans_up_behind_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "deep" / "archive")
    with archive.held():
        left = archive.folder / ".shard-003.000000000001-000000000003.jsonl.gz.part"
        left.write_bytes(b"half a fi")
        with pytest.raises(ConfigError, match="another process writes to the archive"), Archive(archive.folder).held():
            pass
        assert left.exists()
    assert archive.files() == []
    with archive.held():
        assert not left.exists()
