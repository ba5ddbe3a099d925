from __future__ import annotations

import pytest
import tensorflow as tf

from trainyard.serving import errors

TRACE = """Graph execution error:

Detected at node 'DecodePng' defined at (most recent call last):
    File "/home/someone/export.py", line 12, in decoded
      return tf.io.decode_png(x)
Node: 'DecodePng'
Expected image (JPEG, PNG, or GIF), got empty file
\t [[{{node DecodePng}}]] [Op:__inference]"""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "indices[0] = 7 is not in [0, 5)\n\t [[{{node Gather}}]]",
            "indices[0] = 7 is not in [0, 5)",
        ),
        (TRACE, "Expected image (JPEG, PNG, or GIF), got empty file"),
        ("2 root error(s) found.\n  (0) Wrong\n\t [[{{node A}}]]", "(0) Wrong"),
        ("\t [[{{node A}}]]", "the model failed"),
    ],
)
def test_a_client_is_told_what_happened_and_not_where(message, told):
    failure = errors.of_tensorflow(tf.errors.InvalidArgumentError(None, None, message))
    assert failure.message == told
    assert failure.http_status == 400


def test_every_code_has_an_http_status():
    for code in errors._CODES.values():
        assert 200 <= errors.ServingError(code, "").http_status < 600
