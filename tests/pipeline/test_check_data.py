"""What `trainyard check` says of columns that are read as something else than they look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline.check import Checked, check
from trainyard.pipeline.recipe import load_recipe

TABLE = pd.DataFrame(
    {
        "price": ["$2,000.00", "$1.50", None, "$12.00"] * 5,
        "share": ["44.6%", "3%", "5%", "6%"] * 5,
        "zip": ["00012", "00013", "12345", "00012"] * 5,
        "colour": ["red", "green", "red", "blue"] * 5,
        "answer": [0, 1, 1, 0] * 5,
    }
)


def checked(folder: Path, frame: pd.DataFrame = TABLE, more: str = "", **options: Any) -> Checked:
    frame.to_csv(folder / "t.csv", **options)
    recipe = folder / "r.yaml"
    recipe.write_text(f"name: r\ndata: {{path: t.csv}}\nlabel: answer\ntask: binary\n{more}")
    return check(load_recipe(recipe), recipe)


def about(found: Checked, column: str) -> list[str]:
    return [text for text in found.warnings if f"column {column!r}" in text]


def test_numbers_that_are_read_as_text_are_warned_of(tmp_path: Path) -> None:
    found = checked(tmp_path, index=False)

    (price,), (share,), (code,) = (about(found, name) for name in ("price", "share", "zip"))
    assert 'numbers: {columns: {price: {thousands: ",", unit: "$"}}}' in price
    assert 'numbers: {columns: {share: {unit: "%"}}}' in share
    assert "codes: [zip]" in code and "the number 12" in code
    assert not about(found, "colour")


def test_what_the_recipe_says_is_not_warned_of(tmp_path: Path) -> None:
    more = "features: {price: categorical, share: ignored, zip: numeric}"

    found = checked(tmp_path, more=more, index=False)

    assert not [*about(found, "price"), *about(found, "share"), *about(found, "zip")]


@pytest.mark.parametrize(
    ("values", "count"),
    [
        (["True", "False", "1", "0"], 4),
        (["true", "1", "true", "1"], 2),
        (["true", "TRUE", "False", None], 0),  # one meaning
        (["true", "false", "maybe", "TRUE"], 0),
    ],
)
def test_flags_in_several_spellings_are_warned_of(
    tmp_path: Path, values: list[str], count: int
) -> None:
    found = checked(tmp_path, TABLE.assign(flag=values * 5), index=False)
    assert [f"in {count} spellings" in text for text in about(found, "flag")] == [True] * bool(
        count
    )


@pytest.mark.parametrize(("more", "told"), [("", 1), ("features: {flag: ignored}", 0)])
def test_files_that_spell_flags_differently_are_warned_of(
    tmp_path: Path, more: str, told: int
) -> None:
    TABLE.assign(flag=["True", "False"] * 10).to_csv(tmp_path / "t0.csv", index=False)
    TABLE.assign(flag=["1", "0"] * 10).to_csv(tmp_path / "t1.csv", index=False)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"name: r\ndata: {{path: t*.csv}}\nlabel: answer\ntask: binary\n{more}")
    found = about(check(load_recipe(recipe), recipe), "flag")
    assert ["t0.csv, whole numbers in" in text and "t1.csv" in text for text in found] == [
        True
    ] * told


@pytest.mark.parametrize("as_category", [False, True])
def test_parquet_files_that_spell_text_flags_differently_are_warned_of(
    tmp_path: Path, as_category: bool
) -> None:
    for place, words in enumerate([["True", "False"], ["TRUE", "FALSE"]]):
        flags = pd.Series(words * 10, dtype="category" if as_category else object)
        TABLE.assign(flag=flags).to_parquet(tmp_path / f"t{place}.parquet")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ndata: {path: t*.parquet, format: parquet}\nlabel: answer\ntask: binary\n"
    )
    (text,) = about(check(load_recipe(recipe), recipe), "flag")
    assert "in 4 spellings (FALSE, False, TRUE, True)" in text


def test_an_index_without_a_name_is_no_input_unless_it_is_asked_for(tmp_path: Path) -> None:
    found = checked(tmp_path)

    assert "unnamed_0" in found.columns
    assert "unnamed_0" not in found.inputs
    assert any("no name" in text for text in found.warnings)

    found = checked(tmp_path, more="features: {unnamed_0: numeric}")
    assert "unnamed_0" in found.inputs
    assert not any("no name" in text for text in found.warnings)


ODD = pd.DataFrame(
    {
        "version": ["1.1", "1.10", "1.9", "2.1"] * 5,
        "phone": ["+4930123456", "+4989123456", "+4989123457", "+4989123458"] * 5,
        "room": ["8E2", "812", "713", "1E5"] * 5,
        "followers": [f"{n}.5k" if n % 2 else f"{n}.2M" for n in range(20)],
        "booked": [f"{n}.50" + "-" * (n % 3 == 0) for n in range(20)],
        "minus": [f"\u2212{n}.5" if n % 2 else f"{n}.5" for n in range(20)],
        "bracket": [f"({n}.5)" if n % 2 else f"{n}.5" for n in range(20)],
        "colour": ["red", "Red", "blue", " blue"] * 5,
        "price": ["1.10", "2.00", "13.50", "7.25"] * 5,
        "change": ["+12345678", "-12345678", "0", "5"] * 5,
        "tiny": [1e-05, 1.5e20, 0.5, 100.0] * 5,
        "name": [f"name {n}" for n in range(20)],
        "answer": [0, 1, 1, 0] * 5,
    }
)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("version", "1.10, which are read as the number 1.1, without trailing zeros"),
        ("phone", "without a leading plus"),
        ("room", "8E2, which are read as the number 800"),
        ("followers", "not support, such as '0.2M': it is read as text"),
        ("booked", "not support, such as '0.50-': it is read as text"),
        ("minus", "numbers: {columns: {minus: {}}}"),
        ("bracket", "numbers: {columns: {bracket: {}}}"),
        ("colour", "in case or spaces among the first rows: 'red' (5), 'Red' (5); 'blue' (5)"),
    ],
)
def test_texts_that_mean_more_than_they_are_read_as(odd: Checked, column: str, words: str) -> None:
    (text,) = [text for text in odd.warnings if repr(column) in text]
    assert words in text


@pytest.mark.parametrize("column", ["price", "change", "tiny", "name", "answer"])
def test_ordinary_columns_are_not_warned_of(odd: Checked, column: str) -> None:
    assert not [text for text in odd.warnings if repr(column) in text]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    return checked(tmp_path_factory.mktemp("odd"), ODD, index=False)


def test_categories_of_numbers_are_not_what_was_written_either(tmp_path: Path) -> None:
    more = "features: {version: categorical, phone: numeric, colour: ignored, room: numeric}"

    found = checked(tmp_path, ODD, more, index=False)

    assert "codes: [version]" in about(found, "version")[0]
    assert not [*about(found, "phone"), *about(found, "room")]
    assert not [text for text in found.warnings if "'colour'" in text]


def test_classes_that_are_alike_are_warned_of(tmp_path: Path) -> None:
    frame = TABLE.assign(answer=["Yes", "No", "yes", "No"] * 5)
    frame.to_csv(tmp_path / "t.csv", index=False)
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\ndata: {path: t.csv}\nlabel: answer\ntask: multiclass\n")

    found = check(load_recipe(recipe), recipe)

    assert any("values of 'answer'" in text and "'yes' (5)" in text for text in found.warnings)


LISTS = TABLE.assign(tags=[[1, 2], [], [3], [4]] * 5, size=1.5)


@pytest.mark.parametrize("more", ["", "features: {tags: numeric}", "features: {size: numeric}"])
def test_a_list_column_of_parquet_is_refused_unless_it_is_ignored(
    tmp_path: Path, more: str
) -> None:
    LISTS.to_parquet(tmp_path / "t.parquet")
    recipe = tmp_path / "r.yaml"
    text = "name: r\ndata: {path: t.parquet, format: parquet}\nlabel: answer\ntask: binary\n"

    recipe.write_text(text + more)
    with pytest.raises(RecipeError, match=r"'tags' holds list.*not one value a row") as caught:
        check(load_recipe(recipe), recipe)
    assert "tags: ignored" in caught.value.hint

    recipe.write_text(text + "features: {tags: ignored}")
    found = check(load_recipe(recipe), recipe)
    assert "tags" not in found.inputs
    assert "size" in found.inputs
