"""What a reader gets besides the segments: pages, tables and pictures of one scan, and of several over time.

- :func:`.content.report_content`: all that a report says, as one value; :mod:`.page` (HTML), :mod:`.result_record`
  (JSON) and :mod:`.report_formats` (by the ending) are made from it; :class:`.request.ReportRequest`: the reports that
  a run was asked for.
- :mod:`.followup`: scans of one patient over time; :mod:`.plot`: its curve.
- Pictures by numpy and Pillow: :mod:`.overlays`, :mod:`.thumbnails`, :mod:`.page_pictures`, :mod:`.places` (which
  slices). Pictures by Slicer's own views, in a process of their own: :func:`draw_pictures`, :mod:`.drawing`,
  :mod:`.views`; :mod:`.demo` compares with a truth.
"""

from .pictures import draw_pictures

__all__ = ["draw_pictures"]
