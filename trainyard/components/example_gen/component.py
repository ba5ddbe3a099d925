"""ExampleGen: stock's file-based component, our executor, and a driver that knows windows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2

from trainyard.components.example_gen import images, input_splits
from trainyard.components.example_gen.driver import Driver
from trainyard.components.example_gen.executor import Executor, Settings
from trainyard.recipe_schema import Data, Feature, Label


class ExampleGen(FileBasedExampleGen):  # type: ignore[misc]  # TFX is not typed
    """Reads files into splits of tf.Examples.

    The driver resolves spans and versions in the pattern, and gives the files
    a fingerprint (names and content), by which the cache knows them.

    Args:
        data: The recipe's data section, its path absolute; see `input_splits.inputs`.
        labels: The recipe's labels, by their keys in it.
        code: A digest of the code, so that the cache notices a change.
        features: The recipe's features, whose kinds say which columns are numbers to the model;
            None: numbers keep the types that they have in the files, as stock's do.
    """

    DRIVER_CLASS = Driver

    def __init__(
        self,
        data: Data,
        labels: Mapping[str, Label],
        code: str,
        features: Mapping[str, Feature] | None = None,
    ) -> None:
        folder, patterns = input_splits.inputs(data)
        settings = Settings(
            data=data,
            labels=dict(labels),
            # Of kind alone: another number of buckets makes no other examples.
            features=features
            and {name: Feature(kind=each.kind) for name, each in features.items()},
            code=code,
            schema_digest=_digest(data.schema_file),
            images_digest=images.referenced(data),
        )
        splits = [
            example_gen_pb2.Input.Split(name=name, pattern=rest) for name, rest in patterns.items()
        ]
        super().__init__(
            input_base=folder,
            input_config=example_gen_pb2.Input(splits=splits),
            output_config=_output_config(data),
            custom_config=settings.to_proto(),
            range_config=_window(data),
            custom_executor_spec=executor_spec.ExecutorClassSpec(Executor),
        )


def _window(data: Data) -> range_config_pb2.RangeConfig | None:
    if data.spans == 1:
        return None
    rolling = range_config_pb2.RollingRange(num_spans=data.spans)
    return range_config_pb2.RangeConfig(rolling_range=rolling)


def _digest(schema_file: str) -> str:
    path = Path(schema_file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _output_config(data: Data) -> example_gen_pb2.Output:
    splits = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets)
        for name, buckets in data.split.buckets.items()
    ]
    # An unset key and an empty one are not the same to stock.
    key = {"partition_feature_name": data.key} if isinstance(data.key, str) else {}
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits, **key))
