"""Predict, Classify and Regress: from a request to tensors, and from tensors to a response.

Pure functions: gRPC, REST, warm-up and the request log share them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tensorflow_serving.apis import (
    classification_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
    regression_pb2,
)

from trainyard.serving import tensors
from trainyard.serving.errors import failed_precondition, invalid_argument
from trainyard.serving.model import DEFAULT_SIGNATURE, SavedModel, Signature
from trainyard.serving.tensors import Array

CLASSIFY_NAME = "tensorflow/serving/classify"
REGRESS_NAME = "tensorflow/serving/regress"

_INPUTS, _CLASSES, _SCORES, _OUTPUTS = "inputs", "classes", "scores", "outputs"


@dataclass(frozen=True)
class Call:
    """A request, ready to be run.

    Attributes:
        signature: What is run.
        inputs: In the signature's order.
        rows: How many rows they have.
        outputs: Which outputs are answered; all if empty.
    """

    signature: Signature
    inputs: list[Array]
    rows: int
    outputs: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Method:
    """One of the three.

    Attributes:
        name: As metrics call it.
        request: Its message.
        prepare: From a model and a request to a call.
        respond: From a call, its outputs by name and which model answered to a response.
        log: Its part of a PredictionLog.
    """

    name: str
    request: type[Any]
    prepare: Callable[[SavedModel, Any], Call]
    respond: Callable[[Call, dict[str, Array], model_pb2.ModelSpec], Any]
    log: str


def _rows(inputs: Sequence[Array], signature: Signature) -> int:
    if not signature.batched:
        return 1
    sizes = {len(array) for array in inputs}
    if len(sizes) > 1:
        raise invalid_argument(f"inputs have different numbers of rows: {sorted(sizes)}")
    return sizes.pop() if sizes else 0


def _prepare_predict(model: SavedModel, request: predict_pb2.PredictRequest) -> Call:
    signature = model.signature(request.model_spec.signature_name)
    wanted = list(request.output_filter)
    for name in wanted:
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be "
                f"in the set {{{','.join(signature.outputs)}}}."
            )
    if len(set(wanted)) < len(wanted):
        twice = next(name for name in wanted if wanted.count(name) > 1)
        raise invalid_argument(f"duplicate output tensor alias: {twice}")
    arrays = {name: tensors.from_proto(proto) for name, proto in request.inputs.items()}
    inputs = signature.check(arrays)
    return Call(signature, inputs, _rows(inputs, signature), wanted)


def _respond_predict(
    call: Call, outputs: dict[str, Array], spec: model_pb2.ModelSpec
) -> predict_pb2.PredictResponse:
    response = predict_pb2.PredictResponse(model_spec=spec)
    for name in call.outputs or outputs:
        tensors.to_proto(outputs[name], response.outputs[name])
    return response


def serialized(given: input_pb2.Input) -> Array:
    """Returns the tf.Examples of a Classify or Regress request.

    Args:
        given: Its input.

    Returns:
        Serialized, objects `[B]`.

    Raises:
        ServingError: There are none.
    """
    kind = given.WhichOneof("kind")
    if kind == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
        # Concatenated messages are one message with the fields of both.
        rows = [context + example.SerializeToString() for example in examples]
    else:
        rows = [example.SerializeToString() for example in given.example_list.examples]
    if not rows:
        raise invalid_argument("Input is empty.")
    return np.array(rows, object)


def _example_call(
    model: SavedModel, spec: model_pb2.ModelSpec, given: input_pb2.Input, method: str
) -> Call:
    name = spec.signature_name or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    signature = model.signatures[name]
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if _INPUTS not in signature.inputs:
        raise failed_precondition(
            f"No {method} inputs found in SignatureDef {name}: expected {_INPUTS!r}, "
            f"found {next(iter(signature.inputs))!r}"
        )
    rows = serialized(given)
    return Call(signature, signature.check({_INPUTS: rows}), len(rows))


def _prepare_classify(model: SavedModel, request: classification_pb2.ClassificationRequest) -> Call:
    call = _example_call(model, request.model_spec, request.input, "classification")
    if not {_CLASSES, _SCORES} & set(call.signature.outputs):
        raise failed_precondition(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {call.signature.name}'
        )
    return call


def _matrix(outputs: dict[str, Array], name: str, rows: int, string: bool) -> Array | None:
    if name not in outputs:
        return None
    array = outputs[name]
    if array.ndim != 2:
        raise invalid_argument(
            f"Expected Tensor shape: [batch_size num_classes] but got {list(array.shape)}"
        )
    if (array.dtype == object) != string or (not string and array.dtype != np.float32):
        kind = "DT_STRING" if string else "DT_FLOAT"
        raise invalid_argument(f"Expected {name} Tensor of {kind}. Got: {array.dtype}")
    if len(array) != rows:
        raise invalid_argument(f"Expected {name} output batch size of {rows}. Got: {len(array)}")
    return array


def _respond_classify(
    call: Call, outputs: dict[str, Array], spec: model_pb2.ModelSpec
) -> classification_pb2.ClassificationResponse:
    classes = _matrix(outputs, _CLASSES, call.rows, string=True)
    scores = _matrix(outputs, _SCORES, call.rows, string=False)
    if classes is not None and scores is not None and classes.shape != scores.shape:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). "
            f"Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    response = classification_pb2.ClassificationResponse(model_spec=spec)
    one = scores if classes is None else classes
    assert one is not None  # `prepare` saw to it
    for row in range(call.rows):
        entry = response.result.classifications.add()
        for column in range(one.shape[1]):
            added = entry.classes.add()
            if classes is not None:
                added.label = classes[row, column].decode("utf-8", "replace")
            if scores is not None:
                added.score = float(scores[row, column])
    return response


def _prepare_regress(model: SavedModel, request: regression_pb2.RegressionRequest) -> Call:
    call = _example_call(model, request.model_spec, request.input, "regression")
    if _OUTPUTS not in call.signature.outputs:
        raise failed_precondition(
            f"No regression outputs found in SignatureDef: {call.signature.name}"
        )
    return call


def _respond_regress(
    call: Call, outputs: dict[str, Array], spec: model_pb2.ModelSpec
) -> regression_pb2.RegressionResponse:
    values = outputs[_OUTPUTS]
    if values.shape not in ((call.rows,), (call.rows, 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {list(values.shape)}"
        )
    if values.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {values.dtype}")
    response = regression_pb2.RegressionResponse(model_spec=spec)
    for value in values.ravel().tolist():
        response.result.regressions.add().value = value
    return response


PREDICT = Method(
    "Predict", predict_pb2.PredictRequest, _prepare_predict, _respond_predict, "predict_log"
)
CLASSIFY = Method(
    "Classify",
    classification_pb2.ClassificationRequest,
    _prepare_classify,
    _respond_classify,
    "classify_log",
)
REGRESS = Method(
    "Regress",
    regression_pb2.RegressionRequest,
    _prepare_regress,
    _respond_regress,
    "regress_log",
)
METHODS = (PREDICT, CLASSIFY, REGRESS)


def replay(model: SavedModel, log: prediction_log_pb2.PredictionLog) -> None:
    """Asks a model what a log says that one was asked.

    Args:
        model: A loaded one.
        log: Its request counts; a MultiInference is its tasks one by one.

    Raises:
        ServingError: The model cannot answer.
    """
    if log.HasField("multi_inference_log"):
        for method, request in tasks(log.multi_inference_log.request):
            call = method.prepare(model, request)
            model.run(call.signature.name, call.inputs)
        return
    for method in METHODS:
        if log.HasField(method.log):
            call = method.prepare(model, getattr(log, method.log).request)
            model.run(call.signature.name, call.inputs)
            return
    raise invalid_argument(f"Unsupported log type: {log.WhichOneof('log_type')}")


def tasks(request: Any) -> list[tuple[Method, Any]]:
    """Splits a MultiInferenceRequest.

    Raises:
        ServingError: It asks for no model, several models, or the same twice.
    """
    found: list[tuple[Method, Any]] = []
    names = {task.model_spec.name for task in request.tasks}
    if not names or "" in names:
        raise invalid_argument("Found ModelSpec with an empty model name.")
    if len(names) > 1:
        raise invalid_argument(
            "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        )
    signatures = [task.model_spec.signature_name or DEFAULT_SIGNATURE for task in request.tasks]
    for name in signatures:
        if signatures.count(name) > 1:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
    for task in request.tasks:
        method = {CLASSIFY_NAME: CLASSIFY, REGRESS_NAME: REGRESS}.get(task.method_name)
        if method is None:
            raise invalid_argument(f"Unsupported signature method_name: {task.method_name}")
        found.append((method, method.request(model_spec=task.model_spec, input=request.input)))
    return found
