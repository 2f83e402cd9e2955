#!/usr/bin/env bash
# Java 17 and Maven, for Seata's own clients.
#
#   java.sh install    install what is missing (needs root)
set -euo pipefail

. "$(dirname "$0")/common.bash"

[ "${1-}" = install ] || usage
missing=()
javac -version 2>&1 | grep -qE "^javac (1[7-9]|[2-9][0-9])" || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
[ ${#missing[@]} -gt 0 ] || exit 0
install_packages "${missing[@]}"
