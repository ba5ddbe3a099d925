"""TensorFlow Serving's gRPC services."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext as Context
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
)

from trainyard.errors import EnvironmentProblem
from trainyard.serving import methods
from trainyard.serving.errors import ServingError, internal, invalid_argument
from trainyard.serving.methods import Method
from trainyard.serving.options import Options
from trainyard.serving.service import Service

Answer = Callable[[Any, float | None], Awaitable[Any]]
"""From a request and the seconds until its deadline to a response."""

_log = logging.getLogger(__name__)


def _answers(service: Service) -> dict[str, dict[str, tuple[type[Any], Answer]]]:
    """By service and method: the request's message, and what answers it."""

    def infer(method: Method) -> tuple[type[Any], Answer]:
        async def answer(request: Any, seconds: float | None) -> Any:
            return await service.infer(method, request, entrypoint="GRPC", seconds=seconds)

        return method.request, answer

    async def multi_inference(request: Any, seconds: float | None) -> Any:
        return await service.multi_inference(request, seconds=seconds)

    async def metadata(request: Any, _: float | None) -> Any:
        return service.metadata(request)

    async def status(request: Any, _: float | None) -> Any:
        return service.status(request)

    async def reload(request: Any, _: float | None) -> Any:
        return await service.reload(request)

    return {
        "tensorflow.serving.PredictionService": {
            **{method.name: infer(method) for method in methods.METHODS},
            "MultiInference": (inference_pb2.MultiInferenceRequest, multi_inference),
            "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, metadata),
        },
        "tensorflow.serving.ModelService": {
            "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, status),
            "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, reload),
        },
    }


def _handler(message: type[Any], answer: Answer) -> grpc.RpcMethodHandler:
    """Reads the bytes itself: gRPC tells a client which Python class failed to."""

    async def handle(data: bytes, context: Context) -> Any:
        try:
            return await answer(message.FromString(data), context.time_remaining())
        except ServingError as error:
            failure = error
        except DecodeError:
            failure = invalid_argument(f"The request is no {message.DESCRIPTOR.name}")
        except Exception:
            _log.exception("a gRPC request failed")
            failure = internal()
        await context.abort(failure.code, failure.message)
        raise AssertionError  # abort raises

    return grpc.unary_unary_rpc_method_handler(
        handle, response_serializer=lambda response: response.SerializeToString()
    )


def server(service: Service, options: Options) -> tuple[grpc.aio.Server, int]:
    """Makes a gRPC server, not yet started.

    Args:
        service: What answers.
        options: Address and limits.

    Returns:
        The server, and the port it listens on.

    Raises:
        EnvironmentProblem: The port is taken.
    """
    made = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", options.max_request_bytes),
            ("grpc.max_send_message_length", options.max_request_bytes),
            ("grpc.so_reuseport", 0),  # else a second server shares the port and nobody knows
        ]
    )
    for name, answers in _answers(service).items():
        handlers = {method: _handler(*answer) for method, answer in answers.items()}
        made.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handlers)])
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        port = made.add_insecure_port(f"{host}:{options.port}")
    except RuntimeError:
        raise EnvironmentProblem(
            f"cannot listen on {options.host}:{options.port}",
            where="--port",
            hint="another server may have the port; choose another, or 0 for any",
        ) from None
    return made, int(port)
