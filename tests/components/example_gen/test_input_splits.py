"""Which files there are, and what their folders say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components.example_gen.image_files import class_folders
from trainyard.components.example_gen import input_splits, patterns
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/d/e/f.csv", ("/d/e", "f.csv")),
        ("/d/*/f.csv", ("/d", "*/f.csv")),
        ("/d/x/../s{SPAN}/f.csv", ("/d", "s{SPAN}/f.csv")),
        ("/f.csv", ("/", "f.csv")),
    ],
)
def test_a_pattern_is_divided(pattern, expected):
    assert patterns.divided(pattern) == expected
    assert str(patterns.sure_folder(pattern)) == expected[0]


def test_what_is_there_is_no_pattern(tmp_path):
    (tmp_path / "a*[1]" / "b").mkdir(parents=True)
    (tmp_path / "a*[1]" / "{SPAN}.csv").touch()
    escaped = f"{tmp_path}/a[*][[]1]"
    assert patterns.divided(str(tmp_path / "a*[1]")) == (escaped, "")
    assert patterns.divided(str(tmp_path / "a*[1]/{SPAN}.csv")) == (escaped, "{SPAN}.csv")


def folders(root: Path, **options) -> Data:
    return Data(path=str(root), format="folders", **options)


@pytest.mark.parametrize(
    ("parts", "split", "expected"),
    [
        (["cats", "dogs"], {}, {"single_split": "*/*"}),
        (["train/cats"], {}, {"train": "train/*/*"}),
        (["train/cats", "val/cats"], {}, {"train": "train/*/*", "test": "val/*/*"}),
        (["train/cats", "valid/cats"], {}, {"train": "train/*/*", "test": "valid/*/*"}),
        (
            ["train/cats", "validation/cats"],
            {"test": 0},
            {"train": "train/*/*", "eval": "validation/*/*"},
        ),
        (["train/cats", "test/cats"], {}, {"train": "train/*/*", "test": "test/*/*"}),
        (
            ["train/cats", "val/cats", "test/cats"],
            {},
            {"train": "train/*/*", "eval": "val/*/*", "test": "test/*/*"},
        ),
        (["train", "plane", "car"], {}, {"single_split": "*/*"}),  # classes of vehicles
        (
            ["train/cats", "val/cats", ".git/x", "__MACOSX/x"],
            {},
            {"train": "train/*/*", "test": "val/*/*"},
        ),
    ],
)
def test_class_folders(tmp_path, parts, split, expected):
    class_folders(tmp_path, dict.fromkeys(parts, 1))
    found = input_splits.inputs(folders(tmp_path, split=split))
    assert found == (str(tmp_path), expected)
    names = {file.relative_to(tmp_path).as_posix() for file in input_splits.find(folders(tmp_path))}
    assert names == {part for part in parts if part[0] not in "._"}


@pytest.mark.parametrize(
    ("parts", "split", "expected"),
    [
        (["cats", "dogs"], {}, "train 8, eval 1, test 1"),
        (["cats", "dogs"], {"train": 5, "test": 0}, "train 5, eval 1"),
        (["train/cats"], {}, "train/ as train 8, eval 1, test 1"),
        (["train/cats", "val/cats"], {}, "train/ as train 8, eval 1; val/ as test"),
        (["train/cats", "valid/cats"], {"test": 0}, "train/ as train; valid/ as eval"),
        (
            ["train/cats", "val/cats", "test/cats"],
            {},
            "train/ as train; val/ as eval; test/ as test",
        ),
    ],
)
def test_how_rows_come_to_the_splits_in_words(tmp_path, parts, split, expected):
    class_folders(tmp_path, dict.fromkeys(parts, 1))
    assert input_splits.words(folders(tmp_path, split=split)) == expected


def test_a_strange_name(tmp_path):
    root = class_folders(tmp_path / "a [1] {SPAN}*", {"cats": 1, "dogs": 2})
    assert [file.name for file in input_splits.find(folders(root))] == ["cats", "dogs"]


@pytest.mark.parametrize(
    ("names", "pattern", "newest", "expected"),
    [
        (["1/cats", "9/cats", "10/cats"], "{SPAN}", "10", {"single_split": "{SPAN}/*/*"}),
        (["1/cats", "tmp/cats"], "{SPAN}", "1", {"single_split": "{SPAN}/*/*"}),
        (
            ["2026-01-31/cats", "2026-02-01/cats"],
            "{YYYY}-{MM}-{DD}",
            "2026-02-01",
            {"single_split": "{YYYY}-{MM}-{DD}/*/*"},
        ),
        (
            ["s1/a/train/cats", "s1/a/val/cats", "s2/a/train/cats", "s2/a/test/cats"],
            "s{SPAN}/a",
            "s2/a",
            {"train": "s{SPAN}/a/train/*/*", "test": "s{SPAN}/a/test/*/*"},
        ),
    ],
)
def test_the_newest_of_several_folders(tmp_path, names, pattern, newest, expected):
    class_folders(tmp_path / "photos", dict.fromkeys(names, 1))
    data = folders(tmp_path / "recipes" / ".." / "photos" / pattern)
    assert input_splits.inputs(data) == (str(tmp_path / "photos"), expected)
    found = [str(file.relative_to(tmp_path / "photos")) for file in input_splits.find(data)]
    assert found == [name for name in names if name.startswith(f"{newest}/")]


def test_the_newest_of_several_folders_has_nothing_in_it(tmp_path):
    class_folders(tmp_path, {"1/train/cats": 1, "1/val/cats": 1, "2/train/cats": 1})
    (tmp_path / "2/val").mkdir()
    with pytest.raises(DataError, match="the newest span is not the same for all splits"):
        input_splits.find(folders(tmp_path / "{SPAN}"))


@pytest.mark.parametrize("pattern", ["{SPAN}", "{SPAN}-*"])
def test_no_folder_or_several_of_the_newest_span(tmp_path, pattern):
    class_folders(tmp_path, {"1-a/cats": 1, "1-b/cats": 1})
    with pytest.raises(DataError, match="there is no such folder") as caught:
        input_splits.find(folders(tmp_path / pattern))
    assert caught.value.where == str(tmp_path / pattern)


def test_tables_may_be_divided_too(tmp_path):
    for name in ("train/a.csv", "train/b.csv", "test/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    data = Data(path=str(tmp_path))
    assert input_splits.inputs(data).patterns == {"train": "train/*", "test": "test/*"}
    assert [str(f.relative_to(tmp_path)) for f in input_splits.find(data)] == [
        "train/a.csv",
        "train/b.csv",
        "test/a.csv",
    ]


@pytest.mark.parametrize(
    ("parts", "split", "error", "message"),
    [
        (["train/cats", "extra/cats"], {}, DataError, "'extra' beside 'train'"),
        (["train/cats", "val/cats", "valid/cats"], {}, DataError, "'valid' beside 'train'"),
        (["train/cats", "test/cats"], {"test": 0}, RecipeError, "wants no test split"),
    ],
)
def test_a_division_that_nobody_knows(tmp_path, parts, split, error, message):
    class_folders(tmp_path, dict.fromkeys(parts, 1))
    with pytest.raises(error, match=message):
        input_splits.inputs(folders(tmp_path, split=split))


def test_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="this is no folder"):
        input_splits.inputs(folders(tmp_path / "file"))
    with pytest.raises(DataError, match="there is no such folder"):
        input_splits.inputs(folders(tmp_path / "none"))


def test_a_folder_without_classes(tmp_path):
    class_folders(tmp_path, {".": 2})
    with pytest.raises(DataError, match=r"(?s)no class folder.*cats/1\.jpg"):
        input_splits.find(folders(tmp_path))


def test_a_folder_of_tables_without_train(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match="this is a directory"):
        input_splits.find(Data(path=str(tmp_path)))
