"""What every trainer module must keep, tried on each of them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules import phrases
from tests.trainer_modules.tables import heads_of
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import metrics, names, spec
from trainyard.trainer_modules.harness.training import Training, dataset_maker

MODULES = registry.names()
TASKS = [(m, task) for m in MODULES for task in registry.tasks(registry.find(m))]
LEARNING = [
    *((m, task) for m, task in TASKS if m == "mlp" or task == registry.tasks(registry.find(m))[0]),
    *((m, "heads") for m in MODULES if (m, "binary") in TASKS),
]
"""Each module on one task, and on all tasks together; the losses by themselves on the quickest."""
LEARNT = {"text": 0.4}
"""A loss that shows that a batch is known by heart: nothing says how a text begins."""
MOST_LINES = 150

OVERFIT_HINT = """{module} cannot learn sixteen examples by heart for {task}: loss {loss:.3g}.
It usually means one of: the loss and the head do not fit (logits taken for
probabilities); labels and inputs are not of the same rows; an activation or an
initializer that kills the gradient; dropout or penalties in TINY; a layer that is
not reached from the loss."""


def code(module: str) -> str:
    return Path(inspect.getfile(registry.find(module))).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_is_short_and_names_its_source(module):
    assert len(code(module).splitlines()) <= MOST_LINES
    docstring = ast.get_docstring(ast.parse(code(module))) or ""
    assert "http" in docstring, "say which paper or page it follows"


@pytest.mark.parametrize("module", MODULES)
def test_has_a_frozen_dataclass_of_parameters_with_defaults(module):
    found = registry.find(module)
    assert found.Params.__dataclass_params__.frozen
    assert isinstance(found.TINY, found.Params)
    for params in (found.Params(), found.TINY):
        assert registry.params(found, dataclasses.asdict(params)) == params, (
            "its own types accept its values"
        )


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_is_documented(module):
    found = registry.find(module)
    for field in dataclasses.fields(found.Params):
        assert f"{field.name}: " in (found.Params.__doc__ or ""), field.name


@pytest.mark.parametrize(("module", "task"), TASKS)
def test_metrics_are_known(module, task):
    found = registry.find(module)
    chosen = found.metrics(found.TINY, task)
    assert chosen
    assert set(chosen) <= set(metrics.KNOWN[task])


def specification(transformed, module, task, folder, **trainer) -> tuple[spec.ModelSpec, Training]:
    made = transformed(task, module)
    settings = {"module": module, "params": {}} | trainer
    training = Training.of(made.fn_args(folder / "run", **settings))
    built = spec.build(
        training.config, training.transform_output, training.train, training.held_out
    )
    return built, training


def one_batch(training: Training, built: spec.ModelSpec, size: int = 16):
    found = registry.find(training.config.trainer.module)
    batches = dataset_maker(found, found.TINY, built)(found.TINY, built, training.train, None)
    x, y, *_ = next(iter(batches.unbatch().batch(size)))
    return x, y


def loss_of(model: keras.Model, batch: tf.data.Dataset) -> float:
    return model.evaluate(batch, verbose=0, return_dict=True)["loss"]


@dataclasses.dataclass(frozen=True)
class Learnt:
    """A small model that was trained on one batch, and the losses before and after."""

    built: spec.ModelSpec
    model: keras.Model
    inputs: dict[str, tf.Tensor]
    before: float
    after: float


@pytest.fixture(scope="module")
def learnt(request, transformed, tmp_path_factory) -> Learnt:
    keras.utils.set_random_seed(1)
    module, task = request.param
    settings = {"optimizer": {"name": "adam", "learning_rate": 0.03}}
    folder = tmp_path_factory.mktemp(f"{module}_{task}")
    built, training = specification(transformed, module, task, folder, **settings)
    found = registry.find(module)
    model = found.build_model(found.TINY, built)
    x, y = one_batch(training, built)
    batch = tf.data.Dataset.from_tensors((x, y))
    before = after = loss_of(model, batch)
    for _ in range(4):
        model.fit(batch.repeat(100), verbose=0)
        if (after := loss_of(model, batch)) < LEARNT.get(task, 0.02):
            break
    return Learnt(built, model, x, before, after)


every_model = pytest.mark.parametrize(
    "learnt", LEARNING, indirect=True, ids=["-".join(each) for each in LEARNING]
)


@every_model
def test_overfits_one_batch(learnt, request):
    module, task = request.node.callspec.params["learnt"]
    assert learnt.after < learnt.before
    assert learnt.after < LEARNT.get(task, 0.02), OVERFIT_HINT.format(
        module=module, task=task, loss=learnt.after
    )


@every_model
def test_predictions_have_the_shape_of_the_task_and_survive_saving(learnt, tmp_path):
    built, model, x = learnt.built, learnt.model, learnt.inputs
    predictions = names.parted(model.predict(x, verbose=0))
    assert set(predictions) == set(built.heads)
    for name, head in built.heads.items():
        assert predictions[name].shape[0 :: predictions[name].ndim - 1] == (16, head.outputs)
        assert predictions[name].dtype == np.float32
    model.save(tmp_path / "model.keras")
    again = names.parted(keras.saving.load_model(tmp_path / "model.keras").predict(x, verbose=0))
    for name in built.heads:
        np.testing.assert_allclose(again[name], predictions[name], rtol=1e-6)


@pytest.mark.parametrize("module", MODULES)
def test_training_defaults_build(module):
    from trainyard.trainer_modules import harness

    for task in registry.tasks(registry.find(module)):
        heads = phrases.recipe(module=module).heads if task == "text" else heads_of(task)
        harness.check(Trainer(module=module), heads)
