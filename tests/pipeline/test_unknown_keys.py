"""A misspelt key anywhere in a recipe is named, with its line and the valid one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from trainyard.errors import RecipeError
from trainyard.pipeline.check import with_module_defaults
from trainyard.pipeline.recipe import load_recipe, located

IMAGES = """
name: images
data:
  path: a.parquet
  format: parquet
  images: {column: photo, source: path, max_pixels: 1000}
  split: {train: 8, eval: 1, test: 1}
  numbers: {decimal: ".", columns: {price: {thousands: ",", unit: $}}}
label: {name: kind, expression: kind}
task: multiclass
features:
  photo: {kind: image, size: [8, 8], channels: 3}
  price: {kind: numeric, scaling: none}
trainer:
  module: cnn
  params:
    filters: [4]
    augmentation: {flip: horizontal, rotation: 0.1}
  epochs: 2
  batch_size: 8
  optimizer: {name: adam, learning_rate: 0.1, beta_1: 0.8}
  schedule: {name: cosine, warmup: 0.1}
  early_stopping: {patience: 3, monitor: val_loss}
  ema: {momentum: 0.9}
  distribution: {name: none}
  loss: {name: categorical_crossentropy, label_smoothing: 0.1}
evaluation:
  metrics: [accuracy]
  thresholds:
    - {metric: accuracy, min: 0.5, slice: {price: 2}}
  change:
    - {metric: accuracy, worse_by: 0.1}
gate: {min_rows: 5}
push: {contract_rows: 5}
rollout: {share: 0.1}
engine: {name: beam, runner: direct}
schedule: {cron: "0 0 * * *", timezone: UTC}
retrain: {warm_start: true}
monitor: {min_rows: 200}
kubeflow:
  image: a/b:c
  metadata: {kind: grpc, host: h}
  secrets:
    - {name: s, mount: /s}
  pod: {cpu: "1"}
  nodes: {Trainer: {gpu: 1}}
"""

TEXTS = """
name: texts
data:
  path: a.txt
  format: text
  windows: {length: 10, stride: 10}
label: {name: next, expression: text}
task: text
features:
  text: {kind: text, tokens: character, embedding: {file: v.txt, trainable: true}}
  next: {kind: text, tokens: character}
trainer: {module: char_lm, params: {units: 8}}
engine: {name: beam, runner: flink, flink_version: "1.18"}
"""

SERIES = """
name: series
data:
  path: a.csv
  series: {time: day, value: v, past: 3, every: 1D}
label: v
task: regression
features: {past: {kind: series, length: 3}}
trainer: {module: stateful_forecast, params: {units: [4]}}
engine: {name: beam, runner: spark, spark_master_url: "local[2]"}
"""

HEADS = """
name: several
data: {path: a.csv}
heads:
  one:
    label: {name: a, expression: a}
    task: binary
    loss: {name: binary_focal_crossentropy, gamma: 2.0}
  other: {label: b, task: regression, weight: 2.0}
trainer: {module: multitask, params: {trunk: [8]}}
evaluation: {metrics: {one: [auc]}}
"""

READERS = """
name: readers
data: {path: a.csv}
label: a
task: binary
features: {t: {kind: text, length: 9}}
trainer:
  module: text_classifier
  params: {encoder: {kind: transformer, units: 8}}
"""

TRANSFER = """
name: transfer
data: {path: a.csv, images: {column: photo}}
label: a
task: binary
features: {photo: {kind: image, size: [32, 32]}}
trainer:
  module: large_image
  params: {backbone: vit, vit: {patch: 4, width: 8, heads: 2, depth: 1}, weights: {recipe: x}}
"""

RECIPES = {
    "images": IMAGES,
    "texts": TEXTS,
    "series": SERIES,
    "heads": HEADS,
    "readers": READERS,
    "transfer": TRANSFER,
}
# Mappings whose keys are the user's own names.
OWN_NAMES = {"features", "heads", "columns", "nodes", "metrics", "slice"}


def sections(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all mappings whose keys the schema knows."""
    if isinstance(node, dict):
        if not path or path[-1] not in OWN_NAMES or path == ("evaluation",):
            yield path
        for key, value in node.items():
            yield from sections(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from sections(value, (*path, index))


def cases() -> Iterator[Any]:
    for name, text in RECIPES.items():
        document = YAML(typ="safe").load(text)
        for path in sections(document):
            yield pytest.param(name, path, id=f"{name}-{'.'.join(map(str, path)) or 'recipe'}")


@pytest.mark.parametrize(("name", "path"), cases())
def test_a_misspelt_key_is_named_with_its_line_and_the_valid_one(
    tmp_path: Path, name: str, path: tuple[Any, ...]
) -> None:
    document = copy.deepcopy(YAML(typ="safe").load(RECIPES[name]))
    section = reduce(lambda node, key: node[key], path, document)
    valid = list(section)[-1]
    misspelt = f"{valid[:-1]}q{valid[-1]}"
    section[misspelt] = section[valid]
    file = tmp_path / "recipe.yaml"
    writer = YAML()
    writer.default_flow_style = False  # each key on a line of its own
    writer.dump(document, file)
    (line,) = [
        number
        for number, text in enumerate(file.read_text("utf-8").splitlines(), 1)
        if text.strip(" -").startswith(f"{misspelt}:")
    ]

    with pytest.raises(RecipeError) as caught:
        try:
            with_module_defaults(load_recipe(file))
        except RecipeError as error:
            raise located(error, file) from None

    said = str(caught.value)
    assert repr(misspelt) in said
    assert f"{file}:{line}:" in caught.value.where
    assert f"did you mean {valid!r}?" == caught.value.hint
