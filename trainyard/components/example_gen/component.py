"""ExampleGen: stock's file-based component and driver, our executor."""

from __future__ import annotations

import glob
import hashlib
import os
from pathlib import Path

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from trainyard.components.example_gen.executor import Executor, Settings
from trainyard.recipe_schema import Data, Label


class ExampleGen(FileBasedExampleGen):  # type: ignore[misc]  # TFX is not typed
    """Reads files into splits of tf.Examples.

    Stock's driver resolves spans and versions in the pattern, and gives the
    files a fingerprint (sizes and times), by which the cache knows them.

    Args:
        data: The recipe's data section.
        label: The recipe's label section.
        pattern: An absolute path, a glob, or a pattern with `{SPAN}`, `{VERSION}`
            or `{YYYY}-{MM}-{DD}`; folders may be globs too.
        code: A digest of the code, so that the cache notices a change.
    """

    def __init__(self, data: Data, label: Label, pattern: str, code: str) -> None:
        folder, rest = folder_and_pattern(pattern)
        settings = Settings(
            data=data, label=label, code=code, schema_digest=_digest(data.schema_file)
        )
        split = example_gen_pb2.Input.Split(name="single_split", pattern=rest)
        super().__init__(
            input_base=folder,
            input_config=example_gen_pb2.Input(splits=[split]),
            output_config=_output_config(data),
            custom_config=settings.to_proto(),
            custom_executor_spec=executor_spec.ExecutorClassSpec(Executor),
        )


def folder_and_pattern(pattern: str) -> tuple[str, str]:
    """Divides a pattern into the folder that is sure and the rest.

    Args:
        pattern: See `ExampleGen`. A file whose name has `*`, `?` or `[` in it is
            taken as that file.

    Returns:
        The folder, and the pattern relative to it.
    """
    # pathlib takes `..` out of a path only by following links.
    path = Path(os.path.abspath(pattern))  # noqa: PTH100
    parts = list(path.parts)
    if path.is_file():
        return glob.escape(str(path.parent)), glob.escape(path.name)
    fixed = 1
    while fixed < len(parts) - 1 and not (set(parts[fixed]) & set("*?[{")):
        fixed += 1
    return str(Path(*parts[:fixed])), str(Path(*parts[fixed:]))


def _digest(schema_file: str) -> str:
    path = Path(schema_file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _output_config(data: Data) -> example_gen_pb2.Output:
    splits = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets)
        for name, buckets in data.split.buckets.items()
    ]
    # An unset key and an empty one are not the same to stock.
    key = {} if data.key is None else {"partition_feature_name": data.key}
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits, **key))
