"""The one `run_fn`: TFX's Trainer is given its dotted path."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from trainyard import progress
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import (
    callbacks,
    checkpoint,
    constant_inputs,
    description,
    distribution,
    export,
    heads,
    inputs,
    modes,
    names,
    options,
    phases,
    picture,
    samples,
    spec,
    warm_start,
    watched,
    workers,
    writing,
)
from trainyard.trainer_modules.harness.config import TrainerConfig
from trainyard.wording import counted


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
        known = [custom["trainyard"], custom.get("code", ""), custom.get("files", "")]
        identity = [*known, graph, *fn_args.train_files]
        config = TrainerConfig.from_custom_config(custom)
        pictures = names.by_key(config.images)
        train, held_out = (
            inputs.Examples(inputs.expand(files), features, targets=config.targets, images=pictures)
            for files in (fn_args.train_files, fn_args.eval_files)
        )
        return cls(
            config=config,
            transform_output=transform_output,
            train=train,
            held_out=held_out,
            model_run=Path(fn_args.model_run_dir),
            state=checkpoint.path(Path(custom["checkpoints"]), *identity),
        )


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        module: The trainer module.
        params: Its hyperparameters.
        spec: What the model fits.
        model: With the weights of the best epoch.
        saver: Knows all epochs, and the best of them.
    """

    module: registry.TrainerModule
    params: Any
    spec: spec.ModelSpec
    model: keras.Model
    saver: callbacks.Checkpoint


def run_fn(fn_args: Any) -> None:
    """Trains a module on transformed examples and exports it.

    Writes into `model_run_dir`: model.keras, history.json, learning_rate.json,
    training_log.csv, training.json, summary.txt, model.svg, tensorboard/; into
    `serving_model_dir` the SavedModel.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` is what `TrainerConfig.custom_config` returned.

    Raises:
        DataError: The labels do not fit the task.
        EnvironmentProblem: The devices that the recipe names are not there.
        RecipeError: A setting does not fit the data.
        TrainingError: Training diverged.
    """
    config = TrainerConfig.from_custom_config(fn_args.custom_config)
    if config.trainer.distribution.name == "multi_worker":
        workers.lead(fn_args)  # TensorFlow joins a cluster in a fresh process only
    else:
        train(fn_args)


def train(fn_args: Any) -> None:
    """Trains in this process; of several workers, the chief alone writes.

    Args:
        fn_args: As `run_fn` takes it.
    """
    settings = TrainerConfig.from_custom_config(fn_args.custom_config).trainer
    strategy = distribution.strategy(settings.distribution)
    writes = distribution.is_chief(settings.distribution)
    with modes.process_wide(settings), strategy.scope():
        training = Training.of(fn_args)
        if writes:
            training.model_run.mkdir(parents=True, exist_ok=True)
        trained = _trained(training, writes)
    if writes:
        _write_model(training, trained, Path(fn_args.serving_model_dir))
        shutil.rmtree(training.state.parent, ignore_errors=True)
        progress.report(_outcome(trained.saver), 1.0)


def _trained(training: Training, writes: bool) -> Trained:
    """Reads the examples, builds the model and fits it, in the scope of the strategy."""
    progress.report("reading examples")
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    config = training.config
    config = config.model_copy(update={"trainer": distribution.scaled(config.trainer, replicas)})
    model_spec = spec.build(config, training.transform_output, training.train, training.held_out)
    module = registry.find(config.trainer.module)
    params = registry.params(module, config.trainer.params)
    model = module.build_model(params, model_spec)
    if config.trainer.start_from:
        vocabularies = Path(training.transform_output.transform_savedmodel_dir, "assets")
        warm_start.load(model, config.trainer.start_from, vocabularies)
    saver = fit(training, module, params, model, model_spec, writes=writes)
    return Trained(module, params, model_spec, model, saver)


def _write_model(training: Training, trained: Trained, folder: Path) -> None:
    module, params, model_spec = trained.module, trained.params, trained.spec
    output = training.transform_output
    samples.write(training.model_run, module, params, trained.model, model_spec, training.train)
    progress.report("exporting", 1.0)
    constant_inputs.write(training.model_run, training.config, output, training.train)
    trainer = training.config.trainer
    predictor = heads.predictor(trained.model, model_spec)
    if (trainer.precision, trainer.distribution.name) != ("float32", "none"):
        predictor = modes.plain_copy(predictor)
    keras_file = training.model_run / export.MODEL_FILE
    predictor.save(keras_file)
    class_names = _class_names(model_spec)
    told = description.of(training.config, training.transform_output, model_spec.heads)
    own = getattr(module, "serving_fn", None)
    signatures = getattr(module, "signatures", _no_signatures)(predictor, params, model_spec)
    answer = own(predictor, params, model_spec) if own else export.answer(predictor, class_names)
    if told.writes:
        writer = writing.of(predictor, told, training.transform_output)
        answer, signatures = writer.serving_fn, writer.signatures() | signatures
        writing.write_looks(training.model_run, writer, training.held_out)
    export.write(
        folder,
        predictor,
        training.transform_output,
        training.config,
        told,
        answer,
        keras_file,
        signatures,
    )


def _no_signatures(
    model: keras.Model, params: Any, model_spec: spec.ModelSpec
) -> dict[str, export.Signature]:
    del model, params, model_spec
    return {}


def fit(
    training: Training,
    module: registry.TrainerModule,
    params: Any,
    model: keras.Model,
    model_spec: spec.ModelSpec,
    *,
    writes: bool = True,
) -> callbacks.Checkpoint:
    """Trains a model, going on from its checkpoint if there is one, and writes the records.

    Args:
        training: What is read, and where to write.
        module: For its own phases, callbacks and batches, if it has any.
        params: The module's hyperparameters.
        model: Compiled; afterwards it has the weights of the best epoch.
        model_spec: What is trained, and how.
        writes: Whether this process writes checkpoint and records.

    Returns:
        The checkpoint, which knows all epochs and the best of them.
    """
    saver = callbacks.Checkpoint(training.state, writes=writes)
    start = model_spec.epochs if saver.state.finished else saver.resumed_from
    hook = getattr(module, "phases", None)
    plan = (
        phases.stretches(hook(model, params, model_spec), model_spec)
        if hook
        else phases.whole(model_spec)
    )
    own = getattr(module, "callbacks", _no_callbacks)(params, model_spec)
    worded = _worded(training, module, params, model_spec)
    watched_file = training.state.with_name(watched.FILE)  # a resumed training goes on with it
    started = time.monotonic()
    for stretch in plan:
        if start >= stretch.epochs.stop and stretch is not plan[-1]:
            continue
        if hook:
            phases.begin(model, stretch, model_spec)
        batches = _Batches.of(training, module, params, model_spec, stretch, start)
        watchers = callbacks.build(model_spec, plan, stretch, saver, training.model_run)
        if writes:
            watchers[:0] = watched.of(model_spec, model, batches.held_out, watched_file, worded)
        _fit_phase(model, batches, [*own, *watchers], model_spec)
    saver.restore_best()
    if writes:
        if watched_file.exists():
            shutil.copyfile(watched_file, training.model_run / watched.FILE)
        seconds = time.monotonic() - started
        _write_records(training.model_run, model, model_spec, plan, saver, seconds)
    return saver


def _worded(
    training: Training, module: registry.TrainerModule, params: Any, model_spec: spec.ModelSpec
) -> watched.Worded | None:
    """Returns what says in words what a model answers; None: classes and numbers do."""
    if hook := getattr(module, "worded", None):
        return lambda model, inputs: list(hook(model, params, model_spec, inputs))
    if all(head.task != "text" for head in model_spec.heads.values()):
        return None
    told = description.of(training.config, training.transform_output, model_spec.heads)

    def written(model: keras.Model, inputs: dict[str, tf.Tensor]) -> list[str]:
        text = writing.of(model, told, training.transform_output).text(inputs)
        return [row.decode("utf-8", "replace") for row in text.numpy()[:, 0]]

    return written


def _class_names(model_spec: spec.ModelSpec) -> dict[str, tuple[str, ...]]:
    return {name: head.label.class_names for name, head in model_spec.heads.items()}


@dataclass(frozen=True)
class _Batches:
    """What one phase is trained on.

    Attributes:
        train: Batches of its epochs, one after the other.
        held_out: Batches to validate on.
        epochs: Those that are still to be trained.
    """

    train: tf.data.Dataset
    held_out: tf.data.Dataset
    epochs: range

    @classmethod
    def of(
        cls,
        training: Training,
        module: registry.TrainerModule,
        params: Any,
        model_spec: spec.ModelSpec,
        stretch: phases.Stretch,
        start: int,
    ) -> _Batches:
        """Makes them, from the first epoch that no checkpoint has."""
        make = dataset_maker(module, params, model_spec)
        epochs = range(max(start, stretch.epochs.start), stretch.epochs.stop)
        # Training that has ended needs no epoch, but Keras wants batches to look at.
        made = epochs or range(epochs.stop - 1, epochs.stop)
        steps = model_spec.steps - made.start * model_spec.steps_per_epoch
        return cls(
            make(params, model_spec, training.train, made).take(steps),
            make(params, model_spec, training.held_out, None),
            epochs,
        )


def _fit_phase(
    model: keras.Model,
    batches: _Batches,
    watchers: Sequence[keras.callbacks.Callback],
    model_spec: spec.ModelSpec,
) -> None:
    model.optimizer.build(model.trainable_variables)
    distribution.prepare(model, batches.held_out)
    model.fit(
        distribution.shared(batches.train, training=True),
        validation_data=distribution.shared(batches.held_out, training=False),
        initial_epoch=batches.epochs.start,
        epochs=batches.epochs.stop,
        steps_per_epoch=model_spec.steps_per_epoch,
        callbacks=list(watchers),
        verbose=0,
    )


def _outcome(saver: callbacks.Checkpoint) -> str:
    best = saver.state.history[saver.best_epoch]
    measured = {name: value for name, value in best.items() if name.startswith("val_")}
    epochs = f"{counted(len(saver.state.history), 'epoch')}, best {saver.best_epoch + 1}"
    return f"{epochs}: {callbacks.words(measured)}"


def _no_callbacks(params: Any, model_spec: spec.ModelSpec) -> list[keras.callbacks.Callback]:
    del params, model_spec
    return []


def dataset_maker(
    module: registry.TrainerModule, params: Any, model_spec: spec.ModelSpec
) -> Callable[..., tf.data.Dataset]:
    """Returns what makes a module's batches, its own augmentation in training ones.

    Args:
        module: The trainer module.
        params: Its hyperparameters.
        model_spec: What is trained.

    Returns:
        As `inputs.make_dataset`.
    """
    augment = getattr(module, "augment", _no_augmentation)(params, model_spec)
    usual = partial(inputs.make_dataset, augment=augment)
    make: Callable[..., tf.data.Dataset] = getattr(module, "make_dataset", usual)
    return make


def _no_augmentation(params: Any, model_spec: spec.ModelSpec) -> None:
    del params, model_spec


def _write_records(
    model_run: Path,
    model: keras.Model,
    model_spec: spec.ModelSpec,
    plan: Sequence[phases.Stretch],
    saver: callbacks.Checkpoint,
    seconds: float,
) -> None:
    history = saver.state.history
    callbacks.write_history(model_run / "history.json", history)
    callbacks.write_learning_rates(model_run / "learning_rate.json", saver.learning_rates)
    steps = min(model_spec.steps, len(history) * model_spec.steps_per_epoch)
    steps_now = max(0, steps - saver.resumed_from * model_spec.steps_per_epoch)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    trainer = model_spec.training
    facts = {
        "epochs": len(history),
        "best_epoch": saver.best_epoch + 1,
        "resumed_from_epoch": saver.resumed_from,
        "steps": steps,
        "updates": steps // trainer.accumulate,
        "steps_per_execution": options.steps_per_execution(model_spec),
        "precision": trainer.precision,
        "phases": [
            {"name": s.phase.name, "first_epoch": s.epochs.start + 1, "last_epoch": s.epochs.stop}
            for s in plan
        ],
        **distribution.facts(trainer, replicas),
        "seconds": round(seconds, 3),
        "steps_per_second": round(steps_now / seconds, 1),
        "parameters": model.count_params(),
        "training_examples": model_spec.rows,
    }
    for name, head in model_spec.heads.items():
        facts[names.of(name, "class_names")] = list(head.label.class_names)
        facts[names.of(name, "class_counts")] = list(head.label.class_counts)
    (model_run / "training.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    lines: list[str] = []
    # Wider than 80 it would be cut off: without a terminal, Keras writes to a page of that width.
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=80)
    (model_run / "summary.txt").write_text("\n".join(lines), encoding="utf-8")
    (model_run / "model.svg").write_text(picture.draw(model), encoding="utf-8")
