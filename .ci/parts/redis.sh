#!/usr/bin/env bash
# A private Redis for tests: installed from the distribution, run from a directory of the caller's choice.
#
#   redis.sh install      install redis-server if it is missing (needs root)
#   redis.sh start DIR    data and logs in DIR, port in DIR/port, pid in DIR/pid; returns when it accepts connections
#   redis.sh stop DIR     end that server and no other
#
# The instance listens on 127.0.0.1 only and writes each change to its log before it answers. It shares nothing with a
# Redis that the machine may run as a service. A server that is started again in the same directory takes its old port
# if that is free, so that clients find it again, and has its data.
set -euo pipefail

. "$(dirname "$0")/common.bash"

install() {
    if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
        return 0
    fi
    install_packages redis-server
}

is_server() { [ "$(cat "/proc/$2/comm" 2>/dev/null)" = redis-server ]; }

answers() { [ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]; }

prepare() { mkdir -p "$1/data"; }

launch() {
    redis-server --bind 127.0.0.1 --port "$2" --dir "$1/data" --logfile "$1/redis.log" --daemonize no \
        --save "" --appendonly yes --appendfsync always --maxmemory 256mb --maxmemory-policy noeviction \
        </dev/null >/dev/null 2>&1 &
}

logs() { tail -n 20 "$1/redis.log"; }

main "$@"
