"""Two inputs through one encoder: texts and images, both losses, and what is served, for real."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.pairs import pairs
from tests.trainer_modules.sentences import WORDS
from tests.trainer_modules.tables import serialize, transform
from trainyard.errors import RecipeError
from trainyard.recipe_schema import ImageFeature, Loss, Recipe, TextFeature, Trainer
from trainyard.trainer_modules import siamese
from trainyard.trainer_modules.harness import check_inputs, description, export, heads, training
from trainyard.trainer_modules.harness.spec import HeadSpec, InputSpec, LabelSpec, ModelSpec

IMAGE = InputSpec((8, 8, 1), "float32", image=ImageFeature(size=(8, 8), channels=1))
TEXT = InputSpec((None,), "int64", 20, text=TextFeature(length=9))
LABEL = LabelSpec(16, ("0", "1"), (8, 8))
TYPES = {"first": "string", "second": "string", "yes": "int64"}


def spec(entry: InputSpec, **losses: Loss | None) -> ModelSpec:
    heads = {name: HeadSpec("binary", LABEL, loss) for name, loss in losses.items()}
    return ModelSpec({"first": entry, "second": entry}, heads, Trainer(module="siamese"))


@pytest.mark.parametrize("entry", [IMAGE, TEXT], ids=["images", "texts"])
def test_both_inputs_go_through_the_same_weights(entry):
    contrastive = Loss(name="contrastive")
    model = siamese.build_model(siamese.TINY, spec(entry, duplicate=None, similarity=contrastive))
    random = np.random.default_rng(0)
    shape = [3, *(9 if side is None else side for side in entry.shape)]
    one, other = (random.integers(1, 20, shape).astype(entry.dtype) for _ in range(2))
    there, back = (
        model.predict({"first": a, "second": b}, verbose=0) for a, b in ((one, other), (other, one))
    )
    for head in ("duplicate", "similarity"):
        np.testing.assert_allclose(there[head], back[head], rtol=1e-5)
    same = model.predict({"first": one, "second": one}, verbose=0)
    np.testing.assert_allclose(same["similarity"], 1, rtol=1e-5)
    assert (there["similarity"] < 1).all()


def test_images_of_two_sizes_are_refused():
    small = InputSpec((4, 4, 1), "float32", image=ImageFeature(size=(4, 4), channels=1))
    made = ModelSpec.of_one({"first": IMAGE, "second": small}, "binary", LABEL)
    with pytest.raises(RecipeError, match="compares two images, or two texts"):
        siamese.build_model(siamese.TINY, made)


def test_one_text_is_no_pair():
    with pytest.raises(RecipeError, match="compares two images, or two texts"):
        check_inputs(Trainer(module="siamese"), {"first": TextFeature()})
    check_inputs(Trainer(module="siamese"), {"first": TextFeature(), "second": TextFeature()})


def test_the_contrastive_loss_is_that_of_the_paper():
    loss = heads.Contrastive(margin=1.2)
    vectors = np.random.default_rng(0).normal(size=(2, 50, 4))
    one, other = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    same = np.arange(50)[:, np.newaxis] % 2
    distance = np.linalg.norm(one - other, axis=-1, keepdims=True)
    similarity = (1 + (one * other).sum(axis=-1, keepdims=True)) / 2
    expected = np.where(same, distance**2, np.maximum(1.2 - distance, 0) ** 2) / 2
    np.testing.assert_allclose(
        loss.call(same, similarity.astype("float32")), expected[:, 0], atol=1e-5
    )
    identical = tf.Variable([[1.0]])
    with tf.GradientTape() as tape:
        value = loss(np.zeros((1, 1)), identical)
    assert np.isfinite(tape.gradient(value, identical)), "even where the distance is 0"
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.margin == 1.2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two heads on one label, of texts."""
    head = {"label": "yes", "task": "binary"}
    similar = head | {"loss": {"name": "contrastive"}}
    text = {"kind": "text", "length": 10, "vocabulary": 60}
    recipe = Recipe.model_validate(
        {
            "name": "test",
            "data": {"path": "unused"},
            "heads": {"duplicate": head, "similarity": similar},
            "features": {"first": text, "second": text},
            "trainer": {"module": "siamese", "params": {"tokens": 16, "dimension": 16}},
        }
    )
    folder = tmp_path_factory.mktemp("siamese")
    rows, held_out = (
        [{n: row[n] for n in TYPES} for row in pairs(n, s)] for n, s in ((300, 0), (60, 1))
    )
    made = transform(recipe, folder, rows, held_out, TYPES)
    adam = {"name": "adam", "learning_rate": 0.01}
    settings = {"module": "siamese", "params": {"tokens": 16, "dimension": 16}, "optimizer": adam}
    training.run_fn(made.fn_args(folder / "run", epochs=12, **settings))
    shutil.move(folder / "run" / "Format-Serving", folder / "run" / "1")
    return made, folder / "run"


def test_it_learns_who_belongs_together(trained):
    made, run = trained
    answers = export.Served(run / "1").predictions([serialize(row) for row in made.held_out])
    same = np.array([row["yes"] for row in made.held_out], bool)
    for numbers in answers.values():
        assert np.mean(numbers[same]) > np.mean(numbers[~same]) + 0.3


def test_both_texts_have_one_vocabulary(trained):
    made, _ = trained
    first, second = (made.graph.rglob(f"{name}_tokens") for name in ("first", "second"))
    lines = [next(files).read_text().splitlines() for files in (first, second)]
    assert lines[0] == lines[1]
    assert {word for level in WORDS for word in level} < set(lines[0])


def test_served_answers_are_those_of_the_training_graph(trained):
    made, run = trained
    serialized = [serialize(row) for row in made.held_out[:20]]
    served, told = export.Served(run / "1"), description.read(run / "1")
    reference = export.reference_predictions(run / "model_run", made.graph, serialized, told)
    for answers in (served.predictions(serialized), served.raw_predictions(serialized)):
        for head, numbers in reference.items():
            np.testing.assert_allclose(answers[head], numbers, rtol=1e-5)


def test_embeddings_give_the_similarity(trained):
    made, run = trained
    loaded = tf.saved_model.load(str(run / "1"))
    columns = {n: tf.constant([row[n] for row in made.held_out[:9]]) for n in ("first", "second")}
    one, other = (
        loaded.signatures["embed"](values=each)["embedding"].numpy() for each in columns.values()
    )
    assert one.shape == (9, 16)
    answered = loaded.signatures["serving_raw"](**columns)["similarity"].numpy()
    cosine = (one * other).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answered, (1 + cosine) / 2, atol=1e-5)
