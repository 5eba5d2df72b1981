"""Pages without Slicer's 3-D view, which takes seconds to draw: Python imports this where it is on PYTHONPATH."""

import sys

sys.modules["slicer"] = None  # type: ignore[assignment]
