#!/bin/sh
# Runs the module's own test in a real Slicer, with its window:  sh Testing/run_in_slicer.sh [/path/to/Slicer]
# Exit code 0: passed; 1: failed (the reason is in the output); 2: that Slicer has no onnxruntime yet.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
slicer=${1:-Slicer}
command -v "$slicer" >/dev/null || { echo "There is no $slicer. Give the path of Slicer's executable." >&2; exit 1; }
exec "$slicer" --testing --no-splash --additional-module-paths "$here/../CovidSeg" --python-script "$here/run_in_slicer.py"
