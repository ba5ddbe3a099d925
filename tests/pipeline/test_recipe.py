import json
from pathlib import Path

import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline.recipe import dump, load_recipe, resolved_recipe
from trainyard.recipe_schema import Recipe

SOUND = """
name: trips
data:
  path: trips.csv
label: tips > fare * 0.2
task: binary
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_reads_a_recipe_and_makes_paths_absolute(tmp_path):
    recipe = load_recipe(write(tmp_path, SOUND + "push: {destination: served}\n"))
    assert recipe.data.path == str(tmp_path / "trips.csv")
    assert recipe.push.destination == str(tmp_path / "served")
    assert recipe.label.parsed.columns == ("fare", "tips")


def test_digits_after_a_zero_are_a_code(tmp_path):
    """A bound on the slice 05 is none on the slice 5."""
    text = (
        SOUND + "evaluation:\n  thresholds:\n"
        "    - {metric: auc, min: 0, slice: {zip: 05}}\n"
        "    - {metric: auc, min: 0, slice: {zip: 5}}\n"
    )
    thresholds = load_recipe(write(tmp_path, text)).evaluation.thresholds
    assert [(bound.slice, bound.min) for bound in thresholds] == [
        ({"zip": "05"}, 0),
        ({"zip": 5}, 0),
    ]
    ten = load_recipe(write(tmp_path, SOUND + "evaluation: {min_slice_size: 010}\n"))
    assert ten.evaluation.min_slice_size == 10


def test_survives_the_way_through_a_record(tmp_path):
    recipe = load_recipe(write(tmp_path, SOUND))
    assert resolved_recipe(dump(recipe)) == recipe
    assert "schema" in json.loads(dump(recipe))["data"]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("imagenet", "imagenet"),
        ("w.keras", "{folder}/w.keras"),
        ("../w.weights.h5", "{folder}/../w.weights.h5"),
        ("there", "{folder}/there"),
        ({"recipe": "first"}, {"recipe": "first", "version": 10}),
        ({"recipe": "first", "version": 9}, {"recipe": "first", "version": 9}),
        ({"recipe": "second"}, {"recipe": "second"}),
    ],
)
def test_files_that_parameters_mean(tmp_path, monkeypatch, weights, expected):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "there").mkdir()
    for version in ("9", "10"):
        (tmp_path / "home/serving/first" / version).mkdir(parents=True)
    trainer = json.dumps({"module": "transfer", "params": {"weights": weights}})
    loaded = load_recipe(write(tmp_path, SOUND + f"trainer: {trainer}\n"))
    if isinstance(expected, str):
        expected = expected.format(folder=tmp_path)
    assert loaded.trainer.params["weights"] == expected
    assert resolved_recipe(dump(loaded)) == loaded


def test_text_that_is_no_file_stays(tmp_path):
    (tmp_path / "relu").touch()
    trainer = "trainer: {module: mlp, params: {activation: relu}}\n"
    loaded = load_recipe(write(tmp_path, SOUND + trainer))
    assert loaded.trainer.params == {"activation": "relu"}


def test_is_frozen(tmp_path):
    recipe = load_recipe(write(tmp_path, SOUND))
    with pytest.raises(ValueError, match="frozen"):
        recipe.name = "other"


def test_leaves_out_the_columns_of_the_label(tmp_path):
    recipe = load_recipe(write(tmp_path, SOUND + "features: {fare: numeric, seat: ignored}\n"))
    assert recipe.input_columns(["seat", "fare", "tips", "hour"]) == ["fare", "hour"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (SOUND.replace("  path", "  splitt: 1\n  path"), 4, ["'splitt' in data", "'split'?"]),
        (SOUND.replace("binary", "binry"), 6, ["task", "'binry'", "did you mean 'binary'?"]),
        (SOUND + "trainer: {epochs: many}\n", 7, ["trainer.epochs", "integer", "'many'"]),
        (SOUND + "trainer: {epochs: 2, steps: 3}\n", 7, ["either `epochs` or `steps`"]),
        (SOUND + "trainer: {batch_size: 0}\n", 7, ["batch_size", "greater than or equal to 1"]),
        (SOUND + "features: {fare: numric}\n", 7, ["'numric'", "did you mean 'numeric'?"]),
        (SOUND + "features: {1: numeric}\n", 7, ["features.1", "put it in quotes"]),
        (
            SOUND + 'features: {"size (cm)": {kind: numric}}\n',
            7,
            ["features.size (cm).kind", "did you mean 'numeric'?"],
        ),
        (
            SOUND + 'features: {"a[0]": {knd: numeric}}\n',
            7,
            ["'knd' in features.a[0]", "did you mean 'kind'?"],
        ),
        (SOUND + "gate: {stop_on: [new_categry]}\n", 7, ["did you mean 'new_category'?"]),
        (SOUND.replace("  path: trips.csv", "  format: csv"), 3, ["`dataset` or `path`"]),
        (SOUND.replace("tips > fare", "tips > open(fare)"), 5, ["may not use 'open(fare)'"]),
        (SOUND.replace("trips\n", "No Spaces\n"), 2, ["name", "No Spaces"]),
        (
            SOUND + "evaluation:\n  thresholds:\n    - {metric: auc, mn: 1}\n",
            9,
            ["'mn' in evaluation.thresholds.0", "did you mean 'min'?"],
        ),
        (
            SOUND + "evaluation:\n  thresholds:\n    - {metric: auc, min: 1, max: 0}\n",
            9,
            ["no model can meet it"],
        ),
        (SOUND.replace("name: trips", "name: trips\nname: again"), 3, ["duplicate key"]),
        (SOUND + "trainer: {epochs: [1\n", 8, ["not YAML"]),
        (SOUND.replace("path: trips.csv", "path: trips.csv\n  schema: no.pbtxt"), 5, ["no.pbtxt"]),
        (SOUND.replace("path: trips.csv", "dataset: taxy"), 4, ["'taxy'", "did you mean 'taxi'?"]),
    ],
)
def test_an_error_names_line_and_remedy(tmp_path, text, line, words):
    file = write(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}:"), message
    for word in words:
        assert word in message


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(RecipeError, match="give `label` and `task`, or `heads`"):
        load_recipe(write(tmp_path, SOUND.replace("task: binary\n", "")))


def test_a_missing_file_is_named_with_the_nearest(tmp_path):
    write(tmp_path, SOUND)
    with pytest.raises(RecipeError, match=r"did you mean 'recipe.yaml'\?"):
        load_recipe(tmp_path / "recpe.yaml")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_something_else_than_a_mapping_is_refused(tmp_path, text):
    with pytest.raises(RecipeError, match="keys and values"):
        load_recipe(write(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(file)


@pytest.mark.parametrize(
    ("label", "name", "expression"),
    [
        ("label: income", "income", "`income`"),
        ("label: class", "class", "`class`"),
        ("label: {column: house value}", "house value", "`house value`"),
        ("label: {name: big, expression: fare > 3}", "big", "fare > 3"),
        ("label: fare > 3", "label", "fare > 3"),
    ],
)
def test_every_way_to_write_a_label(tmp_path, label, name, expression):
    recipe = load_recipe(write(tmp_path, SOUND.replace("label: tips > fare * 0.2", label)))
    assert (recipe.label.name, recipe.label.expression) == (name, expression)


IMAGES = ["path", *(f"image_{kind}" for kind in ("width", "height", "channels", "bytes"))]
IMAGES += ["image_brightness", "image_contrast"]


def test_what_comes_with_an_image_is_no_input_unless_named():
    said = {
        "name": "a",
        "data": {"path": "x", "format": "folders"},
        "label": "label",
        "task": "binary",
        "features": {"image_width": "numeric"},
    }
    recipe = Recipe.model_validate(said)
    assert recipe.input_columns([*IMAGES, "image", "label"]) == ["image_width", "image"]
    assert resolved_recipe(dump(recipe)) == recipe


def test_a_dataset_says_how_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    file = tmp_path / "r.yaml"
    file.write_text(
        "name: a\ndata: {dataset: digits_images, images: {max_pixels: 64}}\n"
        "label: digit\ntask: multiclass\n"
    )
    data = load_recipe(file).data
    assert (data.format, data.images[0].max_pixels) == ("parquet", 64)


@pytest.mark.parametrize(
    ("images", "message"),
    [("{shape: [8, 8, 4]}", "1 .grey. or 3"), ("{range: [1, 1]}", "the same number")],
)
def test_images_that_cannot_be(tmp_path, images, message):
    file = tmp_path / "r.yaml"
    file.write_text(f"name: a\ndata: {{path: x, images: {images}}}\nlabel: y\ntask: binary\n")
    with pytest.raises(RecipeError, match=message):
        load_recipe(file)
