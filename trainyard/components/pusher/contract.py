"""The contract check: raw rows must give the same numbers before and after export.

And each row the same numbers alone as in a batch, in any order: training, evaluation, `predict`
and the server ask in batches of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainyard.components.pusher import independence
from trainyard.errors import ContractError
from trainyard.trainer_modules.harness import description, export, names, serving_methods
from trainyard.wording import counted

TOLERANCE = 1e-5

DIFFERENT_TEXTS = 0.02
"""Share of texts that may differ: what follows a tie of two tokens is another text."""

Answer = Callable[[Sequence[bytes]], Any]


def check(
    *,
    saved_model: Path,
    model_run: Path,
    transform_graph: Path,
    examples: Sequence[bytes],
    infra_validation: bool = False,
) -> float:
    """Sends raw rows through the training graph and through the signatures of the SavedModel.

    Of a model that writes, the likelihood of the rows' labels is compared too.

    Args:
        saved_model: What would be served.
        model_run: The Trainer's folder with the Keras model as it was trained.
        transform_graph: Transform's output.
        examples: Serialized tf.Examples with raw features.
        infra_validation: Whether a model server in a process of its own is asked too.

    Returns:
        The largest difference, relative to max(1, |prediction|).

    Raises:
        ContractError: The numbers differ by more than 1e-5, or are not finite; a row's depend on
            the rows beside it; or no server can load the model.
    """
    told = description.read(saved_model)
    trained = names.parted(export.reference_predictions(model_run, transform_graph, examples, told))
    served = export.Served(saved_model)
    ways: list[Answer] = [served.predictions, served.raw_predictions]
    ways.append(partial(_predictions_of_methods, served))
    if infra_validation:
        ways.append(partial(_predictions_of_a_server, saved_model, told))
    differences = [
        compare(trained[head], numbers)
        for answered in ways
        for head, numbers in names.parted(answered(examples)).items()
    ]
    if told.writes:  # the most probable text may be the same where probabilities are not
        likelihood = export.reference_likelihood(model_run, transform_graph, examples, told)
        differences.append(compare(likelihood, served.likelihood(examples)))
    for signature in export.signatures_of_rows(told):
        independence.check(signature, partial(served.answers, signature), examples)
    return max(differences)


def _predictions_of_methods(served: export.Served, examples: Sequence[bytes]) -> Any:
    """Predicts through Classify and Regress, by head; heads that they are not for are left out."""
    heads = served.told.heads
    answers = served.of_methods(examples)
    for head, answer in answers.items():
        if heads[head].class_names:
            _check_classes(answer[serving_methods.CLASSES], heads[head].class_names)
    return {name: serving_methods.predicted(each, heads[name]) for name, each in answers.items()}


def _check_classes(answered: NDArray[Any], class_names: Sequence[str]) -> None:
    expected = [name.encode() for name in class_names]
    for number, row in enumerate(answered.tolist(), start=1):
        if row != expected:
            raise _broken(f"row {number} names other classes", f"{expected}", f"{row}")


def _predictions_of_a_server(
    saved_model: Path, told: description.Description, examples: Sequence[bytes]
) -> Any:
    from trainyard.serving import validation  # gRPC: most recipes do not ask for it

    return export.predicted(validation.answers(saved_model, examples), told)


def compare(trained: NDArray[Any], served: NDArray[Any]) -> float:
    """Compares two arrays of predictions of shape `(rows, outputs)`.

    Raises:
        ContractError: They differ, in shape or by more than the tolerance.
    """
    if trained.shape != served.shape:
        raise _broken("the shapes differ", f"{trained.shape}", f"{served.shape}")
    if served.dtype == object:
        return _compare_texts(trained, served)
    if not np.isfinite(served).all():
        row = int(np.argwhere(~np.isfinite(served))[0][0])
        raise _broken(f"row {row + 1} is not finite", "finite numbers", f"{served[row]}")
    # A label that needs 64 bits lies close to its mean: only the distance to it tells rows apart.
    centre = trained.mean() if trained.dtype == np.float64 else 0.0
    difference = np.abs(trained - served) / np.maximum(1.0, np.abs(trained - centre))
    worst = float(difference.max(initial=0.0))
    if worst > TOLERANCE:
        row = int(np.unravel_index(difference.argmax(), difference.shape)[0])
        raise _broken(f"row {row + 1} differs by {worst:.2g}", f"{trained[row]}", f"{served[row]}")
    return worst


def _compare_texts(trained: NDArray[Any], served: NDArray[Any]) -> float:
    """Compares what was written; rounding decides between tokens that are equally probable."""
    other = trained != served
    if other.mean() > DIFFERENT_TEXTS:
        row = int(np.flatnonzero(other)[0])
        raise _broken(
            f"{int(other.sum())} of {counted(len(other), 'text')} differ, as row {row + 1}",
            f"{trained[row]}",
            f"{served[row]}",
        )
    return 0.0


def _broken(what: str, expected: str, received: str) -> ContractError:
    return ContractError(
        f"the exported model does not answer as the trained one; nothing was pushed: {what}",
        expected=f"{expected} (training graph)",
        received=f"{received} (SavedModel)",
        hint="look for randomness, state or Python side effects in the module's build_model, "
        "or a serving_fn that prepares its inputs in another way",
    )
