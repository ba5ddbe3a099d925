"""Compares what a server was asked with what its model was trained on.

Like all of `serving` it knows of no pipeline: rows of training come from whoever has them.
"""
