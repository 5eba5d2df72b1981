"""Masks as files, read and written: a Slicer segmentation (``.seg.nrrd``), a labelmap, or a DICOM SEG.

:func:`write` is the way out; the file name's ending decides the form (:mod:`.registry` has one entry for each, and
:func:`.registry.read_masks` the way in). :func:`check_suffix` tells before a long run
whether the result could be written at all. A ``.seg.nrrd`` that a reader corrected is read by :func:`read_reviewed` and
brought up to date by :func:`write_reviewed`; :func:`find_reviewed` keeps anything else that exists
from being replaced unasked.
"""

from .dicom_seg import SourceSeries, is_dicom_seg, read_source_series
from .existing import NOTHING_LOST, ExistingFiles, find_reviewed
from .registry import SUFFIXES, check_suffix, is_as_written, write, write_to
from .reviewed import ReviewedFile, read_reviewed, write_reviewed
from .seg_nrrd import CERTAINTY_TAG, READERS_TAGS, is_seg_nrrd, provenance_of, segment_tags
from .training_export import save_training_case, training_states

__all__ = [
    "CERTAINTY_TAG",
    "NOTHING_LOST",
    "READERS_TAGS",
    "SUFFIXES",
    "ExistingFiles",
    "ReviewedFile",
    "SourceSeries",
    "check_suffix",
    "find_reviewed",
    "is_as_written",
    "is_dicom_seg",
    "is_seg_nrrd",
    "provenance_of",
    "read_reviewed",
    "read_source_series",
    "save_training_case",
    "segment_tags",
    "training_states",
    "write",
    "write_reviewed",
    "write_to",
]
