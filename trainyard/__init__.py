"""Trainyard: from a short YAML recipe to a validated, served Keras 3 model."""

__version__ = "0.1.0"
