"""TFMA's metrics, slices and result files from large batches of predictions."""
