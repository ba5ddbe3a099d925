"""Predictions of images, alone and beside a table's columns, through a real, tiny SavedModel."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.components.example_gen.image_files import class_folders, write
from trainyard.errors import DataError, RecipeError
from trainyard.pipeline.predict import asked, predict, predict_images
from trainyard.recipe_schema import Data, ImageFeature
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description

LEVELS = [0, 51, 102, 204]
"""Of the images; as brightness 0, 0.2, 0.4 and 0.8."""


def export(folder: Path, numbers: tuple[str, ...] = ()) -> Path:
    """A model whose score is the image's brightness and all numbers; missing counts -1."""
    import tensorflow as tf

    spec = {"image": tf.io.FixedLenFeature([1], tf.string)}
    spec |= {name: tf.io.FixedLenFeature([1], tf.float32, [-1.0]) for name in numbers}

    def brightness(encoded: Any) -> Any:
        pixels = tf.io.decode_image(encoded[0], 3, tf.float32, expand_animations=False)
        return tf.reduce_mean(pixels)[tf.newaxis]

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            raw = tf.io.parse_example(examples, spec)
            shape = tf.TensorSpec([1], tf.float32)
            image = tf.map_fn(brightness, raw["image"], fn_output_signature=shape)
            return {"predictions": image + sum(raw[name] for name in numbers)}

    model = Model()
    version = folder / "1"
    tf.saved_model.save(model, str(version), signatures={"serving_default": model.serve})
    told = Description(
        task="regression",
        label="age",
        inputs={"image": "string", **dict.fromkeys(numbers, "float32")},
        class_names=(),
        images={"image": ImageFeature(size=(8, 12))},
    )
    description.write(version, told)
    return folder


@pytest.fixture(scope="module")
def image_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def with_weight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("image_and_number"), ("weight",))


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Names of image files, relative to the folder that tables are written to."""
    names = [f"photos/{level}.png" for level in LEVELS]
    for level, name in zip(LEVELS, names, strict=True):
        write(tmp_path / name, level=level)
    return names


TABLE = Data(path="unused.csv", images={"source": "photo"})


def predicted(serving: Path, frame: pd.DataFrame, folder: Path, data: Data = TABLE) -> pd.DataFrame:
    source, target = folder / "in.csv", folder / "out.csv"
    frame.to_csv(source, index=False)
    assert predict(serving, source, target, data).rows == len(frame)
    return pd.read_csv(target)


def test_images_beside_numbers(with_weight: Path, photos: list[str], tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": list("abcd"), "photo": photos, "weight": [1, 2, np.nan, 4.5]})
    found = predicted(with_weight, frame, tmp_path)
    assert list(found) == ["id", "photo", "weight", "prediction"], "no bytes, no measures"
    np.testing.assert_allclose(found.prediction, [1, 2.2, -0.6, 5.3], rtol=1e-6)
    pd.testing.assert_frame_equal(found[[*frame]], frame, check_dtype=False)


@pytest.mark.parametrize("portion", [1, 1 << 22])
def test_the_portions_of_images_do_not_show(
    portion: int,
    with_weight: Path,
    photos: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trainyard.components.example_gen.images.PORTION_BYTES", portion)
    frame = pd.DataFrame({"photo": photos * 5, "weight": np.arange(20.0)})
    found = predicted(with_weight, frame, tmp_path)
    brightness = np.tile(LEVELS, 5) / 255
    np.testing.assert_allclose(found.prediction, brightness + np.arange(20), rtol=1e-6)


def test_a_measure_may_be_an_input(photos: list[str], tmp_path: Path) -> None:
    serving = export(tmp_path / "serving", ("image_brightness",))
    found = predicted(serving, pd.DataFrame({"photo": photos}), tmp_path)
    assert list(found) == ["photo", "prediction"]
    np.testing.assert_allclose(found.prediction, 2 * np.array(LEVELS) / 255, rtol=1e-6)


def test_parquet_with_the_images_themselves(
    with_weight: Path, photos: list[str], tmp_path: Path
) -> None:
    encoded = [(tmp_path / name).read_bytes() for name in photos]
    frame = pd.DataFrame({"id": range(4), "photo": encoded, "weight": [1.0] * 4})
    frame.to_parquet(tmp_path / "in.parquet")
    predict(with_weight, tmp_path / "in.parquet", tmp_path / "out.csv", TABLE)
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found) == ["id", "weight", "prediction"]
    np.testing.assert_allclose(found.prediction, 1 + np.array(LEVELS) / 255, rtol=1e-6)


def test_parquet_of_pixels(with_weight: Path, tmp_path: Path) -> None:
    pixels = [[level / 255] * 60 for level in LEVELS]
    pd.DataFrame({"photo": pixels, "weight": [1.0] * 4}).to_parquet(tmp_path / "in.parquet")
    data = Data(path="unused", images={"source": "photo", "shape": (10, 6, 1)})
    predict(with_weight, tmp_path / "in.parquet", tmp_path / "out.csv", data)
    found = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(found.prediction, 1 + np.array(LEVELS) / 255, rtol=1e-6)


def test_a_table_for_a_model_of_class_folders(
    image_alone: Path, photos: list[str], tmp_path: Path
) -> None:
    data = Data(path="unused", format="folders")
    found = predicted(image_alone, pd.DataFrame({"path": photos}), tmp_path, data)
    np.testing.assert_allclose(found.prediction, np.array(LEVELS) / 255, rtol=1e-6)


@pytest.mark.parametrize("data", [TABLE, Data(path="elsewhere", format="folders")])
def test_files_and_folders_of_images(
    data: Data, image_alone: Path, photos: list[str], tmp_path: Path
) -> None:
    paths = [tmp_path / photos[3], tmp_path / "photos"]
    (batch,) = predict_images(image_alone, paths, data)
    ordered = [204, 0, 102, 204, 51]  # a folder's by name
    assert batch["path"].to_pylist() == [str(tmp_path / f"photos/{n}.png") for n in ordered]
    np.testing.assert_allclose(batch["prediction"], np.array(ordered) / 255, rtol=1e-6)


@pytest.fixture
def damaged(tmp_path: Path, photos: list[str]) -> Path:
    file = tmp_path / photos[2]
    file.write_bytes(file.read_bytes()[:-30])
    return file


def advice(caught: pytest.ExceptionInfo[DataError]) -> str:
    assert "on_bad_row" not in str(caught.value), "that is for training"
    return caught.value.hint


def test_a_bad_image_of_a_table(
    with_weight: Path, photos: list[str], damaged: Path, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"photo": photos, "weight": [1.0] * 4})
    quarantine = TABLE.model_copy(update={"on_bad_row": "quarantine"})
    with pytest.raises(DataError, match="damaged or not whole") as caught:
        predicted(with_weight, frame, tmp_path, quarantine)
    assert caught.value.where == f"{damaged} ({tmp_path / 'in.csv'}, row 3)"
    assert advice(caught) == "copy it again, or remove it; nothing was written"
    assert not (tmp_path / "out.csv").exists()


def test_a_bad_image_among_files(image_alone: Path, damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="damaged or not whole") as caught:
        asked(image_alone, [tmp_path / "photos"], None, tmp_path / "out.csv", TABLE, None)
    assert caught.value.where == str(damaged)
    assert advice(caught) == "copy it again, or remove it; nothing was written"
    assert not (tmp_path / "out.csv").exists()


def test_a_row_without_an_image(with_weight: Path, photos: list[str], tmp_path: Path) -> None:
    frame = pd.DataFrame({"photo": [photos[0], ""], "weight": [1.0, 2.0]})
    with pytest.raises(DataError, match="the row has no image") as caught:
        predicted(with_weight, frame, tmp_path)
    assert caught.value.where == f"{tmp_path / 'in.csv'}, row 2"
    advice(caught)


def test_an_image_that_is_not_there(with_weight: Path, photos: list[str], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(DataError, match="file cannot be read") as caught:
        predicted(with_weight, pd.DataFrame({"photo": photos, "weight": [1.0] * 4}), tmp_path)
    assert str(tmp_path) in advice(caught), "what paths are relative to"


def test_columns_that_are_missing(with_weight: Path, photos: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing: 'weight'"):
        predicted(with_weight, pd.DataFrame({"photo": photos}), tmp_path)
    with pytest.raises(RecipeError, match="no column 'photo' that images could come from"):
        predicted(with_weight, pd.DataFrame({"weight": [1.0]}), tmp_path)


def test_an_image_is_not_all_that_the_model_needs(
    with_weight: Path, photos: list[str], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="missing: 'weight'"):
        list(predict_images(with_weight, [tmp_path / photos[0]], TABLE))


def test_a_folder_of_classes(image_alone: Path, tmp_path: Path) -> None:
    root = class_folders(tmp_path / "more", {"cats": 2, "dogs": 1})
    (batch,) = predict_images(image_alone, [root], TABLE)
    assert batch["path"].to_pylist() == [
        str(root / n) for n in ("cats/000.png", "cats/001.png", "dogs/000.png")
    ]
