"""Columns through TensorFlow Transform, held against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from tests.trainer_modules.tables import recipe, serialize, transform
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Recipe, TableFeature
from trainyard.trainer_modules.harness import columns, export, spec, tabular
from trainyard.trainer_modules.harness.config import TrainerConfig
from trainyard.trainer_modules.harness.transform import preprocessing_fn, resolve

NUMBERS = {
    "a_plain": [1.0, 2.0, None, 5.0, 8.0, 4.0],
    "b_default": [1.0, 2.0, None, 5.0, 8.0, 4.0],
    "c_constant": [3.0] * 6,
    "d_empty": [None] * 6,
    "e_infinite": [1.0, float("inf"), 3.0, float("-inf"), float("nan"), 2.0],
    "f_integer": [10, None, 30, 40, 50, 60],
    "g_min_max": [1.0, 2.0, None, 5.0, 9.0, 3.0],
    "h_min_max_constant": [7.0] * 6,
    "i_min_max_empty": [None] * 6,
    "j_raw": [1.0, 2.0, None, 5.0, 8.0, 4.0],
}
CATEGORIES = {
    "k_text": ["x", "x", "y", None, "x", "z"],
    "k_two": ["x", "x", "x", "y", "y", "z"],
    "k_default": ["x", "x", "y", None, "y", "z"],
    "k_integer": [7, 7, -7, None, 7, 0],
    "k_integer_default": [7, 7, -7, None, 7, 0],
    "k_empty": [None] * 6,
    "k_number": [0.5, 0.5, 1.5, None, 0.5, 0.5],
    "m_buckets": [1.0, 2.0, None, 5.0, 8.0, 4.0],
    "m_buckets_default": [1.0, 2.0, None, 5.0, 8.0, 4.0],
    "m_constant": [1.0] * 6,
    "m_zeros": [0.0, 0.0, 0.0, 0.0, 0.0, 7.0],
    "m_empty": [None] * 6,
}
FEATURES = {
    "b_default": {"default": 11},
    "g_min_max": {"scaling": "min-max"},
    "h_min_max_constant": {"scaling": "min-max"},
    "i_min_max_empty": {"scaling": "min-max"},
    "j_raw": {"scaling": "none"},
    "k_two": {"vocabulary": 1, "oov_buckets": 3},
    "k_default": {"default": "y"},
    "k_integer": "categorical",
    "k_integer_default": {"kind": "categorical", "default": 0},
    "k_empty": "categorical",
    "k_number": "categorical",
    "m_buckets": {"kind": "bucketized", "buckets": 2},
    "m_buckets_default": {"kind": "bucketized", "buckets": 2, "default": 100.0},
    "m_constant": "bucketized",
    "m_zeros": {"kind": "bucketized", "buckets": 3},
    "m_empty": "bucketized",
    "ignored": "ignored",
}
COLUMNS = NUMBERS | CATEGORIES | {"y": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "ignored": ["i"] * 6}
TYPES = {
    name: {str: "string", int: "int64"}.get(type(values[0]), "float32")
    for name, values in COLUMNS.items()
} | {"k_empty": "string"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    chosen = Recipe.model_validate(
        {
            "name": "test",
            "data": {"path": "unused"},
            "label": "y",
            "task": "regression",
            "features": FEATURES,
        }
    )
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
    return transform(chosen, tmp_path_factory.mktemp("tabular"), rows, rows, TYPES)


@pytest.fixture(scope="module")
def outputs(made):
    """The transformed columns by name: numbers from the stack, ids as they are."""
    output = tft.TFTransformOutput(str(made.graph))
    serialized = [serialize(row) for row in [*made.train, {"k_text": "new", "k_two": "new"}]]
    raw = tf.io.parse_example(serialized, export.raw_parse_spec(output))
    features = output.transform_features_layer()(raw)
    stack = features.pop("numeric").numpy()
    numbers = {name: stack[:, place] for place, name in enumerate(NUMBERS)}
    ids = {name.removesuffix("_id"): value.numpy()[:, 0] for name, value in features.items()}
    return numbers | ids


def z_scores(values, fill):
    known = np.array([fill if v is None else v for v in values], np.float64)
    return (known - known.mean()) / known.std()


def test_a_missing_number_is_the_mean(outputs):
    known = np.array([1.0, 2.0, 5.0, 8.0, 4.0])
    expected = (np.array([1.0, 2.0, 4.0, 5.0, 8.0, 4.0, 4.0]) - known.mean()) / known.std()
    np.testing.assert_allclose(outputs["a_plain"], expected, atol=1e-6)


def test_or_the_default(outputs):
    expected = z_scores(NUMBERS["b_default"], fill=11.0)
    np.testing.assert_allclose(outputs["b_default"][:6], expected, atol=1e-6)
    assert outputs["b_default"][6] == pytest.approx(expected[2], abs=1e-6)


def test_a_constant_column_and_an_empty_one_are_zero(outputs):
    for name in ("c_constant", "d_empty", "i_min_max_empty", "h_min_max_constant"):
        np.testing.assert_array_equal(outputs[name], np.zeros(7), err_msg=name)


def test_infinities_count_as_missing(outputs):
    expected = np.array([-1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]) / np.std([1.0, 3.0, 2.0])
    np.testing.assert_allclose(outputs["e_infinite"], expected, atol=1e-6)


def test_integers_are_numbers(outputs):
    known = np.array([10.0, 30, 40, 50, 60])
    expected = (np.array([10, known.mean(), 30, 40, 50, 60]) - known.mean()) / known.std()
    np.testing.assert_allclose(outputs["f_integer"][:6], expected, atol=1e-6)


def test_min_max(outputs):
    expected = (np.array([1.0, 2.0, 4.0, 5.0, 9.0, 3.0]) - 1) / 8  # the mean is 4
    np.testing.assert_allclose(outputs["g_min_max"][:6], expected, atol=1e-6)


def test_unscaled(outputs):
    np.testing.assert_allclose(outputs["j_raw"], [1, 2, 4, 5, 8, 4, 4], atol=1e-6)


def test_a_missing_category_is_its_own(outputs):
    x, y, missing, z, new = (outputs["k_text"][i] for i in (0, 2, 3, 5, 6))
    assert len({x, y, missing, z, new}) == 5
    assert x == 0, "the most frequent"
    assert new == 4, "the out-of-vocabulary bucket"


def test_or_the_default_category(outputs):
    assert outputs["k_default"][3] == outputs["k_default"][2]
    assert outputs["k_integer_default"][3] == outputs["k_integer_default"][5]


def test_integer_and_float_categories(outputs):
    integer = outputs["k_integer"]
    assert integer[0] == integer[1] == integer[4] == 0
    assert len(set(integer[[0, 2, 3, 5]])) == 4
    assert len(set(outputs["k_number"][[0, 2, 3]])) == 3


def test_rare_categories_share_the_out_of_vocabulary_buckets(outputs, made):
    assert (outputs["k_two"][:3] == 0).all()
    assert ((outputs["k_two"][3:] >= 1) & (outputs["k_two"][3:] <= 3)).all()


def test_buckets_and_a_bucket_for_missing_values(outputs):
    assert outputs["m_buckets"].tolist() == [0, 0, 2, 1, 1, 1, 2]
    assert outputs["m_buckets_default"][2] == 1
    assert outputs["m_empty"].min() == outputs["m_empty"].max()


def test_a_frequent_value_does_not_share_its_bucket(outputs):
    assert outputs["m_zeros"][:5].tolist() == [0] * 5
    assert outputs["m_zeros"][5] > 0  # one bucket held all rows


def test_every_id_lies_within_the_size_that_the_model_is_told(outputs, made):
    config = TrainerConfig.of(made.recipe)
    args = made.fn_args(made.folder / "unused")
    from trainyard.trainer_modules.harness import inputs

    output = tft.TFTransformOutput(str(made.graph))
    train, held_out = (
        inputs.Examples(inputs.expand(files), output.transformed_feature_spec())
        for files in (args.train_files, args.eval_files)
    )
    built = spec.build(config, output, train, held_out)
    assert built.inputs["numeric"] == spec.InputSpec((10,), "float32")
    assert set(built.inputs) == {"numeric", *(f"{name}_id" for name in CATEGORIES)}
    for name in CATEGORIES:
        size = built.inputs[f"{name}_id"].vocabulary_size
        assert 0 <= outputs[name].min() <= outputs[name].max() < size, name
    assert built.inputs["k_two_id"].vocabulary_size == 4
    assert (built.label.mean, built.label.std) == (2.5, pytest.approx(1.7078, rel=1e-4))


def test_one_analyzer_for_all_numbers_of_a_kind():
    """A file of a thousand columns must not make a thousand analyzers."""
    from tensorflow_transform import analyzer_nodes

    chosen = recipe("regression", "y")
    names = [f"c{i}" for i in range(200)]
    from trainyard.trainer_modules.harness.config import TransformConfig

    custom = TransformConfig.of(chosen).custom_config()
    with tf.Graph().as_default() as graph:
        sparse = {name: tf.compat.v1.sparse_placeholder(tf.float32) for name in [*names, "y"]}
        preprocessing_fn(sparse, custom)
        analyzers = graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS)
    assert len(analyzers) < 5


def test_dense_columns_are_taken_too():
    assert columns.dense(tf.constant([1.0, 2.0])).shape == (2, 1)
    assert columns.dense(tf.constant([[1.0], [2.0]])).shape == (2, 1)


def test_the_first_of_several_values_counts():
    sparse = tf.sparse.from_dense([[1, 2], [0, 0], [3, 0]])
    sparse = tf.cast(sparse, tf.int64)
    values = columns.dense(sparse).numpy().ravel()
    assert values.tolist() == [1, tf.int64.min, 3]


@pytest.mark.parametrize(
    ("dtype", "feature", "where"),
    [
        (tf.string, {"kind": "numeric"}, "features.c.kind"),
        (tf.string, {"kind": "bucketized"}, "features.c.kind"),
        (tf.float32, {"default": "x"}, "features.c.default"),
    ],
)
def test_an_override_that_does_not_fit(dtype, feature, where):
    with pytest.raises(RecipeError) as caught:
        resolve("c", dtype, {"c": TableFeature.model_validate(feature)})
    assert caught.value.where == where


def test_auto_follows_the_type():
    assert resolve("c", tf.string, {}).kind == "categorical"
    assert resolve("c", tf.int64, {}).kind == "numeric"
    assert resolve("c", tf.int64, {"c": TableFeature(kind="categorical")}).kind == "categorical"


def test_no_column_left():
    from trainyard.trainer_modules.harness.config import TransformConfig

    custom = TransformConfig.of(recipe("regression", "y")).custom_config()
    with pytest.raises(RecipeError, match="no column is left"):
        preprocessing_fn({"y": tf.constant([1.0])}, custom)


def test_columns_of_one_spelling_get_names_of_their_own():
    names = ["a b", "a/b", "性别", "城市"]
    features = {name: TableFeature(kind="categorical") for name in names}
    with tf.Graph().as_default():
        placeholders = {name: tf.compat.v1.placeholder(tf.string, [None]) for name in names}
        outputs = tabular.preprocess(placeholders, features)
    assert sorted(outputs) == ["a_b_2_id", "a_b_id", "column____2_id", "column____id"]


def test_embedding_dimension():
    assert [tabular.embedding_dimension(size) for size in (1, 2, 1000, 10**7)] == [2, 2, 50, 50]
