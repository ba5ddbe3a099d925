"""Transform, run_fn, export and TFMA on a small table, for real."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow_transform as tft

from tests.trainer_modules.tables import LABELS, serialize, table
from trainyard import kinds
from trainyard.components.pusher import contract
from trainyard.errors import ContractError
from trainyard.recipe_schema import ONLY
from trainyard.trainer_modules.harness import description, export, labels, training

RECORDS = {
    "constant_inputs.json",
    "history.json",
    "learning_rate.json",
    "model.keras",
    "model.svg",
    "summary.txt",
    "tensorboard",
    "training.json",
    "training_log.csv",
    "watched.json",
}


def class_names(made):
    return labels.class_names(tft.TFTransformOutput(str(made.graph)), made.recipe.heads[ONLY])


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def trained(request, transformed, tmp_path_factory):
    """A training that has ended; the SavedModel has been moved, as a push does."""
    run = tmp_path_factory.mktemp("trained") / "run"
    made = transformed(request.param)
    training.run_fn(made.fn_args(run, epochs=3, class_weights=None))
    shutil.move(run / "Format-Serving", run / "1")
    return made, run


def test_served_predictions_are_those_of_the_training_graph(trained):
    made, run = trained
    unlabelled = [{k: v for k, v in row.items() if k not in LABELS.values()} for row in table(20)]
    rows = [*unlabelled, {}, {"kind": "never seen", "age": None, "fare": 3.0, "zone": 99}]
    serialized = [serialize(row) for row in rows]
    model = export.Served(run / "1")
    served = model.predictions(serialized)
    reference = export.reference_predictions(run / "model_run", made.graph, serialized, model.told)
    assert served.shape == (22, 3 if made.recipe.task == "multiclass" else 1)
    assert np.isfinite(served).all()
    np.testing.assert_allclose(served, reference, atol=1e-5, rtol=1e-5)


def test_columns_by_name_answer_as_serialized_examples(trained):
    made, run = trained
    rows = [*made.held_out[:20], {}, {"kind": "never seen", "age": None, "fare": 3.0, "zone": 99}]
    serialized = [serialize(row) for row in rows]
    served = export.Served(run / "1")
    by_column, by_row = served.raw_predictions(serialized), served.predictions(serialized)
    np.testing.assert_array_equal(by_column, by_row)


def exported_as_stock_does(made, run, folder):
    """As TFX's examples export: the transform graph goes through its layer, traced once more."""
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft

    output = tft.TFTransformOutput(str(made.graph))
    module = tf.Module()
    module.transform = output.transform_features_layer()
    module.model = keras.saving.load_model(run / "model_run" / export.MODEL_FILE, compile=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(examples):
        features = module.transform(tf.io.parse_example(examples, export.raw_parse_spec(output)))
        features.pop("label")
        return {"predictions": module.model(features, training=False)}

    tf.saved_model.save(module, str(folder), {"serving_default": serving_default})
    return folder


def test_served_predictions_are_those_of_the_stock_way_to_export(trained, tmp_path):
    import tensorflow as tf

    made, run = trained
    serialized = [serialize(row) for row in [*made.held_out, {}, {"kind": "never seen"}]]
    served = export.Served(run / "1").predictions(serialized)
    stock = exported_as_stock_does(made, run, tmp_path / "stock")
    loaded = tf.saved_model.load(str(stock))
    answers = loaded.signatures["serving_default"](tf.constant(serialized))
    np.testing.assert_array_equal(served, answers["predictions"])


def test_the_records_are_complete(trained):
    _, run = trained
    assert {file.name for file in (run / "model_run").iterdir()} == RECORDS
    summary = (run / "model_run" / "summary.txt").read_text().splitlines()
    assert summary[1][0] == "┏"
    assert {line[-1] for line in summary if line[:1] in "┏┃┡│├└"} <= set("┓┃┩│┤┘")
    facts = json.loads((run / "model_run" / "training.json").read_text())
    assert facts["epochs"] == 3
    assert facts["steps"] == 3 * 10  # 300 rows in batches of 32
    assert facts["training_examples"] == 300
    history = json.loads((run / "model_run" / "history.json").read_text())
    assert len(history["val_loss"]) == 3
    assert len(history["learning_rate"]) == 3
    assert len((run / "model_run" / "training_log.csv").read_text().splitlines()) == 4
    assert not list((run.parent / "checkpoints").glob("*")), "removed after success"
    (head,) = description.read(run / "1").heads.values()
    assert head.class_names == tuple(facts["class_names"])


def test_classes_are_named_in_alphabetical_or_numeric_order(trained):
    made, _ = trained
    expected = {"binary": ("0", "1"), "multiclass": ("high", "low", "middle"), "regression": ()}
    assert class_names(made) == expected[made.recipe.task]


def test_classes_of_a_boolean_label_are_called_true_and_false(trained):
    made, _ = trained
    label = made.recipe.label.name
    note = made.graph / kinds.FILE
    kinds.write(made.graph, {label: "boolean"})
    named = class_names(made)
    note.unlink()
    assert named == (("False", "True") if made.recipe.task == "binary" else class_names(made))


def test_transform_features_does_not_hide_raw_columns_and_needs_no_label(trained):
    import tensorflow as tf

    made, run = trained
    row = made.held_out[0]
    name = made.recipe.label.name
    loaded = tf.saved_model.load(str(run / "1"))
    features = loaded.signatures["transform_features"](tf.constant([serialize(row), b""]))
    assert all(key.endswith("_xf") for key in features)
    label = features["label_xf"].numpy().ravel()
    if made.recipe.task == "regression":
        assert label[0] == pytest.approx(row[name])
        assert np.isnan(label[1])
    else:
        names = class_names(made)
        assert names[label[0]] == str(row[name])
        assert label[1] == -1


def test_classes_are_answered_by_name(trained):
    import tensorflow as tf

    made, run = trained
    loaded = tf.saved_model.load(str(run / "1"))
    answer = loaded.signatures["serving_default"](tf.constant([serialize(made.held_out[0])]))
    predictions = answer["predictions"].numpy()[0]
    if made.recipe.task == "regression":
        assert set(answer) == {"predictions"}
        return
    names = class_names(made)
    most = int(predictions[0] > 0.5) if len(predictions) == 1 else predictions.argmax()
    assert answer["label"].numpy()[0, 0].decode() == names[most]


def test_classify_or_regress_gives_the_same_numbers(trained):
    import tensorflow as tf

    made, run = trained
    serialized = [serialize(row) for row in [*made.held_out[:5], {}]]
    served = export.Served(run / "1")
    (answers,) = served.of_methods(serialized).values()
    predictions = served.predictions(serialized)
    if made.recipe.task == "regression":
        assert set(answers) == {"outputs"}
        np.testing.assert_array_equal(answers["outputs"], predictions)
    else:
        names = class_names(made)
        assert set(answers) == {"classes", "scores"}
        assert answers["classes"].tolist() == [[name.encode() for name in names]] * 6
        np.testing.assert_array_equal(answers["scores"][:, -1], predictions[:, -1])
        np.testing.assert_allclose(answers["scores"].sum(axis=1), 1, rtol=1e-6)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:  # as TensorFlow Serving
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(run / "1"))
    method = "regress" if made.recipe.task == "regression" else "classify"
    assert loaded.signature_def[method].method_name == f"tensorflow/serving/{method}"
    assert list(loaded.signature_def[method].inputs) == ["inputs"]
    predict = loaded.signature_def["serving_default"]
    assert predict.method_name == "tensorflow/serving/predict"


@pytest.mark.parametrize("name", ["classes", "scores", "outputs"])
def test_the_contract_holds_classify_and_regress(trained, monkeypatch, name):
    made, run = trained
    asked = {
        "saved_model": run / "1",
        "model_run": run / "model_run",
        "transform_graph": made.graph,
        "examples": [serialize(row) for row in made.held_out[:5]],
    }
    assert contract.check(**asked) <= contract.TOLERANCE
    of_methods = export.Served.of_methods

    def in_another_order(self, serialized):
        (answers,) = of_methods(self, serialized).values()
        return {ONLY: answers | {name: np.flip(answers[name])}}

    if (name == "outputs") == (made.recipe.task == "regression"):
        monkeypatch.setattr(export.Served, "of_methods", in_another_order)
        with pytest.raises(ContractError, match=r"differs|other classes"):
            contract.check(**asked)


def test_the_contract_refuses_a_module_whose_rows_see_each_other(
    transformed, tmp_path, monkeypatch
):
    import keras

    from trainyard.trainer_modules import mlp
    from trainyard.trainer_modules.harness import heads, tabular

    def build_model(params, spec):
        inputs = spec.keras_inputs()
        vector = tabular.encode(inputs, spec, categories="one-hot", dimension=2)
        return heads.compiled(inputs, keras.ops.softmax(vector, axis=0), spec)

    monkeypatch.setattr(mlp, "build_model", build_model)
    made, run = transformed("regression"), tmp_path / "run"
    training.run_fn(made.fn_args(run, epochs=1))
    with pytest.raises(ContractError, match="depends on the rows beside it") as caught:
        contract.check(
            saved_model=run / "Format-Serving",
            model_run=run / "model_run",
            transform_graph=made.graph,
            examples=[serialize(row) for row in made.held_out[:20]],
        )
    assert "signature serving_default, output predictions" in caught.value.where
    assert "softmax" in caught.value.hint


def test_tfma_evaluates_the_saved_model(trained, tmp_path):
    import tensorflow as tf
    import tensorflow_model_analysis as tfma

    made, run = trained
    task = made.recipe.task
    metric = {
        "binary": "BinaryAccuracy",
        "multiclass": "SparseCategoricalAccuracy",
        "regression": "MeanAbsoluteError",
    }[task]
    config = tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                label_key="label_xf",
                prediction_key="predictions",
                preprocessing_function_names=["transform_features"],
            )
        ],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["kind"])],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name=metric)])],
    )
    with tf.io.TFRecordWriter(str(tmp_path / "raw.gz"), "GZIP") as writer:
        for row in made.held_out:
            writer.write(serialize(row))
    model = tfma.default_eval_shared_model(str(run / "1"), eval_config=config)
    result = tfma.run_model_analysis(
        model, config, data_location=str(tmp_path / "raw.gz"), output_path=str(tmp_path / "out")
    )
    values = {key: next(iter(v[""][""].values())) for key, v in result.slicing_metrics}
    values = {key: next(iter(value.values())) for key, value in values.items()}
    predictions = export.Served(run / "1").predictions([serialize(row) for row in made.held_out])
    truth = [row[made.recipe.label.name] for row in made.held_out]
    if task == "regression":
        expected = np.abs(predictions.ravel() - truth).mean()
    elif task == "binary":
        expected = ((predictions.ravel() > 0.5) == truth).mean()
    else:
        names = class_names(made)
        expected = np.mean(
            [names[i] == name for i, name in zip(predictions.argmax(1), truth, strict=True)]
        )
    assert values[()] == pytest.approx(expected, rel=1e-4)
    assert {key[0][1] for key in values if key} == {"cash", "card", "other"}


def test_positive_is_the_class_that_the_model_predicts(tmp_path):
    """Without it text is in alphabetical order, and `yes` would be predicted."""
    import tensorflow as tf

    from tests.trainer_modules.tables import TYPES, recipe, transform

    chosen, expected = recipe("binary", {"name": "answer", "positive": "no"}), ("yes", "no")
    made = transform(chosen, tmp_path / "transform", table(60), table(30, seed=1), TYPES)
    training.run_fn(made.fn_args(tmp_path / "run", epochs=1, params={"hidden": []}))
    saved = tmp_path / "run" / "Format-Serving"
    assert class_names(made) == expected
    told = description.read(saved)
    assert told.heads[ONLY].class_names == expected
    assert (told.kinds["answer"], told.kinds["zone"]) == ("text", "integer")
    serialized = tf.constant([serialize(row) for row in made.held_out])
    loaded = tf.saved_model.load(str(saved)).signatures
    encoded = loaded["transform_features"](serialized)["label_xf"].numpy().ravel()
    assert encoded.tolist() == [int(row["answer"] == "no") for row in made.held_out]
    answers = loaded["serving_default"](serialized)
    sure = answers["predictions"].numpy().ravel() > 0.5
    said = [name.decode() for name in answers["label"].numpy().ravel()]
    assert said == [expected[int(each)] for each in sure]


def test_a_module_may_serve_batch_and_watch_in_its_own_way(transformed, tmp_path, monkeypatch):
    import keras

    from trainyard.trainer_modules import mlp
    from trainyard.trainer_modules.harness import inputs

    seen = []

    class Watcher(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(epoch)

    def make_dataset(params, spec, examples, epochs):
        seen.append(epochs)
        return inputs.make_dataset(params, spec, examples, epochs)

    def serving_fn(model, params, spec):
        return lambda features: {"predictions": 1 - model(features)}

    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: [Watcher()], raising=False)
    monkeypatch.setattr(mlp, "make_dataset", make_dataset, raising=False)
    monkeypatch.setattr(mlp, "serving_fn", serving_fn, raising=False)
    made = transformed("binary")
    training.run_fn(made.fn_args(tmp_path / "run", epochs=2))
    assert seen == [range(2), None, 0, 1]
    rows = [serialize(row) for row in made.held_out[:5]]
    model = export.Served(tmp_path / "run" / "Format-Serving")
    served = model.predictions(rows)
    plain = export.reference_predictions(
        tmp_path / "run" / "model_run", made.graph, rows, model.told
    )
    np.testing.assert_allclose(served, 1 - plain, atol=1e-6)


def test_from_logits_is_served_as_probabilities(transformed, tmp_path):
    loss = {"name": "sparse_categorical_crossentropy", "from_logits": True}
    made = transformed("multiclass")
    training.run_fn(made.fn_args(tmp_path / "run", loss=loss, epochs=1))
    rows = [serialize(row) for row in made.held_out[:5]]
    model = export.Served(tmp_path / "run" / "Format-Serving")
    served = model.predictions(rows)
    np.testing.assert_allclose(served.sum(axis=1), 1.0, atol=1e-5)
    plain = export.reference_predictions(
        tmp_path / "run" / "model_run", made.graph, rows, model.told
    )
    np.testing.assert_allclose(served, plain, atol=1e-6)


def test_a_request_may_lack_what_the_schema_promises():
    """A curated schema can make columns dense: TensorFlow would refuse to parse the row."""
    from types import SimpleNamespace

    import tensorflow as tf

    from trainyard.trainer_modules.harness import columns

    promised = {
        "count": tf.io.FixedLenFeature([], tf.int64),
        "fare": tf.io.FixedLenFeature([1], tf.float32),
        "kind": tf.io.FixedLenFeature([], tf.string),
        "sparse": tf.io.VarLenFeature(tf.int64),
    }
    output = SimpleNamespace(raw_feature_spec=lambda: promised)
    parsed = tf.io.parse_example([b"", serialize({"count": 3})], export.raw_parse_spec(output))
    for name in promised:
        missing = columns.is_missing(columns.dense(parsed[name])).numpy().ravel()
        assert missing.tolist() == [True, name != "count"], name
