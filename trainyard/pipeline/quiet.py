"""What has to be set before TensorFlow and Keras are imported: little talk, and the backend."""

from __future__ import annotations

import logging
import os
import sys
import warnings

from trainyard.errors import EnvironmentProblem

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "NONE",
    "GLOG_minloglevel": "3",
    "ABSL_MIN_LOG_LEVEL": "3",
}
BACKEND = "KERAS_BACKEND"
"""The environment variable that goes before Keras's own settings."""
_LOGGERS = ("absl", "tensorflow", "apache_beam", "kfp", "google", "urllib3", "matplotlib")


def before_imports() -> None:
    """Sets what the frameworks read while they are imported.

    Raises:
        EnvironmentProblem: Keras is told to run on another framework than TensorFlow.
    """
    require_backend()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore")
        warnings.filterwarnings("default", module=r"trainyard\\..*")


def require_backend() -> None:
    """Has Keras run on TensorFlow, whatever its settings file says.

    Raises:
        EnvironmentProblem: The environment says something else; Keras would fail on import, or
            have layers that a SavedModel cannot hold.
    """
    given = os.environ.get(BACKEND) or "tensorflow"
    if given != "tensorflow":
        raise EnvironmentProblem(
            "Trainyard needs Keras on TensorFlow: what it pushes is a SavedModel",
            where=f"the environment variable {BACKEND}",
            expected="tensorflow, or not set",
            received=given,
            hint=f"unset {BACKEND}",
        )
    os.environ[BACKEND] = given


def log_to(level: int) -> None:
    """Sets the frameworks' loggers after their import."""
    logging.getLogger().setLevel(level)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(level)
