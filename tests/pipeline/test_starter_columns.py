"""What `trainyard new` makes of ordinary columns, awkward labels and files as people have them."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from trainyard.components.example_gen import left_out, reader
from trainyard.errors import DataError
from trainyard.pipeline.starter import Starter, new_recipe
from trainyard.recipe_schema import Recipe

ROWS = 600
RANDOM = np.random.default_rng(11)
ANSWER = np.resize([0, 1, 1, 0, 1, 0, 0], ROWS)


def pick(*values: Any) -> Any:
    return RANDOM.choice(np.array(values, dtype=object), ROWS)


def whole(low: int, high: int) -> Any:
    return RANDOM.integers(low, high, ROWS)


MONEY = RANDOM.lognormal(7, 0.5, ROWS).round(2)
SPARSE = np.where(np.arange(ROWS) % 10 > 0, 0, MONEY**2)

COLUMNS: dict[str, tuple[Any, str]] = {
    # amounts, counts and years are numbers
    "year": (whole(2005, 2020), "numeric"),
    "yr_built": (pick(1950, 1960, 1975, 2000, 2010), "numeric"),
    "children": (whole(0, 6), "numeric"),
    "rooms": (whole(1, 9), "numeric"),
    "doors": (pick(2, 4, 5), "numeric"),
    "cylinders": (pick(3, 4, 5, 6, 8), "numeric"),
    "term_in_months": (pick(12, 24, 36, 48, 60), "numeric"),
    "age": (whole(17, 90), "numeric"),
    "mass_kg": (pick(1e25, 2e25, 5.97e24, 3.3e23), "numeric"),
    "population": (RANDOM.integers(2e7, 9e8, ROWS), "numeric"),
    "type_count": (pick(1, 2, 3), "numeric"),
    "flag": (whole(0, 2), "numeric"),
    "one_or_two": (whole(1, 3), "numeric"),
    "temperature": (RANDOM.normal(10, 5, ROWS).round(1), "numeric"),
    "price": ([f"${x:,.2f}" for x in MONEY], "numeric"),
    "share": ([f"{x:.1f}%" for x in RANDOM.random(ROWS) * 100], "numeric"),
    "weight": ([f"{x} kg" for x in whole(1, 90)], "numeric"),
    "european": ([f"{x:.2f}".replace(".", ",") for x in MONEY / 100], "numeric"),
    "grouped": ([f"{x:,}" for x in whole(1, 9_000_000)], "numeric"),
    "profit": ([f"({x:,.2f})" if x > 1000 else f"{x:.2f}" for x in MONEY], "numeric"),
    # most are 0, few are large
    "capital_gain": (SPARSE, "bucketized"),
    # codes
    "zip": ([f"{x:05}" for x in whole(12, 60)], "categorical"),
    "postal_code": (pick(10115, 20095, 80331, 50667), "categorical"),
    "store_id": (whole(1, 40), "categorical"),
    "region": (whole(1, 9), "categorical"),
    "dept": (pick(101, 205, 310, 999), "categorical"),
    "category_code": (pick(100000001.0, 100000002.0, 100000003.0), "categorical"),
    "month": (whole(1, 13), "categorical"),
    "colour": (pick("red", "green", "blue"), "categorical"),
    "product": ([f"P{x:03}" for x in whole(0, 30)], "categorical"),
    "left": ([("early" if x else None) for x in whole(0, 2)], "categorical"),
    "fax": ([(7 if x else None) for x in whole(0, 2)], "categorical"),
    # what does not help with new rows
    "epoch_ms": (1_600_000_000_000 + whole(0, 60_000), "ignored"),
    "event_ts": (1_600_000_000 + whole(0, 60_000), "ignored"),
    "yyyymmdd": (pick(20200115, 20200229, 20211231), "ignored"),
    "when": (pd.date_range("2020-01-01", periods=ROWS).strftime("%b %d, %Y"), "ignored"),
    "day": (pd.date_range("2020-01-01", periods=ROWS).strftime("%d-%b-%Y"), "ignored"),
    "at": (pick("08:15", "09:30 AM", "23:59:59"), "ignored"),
    "Unnamed: 0": (np.arange(ROWS), "ignored"),
    "shuffled": (RANDOM.permutation(ROWS), "ignored"),
    "from_one": (RANDOM.permutation(ROWS) + 1, "ignored"),
    "order_number": (RANDOM.permutation(ROWS * 7)[:ROWS], "ignored"),
    "constant": ([3] * ROWS, "ignored"),
    "nearly": ([str(x) if x % 9 else "many" for x in range(ROWS)], "ignored"),
    "copy": (np.where(ANSWER, "J", "N"), "ignored"),
    # words
    "remark": ([f"the driver was {i} minutes late again" for i in range(ROWS)], "text"),
}


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    folder = tmp_path_factory.mktemp("columns")
    frame = pd.DataFrame({name: values for name, (values, _) in COLUMNS.items()})
    frame.assign(answer=ANSWER).to_csv(folder / "table.csv")
    return new_recipe(folder / "starter.yaml", folder / "table.csv", "answer")


def loaded(starter: Starter) -> Recipe:
    return Recipe.model_validate(YAML(typ="safe").load(starter.path.read_text("utf-8")))


@pytest.mark.parametrize("name", COLUMNS)
def test_kind_of_an_ordinary_column(starter: Starter, name: str) -> None:
    assert loaded(starter).features[name].kind == COLUMNS[name][1]


def test_every_choice_has_its_reason_beside_it(starter: Starter) -> None:
    lines = starter.path.read_text("utf-8").splitlines()
    features = lines[lines.index("features:") + 1 :]
    for name in [*COLUMNS, "unnamed_0"]:
        shown = [line for line in features if line.strip().startswith((f"{name}:", f'"{name}":'))]
        assert len(shown) == 1 and "  # " in shown[0], name


def test_an_index_without_a_name_is_ignored(starter: Starter) -> None:
    assert loaded(starter).features["unnamed_0"].kind == "ignored"
    assert "has no name: an index" in starter.path.read_text("utf-8")


def rows_of(starter: Starter) -> list[dict[str, Any]]:
    """The rows that a run of the starter recipe would read and keep."""
    recipe = loaded(starter)
    data = recipe.data.model_copy(
        update={"path": str(starter.path.parent / (recipe.data.path or ""))}
    )
    files = reader.find(data.path or "")
    blocks = reader.blocks(data, files, reader.columns(data, files))
    return [
        row
        for b in blocks
        for row in left_out.labelled(data, recipe.labels, b)[0].batch.to_pylist()
    ]


def test_the_recipe_reads_the_numbers_that_are_meant(starter: Starter) -> None:
    rows = rows_of(starter)

    assert [row["price"] for row in rows] == list(MONEY)
    assert [row["profit"] for row in rows] == [-x if x > 1000 else x for x in MONEY]
    assert {len(row["zip"]) for row in rows} == {5}
    assert max(row["grouped"] for row in rows) > 8_000_000
    assert isinstance(rows[0]["share"], float)


def write(folder: Path, frame: pd.DataFrame, name: str = "table.csv", **options: Any) -> Starter:
    getattr(frame, "to_csv" if ".csv" in name else "to_parquet")(folder / name, **options)
    return new_recipe(folder / "starter.yaml", folder / name, "answer")


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"size": RANDOM.normal(size=ROWS).round(4), **columns})


def test_rows_without_a_label_are_counted_and_left_out(tmp_path: Path) -> None:
    answer = np.where(np.arange(ROWS) % 100 == 7, None, pick("a", "b", "c"))

    starter = write(tmp_path, table(answer=answer), index=False)

    assert "6 of 600 rows have no label: `where` leaves them out." in starter.sentences
    assert len(rows_of(starter)) == ROWS - 6


def test_none_may_be_a_class(tmp_path: Path) -> None:
    sport = pick("None", "golf", "chess")
    amount = np.where(np.arange(ROWS) % 5 == 0, None, np.arange(ROWS) * 1.5)

    starter = write(tmp_path, table(amount=amount, answer=sport), index=False, na_rep="None")

    rows = rows_of(starter)
    assert [row["answer"] for row in rows] == list(sport)
    assert [row["amount"] for row in rows] == list(amount)
    assert loaded(starter).task == "multiclass"
    assert any("class of that name" in text for text in starter.warnings)
    assert "# CHECK: `None`" in starter.path.read_text("utf-8")


def test_none_among_numbers_is_no_label(tmp_path: Path) -> None:
    price = np.where(np.arange(ROWS) % 5 == 0, None, np.arange(ROWS) * 1.5)

    starter = write(tmp_path, table(answer=price), index=False, na_rep="None")

    assert loaded(starter).task == "regression"
    assert len(rows_of(starter)) == ROWS * 4 // 5


def test_other_words_for_no_label_are_warned_of(tmp_path: Path) -> None:
    starter = write(tmp_path, table(answer=pick("EU", "SA", "NA")), index=False)

    assert any("is 'NA', it is taken to be missing" in text for text in starter.warnings)


def test_words_among_numbers_that_mean_missing(tmp_path: Path) -> None:
    amount = [f"{x} kg" if x % 9 else "n/a" for x in range(ROWS)]
    score = [f"{x % 31 / 4}" if x % 9 else "-" for x in range(ROWS)]

    frame = table(amount=amount, score=score, sign=pick("-", "+"), answer=ANSWER)
    starter = write(tmp_path, frame, index=False)

    rows = rows_of(starter)
    assert [row["amount"] for row in rows] == [x if x % 9 else None for x in range(ROWS)]
    assert [row["score"] for row in rows] == [x % 31 / 4 if x % 9 else None for x in range(ROWS)]
    kinds = {name: feature.kind for name, feature in loaded(starter).features.items()}
    assert (kinds["amount"], kinds["score"], kinds["sign"]) == ("numeric", "numeric", "categorical")
    assert any("'n/a', '-' among numbers" in text for text in starter.warnings)


def test_a_price_as_a_label(tmp_path: Path) -> None:
    starter = write(tmp_path, table(answer=[f"${x:,.2f}" for x in MONEY]), index=False)

    recipe = loaded(starter)
    assert recipe.task == "regression"
    assert [row["answer"] for row in rows_of(starter)] == list(MONEY)
    error = abs(MONEY - np.median(MONEY)).mean()
    assert recipe.evaluation.thresholds[0].max == pytest.approx(error, rel=0.005)


def test_what_may_be_read_in_two_ways_is_warned_of(tmp_path: Path) -> None:
    three = [f"{x:,}" for x in whole(1000, 900_000)]
    point = [x.replace(",", ".") for x in three]

    starter = write(tmp_path, table(three=three, point=point, answer=ANSWER), index=False)

    assert any("'three'" in text and "something else" in text for text in starter.warnings)
    assert any("'point'" in text and "three decimals" in text for text in starter.warnings)
    assert starter.path.read_text("utf-8").count("# CHECK: the numbers in column 'point'") == 1


def test_texts_that_mean_more_than_numbers_are_warned_of(tmp_path: Path) -> None:
    frame = table(
        version=pick("1.1", "1.10", "1.9"),
        room=pick("8E2", "812", "713"),
        phone=[f"+4930{x}" for x in whole(10**6, 10**7)],
        money=[f"{x:.2f}" for x in MONEY],
        answer=ANSWER,
    )

    starter = write(tmp_path, frame, index=False)

    text = starter.path.read_text("utf-8")
    for name in ("version", "room", "phone"):
        assert any(f"column {name!r} holds texts such as" in found for found in starter.warnings)
        assert text.count(f"# CHECK: column {name!r} holds texts such as") == 1
        assert f"codes: [{name}]" in text
    assert "column 'money'" not in text


def test_numbers_in_a_form_that_is_not_supported_are_warned_of(tmp_path: Path) -> None:
    followers = [f"{x}.5k" if x % 2 else f"{x}.2M" for x in whole(0, 500)]
    booked = [f"{x:.2f}" + "-" * (x > 1000) for x in MONEY]
    few = pick("1k", "2k", "3M", "4M", "5k", "6k")
    gaps = [text if n % 9 else "n.a." for n, text in enumerate(followers)]

    frame = table(followers=followers, booked=booked, few=few, gaps=gaps, answer=ANSWER)
    starter = write(tmp_path, frame, index=False)

    kinds = {name: feature.kind for name, feature in loaded(starter).features.items()}
    text = starter.path.read_text("utf-8")
    assert {kinds[name] for name in ("followers", "booked", "gaps")} == {"ignored"}
    assert kinds["few"] == "categorical"
    for name in ("followers", "booked", "gaps", "few"):
        assert any(f"column {name!r} looks like numbers" in found for found in starter.warnings)
        assert text.count(f"# CHECK: column {name!r} looks like numbers") == 1


def test_a_label_in_a_form_that_is_not_supported_is_an_error(tmp_path: Path) -> None:
    answer = [f"{x}.5k" if x % 2 else f"{x}.2M" for x in range(ROWS)]

    with pytest.raises(DataError, match="600 different texts") as caught:
        write(tmp_path, table(answer=answer), index=False)

    assert "not support, such as" in (caught.value.hint or "")
    assert "': convert it first" in (caught.value.hint or "")


def test_the_minus_of_typesetters_and_accountants_is_read(tmp_path: Path) -> None:
    minus = [f"{x}".replace("-", "\u2212") for x in whole(-50, 50) / 2]
    bracket = [f"({x:.2f})" if x > 1000 else f"{x:.2f}" for x in MONEY]

    starter = write(tmp_path, table(minus=minus, bracket=bracket, answer=ANSWER), index=False)

    rows = rows_of(starter)
    assert [row["minus"] for row in rows] == [float(x.replace("\u2212", "-")) for x in minus]
    assert [row["bracket"] for row in rows] == [-x if x > 1000 else x for x in MONEY]


def test_values_that_differ_only_in_case_or_spaces_are_warned_of(tmp_path: Path) -> None:
    frame = table(colour=pick("red", "Red", "blue"), answer=pick("Yes", "No", " Yes"))

    starter = write(tmp_path, frame, index=False)

    text = starter.path.read_text("utf-8")
    for name in ("colour", "answer"):
        assert any(f"values of {name!r} differ only" in found for found in starter.warnings)
        assert text.count(f"# CHECK: values of {name!r} differ only in case or spaces") == 1


@pytest.mark.parametrize("values", [[b"a", b"A"], [datetime.date(2020, 1, 2), None], [True, False]])
def test_only_text_has_spellings(tmp_path: Path, values: list[Any]) -> None:
    frame = table(other=pd.Series(values * (ROWS // 2), dtype=object), answer=ANSWER)

    starter = write(tmp_path, frame, "table.parquet")

    assert not any("in case or spaces" in text for text in starter.warnings)


def test_a_value_that_is_written_otherwise_stops_the_run(tmp_path: Path) -> None:
    starter = write(tmp_path, table(w=[f"{x} kg" for x in whole(1, 90)], answer=ANSWER))
    text = (tmp_path / "table.csv").read_text("utf-8")
    (tmp_path / "table.csv").write_text(text + "600,1.0,12 lb,1\n", encoding="utf-8")

    with pytest.raises(DataError, match="row 601: column 'w'") as caught:
        rows_of(starter)
    assert caught.value.received == "'12 lb'"


def test_a_compressed_table(tmp_path: Path) -> None:
    starter = write(tmp_path, table(Größe=MONEY, answer=ANSWER), "table.csv.gz", encoding="cp1252")

    assert loaded(starter).data.encoding == "cp1252"
    assert "Größe" in rows_of(starter)[0]


def test_a_damaged_compressed_table_is_said(tmp_path: Path) -> None:
    file = tmp_path / "table.csv.gz"
    file.write_bytes(gzip.compress(table(answer=ANSWER).to_csv().encode())[:-2000])
    with pytest.raises(DataError, match="not whole gzip"):
        new_recipe(tmp_path / "s.yaml", file, "answer")
    file.write_bytes(b"a,answer\n1,2\n")
    with pytest.raises(DataError, match="not whole gzip"):
        new_recipe(tmp_path / "s.yaml", file, "answer")


def test_a_list_column_of_parquet_is_ignored_with_a_reason(tmp_path: Path) -> None:
    frame = table(tags=[[1, 2]] * ROWS, price=[f"$ {x:,.2f}" for x in MONEY], answer=ANSWER)

    starter = write(tmp_path, frame, "table.parquet")

    recipe = loaded(starter)
    assert (recipe.features["tags"].kind, recipe.features["price"].kind) == ("ignored", "numeric")
    assert "tags: ignored  # list<" in starter.path.read_text("utf-8")
    assert [row["price"] for row in rows_of(starter)] == list(MONEY)
    with pytest.raises(DataError, match="holds list"):
        new_recipe(tmp_path / "s.yaml", tmp_path / "table.parquet", "tags")


def test_a_label_in_other_units_is_a_copy(tmp_path: Path) -> None:
    price = MONEY.round(2)
    frame = table(cents=(price * 100).round(), rank=np.argsort(np.argsort(-price)), answer=price)

    starter = write(tmp_path, frame, index=False)

    assert loaded(starter).features["cents"].kind == "ignored"
    assert any("'cents' is the label under another name" in text for text in starter.warnings)
