#!/usr/bin/env bash
# Installs packages of Debian or Ubuntu, asking nothing.
#
# usage: ci/apt.sh PACKAGE ...
set -euo pipefail
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
"${root[@]}" apt-get update -qq >&2
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2
