"""Modules by name, and their parameters from a recipe."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.trainer_modules import mlp, registry


def test_names_need_no_tensorflow():
    program = (
        "import sys; from trainyard.trainer_modules import registry; print(registry.names());"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert "'mlp'" in out.decode()
    assert "set()" in out.decode()


def test_the_registry_is_no_module():
    assert "registry" not in registry.names()
    assert "harness" not in registry.names()


def test_an_unknown_module_names_the_nearest():
    with pytest.raises(RecipeError, match=r"(?s)no trainer module 'mpl'.*did you mean 'mlp'"):
        registry.find("mpl")


def test_another_backend_is_refused(monkeypatch):
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(EnvironmentProblem, match=r"received: Keras 3\S* on jax"):
        registry.find("mlp")


def test_params_keep_their_defaults():
    params = registry.params(mlp, {"hidden": [32, 16], "l2": 1, "embedding_dimension": 4})
    assert params == mlp.Params(hidden=(32, 16), l2=1.0, embedding_dimension=4)


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(RecipeError, match=r"(?s)trainer.params.hiden.*did you mean 'hidden'"):
        registry.params(mlp, {"hiden": [3]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", "128"),
        ("hidden", ["128"]),
        ("hidden", [0]),
        ("hidden", [1.5]),
        ("hidden", 128),
        ("dropout", "0.5"),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", True),
        ("batch_normalization", "yes"),
        ("batch_normalization", 1),
        ("l1", -1.0),
        ("activation", "rellu"),
        ("categories", "onehot"),
        ("embedding_dimension", "8"),
        ("embedding_dimension", 0),
        ("hidden", None),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(name, value):
    with pytest.raises(RecipeError) as caught:
        registry.params(mlp, {name: value})
    assert caught.value.where.startswith(f"trainer.params.{name}")
    assert caught.value.expected
    assert "pydantic" not in str(caught.value)


def test_only_marked_parameters_reach_transform():
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Params:
        size: int = dataclasses.field(default=8, metadata={"preprocess": True})
        hidden: tuple[int, ...] = (3,)

    assert registry.preprocess_params(Params(size=9)) == {"size": 9}
    assert registry.preprocess_params(mlp.Params()) == {}
