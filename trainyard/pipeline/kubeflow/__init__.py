"""A recipe on Kubeflow Pipelines: compiled, rehearsed, submitted, scheduled."""
