"""What a trainer module refuses is known before there is any data."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness.rehearsal import rehearse

IMAGE = {"kind": "image", "size": [8, 8]}
TEXT = {"kind": "text", "length": 8}
SERIES = {"kind": "series", "length": 3}
TYPES = {"one": "string", "other": "string", "size": "float32", "n": "int64", "y": "int64"}


def recipe(module: str, features: dict[str, Any], params: Any = None, **options: Any) -> Recipe:
    trainer = {"module": module, "params": params or {}, **options.pop("trainer", {})}
    unused = {name: "ignored" for name in TYPES if name not in features}
    return Recipe.model_validate(
        {
            "name": "r",
            "data": {"path": "x"},
            "label": "y",
            "task": "binary",
            "features": unused | features,
            "trainer": trainer,
            **options,
        }
    )


COPIED = {
    "label": {"name": "next", "expression": "one"},
    "task": "text",
}
PAST = {"one": SERIES}
REFUSED: dict[str, tuple[Recipe, str, str]] = {
    "two images": (recipe("cnn", {"one": IMAGE, "other": IMAGE}), "features", "takes one image"),
    "two images for a backbone": (
        recipe("transfer", {"one": IMAGE, "other": IMAGE}, {"weights": "none"}),
        "features",
        "takes one image",
    ),
    "a pair of two sizes": (
        recipe("siamese", {"one": IMAGE, "other": {**IMAGE, "size": [9, 8]}}),
        "features",
        "same kind and size",
    ),
    "a pair and a number": (
        recipe("siamese", {"one": TEXT, "other": TEXT, "size": "numeric"}),
        "features",
        "all others `ignored`",
    ),
    "a number beside a series": (
        recipe("stateful_forecast", {**PAST, "size": "numeric"}),
        "features",
        "takes one series",
    ),
    "a state on two devices": (
        recipe("stateful_forecast", PAST, trainer={"distribution": "mirrored"}),
        "trainer.distribution",
        "cannot be shared",
    ),
    "a label cut otherwise": (
        recipe("char_lm", {"one": TEXT, "next": {**TEXT, "length": 9}}, **COPIED),
        "features",
        "same settings",
    ),
    "two texts to translate": (
        recipe("seq2seq", {"one": TEXT, "other": TEXT, "next": TEXT}, **COPIED),
        "features",
        "one text from another",
    ),
    "no last state": (
        recipe(
            "text_classifier", {"one": TEXT}, {"encoder": {"kind": "average", "pooling": "last"}}
        ),
        "trainer.params.encoder.pooling",
        "no last state",
    ),
    "heads of attention": (
        recipe("text_classifier", {"one": TEXT}, {"encoder": {"kind": "transformer", "heads": 7}}),
        "trainer.params.encoder.heads",
        "share the width",
    ),
    "a patch beyond the image": (
        recipe("large_image", {"one": IMAGE}, {"backbone": "vit", "vit": {"patch": 16}}),
        "trainer.params.vit.patch",
        "smaller than a patch",
    ),
    "images that are too small": (
        recipe("transfer", {"one": IMAGE}, {"backbone": "VGG16", "weights": "imagenet"}),
        "features",
        "too small for VGG16",
    ),
    "an option of no backbone": (
        recipe("transfer", {"one": IMAGE}, {"backbone": "MobileNet", "options": {"alfa": 1}}),
        "trainer.params.options.alfa",
        "no option 'alfa'",
    ),
    "fewer epochs than phases": (
        recipe(
            "transfer",
            {"one": {**IMAGE, "size": [32, 32]}},
            {"backbone": "MobileNet", "options": {"alpha": 0.25}, "weights": "imagenet"},
            trainer={"epochs": 1},
        ),
        "trainer.epochs",
        "too few for",
    ),
    "text as a number": (recipe("mlp", {"one": "numeric"}), "features.one.kind", "is text"),
    "a word for a missing number": (
        recipe("mlp", {"n": {"default": "none"}}),
        "features.n.default",
        "holds numbers",
    ),
    "nothing to start from": (
        recipe("mlp", {"n": "numeric"}, trainer={"start_from": "nowhere"}),
        "trainer.start_from",
        "no model to start from",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_trainer_refuses_is_refused_at_once(name: str) -> None:
    chosen, where, words = REFUSED[name]

    with pytest.raises(RecipeError) as caught:
        rehearse(chosen, TYPES, certain=TYPES)

    assert caught.value.where.startswith(where)
    assert words in str(caught.value)


TAKEN = {
    "a table": recipe(
        "mlp", {"size": "numeric", "n": "categorical", "one": {}, "other": "ignored"}
    ),
    "an image and more": recipe("cnn", {"one": IMAGE, "size": "bucketized", "n": {}}),
    "a pair": recipe("siamese", {"one": TEXT, "other": TEXT}),
    "a series": recipe("stateful_forecast", PAST),
    "many classes": recipe("large_image", {"one": IMAGE}, {"backbone": "vit", "vit": {"patch": 4}}),
    "a text that goes on": recipe("char_lm", {"one": TEXT, "next": TEXT}, **COPIED),
    "translation": recipe("seq2seq", {"one": TEXT, "next": TEXT}, **COPIED),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_be_trained_is_let_pass(name: str) -> None:
    rehearse(TAKEN[name], TYPES, certain=TYPES)


def test_a_type_that_may_change_is_not_held_against_a_feature() -> None:
    chosen = recipe("mlp", {"n": {"default": "none"}})  # text, if a later row is

    rehearse(chosen, TYPES, certain=[])


def test_it_leaves_no_trace() -> None:
    rehearse(TAKEN["a table"], TYPES, certain=TYPES)

    assert keras.layers.Dense(1).name == "dense"
