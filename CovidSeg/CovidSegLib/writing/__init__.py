"""Results as files: a Slicer segmentation (``.seg.nrrd``) or a labelmap for every other program.

:func:`write` is the way in; the file name's ending decides the form. :func:`check_suffix` tells before a long run
whether the result could be written at all.
"""

from .files import SUFFIXES, check_suffix, write
from .seg_nrrd import segment_tags

__all__ = ["SUFFIXES", "check_suffix", "segment_tags", "write"]
