from __future__ import annotations

import gc

import numpy as np
import psutil
import pytest

from tests.serving.conftest import floats
from trainyard.serving.errors import ServingError
from trainyard.serving.model import SavedModel


@pytest.fixture(scope="module")
def model(saved):
    loaded = SavedModel(saved / "2")
    yield loaded
    loaded.close()


def run(model, name, **inputs):
    signature = model.signature(name)
    outputs = model.run(signature.name, signature.check(inputs))
    return dict(zip(signature.outputs, outputs, strict=True))


def test_a_signature_is_run(model):
    assert run(model, "", x=floats(1, 4))["y"].tolist() == [2.5, 4]


def test_inputs_and_outputs_keep_their_names(model):
    answer = run(
        model,
        "strings",
        numbers=np.array([[1, 2], [3, 4]]),
        word=np.array([b"a", b"\xff"], object),
    )
    assert answer["joined"].tolist() == [b"a3", b"\xff7"]
    assert answer["total"].tolist() == [3, 7]


def test_what_the_graph_asserts_is_an_error_of_the_request(model):
    with pytest.raises(ServingError, match="negative") as raised:
        run(model, "picky", x=floats(-1))
    assert raised.value.http_status == 400
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "Missing but required: {x}"),
        ({"x": floats(1), "z": floats(1)}, "Sent extra: {z}"),
        ({"x": np.array([1.0])}, "expected float32, got float64"),
        ({"x": np.array([b"1"], object)}, "got string"),
        ({"x": floats(1)[np.newaxis]}, r"expected shape \['\?'\], got \[1, 1\]"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error_of_the_request(model, inputs, said):
    with pytest.raises(ServingError, match=said):
        run(model, "", **inputs)


def test_an_unknown_signature_is_named(model):
    with pytest.raises(ServingError, match='"other" not found'):
        model.signature("other")


def test_only_rows_in_and_rows_out_can_be_batched(model):
    batched = {name: signature.batched for name, signature in model.signatures.items()}
    assert batched.pop("mean") is False
    assert all(batched.values())


def test_a_folder_that_is_no_model_cannot_be_loaded(saved, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes((saved / "1" / "saved_model.pb").read_bytes()[:1000])
    with pytest.raises(Exception, match="saved_model"):
        SavedModel(tmp_path)


def test_a_closed_model_gives_its_memory_back(saved):
    process = psutil.Process()

    def once():
        SavedModel(saved / "1").close()
        gc.collect()
        return process.memory_info().rss

    for _ in range(3):
        before = once()
    for _ in range(6):
        after = once()
    assert after - before < 10 << 20
