"""`trainyard monitor`: what `trainyard.serving.monitor` needs to know of a recipe and its runs."""
