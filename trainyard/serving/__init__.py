"""A model server that speaks TensorFlow Serving's gRPC and REST, on a pushed directory.

Nothing here knows of pipelines: a base path with numbered SavedModels is all it needs.
"""
