"""Rows from files to splits of tf.Examples, columnar and in blocks."""
