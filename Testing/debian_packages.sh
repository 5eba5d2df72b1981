#!/bin/sh
# Installs, where it runs as root, the Debian packages that are missing for the pictures and the tests; names them otherwise.
# Segmenting needs none of them.
set -u

here=$(dirname "$0")
opengl="libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri"
# What VTK's and Qt's wheels expect of the system.
windows="libx11-6 libxrender1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 fonts-dejavu-core"
# Looks at the report as a reader's browser does; it also brings SwiftShader, a GPU in software, which Vulkan's loader opens.
browser=""
case ",${EXTRAS:-test}," in *,test,*) browser="chromium libvulkan1" ;; esac
python=""
[ -n "${PYTHON:-}" ] || sh "$here/find_python.sh" >/dev/null 2>&1 || python="python3 python3-venv"

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian system: pictures need an OpenGL library that draws without a window (Mesa's EGL) and a font."
    exit 0
fi

missing=""
for package in $opengl $windows $browser $python; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

line="apt-get install --yes --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "For the pictures some Debian packages are missing. To have them, run as root:"
    echo "    $line"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing Debian packages:$missing"
if ! { apt-get update -qq && $line -qq >/dev/null; }; then
    echo "error: these Debian packages could not be installed. Try by hand: $line" >&2
    exit 1
fi
