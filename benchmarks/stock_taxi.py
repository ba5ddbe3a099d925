"""The user's module of the stock pipeline: `preprocessing_fn` and `run_fn`.

What is computed is the project's, by calling it: the preprocessing of
`harness.tabular` and the network of `trainer_modules.mlp`. How it is computed is
the TFX 1.16 taxi example's (`taxi_utils_native_keras.py`): its input function, its
label in Transform, its transform features layer in both signatures. So stock TFX is
neither given the project's faster input and export nor charged for its records,
and both train the same Keras 3 network on the same tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import columns, tabular
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec
from trainyard.trainer_modules.harness.transform import resolve

LABEL = "label"
RAW_LABEL = "tips"
RECIPE = "recipe"


def preprocessing_fn(
    inputs: Mapping[str, Any], custom_config: Mapping[str, str]
) -> dict[str, tf.Tensor]:
    """Turns raw columns into the model's inputs, and tips into the label as the example does."""
    recipe = Recipe.model_validate_json(custom_config[RECIPE])
    names = recipe.input_columns(sorted(inputs))
    features = {name: resolve(name, inputs[name].dtype, recipe.features) for name in names}
    outputs = tabular.preprocess({name: inputs[name] for name in names}, features)
    fare, tips = (columns.dense(inputs[name]) for name in ("fare", RAW_LABEL))
    return outputs | {LABEL: tf.cast(tips > fare * 0.2, tf.int64)}


def run_fn(fn_args: FnArgs) -> None:
    """Trains for `train_steps`, validates on one pass over the eval split, and exports."""
    recipe = Recipe.model_validate_json(fn_args.custom_config[RECIPE])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    keras.utils.set_random_seed(recipe.trainer.seed)
    model = _model(recipe, transform_output)
    model.fit(
        _batches(fn_args, fn_args.train_files, transform_output, recipe).repeat(),
        steps_per_epoch=fn_args.train_steps,
        validation_data=_batches(
            fn_args, fn_args.eval_files, transform_output, recipe, num_epochs=1, shuffle=False
        ),
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, update_freq="epoch")],
        verbose=0,
    )
    _export(Path(fn_args.serving_model_dir), model, transform_output)


def _batches(
    fn_args: FnArgs,
    files: list[str],
    transform_output: tft.TFTransformOutput,
    recipe: Recipe,
    **options: Any,
) -> tf.data.Dataset:
    return fn_args.data_accessor.tf_dataset_factory(
        files,
        TensorFlowDatasetOptions(batch_size=recipe.trainer.batch_size, label_key=LABEL, **options),
        transform_output.transformed_metadata.schema,
    )


def _model(recipe: Recipe, transform_output: tft.TFTransformOutput) -> keras.Model:
    """Builds the recipe's network; nobody counted the labels, so its bias starts at even odds."""
    sizes = {
        feature.name: feature.int_domain.max + 1
        for feature in transform_output.transformed_metadata.schema.feature
        if feature.HasField("int_domain")
    }
    inputs = {
        name: InputSpec(tuple(entry.shape), entry.dtype.name, sizes.get(name))
        for name, entry in sorted(transform_output.transformed_feature_spec().items())
        if name != LABEL
    }
    trained = (recipe.trainer.steps or 0) * recipe.trainer.batch_size
    label = LabelSpec(trained, ("0", "1"), (trained // 2, trained - trained // 2))
    module = registry.find(recipe.trainer.module)
    params = registry.params(module, recipe.trainer.params)
    return module.build_model(params, ModelSpec.of_one(inputs, recipe.task, label, recipe.trainer))


def _export(folder: Path, model: keras.Model, transform_output: tft.TFTransformOutput) -> None:
    """Writes both signatures of the example, with Keras 3's archive in place of tf.keras."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, endpoint in (
        ("serving_default", _serving_default),
        ("transform_features", _transform_features),
    ):
        layer = transform_output.transform_features_layer()
        archive.track(layer)
        signature = [tf.TensorSpec([None], tf.string, name="examples")]
        archive.add_endpoint(name, endpoint(model, layer, transform_output), signature)
    archive.write_out(str(folder), verbose=False)


Endpoint = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def _serving_default(
    model: keras.Model, layer: Any, transform_output: tft.TFTransformOutput
) -> Endpoint:
    raw = transform_output.raw_feature_spec()
    raw.pop(RAW_LABEL)

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": model(layer(tf.io.parse_example(examples, raw)), training=False)}

    return serve


def _transform_features(
    model: keras.Model, layer: Any, transform_output: tft.TFTransformOutput
) -> Endpoint:
    del model
    raw = transform_output.raw_feature_spec()

    def transform(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(layer(tf.io.parse_example(examples, raw)))

    return transform
