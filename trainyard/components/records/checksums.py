"""The checksums that a TFRecord file has beside each length and each record.

Source: tensorflow/core/lib/hash/crc32c.h
"""

from __future__ import annotations

from collections.abc import Iterable

import google_crc32c
import numpy as np
import numpy.typing as npt


def masked(texts: Iterable[bytes]) -> npt.NDArray[np.uint32]:
    """Returns the masked CRC-32C of each text, shape `(n,)`, as little-endian numbers.

    Args:
        texts: Lengths of eight bytes, or records.
    """
    checksums = np.fromiter(map(google_crc32c.value, texts), np.uint64)
    rotated = (checksums >> np.uint64(15)) | (checksums << np.uint64(17))
    return (rotated + np.uint64(0xA282EAD8)).astype("<u4")  # the lower half
