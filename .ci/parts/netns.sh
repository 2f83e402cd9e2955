#!/usr/bin/env bash
# Network namespaces and packet filters, by which tests cut a node off.
#
#   netns.sh install    install what is missing (needs root)
set -euo pipefail

. "$(dirname "$0")/common.bash"

[ "${1-}" = install ] || usage
missing=()
command -v ip >/dev/null || missing+=(iproute2)
command -v iptables >/dev/null || missing+=(iptables)
[ ${#missing[@]} -gt 0 ] || exit 0
install_packages "${missing[@]}"
