"""Rows of several clients share a batch only where no row can change another's answer."""

from __future__ import annotations

import asyncio
import shutil

import numpy as np
import pytest

from tests.serving.conftest import NAME
from trainyard.model_store import independent_rows
from trainyard.serving import methods, tensors
from trainyard.serving.manager import Manager
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.service import Service

CLIENTS, REQUESTS = 16, 10
WORDS = ("one", "two words", "three words now", "here is a longer sentence of several words")


@pytest.fixture(scope="module")
def mixing(tmp_path_factory):
    """A SavedModel of another program: a softmax over the batch, and strings padded to one size."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def softmax(self, x):
            return {"y": tf.nn.softmax(x, axis=0)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
        def padded(self, x):
            lengths = tf.strings.length(tf.strings.split(x).to_tensor())
            return {"y": tf.reduce_mean(tf.cast(lengths, tf.float32), axis=1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def half(self, x):
            return {"y": x / 2}

    model, base = Model(), tmp_path_factory.mktemp("mixing")
    signatures = {"softmax": model.softmax, "padded": model.padded}
    tf.saved_model.save(model, str(base / "1"), {"serving_default": model.half, **signatures})
    return base


def rows(client: int, number: int, signature: str) -> np.ndarray:
    chosen = [(client * 7 + number * 3 + row) % 11 for row in range(1 + client % 3)]
    if signature == "padded":
        return np.array([WORDS[one % len(WORDS)].encode() for one in chosen], object)
    return np.array(chosen, np.float32)


def right(x: np.ndarray, signature: str) -> np.ndarray:
    if signature == "softmax":
        return np.exp(x) / np.exp(x).sum()
    if signature == "padded":
        split = [each.decode().split() for each in x]
        longest = max(map(len, split))
        return np.array([sum(map(len, words)) / longest for words in split])
    return x / 2


def wrong_answers(base, signature: str, batching: str) -> tuple[int, int]:
    """Has 16 clients ask at once; counts wrong answers, and the largest number of rows at once."""
    sizes = []

    async def ask(service, client):
        wrong = 0
        for number in range(REQUESTS):
            x = rows(client, number, signature)
            request = methods.PREDICT.request()
            request.model_spec.name, request.model_spec.signature_name = NAME, signature
            tensors.to_proto(x, request.inputs["x"])
            answer = await service.infer(methods.PREDICT, request, entrypoint="GRPC", seconds=None)
            found = tensors.from_proto(answer.outputs["y"])
            wrong += not np.allclose(found, right(x, signature), rtol=1e-5)
        return wrong

    async def all_clients():
        metrics = Metrics()
        metrics.batch_rows.observe = sizes.append
        told = Options(model_name=NAME, model_base_path=base, batching=batching)
        manager = Manager(told, metrics, lambda text: None)
        await manager.settle()
        try:
            service = Service(manager, metrics, None)
            return sum(await asyncio.gather(*(ask(service, i) for i in range(CLIENTS))))
        finally:
            await manager.close()

    return asyncio.run(all_clients()), max(sizes)


@pytest.mark.parametrize("signature", ["softmax", "padded", "serving_default"])
def test_no_client_gets_an_answer_of_others(mixing, signature):
    assert wrong_answers(mixing, signature, "auto") == (0, 3)


def test_rows_share_a_batch_where_it_is_proved(mixing, tmp_path):
    assert independent_rows.read(mixing / "1") == set()
    shutil.copytree(mixing / "1", tmp_path / "1")
    independent_rows.write(tmp_path / "1", ["serving_default"])
    wrong, rows_at_once = wrong_answers(tmp_path, "serving_default", "auto")
    assert wrong == 0
    assert rows_at_once > 3
    assert wrong_answers(tmp_path, "softmax", "auto") == (0, 3)
    assert wrong_answers(tmp_path, "serving_default", "off") == (0, 3)


def test_a_proof_is_of_one_graph(mixing, tmp_path):
    shutil.copytree(mixing / "1", tmp_path / "1")
    independent_rows.write(tmp_path / "1", ["serving_default"])
    assert independent_rows.read(tmp_path / "1") == {"serving_default"}
    with (tmp_path / "1" / "saved_model.pb").open("ab") as graph:
        graph.write(b"another")
    assert independent_rows.read(tmp_path / "1") == set()


def test_who_forces_batching_gets_what_the_help_says(mixing):
    wrong, rows_at_once = wrong_answers(mixing, "softmax", "on")
    assert wrong > 0
    assert rows_at_once > 3


@pytest.mark.parametrize(
    ("batching", "says"), [("auto", "off (nothing proves"), ("on", "on (--"), ("off", "off (--")]
)
def test_a_version_says_what_it_does_and_why(mixing, batching, says):
    said = []
    told = Options(model_name=NAME, model_base_path=mixing, batching=batching)

    async def load():
        manager = Manager(told, Metrics(), said.append)
        await manager.settle()
        await manager.close()

    asyncio.run(load())
    assert any(f"version 1 is loaded; batching {says}" in text for text in said)
