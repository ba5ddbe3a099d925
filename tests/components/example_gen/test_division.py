"""What may mislead about the splits is said."""

import json
import random

import numpy as np
import pytest
from scipy import stats

from tests.components.example_gen.test_executor import execute
from trainyard.components.example_gen import division
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.division import Copies, Division, homogeneity
from trainyard.recipe_schema import Data, Label

SHARES = {"train": 8, "eval": 1, "test": 1}


def divided(folder, rows, **data):
    """What ExampleGen says of rows of `x,y`."""
    file = folder / "rows.csv"
    file.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    data = Data(path=str(file), **data)
    artifact = execute(ExampleGen(data, {"label": Label.model_validate("y")}, "1"), folder / "out")
    return Division.read({division.PROPERTY: artifact.get_string_custom_property("division")})


def plain(count, seed=0):
    chance = random.Random(seed)
    return [(i, chance.choice(["no", "no", "yes"])) for i in range(count)]


def test_nothing_is_said_of_what_is_as_it_should_be(tmp_path):
    found = divided(tmp_path, plain(4000))
    assert list(found.warnings()) == []
    assert found.copies == Copies(counted=4000, rows=0, most=1)
    assert sum(found.rows.values()) == 4000
    assert {name: sum(each.values()) for name, each in found.labels["y"].items()} == {
        name: sum(label == name for _, label in plain(4000)) for name in ("no", "yes")
    }


def test_one_row_that_stands_there_often(tmp_path):
    found = divided(tmp_path, [*plain(5868), *[("same", "yes")] * 2515])
    assert found.copies == Copies(counted=8383, rows=2514, most=2515)
    copies, shares, label = found.warnings()
    assert copies.startswith("2,514 of 8,383 rows (30.0%) are copies of an earlier row")
    assert copies.endswith("the most frequent one stands there 2,515 times.")
    assert shares.startswith("The splits are far from their shares: eval has ")
    assert label.startswith("The classes of 'y' are not alike in the splits by more than chance")
    assert label.endswith("See `data.split.stratify`.")


def test_stratified_nothing_is_wrong_but_the_copies(tmp_path):
    rows = [*plain(5868), *[("same", "yes")] * 2515]
    found = divided(tmp_path, rows, split={"stratify": "y"})
    assert [text.split(" rows ")[0] for text in found.warnings()] == ["2,514 of 8,383"]
    assert found.rows["train"] == pytest.approx(0.8 * 8383, abs=3)


def test_splits_far_from_their_shares():
    found = Division(rows={"train": 600, "eval": 200, "test": 200}, shares=SHARES)
    (shares,) = found.warnings()
    assert "train has 60.0% instead of 80%, eval has 20.0% instead of 10%" in shares


@pytest.mark.parametrize("rows", [{"train": 78, "eval": 13, "test": 9}, {"train": 7, "eval": 3}])
def test_chance_is_no_reason(rows):
    assert list(Division(rows=rows, shares=SHARES).warnings()) == []


def test_publishers_folders_have_no_shares(tmp_path):
    for name, rows in (("train", plain(300)), ("test", plain(300, seed=1))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    data = Data(path=str(tmp_path), split=SHARES)
    artifact = execute(ExampleGen(data, {"label": Label.model_validate("y")}, "1"), tmp_path / "o")
    assert json.loads(artifact.get_string_custom_property("division"))["shares"] == {}


def test_few_of_each_class_are_meant_to_be_few(tmp_path):
    found = divided(tmp_path, plain(1000), split={"train_per_class": 20})
    assert found.rows["train"] == 40
    assert list(found.warnings()) == []


def test_many_classes_are_no_classes(tmp_path):
    assert divided(tmp_path, [(i, i) for i in range(1000)]).labels == {}


def test_the_test_is_pearsons():
    table = np.array([[90, 20, 12], [30, 9, 18]])
    expected = stats.chi2_contingency(table, correction=False)
    assert homogeneity(table) == pytest.approx(expected.pvalue)


def test_rare_classes_count_together():
    rare = np.array([[400, 50, 50], [2, 0, 1], [3, 1, 0]])
    assert 0.001 < homogeneity(rare) <= 1
    assert homogeneity(np.array([[5, 1, 1]])) == 1
    assert homogeneity(np.zeros((0, 3), int)) == 1


def test_so_many_rows_that_copies_are_a_lower_bound(monkeypatch):
    monkeypatch.setattr(division, "MOST_COUNTED", 10)
    tally = division.Tally(["train"])
    for _ in range(3):
        tally.add([np.arange(8, dtype=np.uint64)], {})
    found = tally.finish(Data(path="x"), {"train": 24}, True)
    assert found.copies == Copies(complete=False, counted=10, rows=2, most=2)
    assert found.copies.sentence().startswith("2 of the first 10 rows (20.0%) are copies")


def written(folder, **splits):
    folder.mkdir()
    tally = division.Tally(["train", "eval"])
    for _ in range(2):  # blocks
        tally.add([np.array(splits[name], np.uint64) for name in ("train", "eval")], {})
    tally.write(folder)
    return folder


def test_rows_that_an_earlier_model_has_learned_are_counted(tmp_path):
    earlier = written(tmp_path / "earlier", train=[1, 2, 3], eval=[4])
    now = written(tmp_path / "now", train=[1, 5], eval=[2, 4, 6])
    assert division.learned(earlier, now, "train") == (2, 6, True)
    assert division.learned(earlier, earlier, "train") == (0, 2, True)
    assert division.learned(tmp_path, now, "train") is None  # an earlier Trainyard made it


def test_classes_that_differ_only_in_case_are_named():
    labels = {"Yes": {"train": 8, "eval": 2}, "yes": {"train": 4}, "No": {"train": 9, "eval": 3}}
    (found,) = Division(rows={"train": 21, "eval": 5}, labels={"answer": labels}).warnings()
    assert "values of 'answer' differ only in case or spaces: 'Yes' (10), 'yes' (4);" in found


def test_rows_that_were_learned_are_at_least_so_many_where_not_all_are_kept(tmp_path, monkeypatch):
    earlier = written(tmp_path / "earlier", train=[1, 2, 3], eval=[4])
    now = written(tmp_path / "now", train=[1, 5], eval=[2, 4, 6])
    whole = division.learned(earlier, now, "train").sentence("r")
    assert (
        whole == "2 of the 6 rows held out here were training rows of run r (the model in service)"
    )
    monkeypatch.setattr(division, "MOST_COUNTED", 10)  # as many as there are
    found = division.learned(earlier, now, "train")
    assert found == (2, 6, False)
    assert found.sentence("r") == (
        "at least 2 of the rows held out here were training rows of run r (the model in service; "
        "only the first 10 rows are compared)"
    )
