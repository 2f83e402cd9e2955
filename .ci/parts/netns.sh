#!/usr/bin/env bash
# Network namespaces and packet filters, by which tests cut a node off.
#
#   netns.sh install    install what is missing (needs root)
set -euo pipefail

if [ "${1:-}" != install ]; then
    echo "usage: netns.sh install" >&2
    exit 2
fi
missing=()
command -v ip >/dev/null || missing+=(iproute2)
command -v iptables >/dev/null || missing+=(iptables)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "netns: not installed, and this is not root. Run as root: apt-get update && apt-get install ${missing[*]}" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
