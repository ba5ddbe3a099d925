from __future__ import annotations

from tests.components.example_gen.image_files import class_folders
from trainyard.pipeline.check import Checked
from trainyard.pipeline.drawing import drawing
from trainyard.recipe_schema import Recipe


def lines(path, **data) -> list[str]:
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "data": {"path": str(path), **data},
            "label": "label",
            "task": "multiclass",
            "trainer": {"module": "cnn", "epochs": 3},
        }
    )
    return drawing(Checked(recipe, {"label": "text"}, ["image"], ["look twice"])).splitlines()


def test_a_table(tmp_path):
    (tmp_path / "rows.csv").touch()
    drawn = lines(tmp_path / "rows.csv", split={"train": 6, "eval": 2, "test": 2})
    assert drawn[1].endswith("rows.csv (csv): train 6, eval 2, test 2")
    assert drawn[-1] == "warning: look twice"
    assert "cnn: 3 epochs" in next(line for line in drawn if "Trainer" in line)


def test_folders_that_are_divided(tmp_path):
    class_folders(tmp_path, {"train/cats": 1, "val/cats": 1})
    drawn = lines(tmp_path, format="folders")
    assert drawn[1].endswith("(folders): train/ as train 8, eval 1; val/ as test")
    assert "eval 1" not in "".join(drawn[2:])
