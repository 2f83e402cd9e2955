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

. "$(dirname "$0")/common.bash"

# mariadbd refuses to run as root unless told to. Here root is only the owner of a private directory.
user=()
[ "$(id -u)" -ne 0 ] || user=(--user=root)

install() {
    if command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null; then
        return 0
    fi
    install_packages mariadb-server
}

is_server() { [ "$(cat "/proc/$2/comm" 2>/dev/null)" = mariadbd ]; }

answers() { mariadb-admin --no-defaults --protocol=tcp -h 127.0.0.1 -P "$1" -u root ping >/dev/null 2>&1; }

prepare() {
    # A server that starts removes temporary tables from its directory for them, also those of others: it has its own.
    mkdir -p "$1/tmp"
    [ ! -d "$1/data" ] || return 0
    TMPDIR=$1/tmp mariadb-install-db --no-defaults "${user[@]}" --datadir="$1/data" --skip-test-db \
        --auth-root-authentication-method=normal >"$1/install.log" 2>&1 ||
        { cat "$1/install.log" >&2; exit 1; }
}

launch() {
    # One flush for each commit is what production runs; a coordinator's clients are measured against that.
    # The socket path is relative to the data directory, which avoids the limit of 107 bytes.
    mariadbd --no-defaults "${user[@]}" --datadir="$1/data" --tmpdir="$1/tmp" --pid-file="$1/data/mariadbd.pid" \
        --socket=mariadbd.sock --bind-address=127.0.0.1 --port="$2" --skip-name-resolve \
        --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=128M --max-connections=500 \
        --log-error="$1/error.log" </dev/null >/dev/null 2>&1 &
}

logs() { tail -n 20 "$1/error.log"; }

main "$@"
