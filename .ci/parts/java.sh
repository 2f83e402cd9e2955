#!/usr/bin/env bash
# Java 17 and Maven, for Seata's own clients.
#
#   java.sh install    install what is missing (needs root)
set -euo pipefail

if [ "${1:-}" != install ]; then
    echo "usage: java.sh install" >&2
    exit 2
fi
missing=()
java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])' || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "java: not installed, and this is not root. Run as root: apt-get update && apt-get install ${missing[*]}" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
