"""Contact sheets, mistakes in pictures and in tables, from examples as ExampleGen writes them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainyard.components.evaluator import mistakes
from trainyard.components.evaluator.mistakes import Mistake, Mistakes
from trainyard.pipeline.report import images, pictures
from trainyard.pipeline.report.images import images_section
from trainyard.pipeline.report.mistakes import mistakes_section
from trainyard.recipe_schema import Recipe


def recipe(task="multiclass", **data):
    return Recipe.model_validate(
        {"name": "photos", "data": {"path": "x", **data}, "label": "label", "task": task}
    )


FOLDERS = recipe(format="folders")
TABLE = recipe(path="rows.csv")


def encoded(width=40, height=30, shade=100, form="JPEG"):
    stream = io.BytesIO()
    random = np.random.default_rng(shade)
    noise = random.integers(0, shade + 1, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(stream, form)
    return stream.getvalue()


def example(**values):
    made = tf.train.Example()
    for name, value in values.items():
        feature = made.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        elif value is not None:
            feature.float_list.value.append(value)
    return made.SerializeToString()


def photo(label, number=0, **size):
    path = f"train/{label}/{number}.jpg".encode()
    return example(image=encoded(shade=50 + number, **size), label=label.encode(), path=path)


def write(folder, examples):
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for each in examples:
            writer.write(each)
    return folder


def opened(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture.source.partition(",")[2])))


def test_a_contact_sheet_has_the_first_images_of_each_class(tmp_path):
    rows = [photo(label, number) for label in ("ants", "bees") for number in range(20)]
    section = images_section(write(tmp_path / "train", rows), {}, FOLDERS, ["ants", "bees"], {})
    assert [strip.name for strip in section.strips] == ["ants", "bees"]
    assert [len(strip.shown) for strip in section.strips] == [images.MOST_OF_A_CLASS] * 2
    assert section.strips[1].shown[0].described == "bees: train/bees/0.jpg"
    assert section.note == ""


def test_reading_stops_when_all_classes_are_full(tmp_path, monkeypatch):
    rows = [photo(label, number) for number in range(11) for label in ("ants", "bees")]
    folder, seen = write(tmp_path / "train", [*rows, *[photo("ants")] * 50]), []
    of_row = images._rows

    def counted(*arguments):
        for row in of_row(*arguments):
            seen.append(row)
            yield row

    monkeypatch.setattr(images, "_rows", counted)
    images_section(folder, {}, FOLDERS, ["ants", "bees"], {})
    assert len(seen) == 22
    assert set(seen[0]) == {"image", "label", "path"}


def test_classes_that_were_not_come_upon_are_named(tmp_path):
    section = images_section(
        write(tmp_path / "train", [photo("ants")]), {}, FOLDERS, ["ants", "bees"], {}
    )
    assert [strip.name for strip in section.strips] == ["ants"]
    assert "none of: bees" in section.note


def test_many_classes_have_few_pictures_each(tmp_path):
    names = [f"kind {number:02}" for number in range(60)]
    rows = [photo(name, number) for name in names for number in range(8)]
    section = images_section(write(tmp_path / "train", rows), {}, FOLDERS, names, {})
    assert sum(len(strip.shown) for strip in section.strips) == images.MOST_PICTURES
    assert section.note == "The first 24 of 60 classes."
    size = sum(len(each.source) for strip in section.strips for each in strip.shown)
    assert size < 500_000


def test_without_known_classes_those_that_come_are_shown(tmp_path):
    rows = [photo(name, number) for name in "ab" for number in range(30)]
    section = images_section(write(tmp_path / "train", rows), {}, FOLDERS, [], {})
    assert {strip.name: len(strip.shown) for strip in section.strips} == {"a": 4, "b": 4}


def test_images_with_a_number_for_a_label_are_in_one_strip(tmp_path):
    rows = [example(image=encoded(), label=number / 3) for number in range(30)]
    numbers = recipe("regression", format="parquet", images={})
    (strip,) = images_section(write(tmp_path / "train", rows), {}, numbers, [], {}).strips
    assert (strip.name, len(strip.shown)) == ("", images.MOST_OF_A_CLASS)
    assert strip.shown[1].described == "0.3333"


def test_images_encoded_again_are_counted_by_reason(tmp_path):
    folder = write(tmp_path / "train", [photo("ants")])
    told = {"images_encoded_again": '{"rotated by EXIF": 3, "WEBP": 1}'}
    section = images_section(folder, {}, FOLDERS, ["ants"], told)
    assert section.encoded_again == {"rotated by EXIF": 3, "WEBP": 1}


def test_a_table_has_no_images(tmp_path):
    assert images_section(tmp_path, {}, TABLE, ["a"], {}) is None


def test_facts_are_those_of_the_statistics(tmp_path):
    from tensorflow_metadata.proto.v0 import statistics_pb2

    def numbers(low, mean, high):
        stats = statistics_pb2.FeatureNameStatistics()
        stats.num_stats.min, stats.num_stats.mean, stats.num_stats.max = low, mean, high
        return stats

    features = {
        "image_width": numbers(40, 40, 40),
        "image_height": numbers(30, 200, 1600),
        "image_channels": numbers(1, 2.5, 3),
        "image_brightness": numbers(0.1, 0.456, 0.9),
    }
    folder = write(tmp_path / "train", [photo("ants")])
    facts = images_section(folder, features, FOLDERS, ["ants"], {}).facts
    assert facts == {
        "width": "40 px",
        "height": "30 to 1,600 px",
        "channels": "75 % in colour",
        "brightness, 0 to 1": "0.46 ± 0.00",
    }


@pytest.mark.parametrize(("width", "height"), [(400, 100), (33, 4000)])
def test_a_thumbnail_is_small_and_keeps_its_proportions(width, height):
    picture = pictures.thumbnail(encoded(width, height), "a bee", 96)
    small = opened(picture)
    assert max(small.size) == 96
    assert small.width / small.height == pytest.approx(width / height, rel=0.5, abs=0.02)
    assert len(picture.source) < 20_000
    assert not picture.is_small


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_an_image_of_few_pixels_stays_as_it_is(mode):
    stream = io.BytesIO()
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, len(mode)), np.uint8).squeeze()
    Image.fromarray(levels, mode).save(stream, "PNG")
    picture = pictures.thumbnail(stream.getvalue(), "7", 96)
    assert picture.is_small
    kept = np.asarray(opened(picture))
    assert np.array_equal(kept, levels if len(mode) in (1, 3) and mode != "LA" else kept)
    assert kept.shape == ((8, 8) if mode.startswith("L") else (8, 8, 3))


def written(folder, worst, rows=100, wrong=None):
    found = Mistakes(rows=rows, wrong=len(worst) if wrong is None else wrong, worst=worst)
    (folder / mistakes.FILE).write_text(found.model_dump_json())
    return folder


def test_mistaken_images_are_shown_with_their_files(tmp_path):
    wrong = Mistake(label=0, prediction=1, probability=0.876, example=photo("ants", 7))
    section = mistakes_section(written(tmp_path, [wrong], wrong=30), FOLDERS, ["ants", "bees"])
    assert section.in_pictures
    assert section.note == "The 1 surest of 30 mistakes in 100 rows, the surest first."
    (entry,) = section.shown
    assert (entry.actual, entry.predicted, entry.how) == ("ants", "bees", "88 %")
    assert entry.file == "train/ants/7.jpg"
    assert entry.picture.described == "ants, predicted bees: train/ants/7.jpg"
    assert opened(entry.picture).size == (40, 30)


def test_a_long_path_keeps_its_file_name(tmp_path):
    path = "/".join(["folder"] * 30) + "/bee.jpg"
    row = example(image=encoded(), label=b"ants", path=path.encode())
    wrong = Mistake(label=0, prediction=1, probability=0.6, example=row)
    (entry,) = mistakes_section(written(tmp_path, [wrong]), FOLDERS, ["ants", "bees"]).shown
    assert entry.file == path


def test_mistaken_rows_are_shown_with_their_inputs(tmp_path):
    row = example(label=b"no", fare=12.5, trips=3, company=b"", city="Zürich".encode())
    wrong = Mistake(label=-1, prediction=0, probability=0.9996, example=row)
    section = mistakes_section(written(tmp_path, [wrong] * 20), TABLE, ["yes", "no"])
    assert not section.in_pictures
    assert section.columns == ["city", "company", "fare", "trips"]
    assert section.shown[0].values == ["Zürich", "", "12.5", "3"]
    assert (section.shown[0].actual, section.shown[0].how) == ("not in training", "> 99 %")
    assert len(section.shown) == 12


def test_errors_of_numbers_have_a_sign(tmp_path):
    off = Mistake(label=10.5, prediction=8, probability=None, example=example(label=10.5, size=2))
    section = mistakes_section(written(tmp_path, [off]), recipe("regression", path="a.csv"), [])
    assert section.title == "Largest errors"
    assert (section.shown[0].actual, section.shown[0].how) == ("10.5", "-2.5")


def test_it_is_said_why_there_are_no_mistakes(tmp_path):
    assert "TFX's own Evaluator" in mistakes_section(tmp_path, TABLE, []).note
    assert mistakes_section(written(tmp_path, []), TABLE, []).note.startswith("None: all 100")


def test_written_text_has_no_mistakes_to_list(tmp_path):
    text = {"features": {"label": {"kind": "text", "length": 4}}, "task": "text"}
    writes = Recipe.model_validate(TABLE.model_dump(exclude_defaults=True) | text)
    assert mistakes_section(tmp_path, writes, []) is None
