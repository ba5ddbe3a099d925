"""What is written beside a metric is called after it."""

ERROR = "_error"
"""At most how far the metric is off; written only where it is not exact."""

TRIVIAL = "_trivial"
"""The metric of the trivial answer; written where a threshold has `beats: trivial`."""

GAIN = "_gain"
"""Beside it: by how much the model beats it beyond chance; above 0 if it does."""

AGAINST_TRIVIAL = (
    "auc",
    "accuracy",
    "log_loss",
    "brier",
    "mae",
    "mse",
    "rmse",
    "r2",
    "perplexity",
    "bits_per_character",
    "exact_match",
)
"""The metrics that can be held against the trivial answer."""
