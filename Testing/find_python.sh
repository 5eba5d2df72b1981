#!/bin/sh
# Prints the Python that `make install` builds its environment with: the one named by the variable PYTHON,
# or the first of 3.11, 3.12, 3.13, 3.10 that is here and can make an environment (Debian keeps that part in python3-venv).
set -u

suitable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
}

for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3}; do
    if suitable "$python"; then
        "$python" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
if [ -n "${PYTHON:-}" ]; then
    echo "error: $PYTHON is not a Python 3.10 to 3.13 with the modules venv and ensurepip." >&2
else
    echo "error: no Python 3.10 to 3.13 with venv was found. On Debian, as root: apt-get install python3 python3-venv" >&2
    echo "       Elsewhere: make install PYTHON=/path/to/python3.11" >&2
fi
exit 1
