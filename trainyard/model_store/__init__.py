"""A pushed model on disk: its versions, and which of them is in service. No TensorFlow."""
