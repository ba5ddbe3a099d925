"""Reading: types, formats, and every bad input that reading can meet."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from trainyard.components.example_gen import csv_files, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data
from trainyard.wording import counted

INTEGER, FLOAT, TEXT, MISSING = (
    ColumnType.INTEGER,
    ColumnType.FLOAT,
    ColumnType.TEXT,
    ColumnType.MISSING,
)


def written(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def read(file: Path | list[Path], **options) -> dict[str, list]:
    files = file if isinstance(file, list) else [file]
    data = Data(path="x", **options)
    types = reader.columns(data, files)
    tables = [pa.Table.from_batches([b.batch]) for b in reader.blocks(data, files, types)]
    return pa.concat_tables(tables).to_pydict()


def types_of(file: Path, **options) -> dict[str, ColumnType]:
    return reader.columns(Data(path="x", **options), [file])


def failure(file: Path | list[Path], **options) -> str:
    with pytest.raises(DataError) as caught:
        read(file, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "+3", " 4"], INTEGER),
        (["1", ""], INTEGER),
        (["007"], INTEGER),
        (["1", "2.5"], FLOAT),
        (["2.5", "1"], FLOAT),
        (["1e3", ".5", "5.", "+1.5", " 2.5 "], FLOAT),
        (["", "?"], MISSING),
        (["1", "one"], TEXT),
        (["2.5", "x"], TEXT),
        (["0x1F"], TEXT),
        (["1_000"], TEXT),
        (["true", "FALSE", "", "True"], ColumnType.BOOLEAN),
        (["true", "1"], TEXT),
        (["true", "yes"], TEXT),
        (["2026-11-28", "", "2024-02-29"], ColumnType.DATE),
        (["2026-11-28", "28.11.2026"], TEXT),
        (["9223372036854775807", "-9223372036854775808"], INTEGER),
        (["9223372036854775808"], TEXT),
        (["1.5", "9223372036854775808"], TEXT),
        (["1.5", "0.12345678901234567890123"], FLOAT),
    ],
)
def test_types_are_as_stock_decides(tmp_path, values, expected):
    rows = "".join(f"{value},1\n" for value in values)
    assert types_of(written(tmp_path, "a,b\n" + rows)) == {"a": expected, "b": INTEGER}


def test_types_agree_with_stocks_own_function(tmp_path):
    decoder = pytest.importorskip("tfx_bsl.coders.csv_decoder")
    values = ["1", "-1", "1.0", "1e5", "abc", "+7", " 7", "1d", "99999999999999999999", "0x10"]
    stock = {
        decoder.ColumnType.INT: INTEGER,
        decoder.ColumnType.FLOAT: FLOAT,
        decoder.ColumnType.STRING: TEXT,
    }
    for value in values:
        file = written(tmp_path, f"a\n{value}\n")
        assert types_of(file)["a"] == stock[decoder._InferValueType(value.encode())], value


def test_a_column_is_decided_over_all_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1000)
    rows = [str(number) for number in range(2000)] + ["1.5"]
    file = written(tmp_path, "a\n" + "\n".join(rows) + "\n")
    data = Data(path="x")
    types = reader.columns(data, [file])
    blocks = list(reader.blocks(data, [file], types))
    assert types == {"a": FLOAT}
    assert len(blocks) > 5
    assert [b.batch.column(0).type for b in blocks] == [pa.float64()] * len(blocks)
    assert [v for b in blocks for v in b.batch.column(0).to_pylist()] == list(map(float, rows))
    assert [number for b in blocks for number in b.numbers] == list(range(1, len(rows) + 1))
    assert blocks[-1].fraction == pytest.approx(1.0)


def test_a_column_is_decided_over_all_files(tmp_path):
    files = [written(tmp_path, "a\n1\n", "1.csv"), written(tmp_path, "a\nx\n", "2.csv")]
    assert read(files) == {"a": ["1", "x"]}


def test_missing_values_are_those_of_the_recipe(tmp_path):
    file = written(tmp_path, 'a,b,c\n1,?,""\n-,"?",x\n')
    assert read(file) == {"a": ["1", "-"], "b": [None, None], "c": [None, "x"]}
    assert read(file, missing=("-",)) == {"a": [1, None], "b": ["?", "?"], "c": [None, "x"]}


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b'\xef\xbb\xbfa,b\n1,"x\ny"\n', {}),
        (b'a,b\r\n1,"x\ny"\r\n', {}),
        (b'a,b\n\n1,"x\ny"\n\n', {}),
        (b'"a";"b"\n1;"x\ny"', {"delimiter": ";"}),
        ('a,b\n1,"x\ny"\n'.encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
def test_csv_dialects(tmp_path, content, options):
    assert read(written(tmp_path, content), **options) == {"a": [1], "b": ["x\ny"]}


def test_encoding(tmp_path):
    file = written(tmp_path, "näme\nÖl\n".encode("latin-1"))
    assert read(file, encoding="latin-1") == {"näme": ["Öl"]}


def test_gzip(tmp_path):
    assert read(written(tmp_path, gzip.compress(b"a,b\n1,x\n"), "r.csv.gz")) == {
        "a": [1],
        "b": ["x"],
    }


def test_quoted_quotes_and_a_quote_inside_a_word_are_text(tmp_path):
    file = written(tmp_path, 'a,b\n"5"" pipe",1\n6" pipe,2\n')
    assert read(file)["a"] == ['5" pipe', '6" pipe']


def test_parquet(tmp_path):
    table = pa.table(
        {
            "flag": pa.array([True, None]),
            "count": pa.array([1, 2], pa.uint8()),
            "amount": pa.array([1.5, float("nan")], pa.float32()),
            "price": pa.array([1, 2], pa.int32()).cast(pa.decimal128(12, 2)),
            "day": pa.array([0, 1], pa.int32()).cast(pa.date32()),
            "moment": pa.array([0, None], pa.timestamp("s")),
            "kind": pa.array(["1", "2"]).dictionary_encode(),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet", format="parquet") == {
        "flag": [1, None],
        "count": [1, 2],
        "amount": [1.5, None],
        "price": [1.0, 2.0],
        "day": ["1970-01-01", "1970-01-02"],
        "moment": ["1970-01-01T00:00:00", None],
        "kind": ["1", "2"],
        "nothing": [None, None],
    }


def test_lists_in_parquet_are_not_read(tmp_path):
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"ok": [1], "many": [[1, 2]], "pair": [{"a": 1}]}), file)

    assert read(file, format="parquet") == {"ok": [1]}
    found = reader.unread(Data(path="x", format="parquet"), [file])
    assert found == {"many": "list<item: int64>", "pair": "struct<a: int64>"}


def test_parquet_number_beyond_64_bits_is_refused(tmp_path):
    pq.write_table(pa.table({"a": pa.array([2**63], pa.uint64())}), tmp_path / "rows.parquet")
    assert "'a'" in failure(tmp_path / "rows.parquet", format="parquet")


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_tfrecord(tmp_path, compression):
    import tensorflow as tf

    example = tf.train.Example()
    example.features.feature["many"].float_list.value.extend([1.0, 2.0])
    example.features.feature["word"].bytes_list.value.append(b"x")
    empty = tf.train.Example()
    file = tmp_path / "rows.tfrecord"
    with tf.io.TFRecordWriter(str(file), compression) as writer:
        for each in (example, empty):
            writer.write(each.SerializeToString())
    assert types_of(file, format="tfrecord") == {"many": FLOAT, "word": TEXT}
    assert read(file, format="tfrecord") == {"many": [[1.0, 2.0], None], "word": [[b"x"], None]}


def schema(folder: Path, **types: str) -> str:
    file = folder / "schema.pbtxt"
    file.write_text("".join(f'feature {{ name: "{n}" type: {t} }}\n' for n, t in types.items()))
    return str(file)


def test_the_curated_schema_decides_where_nothing_is_lost(tmp_path):
    file = written(tmp_path, "code,amount,word,share\n007,1,x,1.5\n")
    curated = schema(tmp_path, code="BYTES", amount="FLOAT", word="INT", share="INT")
    expected = {"code": ["007"], "amount": [1.0], "word": ["x"], "share": [1.5]}
    assert read(file, schema=curated) == expected


def test_an_unreadable_schema_is_the_recipes_fault(tmp_path):
    file = written(tmp_path, "a\n1\n")
    with pytest.raises(RecipeError, match=r"data\.schema"):
        read(file, schema=str(written(tmp_path, "feature {", "s.pbtxt")))


def test_dates_and_flags_are_known_and_integers_with_gaps_stay_integers(tmp_path):
    file = written(
        tmp_path, "day,moment,flag,count\n2020-01-31,2020-01-31 12:00:00,true,1\n,,,\n,,,3\n"
    )
    assert types_of(file) == {
        "day": ColumnType.DATE,
        "moment": TEXT,
        "flag": ColumnType.BOOLEAN,
        "count": INTEGER,
    }
    assert read(file)["count"] == [1, None, 3]
    assert read(file)["moment"] == ["2020-01-31 12:00:00", None, None]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("1", "2.5", FLOAT), ("2.5", "1", FLOAT), ("1", "", INTEGER), ("", "x", TEXT)],
)
def test_files_of_different_types_make_one_column(tmp_path, first, second, expected):
    files = [
        written(tmp_path, f"a,b\n{value},1\n", f"{name}.csv")
        for name, value in (("1", first), ("2", second))
    ]
    data = Data(path="x")
    types = reader.columns(data, files)
    assert types["a"] == expected
    for block in reader.blocks(data, files, types):
        assert block.batch.schema.field("a").type == expected.arrow


def test_parquet_of_several_files(tmp_path):
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    for file, values in zip(files, ([1, 2], [1.5, None]), strict=True):
        pq.write_table(pa.table({"a": values}), file)
    assert read(files, format="parquet") == {"a": [1.0, 2.0, 1.5, None]}


def test_a_text_longer_than_pythons_own_limit_beside_a_bad_row(tmp_path):
    long = "x" * 200_000
    file = written(tmp_path, f"a,b\n1,{long}\n2\n")
    assert read(file, on_bad_row="quarantine") == {"a": [1], "b": [long]}


def test_rows_after_a_bad_one_keep_their_numbers(tmp_path):
    file = written(tmp_path, "a,b\n1,1\n2\n3,1\n4\n5,1\n")
    data = Data(path="x", on_bad_row="quarantine")
    (block,) = reader.blocks(data, [file], reader.columns(data, [file]))
    assert [bad.row for bad in block.bad] == [2, 4]
    assert [block.row(i).rpartition(" ")[2] for i in range(3)] == ["1", "3", "5"]


# Bad input: each one clear error with file, row and column.


def test_no_such_file_names_the_nearest(tmp_path):
    written(tmp_path, "a\n1\n", "trips.csv")
    with pytest.raises(DataError, match=r"did you mean 'trips\.csv'"):
        reader.find(str(tmp_path / "trip.csv"))


@pytest.mark.parametrize("pattern", ["*.csv", "no/folder/rows.csv", "rows-{SPAN}.csv"])
def test_a_pattern_without_files(tmp_path, pattern):
    with pytest.raises(DataError, match="no such file"):
        reader.find(str(tmp_path / pattern))


def test_a_directory(tmp_path):
    with pytest.raises(DataError, match="directory"):
        reader.find(str(tmp_path))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    file = written(tmp_path, "a\n1\n")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(DataError, match="may not be read"):
        reader.find(str(file))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(tmp_path, content):
    assert "the file is empty" in failure(written(tmp_path, content))


def test_header_only(tmp_path):
    assert "only a header" in failure(written(tmp_path, "a,b\n"))


def test_one_file_of_several_may_have_a_header_only(tmp_path):
    files = [written(tmp_path, "a\n", "1.csv"), written(tmp_path, "a\n1\n", "2.csv")]
    assert read(files) == {"a": [1]}


@pytest.mark.parametrize("bad", ["3", "3,4,5"])
def test_a_ragged_row(tmp_path, bad):
    text = failure(written(tmp_path, f'a,b\n1,"x\ny"\n\n{bad}\n5,6\n'))
    assert "row 2 (line 5)" in text
    assert f"{counted(len(bad.split(',')), 'field')}, but the header has 2" in text


@pytest.mark.parametrize("rest", ["", "2,3\n" * 3, "2,3\n" * 100_000])
@pytest.mark.parametrize("row", ['"x,1\n', '1,"x\n'])
def test_an_open_quote_names_the_row_where_it_opens(tmp_path, monkeypatch, row, rest):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 100_000)
    text = failure(written(tmp_path, "a,b\n0,0\n" + row + rest))
    assert "row 2 (line 3)" in text
    assert "quote" in text


def test_an_open_quote_that_a_later_one_closes(tmp_path):
    text = failure(written(tmp_path, 'a,b\n0,0\n"x,1\n2,3\n4,"y"\n'))
    assert "row 2 (line 3)" in text
    assert "quote" in text


def test_an_open_quote_in_the_header(tmp_path):
    assert "header (line 1)" in failure(written(tmp_path, 'a,"b\n' + "1,2\n" * 50_000))


def test_wrong_encoding_names_row_byte_and_key(tmp_path):
    text = failure(written(tmp_path, "a,b\n1,x\n2,Öl\n".encode("latin-1")))
    assert "row 2 (line 3)" in text
    assert "0xd6" in text
    assert "data.encoding" in text


def test_wrong_encoding_in_the_header(tmp_path):
    assert "header" in failure(written(tmp_path, "ä,b\n1,x\n".encode("latin-1")))


def test_wrong_encoding_of_more_bytes(tmp_path):
    text = failure(
        written(tmp_path, "a,b\n1,x\n".encode("utf-16") + b"\x00\xd8a"), encoding="utf-16"
    )
    assert "data.encoding" in text


def test_an_unknown_encoding_is_the_recipes_fault(tmp_path):
    with pytest.raises(RecipeError, match="utf9"):
        read(written(tmp_path, "a\n1\n"), encoding="utf9")


def test_duplicate_column_names(tmp_path):
    text = failure(written(tmp_path, "a,b,a\n1,2,3\n"))
    assert "'a' occurs 2 times" in text
    assert "columns 1, 3" in text


@pytest.mark.parametrize("header", ["a,,c", "a,b,", "a, ,c"])
def test_empty_column_names(tmp_path, header):
    assert "has no name" in failure(written(tmp_path, f"{header}\n1,2,3\n"))


def test_files_with_other_headers(tmp_path):
    files = [written(tmp_path, "a,b\n1,2\n", "1.csv"), written(tmp_path, "a,c\n1,2\n", "2.csv")]
    text = failure(files)
    assert "2.csv" in text
    assert "without 'b'; in addition 'c'" in text


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e39", "1e400"])
def test_infinities_name_row_and_column(tmp_path, value):
    text = failure(written(tmp_path, f"a,b\n1,1.5\n2,2.5\n3,{value}\n"))
    assert "rows.csv, row 3" in text
    assert "'b'" in text


def test_an_all_missing_column_stays(tmp_path):
    assert read(written(tmp_path, "a,b\n1,\n2,NA\n")) == {"a": [1, 2], "b": [None, None]}


def test_a_value_of_another_type_than_told(tmp_path):
    file, data = written(tmp_path, "a\n1\nx\n"), Data(path="x")
    with pytest.raises(DataError, match="'x'"):
        list(reader.blocks(data, [file], {"a": INTEGER}))


@pytest.mark.parametrize(
    ("content", "name", "format_", "words"),
    [
        (b"a,b\n1,2\n", "rows.parquet", "parquet", "not a Parquet file"),
        (b"a,b\n1,2\n", "rows.csv.gz", "csv", "not whole gzip"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:-40], "rows.csv.gz", "csv", "not whole gzip"),
        (b"a,b\n1,2\n" * 10, "rows.tfrecord", "tfrecord", "not a whole TFRecord"),
        (b"\x1f\x8b\x08nonsense", "rows.tfrecord", "tfrecord", "not a whole TFRecord"),
    ],
)
def test_files_of_another_format(tmp_path, content, name, format_, words):
    assert words in failure(written(tmp_path, content, name), format=format_)


def test_tfrecord_of_something_else(tmp_path):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        writer.write(b"not an example")
    assert "rows 1 to 1" in failure(tmp_path / "r", format="tfrecord")


def test_a_thousand_columns(tmp_path):
    file = tmp_path / "wide.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(f"c{i}" for i in range(1000))
        writer.writerows([r * i for i in range(1000)] for r in range(500))
    start = time.perf_counter()
    table = read(file)
    assert time.perf_counter() - start < 5
    assert len(table) == 1000
    assert table["c999"][2] == 1998


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        ("d-{SPAN}.csv", ["d-9.csv", "d-10.csv"], ["d-10.csv"]),
        (
            "d-{SPAN:2}-*.csv",
            ["d-01-a.csv", "d-02-a.csv", "d-02-b.csv"],
            ["d-02-a.csv", "d-02-b.csv"],
        ),
        ("s{SPAN}v{VERSION}.csv", ["s1v9.csv", "s2v1.csv", "s2v2.csv"], ["s2v2.csv"]),
        ("{YYYY}-{MM}-{DD}.csv", ["2020-12-31.csv", "2021-01-01.csv"], ["2021-01-01.csv"]),
        ("{DD}.{MM}.{YYYY}.csv", ["31.12.2020.csv", "01.01.2021.csv"], ["01.01.2021.csv"]),
        ("?.csv", ["b.csv", "a.csv"], ["a.csv", "b.csv"]),
        ("a[1].csv", ["a[1].csv", "a1.csv"], ["a[1].csv"]),
    ],
)
def test_find_takes_the_newest_span(tmp_path, pattern, names, expected):
    for name in names:
        written(tmp_path, "a\n1\n", name)
    assert [file.name for file in reader.find(str(tmp_path / pattern))] == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("s{SPAN}-[ab].csv", ["s9-a.csv", "s10-b.csv"]),
        ("s{SPAN}-?.csv", ["s9-a.csv", "s9-c.csv", "s10-b.csv"]),
        ("s{SPAN:2}-?.csv", ["s10-b.csv"]),
    ],
)
def test_find_takes_a_window_of_spans(tmp_path, pattern, expected):
    for name in ("s8-a.csv", "s9-a.csv", "s9-c.csv", "s10-b.csv", "sx-a.csv"):
        written(tmp_path, "a\n1\n", name)
    found = reader.find(str(tmp_path / pattern), 2)
    assert [file.name for file in found] == expected


def test_a_placeholder_that_stands_twice_is_an_error(tmp_path):
    with pytest.raises(DataError, match="a placeholder stands twice in the path"):
        reader.find(str(tmp_path / "{YYYY}/{YYYY}-{MM}-{DD}.csv"))


def test_reading_csv_needs_neither_tensorflow_nor_tfx(tmp_path):
    file = written(tmp_path, "a,b\n1,2\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from trainyard.components.example_gen import preflight, reader\n"
        "from trainyard.recipe_schema import Data, Label\n"
        "labels = {'label': Label.model_validate('a')}\n"
        f"first = reader.first(Data(path='x'), [Path({str(file)!r})])\n"
        "preflight.preflight(Data(path='x'), labels, first)\n"
        "sys.exit(str({'tensorflow', 'tfx', 'tfx_bsl', 'apache_beam'} & set(sys.modules) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "0"


def test_the_threads_of_arrow_hold_nothing_of_python_s(tmp_path, monkeypatch):
    """One that let go of Python's bytes while the interpreter ended aborted the process."""
    file = written(tmp_path, "a,b\n" + "1,2\n" * 300_000)
    before, held, read_csv = pa.total_allocated_bytes(), list[int](), pa.csv.read_csv

    def recorded(*given: Any) -> pa.Table:
        held.append(pa.total_allocated_bytes() - before)
        return read_csv(*given)

    monkeypatch.setattr(pa.csv, "read_csv", recorded)
    assert len(read(file)["a"]) == 300_000
    assert min(held) >= file.stat().st_size


AWKWARD = 'a,b\n1,"x\ny"\n2,"say ""no"""\n3,5" pipe\n4,"a,b"\n\n5,plain\n6,"ends\n""\nhere"\n7,last'


@pytest.mark.parametrize("block_bytes", [1, 3, 7, 16, 1 << 20])
def test_a_block_may_end_anywhere(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", block_bytes)
    file = tmp_path / "rows.csv"
    file.write_text(AWKWARD, encoding="utf-8")
    read = [raw.batch for raw in csv_files.batches(Data(path=str(file)), file)]
    rows = [row for batch in read for row in zip(*batch.to_pydict().values(), strict=True)]
    assert rows == [
        ("1", "x\ny"),
        ("2", 'say "no"'),
        ("3", '5" pipe'),
        ("4", "a,b"),
        ("5", "plain"),
        ("6", 'ends\n"\nhere'),
        ("7", "last"),
    ]


@pytest.mark.timeout(120)
def test_reading_the_first_block_of_many_does_not_wait_for_ever(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n" + "1234567,some text of a length\n" * 2_000_000, encoding="utf-8")
    assert file.stat().st_size > 6 * csv_files.BLOCK_BYTES
    for _ in range(3):
        assert list(reader.first(Data(path=str(file)), [file]).types) == ["a", "b"]


# CSV without a header, and without quotes.


def test_a_header_in_the_recipe(tmp_path):
    file = written(tmp_path, 'Go."\tVa\n"Hi" said\tSalut\n\n1\t"\n', "pairs.txt")
    options = {"delimiter": "\t", "quoting": False, "header": ("en", "fr")}
    assert read(file, **options) == {"en": ['Go."', '"Hi" said', "1"], "fr": ["Va", "Salut", '"']}
    data = Data(path="x", **options)
    (block,) = reader.blocks(data, [file], reader.columns(data, [file]))
    assert block.numbers.tolist() == [1, 2, 3]


def test_the_first_row_is_row_1_if_the_recipe_has_the_header(tmp_path):
    file = written(tmp_path, "1,2\n3\n5,6\n")
    assert "row 2 (line 2): the row has 1 field," in failure(file, header=("a", "b"))
    data = Data(path="x", header=("a", "b"), on_bad_row="quarantine")
    (block,) = reader.blocks(data, [file], reader.columns(data, [file]))
    assert block.batch.to_pydict() == {"a": [1, 5], "b": [2, 6]}
    assert [bad.row for bad in block.bad] == [2]
    assert block.numbers.tolist() == [1, 3]


def test_without_quotes_a_byte_is_still_found(tmp_path):
    file = written(tmp_path, b'a\tb\nx"\tcaf\xe9\n')
    said = failure(file, delimiter="\t", quoting=False)
    assert "row 1 (line 2): the file is not utf-8 text" in said
    assert "byte 0xe9" in said


def test_a_header_only_for_csv():
    with pytest.raises(ValueError, match="only a CSV file"):
        Data(path="x", format="parquet", header=("a",))
    with pytest.raises(ValueError, match="every name once"):
        Data(path="x", header=("a", "a"))


@pytest.mark.parametrize("quoting", [True, False])
def test_a_row_that_is_longer_than_a_portion(tmp_path, quoting):
    long = "so good " * (1 << 18)
    file = written(tmp_path, f"a,b\n1,{long}\n2,x\n")
    assert read(file, quoting=quoting) == {"a": [1, 2], "b": [long, "x"]}
    lines = "so good\n" * (1 << 18)
    if quoting:
        assert read(written(tmp_path, f'a,b\n1,"{lines}"\n2,x\n'))["b"] == [lines, "x"]
    ragged = written(tmp_path, f"a,b\n1,{long}\n2\n")
    assert "row 2 (line 3): the row has 1 field," in failure(ragged, quoting=quoting)
