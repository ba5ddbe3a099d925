"""What is written beside a metric is called after it."""

ERROR = "_error"
"""At most how far the metric is off; written only where it is not exact."""
