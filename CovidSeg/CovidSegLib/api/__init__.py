"""What ``import covidseg`` hands out: a thin layer over the one pipeline, for scripts and notebooks.

``scans``: what counts as a scan; ``segmenter``: the network, kept open for many scans; ``result``: masks and numbers.
"""

from __future__ import annotations

from .result import Lungs, Result
from .segmenter import Segmenter, segment

__all__ = ["Lungs", "Result", "Segmenter", "segment"]
