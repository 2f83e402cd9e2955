#!/usr/bin/env bash
# A private MariaDB for tests: installed from the distribution, run from a directory of the caller's choice.
#
#   mariadb.sh install      install mariadb-server if it is missing (needs root)
#   mariadb.sh start DIR    data and logs in DIR, port in DIR/port, pid in DIR/pid; returns when it accepts connections
#   mariadb.sh stop DIR     end that server and no other
#
# The instance listens on 127.0.0.1 only; its user is root with an empty password. It shares nothing with a MariaDB
# that the machine may run as a service: neither data, nor socket, nor port, nor configuration files. A server that is
# started again in the same directory takes its old port if that is free, so that clients find it again.
set -euo pipefail

usage() {
    sed -n '4,6s/^# *//p' "$0" >&2
    exit 2
}

# log says what happens on standard error, so that standard output stays free for callers.
log() { echo "mariadb: $*" >&2; }

install() {
    if command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        log "not installed, and this is not root. Run as root: apt-get update && apt-get install mariadb-server"
        exit 1
    fi
    # The package would start a service. A policy file is Debian's way to forbid that; an existing one is respected.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server >&2
}

# port_free tells whether nobody accepts connections on a loopback port.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# answers tells whether a server accepts connections on a loopback port.
answers() { mariadb-admin --no-defaults --protocol=tcp -h 127.0.0.1 -P "$1" -u root ping >/dev/null 2>&1; }

# server_pid prints the pid of the server in $1 if it is alive; a pid that was reused by another program is none.
server_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mariadbd ] && echo "$pid"
}

start() {
    local dir port attempt pid user=()
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    if server_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    # mariadbd refuses to run as root unless told to. Here root is only the owner of a private directory.
    [ "$(id -u)" -ne 0 ] || user=(--user=root)
    # A server that starts removes temporary tables from its directory for them, also those of others: it has its own.
    mkdir -p "$dir/tmp"
    if [ ! -d "$dir/data" ]; then
        TMPDIR=$dir/tmp mariadb-install-db --no-defaults "${user[@]}" --datadir="$dir/data" --skip-test-db \
            --auth-root-authentication-method=normal >"$dir/install.log" 2>&1 ||
            { cat "$dir/install.log" >&2; exit 1; }
    fi
    # A port can be taken between the look and the bind; then the server ends at once and another port is tried.
    port=$(cat "$dir/last-port" 2>/dev/null || true)
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$port" ] || port=$((20000 + (RANDOM % 10000)))
        port_free "$port" || { port=; continue; }
        # One flush for each commit is what production runs; a coordinator's clients are measured against that.
        # The socket path is relative to the data directory, which avoids the limit of 107 bytes.
        mariadbd --no-defaults "${user[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --pid-file="$dir/data/mariadbd.pid" \
            --socket=mariadbd.sock --bind-address=127.0.0.1 --port="$port" --skip-name-resolve \
            --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=128M --max-connections=500 \
            --log-error="$dir/error.log" </dev/null >/dev/null 2>&1 &
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
    tail -n 20 "$dir/error.log" >&2
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
