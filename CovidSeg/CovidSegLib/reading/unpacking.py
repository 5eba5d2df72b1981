"""Unpacking gzip: by Intel's library where the package isal is installed (twice as fast), else by Python's own."""

from __future__ import annotations

import gzip
import zlib
from io import BufferedIOBase


def open_gzip(file: BufferedIOBase) -> gzip.GzipFile:
    """The unpacked bytes of ``file``. Checks the checksum at its end; raises EOFError or what :func:`damage` says."""
    try:
        from isal import igzip
    except ImportError:  # in Slicer
        return gzip.GzipFile(fileobj=file)
    return igzip.GzipFile(fileobj=file, mode="rb")


def damage() -> tuple[type[Exception], ...]:
    """The exceptions that mean: what is packed is damaged."""
    try:
        from isal import isal_zlib
    except ImportError:
        return gzip.BadGzipFile, zlib.error
    # isal's stubs call its class of exceptions an exception.
    return gzip.BadGzipFile, zlib.error, isal_zlib.error  # type: ignore[return-value]
