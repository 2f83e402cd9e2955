#!/usr/bin/env bash
# Node.js and npm, with which the console is built and tested. The binary needs neither.
#
#   node.sh install    install them if they are missing, where the system's packages are new enough (needs root)
set -euo pipefail

least=20.19

if [ "${1:-}" != install ]; then
    echo "usage: node.sh install" >&2
    exit 2
fi

# enough VERSION reports whether a version of Node.js is new enough.
enough() {
    [ -n "$1" ] && [ "$(printf '%s\n' "$least" "$1" | sort -V | head -1)" = "$least" ]
}

found=
if command -v node >/dev/null; then
    found=$(node --version)
    found=${found#v}
fi
if enough "$found" && command -v npm >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "node: Node.js ${found:-is missing}; $least or newer and npm are needed, and this is not root." >&2
    echo "node: install them from https://nodejs.org, or from the system's packages if they are new enough" >&2
    exit 1
fi
apt-get update -qq
missing=(npm)
if ! enough "$found"; then
    offered=$(apt-cache policy nodejs | awk '/Candidate:/ {print $2}')
    offered=${offered#*:}
    if ! enough "${offered%%[-~+]*}"; then
        echo "node: the system's packages have Node.js ${offered:-not at all}, and $least or newer is needed:" \
            "install it with npm from https://nodejs.org and put both in PATH" >&2
        exit 1
    fi
    missing+=(nodejs)
fi
if command -v npm >/dev/null; then
    missing=("${missing[@]:1}")
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
command -v npm >/dev/null || {
    echo "node: Node.js is there and npm is not: install it with Node.js from https://nodejs.org" >&2
    exit 1
}
