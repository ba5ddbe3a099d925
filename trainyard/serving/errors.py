"""What a client is told when a request cannot be answered: TensorFlow Serving's codes."""

from __future__ import annotations

import re

import grpc

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_ABOUT_CODE = re.compile(
    r"Graph execution error|Detected at node|Node: |Original stack trace|<stack trace|Hint: |Stack "
    r"|\d+ root error|\s*\[\[|\s+File |\s{4}"
)

# As TensorFlow Serving's ToHTTPStatusCode; what is not here is 500.
_HTTP = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """A request that is answered by a status.

    Args:
        code: gRPC's; REST translates it.
        message: For the client: no path, no stack trace.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http_status(self) -> int:
        """The code's HTTP status."""
        return _HTTP.get(self.code, 500)


def invalid_argument(message: str) -> ServingError:
    """The request is wrong, whatever the server's state."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def failed_precondition(message: str) -> ServingError:
    """The model cannot do what the request asks."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)


def not_found(message: str) -> ServingError:
    """There is no such model or version."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def unavailable(message: str) -> ServingError:
    """Not now; the client may try again."""
    return ServingError(grpc.StatusCode.UNAVAILABLE, message)


def deadline_exceeded() -> ServingError:
    """The request's time is over."""
    return ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded")


def internal() -> ServingError:
    """A mistake of the server's own; what it was is in the server's log."""
    return ServingError(grpc.StatusCode.INTERNAL, "Internal error")


def of_tensorflow(error: Exception) -> ServingError:
    """Translates what TensorFlow raised while it ran a graph.

    Args:
        error: A `tf.errors.OpError`. Of its message the line that says what happened is
            kept; the others are about the server's graph and code.
    """
    code = _CODES.get(getattr(error, "error_code", None), grpc.StatusCode.INTERNAL)
    message = str(getattr(error, "message", None) or error)
    said = (line for line in message.splitlines() if line.strip() and not _ABOUT_CODE.match(line))
    return ServingError(code, next(said, "the model failed").strip()[:1000])
