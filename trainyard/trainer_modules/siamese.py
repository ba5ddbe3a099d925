"""Two images or two texts through one encoder: do they belong together, and how alike are they.

Source: Bromley et al., Signature Verification using a "Siamese" Time Delay Neural Network,
1993 (https://doi.org/10.1142/S0218001493000339); the contrastive loss of Hadsell, Chopra and
LeCun, 2006 (http://yann.lecun.com/exdb/publis/pdf/hadsell-chopra-lecun-06.pdf); the comparison
of Conneau et al., Supervised Learning of Universal Sentence Representations, 2017
(https://arxiv.org/abs/1705.02364).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import keras
import tensorflow as tf
from keras import ops
from pydantic import Field

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Feature, TextFeature
from trainyard.trainer_modules.harness import embeddings, export, heads, names, preprocessing, texts
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers.convolution import activated, convolution
from trainyard.trainer_modules.layers.text_encoder import TextEncoder

Count = Annotated[int, Field(ge=1)]
Features = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    A head with the loss `contrastive` answers with the similarity itself, `(1 + cos) / 2`; any
    other with what a dense layer makes of how the two vectors differ.

    Attributes:
        dimension: Length of the vector that stands for an image or a text.
        dropout: Share of what the vector is made of that training drops.
        filters: Images: of each block's convolution, after which height and width are halved.
        tokens: Texts: length of each token's vector; if not given, a file's own, or 64.
        encoder: Texts: what makes one vector of them.
    """

    dimension: Count = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    filters: Annotated[tuple[Count, ...], Field(min_length=1)] = (32, 64)
    tokens: Count | None = None
    encoder: TextEncoder = field(default_factory=lambda: TextEncoder(kind="average"))


INPUTS: Literal["pair"] = "pair"
TINY = Params(dimension=16, dropout=0.0, filters=(8,), tokens=16)

metrics = known_metrics.standard


def preprocess(
    inputs: Mapping[str, Any], features: Mapping[str, Feature], params: Params
) -> dict[str, Any]:
    """Prepares each column by its kind; two texts get one vocabulary."""
    pair = tuple(name for name, feature in features.items() if isinstance(feature, TextFeature))
    shared = {
        name: feature.model_copy(update={"vocabulary_with": tuple(n for n in pair if n != name)})
        for name, feature in features.items()
        if name in pair
    }
    return preprocessing.preprocess(inputs, {**features, **shared}, params)


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model.

    Args:
        params: Hyperparameters.
        spec: Inputs, heads and training.

    Raises:
        RecipeError: The inputs are not two images or two texts of one form.
    """
    _check_inputs(spec)
    inputs = spec.keras_inputs()
    encoder = _encoder(params, spec)
    one, other = (encoder(tensor) for tensor in inputs.values())  # (B, dimension) each
    cosine = ops.sum(one * other, axis=-1, keepdims=True)  # (B, 1)
    compared = ops.concatenate([ops.abs(one - other), one * other, cosine], axis=-1)
    outputs = {
        name: keras.layers.Rescaling(0.5, 0.5, name=names.of(name, "predictions"))(cosine)
        if head.loss and head.loss.name == "contrastive"
        else heads.output(compared, head, name)
        for name, head in spec.heads.items()
    }
    model = keras.Model(inputs, names.joined(outputs))
    heads.compile_model(model, spec)
    return model


def _check_inputs(spec: ModelSpec) -> None:
    forms = [(e.shape, e.vocabulary, bool(e.image or e.text)) for e in spec.inputs.values()]
    if len(forms) != 2 or forms[0] != forms[1] or not forms[0][-1]:
        raise RecipeError(
            f"the trainer module {spec.training.module!r} compares two images, or two texts",
            where="features",
            expected="two features of the same kind and size, all others `ignored`",
            received=", ".join(f"{name} {entry.shape}" for name, entry in spec.inputs.items()),
        )


def _encoder(params: Params, spec: ModelSpec) -> keras.Model:
    """Makes the network that both inputs go through, from one of them to `[B, dimension]`."""
    entry = next(iter(spec.inputs.values()))
    start = keras.Input(entry.shape, dtype=entry.dtype, name="one")
    if entry.text:
        tokens = embeddings.layer("one", entry, params.tokens, default=64)(start)  # (B, T, tokens)
        mask = ops.not_equal(start, texts.PADDING)
        vector = params.encoder(tokens, mask, "one", entry.text.length)
    else:
        maps = start
        for number, filters in enumerate(params.filters, start=1):
            maps = convolution(filters, 3, f"convolution_{number}")(maps)
            maps = activated(maps, f"block_{number}")
            maps = keras.layers.MaxPooling2D(2, padding="same", name=f"pooling_{number}")(maps)
        vector = keras.layers.Flatten(name="flat")(maps)
    if params.dropout:
        vector = keras.layers.Dropout(params.dropout, name="dropout")(vector)
    vector = keras.layers.Dense(params.dimension, name="vector")(vector)
    return keras.Model(start, keras.layers.UnitNormalization(name="unit")(vector), name="encoder")


def signatures(model: keras.Model, params: Params, spec: ModelSpec) -> dict[str, export.Signature]:
    """`embed`: from `values` `[B]`, texts or images' files, to `embedding` `[B, dimension]`."""
    del params
    name, entry = next(iter(spec.inputs.items()))
    encoder = model.get_layer("encoder")

    def embed(features: Features, values: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": encoder(features({entry.column: values})[name], training=False)}

    values = tf.TensorSpec([None], tf.string, name="values")
    return {"embed": export.Signature(embed, (values,), transforms=True)}
