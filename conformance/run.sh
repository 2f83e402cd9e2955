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
trap '"$mariadb" stop "$work/mariadb"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

"$mariadb" start "$work/mariadb"
export CONCORD_BIN CONCORD_MYSQL_HOST=127.0.0.1 CONCORD_MYSQL_USER=root CONCORD_MYSQL_PASSWORD=
CONCORD_MYSQL_PORT=$(cat "$work/mariadb/port")
export CONCORD_MYSQL_PORT

# Each module runs even if an earlier one failed: a difference between generations is what one wants to see.
mvn -B -ntp -f "$here/pom.xml" --fail-at-end test "$@"
