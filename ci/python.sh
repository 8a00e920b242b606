#!/usr/bin/env bash
# Makes a virtual environment with packages from PyPI, and prints its interpreter. Installs Python if it is missing.
#
# usage: ci/python.sh DIRECTORY PACKAGE ...
set -euo pipefail
directory=$1
shift
if ! python3 -c 'import ensurepip, venv' 2> /dev/null; then
    ci/apt.sh python3 python3-venv
fi
python3 -m venv "$directory" >&2
"$directory/bin/python" -m pip install -q --disable-pip-version-check "$@" >&2
echo "$directory/bin/python"
