"""Transfer learning: what is frozen when, and that it is."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from tests.trainer_modules.images import one_batch, specification
from trainyard.errors import RecipeError
from trainyard.trainer_modules import registry, transfer
from trainyard.trainer_modules.harness import backbones
from trainyard.trainer_modules.harness.phases import begin, stretches
from trainyard.trainer_modules.harness.weights_file import Pushed
from trainyard.trainer_modules.layers.augmentation import Augmentation

SHAPE = (32, 32, 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> str:
    made = tmp_path_factory.mktemp("weights") / "a.weights.h5"
    keras.utils.set_random_seed(5)
    keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25).save_weights(made)
    return str(made)


def names_of(params, spec=None) -> list[str]:
    spec = spec or specification(shape=SHAPE)
    return [
        phase.name for phase in transfer.phases(transfer.build_model(params, spec), params, spec)
    ]


def test_a_saved_model_predicts_the_same(file, tmp_path):
    spec = specification(shape=SHAPE, others=True)
    augmentation = Augmentation("horizontal", rotation=0.1)
    params = dataclasses.replace(transfer.TINY, weights=file, augmentation=augmentation)
    model = transfer.build_model(params, spec)
    x, y = one_batch(spec)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


def test_phases(file):
    params = dataclasses.replace(transfer.TINY, weights=file, fine_tune=10, stages=1)
    gradual = dataclasses.replace(params, stages=3)
    only_head = dataclasses.replace(params, fine_tune=0)
    assert names_of(params) == ["feature extraction", "top 10"]
    assert names_of(gradual) == ["feature extraction", "top 3", "top 7", "top 10"]
    assert names_of(only_head) == ["feature extraction"]
    assert names_of(dataclasses.replace(params, head_share=1.0)) == ["feature extraction"]
    assert names_of(dataclasses.replace(gradual, fine_tune=2)) == [
        "feature extraction",
        "top 1",
        "top 2",
    ]
    assert names_of(transfer.TINY) == ["from scratch"]
    everything = dataclasses.replace(params, fine_tune=999)
    assert names_of(everything)[-1] == "top 27"  # 13 x 2 convolutions and the first


@pytest.mark.parametrize("stages", [1, 3])
def test_shares_make_one(file, stages):
    params = dataclasses.replace(transfer.TINY, weights=file, head_share=0.3, stages=stages)
    spec = specification(shape=SHAPE)
    phases = transfer.phases(transfer.build_model(params, spec), params, spec)
    assert sum(phase.share_of_steps for phase in phases) == pytest.approx(1)
    assert phases[0].share_of_steps == 0.3
    assert {phase.learning_rate_factor for phase in phases[1:]} == {params.fine_tune_rate}


def moved(before: list, after: list) -> list[bool]:
    return [not np.array_equal(one, other) for one, other in zip(before, after, strict=True)]


def test_what_is_frozen_does_not_move_nor_do_statistics(file):
    # Random weights let little through: Adam's usual epsilon would be more than the gradients.
    optimizer = {"name": "adam", "learning_rate": 0.01, "epsilon": 1e-15}
    spec = specification(shape=SHAPE, epochs=4, batch_size=16, optimizer=optimizer)
    params = dataclasses.replace(transfer.TINY, weights=file, fine_tune=4, stages=2)
    model = transfer.build_model(params, spec)
    x, y = one_batch(spec)
    head = len(model.get_layer("predictions").trainable_variables)
    backbone = model.get_layer(backbones.BACKBONE)
    learners = backbones.learners(backbone)
    counts = []
    for stretch in stretches(transfer.phases(model, params, spec), spec):
        begin(model, stretch, spec)
        counts.append(len(model.trainable_variables) - head)
        before = [layer.get_weights() for layer in learners]
        rest = [w.numpy() for w in backbone.non_trainable_variables]
        model.fit(x, y, 16, verbose=0)
        after = [layer.get_weights() for layer in learners]
        changed = [any(moved(b, a)) for b, a in zip(before, after, strict=True)]
        assert changed == [i >= len(learners) - counts[-1] for i in range(len(learners))]
        assert not any(moved(rest, [w.numpy() for w in backbone.non_trainable_variables]))
    assert counts == [0, 2, 4]  # MobileNet's convolutions have no bias


def test_the_backbone_infers_even_in_training(file):
    spec = specification(shape=SHAPE)
    x, _ = one_batch(spec)
    params = dataclasses.replace(transfer.TINY, weights=file)
    for weights, same in ((file, True), ("none", False)):
        model = transfer.build_model(dataclasses.replace(params, weights=weights), spec)
        vector = keras.Model(model.input, model.get_layer(backbones.FEATURES).output)
        assert np.allclose(vector(x, training=True), vector(x, training=False)) is same


def test_dropout_and_pooling():
    spec = specification(shape=(64, 64, 3))
    params = dataclasses.replace(transfer.TINY, dropout=0.4, pooling="max")
    model = transfer.build_model(params, spec)
    assert model.get_layer("dropout").rate == 0.4
    assert isinstance(model.get_layer(backbones.FEATURES), keras.layers.GlobalMaxPooling2D)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "EficientNetB0"}, "did you mean 'EfficientNetB0'"),
        ({"weights": {"recip": "a"}}, r"trainer\.params\.weights"),
        ({"weights": {"recipe": "../a"}}, r"trainer\.params\.weights"),
        ({"head_share": 0}, r"trainer\.params\.head_share"),
        ({"stages": 0}, r"trainer\.params\.stages"),
    ],
)
def test_params_that_are_wrong(values, message):
    with pytest.raises(RecipeError, match=message):
        registry.params(transfer, values)


def test_params_of_a_recipe():
    values = {"weights": {"recipe": "mnist_pretrain"}, "augmentation": {"flip": "horizontal"}}
    params = registry.params(transfer, values)
    assert params.weights == Pushed("mnist_pretrain")
    assert params.augmentation == Augmentation("horizontal")
