#!/usr/bin/env bash
# Runs the unmodified Seata clients against a Concord binary and a private MariaDB, one generation after the other.
#
#   run.sh CONCORD_BIN [MAVEN ARGUMENT...]
#
# The database must be installed (.ci/parts/mariadb.sh install); Maven fetches the clients. Further arguments go to
# Maven, for example: run.sh ./concord -pl seata-1.8.0 -Dtest=TccTest
set -euo pipefail

if [ $# -lt 1 ] || [ ! -x "$1" ] || [ -d "$1" ]; then
    echo "usage: $0 CONCORD_BIN [MAVEN ARGUMENT...]   (CONCORD_BIN is an executable file)" >&2
    exit 2
fi
CONCORD_BIN=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift

here=$(cd "$(dirname "$0")" && pwd)
mariadb=$here/../.ci/parts/mariadb.sh
work=$(mktemp -d)
maven=
# Ends what was started, whatever ends this script; the coordinator ends with the JVM that started it.
trap '[ -z "$maven" ] || kill "$maven" 2>/dev/null || true; "$mariadb" stop "$work/mariadb"; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$mariadb" start "$work/mariadb"
export CONCORD_BIN CONCORD_MYSQL_HOST=127.0.0.1 CONCORD_MYSQL_USER=root CONCORD_MYSQL_PASSWORD=
CONCORD_MYSQL_PORT=$(cat "$work/mariadb/port")
export CONCORD_MYSQL_PORT

# clients MAVENARGUMENT... runs the scenarios. Each module runs even if an earlier one failed: a difference between
# generations is what one wants to see. In the background, because bash would let a signal wait for a command in the
# foreground.
clients() {
    mvn -B -ntp -f "$here/pom.xml" --fail-at-end test "$@" &
    maven=$!
    wait "$maven"
}

clients "$@"
# Once more, in part, with a coordinator that speaks TLS alone, and a stunnel beside the clients.
if [ $# -eq 0 ]; then
    export CONCORD_TLS_SIDECAR=$here/../.ci/parts/stunnel.sh
    "$CONCORD_TLS_SIDECAR" install
    clients '-Dtest=AtTest,TccTest,HttpTest'
fi
