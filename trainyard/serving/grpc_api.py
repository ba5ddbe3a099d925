"""TensorFlow Serving's gRPC services."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from grpc.aio import ServicerContext as Context
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from trainyard.errors import EnvironmentProblem
from trainyard.serving import methods
from trainyard.serving.errors import ServingError, internal
from trainyard.serving.methods import Method
from trainyard.serving.options import Options
from trainyard.serving.service import Service

Response = TypeVar("Response")

_log = logging.getLogger(__name__)


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    def __init__(self, service: Service) -> None:
        self._service = service

    async def Predict(self, request: Any, context: Context) -> Any:
        return await self._infer(methods.PREDICT, request, context)

    async def Classify(self, request: Any, context: Context) -> Any:
        return await self._infer(methods.CLASSIFY, request, context)

    async def Regress(self, request: Any, context: Context) -> Any:
        return await self._infer(methods.REGRESS, request, context)

    async def _infer(self, method: Method, request: Any, context: Context) -> Any:
        seconds = context.time_remaining()
        call = self._service.infer(method, request, entrypoint="GRPC", seconds=seconds)
        return await _answered(call, context)

    async def MultiInference(
        self, request: inference_pb2.MultiInferenceRequest, context: Context
    ) -> inference_pb2.MultiInferenceResponse:
        seconds = context.time_remaining()
        return await _answered(self._service.multi_inference(request, seconds=seconds), context)

    async def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: Context
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        return await _answered(_later(self._service.metadata, request), context)


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    def __init__(self, service: Service) -> None:
        self._service = service

    async def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: Context
    ) -> get_model_status_pb2.GetModelStatusResponse:
        return await _answered(_later(self._service.status, request), context)

    async def HandleReloadConfigRequest(
        self, request: model_management_pb2.ReloadConfigRequest, context: Context
    ) -> model_management_pb2.ReloadConfigResponse:
        return await _answered(self._service.reload(request), context)


async def _later(call: Callable[[Any], Response], request: Any) -> Response:
    return call(request)


async def _answered(call: Awaitable[Response], context: Context) -> Response:
    try:
        return await call
    except ServingError as error:
        failure = error
    except Exception:
        _log.exception("a gRPC request failed")
        failure = internal()
    await context.abort(failure.code, failure.message)
    raise AssertionError  # abort raises


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
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(service), made
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(service), made)
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
