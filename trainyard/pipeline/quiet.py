"""Keeps frameworks from talking on the console; call before TensorFlow is imported."""

from __future__ import annotations

import logging
import os
import sys
import warnings

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "NONE",
    "GLOG_minloglevel": "3",
    "ABSL_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}
_LOGGERS = ("absl", "tensorflow", "apache_beam", "kfp", "google", "urllib3", "matplotlib")


def before_imports() -> None:
    """Sets what the frameworks read while they are imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore")
        warnings.filterwarnings("default", module=r"trainyard\\..*")


def log_to(level: int) -> None:
    """Sets the frameworks' loggers after their import."""
    logging.getLogger().setLevel(level)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(level)
