#!/usr/bin/env bash
# A C compiler, for Go's race detector. The binary itself is built without one.
#
#   gcc.sh install    install it if it is missing (needs root)
set -euo pipefail

if [ "${1:-}" != install ]; then
    echo "usage: gcc.sh install" >&2
    exit 2
fi
if command -v gcc >/dev/null && [ -e /usr/include/stdlib.h ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "gcc: not installed, and this is not root. Run as root: apt-get update && apt-get install gcc libc6-dev" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >&2
