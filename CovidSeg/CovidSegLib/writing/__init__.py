"""Results as files: a Slicer segmentation (``.seg.nrrd``), a labelmap for every other program, or a DICOM SEG.

:func:`write` is the way in; the file name's ending decides the form. :func:`check_suffix` tells before a long run
whether the result could be written at all. A ``.seg.nrrd`` that a reader corrected is read by :func:`read_reviewed` and
brought up to date by :func:`update` and :func:`write_reviewed`; :func:`find_reviewed` keeps anything else that exists
from being replaced unasked. Whatever is written appears whole or not at all (:class:`OutputSet`, :func:`replace_file`).
"""

from .dicom_seg import SourceSeries, read_source_series
from .existing import NOTHING_LOST, ExistingFiles, find_reviewed
from .files import SUFFIXES, check_suffix, is_dicom_seg, is_seg_nrrd, write, write_to
from .places import check_still, file_state, refuse_special
from .publish import OutputSet, replace_bytes, replace_file, replace_text
from .reviewed import Reviewed, read_reviewed, update, write_reviewed
from .seg_nrrd import CERTAINTY_TAG, READERS_TAGS, SOURCE_TAG, provenance_of, segment_tags, source_warnings
from .training_case import save_training_case

__all__ = [
    "CERTAINTY_TAG",
    "NOTHING_LOST",
    "READERS_TAGS",
    "SOURCE_TAG",
    "SUFFIXES",
    "ExistingFiles",
    "OutputSet",
    "Reviewed",
    "SourceSeries",
    "check_still",
    "check_suffix",
    "file_state",
    "find_reviewed",
    "is_dicom_seg",
    "is_seg_nrrd",
    "provenance_of",
    "read_reviewed",
    "read_source_series",
    "refuse_special",
    "replace_bytes",
    "replace_file",
    "replace_text",
    "save_training_case",
    "segment_tags",
    "source_warnings",
    "update",
    "write",
    "write_reviewed",
    "write_to",
]
