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

usage() {
    sed -n '4,6s/^# *//p' "$0" >&2
    exit 2
}

# log says what happens on standard error, so that standard output stays free for callers.
log() { echo "redis: $*" >&2; }

install() {
    if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        log "not installed, and this is not root. Run as root: apt-get update && apt-get install redis-server"
        exit 1
    fi
    # The package would start a service. A policy file is Debian's way to forbid that; an existing one is respected.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >&2
}

# port_free tells whether nobody accepts connections on a loopback port.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# answers tells whether a server accepts connections on a loopback port.
answers() { [ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]; }

# server_pid prints the pid of the server in $1 if it is alive; a pid that was reused by another program is none.
server_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = redis-server ] && echo "$pid"
}

start() {
    local dir port attempt pid
    mkdir -p "$1/data"
    dir=$(cd "$1" && pwd)
    if server_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    # A port can be taken between the look and the bind; then the server ends at once and another port is tried.
    port=$(cat "$dir/last-port" 2>/dev/null || true)
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$port" ] || port=$((20000 + (RANDOM % 10000)))
        port_free "$port" || { port=; continue; }
        redis-server --bind 127.0.0.1 --port "$port" --dir "$dir/data" --logfile "$dir/redis.log" --daemonize no \
            --save "" --appendonly yes --appendfsync always --maxmemory 256mb --maxmemory-policy noeviction \
            </dev/null >/dev/null 2>&1 &
        pid=$!
        disown "$pid"
        echo "$pid" >"$dir/pid"
        for _ in $(seq 300); do
            [ -e "/proc/$pid" ] || break
            if answers "$port" && [ -e "/proc/$pid" ]; then
                echo "$port" | tee "$dir/last-port" >"$dir/port"
                return 0
            fi
            sleep 0.1
        done
        log "attempt $attempt on port $port did not come up"
        stop "$dir"
        port=
    done
    tail -n 20 "$dir/redis.log" >&2
    exit 1
}

stop() {
    local pid
    pid=$(server_pid "$1") || { rm -f "$1/pid" "$1/port"; return 0; }
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 200); do
        [ -e "/proc/$pid" ] || break
        sleep 0.1
    done
    if [ -e "/proc/$pid" ]; then
        log "pid $pid did not end within 20 s, killed"
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$1/pid" "$1/port"
}

case "${1-} $#" in
"install 1") install ;;
"start 2") start "$2" ;;
"stop 2") stop "$2" ;;
*) usage ;;
esac
