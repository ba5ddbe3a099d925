"""The one `run_fn`: TFX's Trainer is given its dotted path."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow_transform as tft

from trainyard import progress
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import (
    callbacks,
    checkpoint,
    export,
    heads,
    inputs,
    picture,
    spec,
)
from trainyard.trainer_modules.harness.config import TrainerConfig


@dataclass(frozen=True)
class Training:
    """One training: what it reads and what it was told.

    Attributes:
        config: The recipe's part.
        transform_output: What Transform wrote.
        train: Transformed training examples.
        held_out: Transformed examples to validate on.
        model_run: The folder for everything but the SavedModel.
        state: The checkpoint's file.
    """

    config: TrainerConfig
    transform_output: tft.TFTransformOutput
    train: inputs.Examples
    held_out: inputs.Examples
    model_run: Path
    state: Path

    @classmethod
    def of(cls, fn_args: Any) -> Training:
        """Reads TFX's `FnArgs`."""
        custom = fn_args.custom_config
        graph = fn_args.transform_graph_path or fn_args.transform_output
        transform_output = tft.TFTransformOutput(graph)
        features = transform_output.transformed_feature_spec()
        identity = [custom["trainyard"], custom.get("code", ""), graph, *fn_args.train_files]
        return cls(
            config=TrainerConfig.from_custom_config(custom),
            transform_output=transform_output,
            train=inputs.Examples(inputs.expand(fn_args.train_files), features),
            held_out=inputs.Examples(inputs.expand(fn_args.eval_files), features),
            model_run=Path(fn_args.model_run_dir),
            state=checkpoint.path(Path(custom["checkpoints"]), *identity),
        )


def run_fn(fn_args: Any) -> None:
    """Trains a module on transformed examples and exports it.

    Writes into `model_run_dir`: model.keras, history.json, training_log.csv,
    training.json, summary.txt, model.svg, tensorboard/; into `serving_model_dir`
    the SavedModel.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` is what `TrainerConfig.custom_config` returned.

    Raises:
        DataError: The labels do not fit the task.
        RecipeError: A setting does not fit the data.
        TrainingError: Training diverged.
    """
    training = Training.of(fn_args)
    config, model_run = training.config, training.model_run
    model_run.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.trainer.seed)
    progress.report("reading examples")
    model_spec = spec.build(config, training.transform_output, training.train, training.held_out)
    module = registry.find(config.trainer.module)
    params = registry.params(module, config.trainer.params)
    model = module.build_model(params, model_spec)
    saver = fit(training, module, params, model, model_spec)
    progress.report("exporting", 1.0)
    class_names = model_spec.label.class_names
    predictor = heads.predictor(model, model_spec)
    predictor.save(model_run / export.MODEL_FILE)
    own = getattr(module, "serving_fn", None)
    export.write(
        Path(fn_args.serving_model_dir),
        predictor,
        training.transform_output,
        config,
        class_names,
        own(predictor, params, model_spec) if own else export.answer(predictor, class_names),
    )
    shutil.rmtree(training.state.parent, ignore_errors=True)
    progress.report(_outcome(saver), 1.0)


def fit(
    training: Training,
    module: registry.TrainerModule,
    params: Any,
    model: keras.Model,
    model_spec: spec.ModelSpec,
) -> callbacks.Checkpoint:
    """Trains a model, going on from its checkpoint if there is one, and writes the records.

    Args:
        training: What is read, and where to write.
        module: For its own callbacks and batches, if it has any.
        params: The module's hyperparameters.
        model: Compiled; afterwards it has the weights of the best epoch.
        model_spec: What is trained, and how.

    Returns:
        The checkpoint, which knows all epochs and the best of them.
    """
    saver, watchers = callbacks.build(model_spec, training.model_run, training.state)
    own = getattr(module, "callbacks", _no_callbacks)(params, model_spec)
    start = model_spec.epochs if saver.state.finished else saver.resumed_from
    train, held_out = _datasets(training, module, params, model_spec, start)
    model.optimizer.build(model.trainable_variables)
    started = time.monotonic()
    model.fit(
        train,
        validation_data=held_out,
        epochs=model_spec.epochs,
        initial_epoch=start,
        steps_per_epoch=model_spec.steps_per_epoch,
        callbacks=[*own, *watchers],
        verbose=0,
    )
    saver.restore_best()
    _write_records(training.model_run, model, model_spec, saver, time.monotonic() - started)
    return saver


def _outcome(saver: callbacks.Checkpoint) -> str:
    best = saver.state.history[saver.best_epoch]
    measured = {name: value for name, value in best.items() if name.startswith("val_")}
    epochs = f"{len(saver.state.history)} epochs, best {saver.best_epoch + 1}"
    return f"{epochs}: {callbacks.words(measured)}"


def _no_callbacks(params: Any, model_spec: spec.ModelSpec) -> list[keras.callbacks.Callback]:
    del params, model_spec
    return []


def _no_augmentation(params: Any, model_spec: spec.ModelSpec) -> None:
    del params, model_spec


def _datasets(
    training: Training,
    module: registry.TrainerModule,
    params: Any,
    model_spec: spec.ModelSpec,
    start: int,
) -> tuple[Any, Any]:
    augment = getattr(module, "augment", _no_augmentation)(params, model_spec)
    usual = partial(inputs.make_dataset, augment=augment)
    make = getattr(module, "make_dataset", usual)
    # Training that has ended needs no epoch, but Keras wants batches to look at.
    epochs = range(min(start, model_spec.epochs - 1), model_spec.epochs)
    return (
        make(params, model_spec, training.train, epochs),
        make(params, model_spec, training.held_out, None),
    )


def _write_records(
    model_run: Path,
    model: keras.Model,
    model_spec: spec.ModelSpec,
    saver: callbacks.Checkpoint,
    seconds: float,
) -> None:
    history = saver.state.history
    callbacks.write_history(model_run / "history.json", history)
    steps = min(model_spec.steps, len(history) * model_spec.steps_per_epoch)
    steps_now = max(0, steps - saver.resumed_from * model_spec.steps_per_epoch)
    facts = {
        "epochs": len(history),
        "best_epoch": saver.best_epoch + 1,
        "resumed_from_epoch": saver.resumed_from,
        "steps": steps,
        "seconds": round(seconds, 3),
        "steps_per_second": round(steps_now / seconds, 1),
        "parameters": model.count_params(),
        "training_examples": model_spec.label.rows,
        "class_names": list(model_spec.label.class_names),
        "class_counts": list(model_spec.label.class_counts),
    }
    (model_run / "training.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=100)
    (model_run / "summary.txt").write_text("\n".join(lines), encoding="utf-8")
    (model_run / "model.svg").write_text(picture.draw(model), encoding="utf-8")
