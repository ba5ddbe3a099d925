from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.components.records.test_arrow_examples import write
from trainyard.components.records import tfrecord_blocks


def test_shards_in_the_order_of_their_names(tmp_path):
    names = [f"data_tfrecord-{number:05}-of-00012.gz" for number in range(12)]
    for name in reversed(names):
        write(tmp_path / name, [name.encode()] * 2)
    (tmp_path / ".unfinished").touch()
    files = tfrecord_blocks.shards(tmp_path)
    assert [file.name for file in files] == names
    records = [record for block in tfrecord_blocks.read(files) for record in block.records()]
    assert records == [name.encode() for name in names for _ in range(2)]


@pytest.mark.parametrize(("rows", "sizes"), [(4, [4, 3, 3]), (5, [5, 5]), (9, [5, 5]), (99, [10])])
def test_a_block_has_a_number_of_records_at_most(tmp_path, rows, sizes):
    written = [b"%d" % number for number in range(10)]
    file = write(tmp_path / "rows.gz", written)
    blocks = list(tfrecord_blocks.read([file], block_rows=rows))
    assert [len(block) for block in blocks] == sizes
    assert [record for block in blocks for record in block.records()] == written


def test_one_item_is_made_ahead_and_no_more():
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(9):
            made.append(number)
            yield number

    for number in tfrecord_blocks.ahead(numbers()):
        assert made[-1] <= number + 1
    assert made == list(range(9))


def test_what_goes_wrong_ahead_comes_after_what_went_well():
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    coming = tfrecord_blocks.ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="second"):
        next(coming)


def test_leaving_early_leaves_no_thread_behind():
    before = threading.active_count()
    coming = tfrecord_blocks.ahead(iter(range(9)))
    assert next(coming) == 0
    assert threading.active_count() == before + 1
    coming.close()
    assert threading.active_count() == before
