"""A pushed model on disk: its versions, which is in service, what is proved. No TensorFlow."""
