from __future__ import annotations

import json
import shlex

import pytest
import tensorflow as tf

from trainyard.recipe_schema import ImageFeature
from trainyard.serving import console, warmup
from trainyard.serving.options import Options
from trainyard.serving.server import Started
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description

REST = "http://127.0.0.1:8501"


def described(folder, **images):
    told = Description(
        task="binary",
        label="y",
        inputs={"fare": "float32", "kind of": "string", "count": "int64"},
        class_names=("no", "yes"),
        images=images,
        tensors={"fare": "fare", "kind of": "kind_of", "count": "count"},
    )
    description.write(folder, told)


def asked(folder):
    words = shlex.split(console.curl(folder, "trips", REST))
    assert words[:2] == ["curl", "-d"]
    assert words[3] == f"{REST}/v1/models/trips:predict"
    return words[2]


def test_the_example_is_a_row_of_the_data(tmp_path):
    described(tmp_path)
    example = tf.train.Example()
    example.features.feature["fare"].float_list.value.append(0.2)
    example.features.feature["kind of"].bytes_list.value.append(b"it's")
    warmup.write(tmp_path, warmup.predictions([example.SerializeToString()]))
    body = json.loads(asked(tmp_path))
    assert body == {
        "signature_name": "serving_raw",
        "instances": [{"fare": 0.2, "kind_of": "it's", "count": -(2**63)}],
    }


def test_without_data_every_value_is_missing(tmp_path):
    described(tmp_path)
    assert '{"fare": NaN, "kind_of": "", "count": -9223372036854775808}' in asked(tmp_path)


def test_an_image_is_a_file_of_the_users(tmp_path):
    described(tmp_path, **{"kind of": ImageFeature(kind="image", size=(8, 8), channels=3)})
    written = console.curl(tmp_path, "trips", REST)
    assert """"kind_of": {"b64": "'$(base64 -w0 photo.jpg)'"}""" in written


def test_a_model_of_others_is_asked_for_its_signatures(tmp_path):
    assert console.curl(tmp_path, "trips", REST) == f"curl {REST}/v1/models/trips/metadata"


@pytest.mark.parametrize(("folder", "said"), [(None, "off"), ("requests", "25% to requests")])
def test_the_lines_say_where_it_is(tmp_path, folder, said):
    options = Options(
        model_name="trips", model_base_path=tmp_path, log_folder=folder, log_sampling_rate=0.25
    )
    lines = console.lines(options, Started("127.0.0.1:8500", "127.0.0.1:8501", 3))
    assert lines[0] == "trips  version 3 answers"
    assert f"log      {said}" in lines
    assert "metrics  http://127.0.0.1:8501/monitoring/prometheus/metrics" in lines
