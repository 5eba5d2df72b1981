"""What a reader gets besides the segments: pictures, and the demonstration that compares a result with a truth."""

from .pictures import draw_pictures

__all__ = ["draw_pictures"]
