"""Trainyard: from a short YAML recipe to a validated, served Keras 3 model."""

from trainyard import arrow_hotfix

__version__ = "0.1.0"

arrow_hotfix.install()
