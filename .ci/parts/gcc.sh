#!/usr/bin/env bash
# A C compiler, for Go's race detector. The binary itself is built without one.
#
#   gcc.sh install    install it if it is missing (needs root)
set -euo pipefail

. "$(dirname "$0")/common.bash"

[ "${1-}" = install ] || usage
if command -v gcc >/dev/null && [ -e /usr/include/stdlib.h ]; then
    exit 0
fi
install_packages gcc libc6-dev
