"""Devices that share each batch: `tf.distribute` under Keras 3.

The recipe's batch is the global one. Each device computes on its rows of it, and
the gradients are summed, so the weights take the way that one device would take;
only batch normalization sees a device's own rows, and a device's own rows alone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.recipe_schema import Distribution, Trainer
from trainyard.trainer_modules.harness import keras_private
from trainyard.wording import counted

WHERE = "trainer.distribution"


def strategy(distribution: Distribution) -> tf.distribute.Strategy:
    """Makes what the recipe distributes with; TensorFlow's default for `none`.

    Args:
        distribution: The recipe's section.

    Raises:
        EnvironmentProblem: The devices or machines are not there.
    """
    makers = {"mirrored": _mirrored, "multi_worker": _multi_worker, "tpu": _tpu}
    if distribution.name == "none":
        return tf.distribute.get_strategy()
    return makers[distribution.name](distribution)


def _mirrored(distribution: Distribution) -> tf.distribute.Strategy:
    counts = {kind: len(tf.config.list_logical_devices(kind)) for kind in ("GPU", "CPU")}
    there = [f"{kind}:{number}" for kind, count in counts.items() for number in range(count)]
    for device in distribution.devices:
        if device.upper() not in there:
            raise EnvironmentProblem(
                f"there is no device {device!r}",
                where=f"{WHERE}.devices",
                expected=", ".join(there),
                received=", ".join(distribution.devices),
                hint="leave `devices` out to take all of them",
            )
    return tf.distribute.MirroredStrategy(list(distribution.devices) or None)


def _multi_worker(distribution: Distribution) -> tf.distribute.Strategy:
    del distribution
    cluster()
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu(distribution: Distribution) -> tf.distribute.Strategy:
    # Written after TensorFlow's guide; never run: no TPU was at hand.
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=distribution.address)
        if distribution.address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, RuntimeError, tf.errors.OpError) as error:
        raise EnvironmentProblem(
            "the TPU does not answer",
            where=f"{WHERE}.address",
            expected="a TPU's name, grpc://HOST:PORT, or `local`",
            received=f"{distribution.address!r}: {str(error).strip().splitlines()[0]}",
            hint="check the address, and that TensorFlow was built for TPUs",
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def cluster() -> dict[str, Any]:
    """Reads TF_CONFIG.

    Returns:
        Its parts, `cluster` and `task`.

    Raises:
        EnvironmentProblem: It is missing, is no JSON, or names no worker that this is.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config: dict[str, Any] = json.loads(text)
        task = config["task"]
        config["cluster"][task["type"]][task["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EnvironmentProblem(
            "TF_CONFIG does not say which worker this process is",
            where=f"{WHERE}.name",
            expected='{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, '
            '"task": {"type": "worker", "index": 0}}',
            received=f"{text or 'nothing'} ({type(error).__name__})",
            hint="set TF_CONFIG for each worker, with the same cluster and its own index",
        ) from None
    return config


def is_chief(distribution: Distribution) -> bool:
    """Says whether this process writes the model, the checkpoint and the records.

    Args:
        distribution: The recipe's section.
    """
    if distribution.name != "multi_worker":
        return True
    config = cluster()
    task = config["task"]
    if task["type"] == "worker" and "chief" not in config["cluster"]:
        return bool(task["index"] == 0)
    return bool(task["type"] == "chief")


def scaled(trainer: Trainer, replicas: int) -> Trainer:
    """Returns the trainer section as several devices must take it.

    The learning rate is multiplied if the recipe asks for it. Keras clips each device's
    part of the gradient before it adds them: a part of the bound each keeps it for the sum.

    Args:
        trainer: The recipe's.
        replicas: How many devices share a batch.

    Raises:
        RecipeError: A batch has fewer rows than there are devices.
    """
    if trainer.batch_size < replicas:
        raise RecipeError(
            f"{replicas} devices cannot share a batch of {counted(trainer.batch_size, 'row')}",
            where="trainer.batch_size",
            expected=f"at least {replicas}: it is the batch of all devices together",
            received=str(trainer.batch_size),
        )
    rate = trainer.optimizer.learning_rate * learning_rate_factor(trainer.distribution, replicas)
    clip_norm = trainer.clip_norm and trainer.clip_norm / replicas
    optimizer = trainer.optimizer.model_copy(update={"learning_rate": rate})
    return trainer.model_copy(update={"optimizer": optimizer, "clip_norm": clip_norm})


def learning_rate_factor(distribution: Distribution, replicas: int) -> float:
    """Returns what the recipe's learning rate is multiplied by.

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017 (https://arxiv.org/abs/1706.02677),
    for `linear`; Krizhevsky, 2014 (https://arxiv.org/abs/1404.5997), for `sqrt`.

    Args:
        distribution: The recipe's section.
        replicas: How many devices share a batch.
    """
    factors = {"none": 1.0, "linear": float(replicas), "sqrt": math.sqrt(replicas)}
    return factors[distribution.scale_learning_rate]


def shared(batches: tf.data.Dataset, *, training: bool) -> Any:
    """Gives each device of the strategy in scope its rows of every batch.

    Every worker makes whole batches in the same order, and takes its rows of them. To
    train, all devices get equally many: where a batch cannot be cut so, its first rows are
    taken twice, one a device at most, since Keras averages the devices' losses evenly. To
    validate, only a batch with fewer rows than devices is filled up so.

    Args:
        batches: Of all rows, equal in every worker.
        training: Or validation.

    Returns:
        What `fit` takes.
    """
    if not tf.distribute.has_strategy():
        return batches
    chosen = tf.distribute.get_strategy()
    replicas = chosen.num_replicas_in_sync

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def cut(*batch: Any) -> tf.data.Dataset:
            devices = tf.data.Dataset.range(first, first + here)
            return devices.map(lambda device: part(batch, device, replicas, even=training))

        return batches.flat_map(cut).prefetch(2 * here)

    return chosen.distribute_datasets_from_function(of_worker)


def part(batch: Any, device: tf.Tensor, replicas: int, *, even: bool) -> Any:
    """Takes every `replicas`-th row of a batch, so that the parts together are all of it.

    Args:
        batch: Tensors `[B, ...]`, nested.
        device: Which part, from 0.
        replicas: How many parts there are.
        even: Whether all parts have as many rows.

    Returns:
        The same nest, of at least one row.
    """
    rows = tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]
    end = (rows + replicas - 1) // replicas * replicas if even else tf.maximum(rows, device + 1)
    chosen = tf.range(device, end, replicas, dtype=tf.int64) % rows
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, chosen), batch)


def prepare(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Builds what Keras would build from a distributed batch, which it cannot always reduce.

    Args:
        model: Compiled; where there is no strategy in scope, it is left to Keras.
        batches: Whole ones.
    """
    if tf.distribute.has_strategy():
        keras_private.build_from(model, next(iter(batches)))


def facts(trainer: Trainer, replicas: int) -> Mapping[str, Any]:
    """Returns what the training's record says of it.

    Args:
        trainer: The recipe's trainer section.
        replicas: How many devices shared a batch.
    """
    return {
        "distribution": trainer.distribution.name,
        "replicas": replicas,
        "global_batch": trainer.batch_size,
        "learning_rate_factor": learning_rate_factor(trainer.distribution, replicas),
    }
