"""One model that predicts several things: labels, batches, training, SavedModel, contract."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.tables import TYPES, recipe, serialize, table, transform
from trainyard.components.pusher import contract
from trainyard.errors import ContractError, DataError, RecipeError
from trainyard.recipe_schema import Head, Loss, Recipe, Trainer
from trainyard.trainer_modules import harness, mlp
from trainyard.trainer_modules.harness import (
    description,
    export,
    heads,
    inputs,
    names,
    spec,
    training,
)
from trainyard.trainer_modules.harness.config import TransformConfig
from trainyard.trainer_modules.harness.spec import HeadSpec, InputSpec, LabelSpec, ModelSpec

LABEL_OF = {"yes": "binary", "grade": "multiclass", "price": "regression"}


@pytest.fixture(scope="module")
def trained(transformed, tmp_path_factory):
    run = tmp_path_factory.mktemp("trained") / "run"
    made = transformed("heads")
    monitor = {"monitor": "val_yes_auc"}
    training.run_fn(made.fn_args(run, epochs=3, early_stopping=monitor))
    return made, run


@pytest.fixture(scope="module")
def served(trained):
    return export.Served(trained[1] / "Format-Serving")


def test_each_head_is_measured_by_its_name(trained):
    history = json.loads((trained[1] / "model_run" / "history.json").read_text())
    measured = {"yes_auc", "yes_accuracy", "grade_accuracy", "price_mae"}
    losses = {"loss", *(f"{name}_loss" for name in LABEL_OF)}
    both = {f"{prefix}{name}" for prefix in ("", "val_") for name in measured | losses}
    assert set(history) == both | {"learning_rate"}
    for epoch, total in enumerate(history["val_loss"]):  # of one batch
        parts = [history[f"val_{name}_loss"][epoch] for name in LABEL_OF]
        assert sum(parts) == pytest.approx(total, rel=1e-5)
    facts = json.loads((trained[1] / "model_run" / "training.json").read_text())
    assert facts["grade_class_names"] == ["high", "low", "middle"]
    assert sum(facts["yes_class_counts"]) == facts["training_examples"] == 300


def test_the_signature_answers_for_each_head(trained, served):
    loaded = tf.saved_model.load(str(trained[1] / "Format-Serving"))
    rows = [serialize(row) for row in trained[0].held_out[:7]]
    answers = loaded.signatures["serving_default"](tf.constant(rows))
    assert set(answers) == {"yes", "yes_label", "grade", "grade_label", "price"}
    assert answers["grade"].shape == (7, 3)
    assert set(answers["yes_label"].numpy().ravel()) <= {b"0", b"1"}
    np.testing.assert_array_equal(answers["price"], served.predictions(rows)["price"])


def test_each_head_has_a_signature_for_classify_or_regress(trained, served):
    rows = [serialize(row) for row in trained[0].held_out[:7]]
    loaded = tf.saved_model.load(str(trained[1] / "Format-Serving"))
    assert {"yes_classify", "grade_classify", "price_regress"} < set(loaded.signatures)
    answers, predictions = served.of_methods(rows), served.predictions(rows)
    np.testing.assert_array_equal(answers["yes"]["scores"][:, 1:], predictions["yes"])
    np.testing.assert_array_equal(answers["grade"]["scores"], predictions["grade"])
    assert answers["grade"]["classes"][0].tolist() == [b"high", b"low", b"middle"]
    np.testing.assert_array_equal(answers["price"]["outputs"], predictions["price"])


def test_no_label_is_an_input_of_any_head(trained, served):
    assert set(served.told.inputs).isdisjoint(LABEL_OF)
    unlabelled = [{n: v for n, v in row.items() if n not in LABEL_OF} for row in table(5)]
    with_labels = served.predictions([serialize(row) for row in table(5)])
    without = served.predictions([serialize(row) for row in unlabelled])
    for name in LABEL_OF:
        np.testing.assert_array_equal(with_labels[name], without[name])


def test_transformed_labels_have_keys_of_their_own(trained):
    made, run = trained
    loaded = tf.saved_model.load(str(run / "Format-Serving"))
    row = made.held_out[0]
    features = loaded.signatures["transform_features"](tf.constant([serialize(row)]))
    assert features["label_yes_xf"].numpy().item() == row["yes"]
    assert features["label_price_xf"].numpy().item() == pytest.approx(row["price"])
    classes = ("high", "low", "middle")
    assert classes[features["label_grade_xf"].numpy().item()] == row["grade"]


def test_the_contract_holds_every_head(trained, tmp_path):
    made, run = trained
    asked = {
        "saved_model": run / "Format-Serving",
        "model_run": run / "model_run",
        "transform_graph": made.graph,
        "examples": [serialize(row) for row in made.held_out[:20]],
    }
    assert contract.check(**asked) <= contract.TOLERANCE
    model = keras.saving.load_model(run / "model_run" / "model.keras", compile=False)
    changed = model.get_layer("price_standardized")
    changed.set_weights([weights + 0.1 for weights in changed.get_weights()])
    (tmp_path / "model.keras").unlink(missing_ok=True)
    model.save(tmp_path / "model.keras")
    with pytest.raises(ContractError, match="differs"):
        contract.check(**asked | {"model_run": tmp_path})


def test_the_description_tells_heads_and_reads_what_was_written_before_there_were_any(trained):
    told = description.read(trained[1] / "Format-Serving")
    assert {name: head.task for name, head in told.heads.items()} == LABEL_OF
    assert told.heads["grade"].class_names == ("high", "low", "middle")
    old = {"task": "binary", "label": "y", "inputs": {"x": "int64"}, "class_names": ["a", "b"]}
    (head,) = description.Description.model_validate(old).heads.values()
    assert (head.task, head.label, head.class_names) == ("binary", "y", ("a", "b"))


def two(**changes) -> ModelSpec:
    made = {
        "income": HeadSpec("binary", LabelSpec(8, ("no", "yes"), (6, 2))),
        "age": HeadSpec("regression", LabelSpec(8, mean=40.0, std=10.0)),
    }
    made |= changes
    return ModelSpec({"numeric": InputSpec((2,), "float32")}, made, Trainer())


def model_of(chosen: ModelSpec) -> keras.Model:
    x = chosen.keras_inputs()
    return heads.compiled(x, x["numeric"], chosen)


def test_the_loss_is_the_sum_of_the_weighted_losses():
    chosen = two(
        income=HeadSpec("binary", LabelSpec(8, ("no", "yes"), (6, 2)), weight=3.0),
        age=HeadSpec("regression", LabelSpec(8, mean=40.0, std=10.0), Loss(name="mae"), 0.5),
    )
    model = model_of(chosen)
    x = {"numeric": np.zeros((2, 2), np.float32)}
    y = {"income": np.array([[1], [0]]), "age": np.array([[60.0], [40.0]])}
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["age_loss"] == pytest.approx(1.0), "20 and 0 years off, in standard deviations"
    assert logs["income_loss"] == pytest.approx(-(np.log(0.25) + np.log(0.75)) / 2, rel=1e-5)
    assert logs["loss"] == pytest.approx(3 * logs["income_loss"] + 0.5 * logs["age_loss"])


def test_heads_may_stand_on_vectors_of_their_own():
    chosen = two()
    x = chosen.keras_inputs()
    towers = {
        name: keras.layers.Dense(3, name=f"tower_{name}")(x["numeric"])
        for name in ("income", "age")
    }
    model = heads.compiled(x, towers, chosen)
    assert model.get_layer("age_standardized").input is towers["age"]
    assert model.get_layer("income_predictions").input is towers["income"]


def test_one_head_from_logits_is_served_as_probabilities():
    logits = Loss.model_validate({"name": "binary_crossentropy", "from_logits": True})
    chosen = two(income=HeadSpec("binary", LabelSpec(8, ("no", "yes"), (6, 2)), logits))
    model = model_of(chosen)
    x = {"numeric": np.array([[3.0, 4.0]], np.float32)}
    plain, served = (
        model.predict(x, verbose=0),
        heads.predictor(model, chosen).predict(x, verbose=0),
    )
    np.testing.assert_allclose(served["income"], 1 / (1 + np.exp(-plain["income"])), rtol=1e-5)
    np.testing.assert_array_equal(served["age"], plain["age"])


FEATURES = {
    "number": tf.io.FixedLenFeature([1], tf.int64),
    "label_income": tf.io.FixedLenFeature([1], tf.int64),
    "label_age": tf.io.FixedLenFeature([1], tf.float32),
    names.WEIGHT: tf.io.FixedLenFeature([1], tf.float32),
}


@pytest.fixture
def examples(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "rows")) as writer:
        for number in range(8):
            example = tf.train.Example()
            feature = example.features.feature
            feature["number"].int64_list.value.append(number)
            feature["label_income"].int64_list.value.append(number % 2)
            feature["label_age"].float_list.value.append(number / 2)
            feature[names.WEIGHT].float_list.value.append(number / 4)
            writer.write(example.SerializeToString())
    targets = ["label_income", "label_age", names.WEIGHT]
    return inputs.Examples([str(tmp_path / "rows")], FEATURES, targets=targets)


def batches(examples, chosen, epochs, **more):
    return list(inputs.make_dataset(None, chosen, examples, epochs, **more).as_numpy_iterator())


def of_numbers(weighted=False, **changes):
    made = two(**changes)
    return ModelSpec(
        {"number": InputSpec((1,), "int64")}, made.heads, Trainer(batch_size=8), weighted
    )


def test_classes_weigh_in_their_own_head(examples):
    label = LabelSpec(8, ("no", "yes"), (4, 4))
    chosen = of_numbers(income=HeadSpec("binary", label, class_weights={"yes": 5.0}))
    # The weights of rows are a feature that nobody asked for.
    ((x, y, weights),) = batches(examples, chosen, range(1))
    assert set(y) == set(weights) == {"income", "age"}
    np.testing.assert_array_equal(y["income"], x["number"] % 2)
    np.testing.assert_array_equal(weights["income"], np.where(y["income"] == 1, 5.0, 1.0))
    np.testing.assert_array_equal(weights["age"], np.ones((8, 1)))
    ((_, _),) = batches(examples, chosen, None)


def test_rows_weigh_in_training_and_validation(examples):
    label = LabelSpec(8, ("no", "yes"), (4, 4))
    income = HeadSpec("binary", label, class_weights={"yes": 5.0})
    for epochs, factor in ((range(1), 5.0), (None, 1.0)):
        ((x, y, weights),) = batches(examples, of_numbers(True, income=income), epochs)
        rows = x["number"] / 4
        np.testing.assert_allclose(weights["age"], rows)
        np.testing.assert_allclose(weights["income"], rows * np.where(y["income"], factor, 1.0))
        assert names.WEIGHT not in x


def test_augmentation_gets_all_labels(examples):
    def doubled(x, labels):
        return x, {name: 2 * label for name, label in labels.items()}

    ((x, y),) = batches(examples, of_numbers(), range(1), augment=doubled)
    np.testing.assert_allclose(y["age"], x["number"])


def test_a_class_that_is_not_there_names_the_head(examples):
    label = LabelSpec(8, ("no", "yes"), (4, 4))
    chosen = of_numbers(income=HeadSpec("binary", label, class_weights={"yse": 5.0}))
    with pytest.raises(RecipeError, match="did you mean 'yes'") as caught:
        batches(examples, chosen, range(1))
    assert caught.value.where == "heads.income.class_weights.yse"


@pytest.fixture(scope="module")
def weighted(tmp_path_factory):
    chosen = Recipe.model_validate(
        json.loads(recipe("heads").model_dump_json(by_alias=True))
        | {"data": {"path": "unused", "weight": "zone"}}
    )
    chosen = chosen.model_copy(update={"trainer": recipe("heads").trainer})
    folder = tmp_path_factory.mktemp("weighted")
    return transform(chosen, folder, table(120), table(40, seed=1), TYPES)


def test_a_weighted_training_sees_the_column_as_weights_and_not_as_an_input(weighted, tmp_path):
    run = tmp_path / "run"
    training.run_fn(weighted.fn_args(run, epochs=1))
    served = export.Served(run / "Format-Serving")
    assert "zone" not in served.told.inputs
    rows = [serialize({**row, "zone": 1}) for row in weighted.held_out[:5]]
    others = [serialize({**row, "zone": 3}) for row in weighted.held_out[:5]]
    np.testing.assert_array_equal(
        served.predictions(rows)["price"], served.predictions(others)["price"]
    )
    made = training.Training.of(weighted.fn_args(run))
    zones = [row["zone"] for row in weighted.train]
    assert sorted(made.train.targets[names.WEIGHT]) == sorted(zones)


@pytest.mark.parametrize(
    ("values", "words"),
    [([1.0, -1.0], "1 of 2 are missing or negative"), ([np.nan], "1 of 1"), ([0.0, 0.0], "all")],
)
def test_weights_that_cannot_be_used(values, words):
    with pytest.raises(DataError, match=words):
        spec._check_weights(np.array(values), "train", "w")


def head(**changes) -> Head:
    return Head.model_validate({"label": "y", "task": "binary"} | changes)


@pytest.mark.parametrize(
    ("section", "changes", "where"),
    [
        ({}, {"income": head(loss="mse")}, "heads.income.loss.name"),
        ({}, {"age": head(task="regression", class_weights="balanced")}, "heads.age.class_weights"),
        ({"loss": "huber"}, {}, "trainer.loss"),
        ({"class_weights": "balanced"}, {}, "trainer.class_weights"),
        ({"early_stopping": {"monitor": "val_auc"}}, {}, "trainer.early_stopping.monitor"),
    ],
)
def test_mistakes_are_named_with_their_head(section, changes, where):
    made = {"income": head(), "age": head(task="regression")} | changes
    with pytest.raises(RecipeError) as caught:
        harness.check(Trainer.model_validate(section), made)
    assert caught.value.where == where


@pytest.mark.parametrize("monitor", ["val_loss", "val_income_auc", "val_age_loss", "income_loss"])
def test_what_may_be_monitored(monitor):
    trainer = Trainer.model_validate({"early_stopping": {"monitor": monitor}})
    harness.check(trainer, {"income": head(), "age": head(task="regression")})


def test_transform_does_not_depend_on_how_a_head_is_learned():
    one, other = recipe("heads"), recipe("heads")
    changed = {name: each.model_copy(update={"weight": 2.0}) for name, each in other.heads.items()}
    other = other.model_copy(update={"named_heads": changed})
    assert TransformConfig.of(one).custom_config() == TransformConfig.of(other).custom_config()


def test_a_module_of_one_vector_takes_several_heads(transformed, tmp_path):
    made = transformed("heads")
    arranged = training.Training.of(made.fn_args(tmp_path / "run"))
    built = spec.build(
        arranged.config, arranged.transform_output, arranged.train, arranged.held_out
    )
    model = mlp.build_model(mlp.TINY, built)
    assert set(model.output) == set(LABEL_OF)
    with pytest.raises(ValueError, match="too many values"):
        _ = built.task
