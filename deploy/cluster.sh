#!/usr/bin/env bash
# A cluster on this machine without Docker: MariaDB, ZooKeeper and RocketMQ from Debian's packages and Maven's jars, and
# nodes of Concord. `make cluster` and `make cluster-down` call it. Everything listens on 127.0.0.1.
#
#   cluster.sh up DIR BINARY    start what does not run yet, and show where everything is
#   cluster.sh down DIR         end exactly these processes; what they stored stays in DIR
#   cluster.sh status DIR       show what runs
#   cluster.sh kill DIR NODE    kill -9 a node, as in node-2; `up` starts it again
#
# NODES=n        number of nodes; 2 unless said otherwise
# BROKERS=set    single, or 2m2s for two masters and two slaves; only when DIR is new
set -euo pipefail

parts=$(cd "$(dirname "$0")/../.ci/parts" && pwd)
NODES=${NODES:-2}
BROKERS=${BROKERS:-single}

usage() {
    sed -n '5,11s/^# *//p' "$0" >&2
    exit 2
}

say() { echo "== $*"; }

fail() {
    echo "cluster: $*" >&2
    exit 1
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# node_pid prints the pid of the node in $1 if it is alive; a pid that was reused by another program is none.
node_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) &&
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qFx "$1/concord.yaml" && echo "$pid"
}

# value NODE_DIR KEY prints a setting of a node's file.
value() { sed -n "s/^ *$2: *\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$1/concord.yaml" | head -1; }

# ready ADDRESS tells whether a node takes new work.
ready() { "$binary" health --server "http://$1" >/dev/null 2>&1; }

# sql runs statements in the cluster's MariaDB.
sql() { mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$(cat "$dir/mariadb/port")" -u root -N -e "$1"; }

# configure NUMBER writes the settings of a node, once: its ports stay, so that clients find it again.
configure() {
    local number=$1 at=$dir/node-$1 tc http
    [ ! -e "$at/concord.yaml" ] || return 0
    mkdir -p "$at"
    for tc in $(seq $((11090 + number)) 20 11990); do
        http=$((tc - 1000))
        if port_free "$tc" && port_free "$http" && ! grep -qsF ":$tc\"" "$dir"/node-*/concord.yaml; then
            break
        fi
    done
    (
        umask 077
        cat >"$at/concord.yaml" <<YAML
# Written by deploy/cluster.sh; yours to change. What it may hold: concord serve --print-config.
tc: "127.0.0.1:$tc"
http: "127.0.0.1:$http"
advertise: "127.0.0.1:$tc"
data: "$at/data"
dev: true
store: {engine: mysql}
mysql:
  dsn: "root@tcp(127.0.0.1:$(cat "$dir/mariadb/port"))/concord"
mq: {engine: rocketmq}
rocketmq:
  namesrv: ["$(cat "$dir/rocketmq/namesrv")"]
registry: {engine: zookeeper}
zookeeper:
  servers: ["127.0.0.1:$(cat "$dir/zookeeper/port")"]
node:
  id: "node-$number"
  secret: "$(cat "$dir/secret")"
YAML
    )
}

# follow writes the parts' present addresses into a node's file: a part whose port was taken meanwhile has another one.
follow() {
    sed -i -e "s|tcp(127.0.0.1:[0-9]*)|tcp(127.0.0.1:$(cat "$dir/mariadb/port"))|" \
        -e "s|^  namesrv: .*|  namesrv: [\"$(cat "$dir/rocketmq/namesrv")\"]|" \
        -e "s|^  servers: .*|  servers: [\"127.0.0.1:$(cat "$dir/zookeeper/port")\"]|" "$1/concord.yaml"
}

# start_node NUMBER starts a node if it does not run, and again if the parts have moved.
start_node() {
    local at=$dir/node-$1 before
    configure "$1"
    before=$(cat "$at/concord.yaml")
    follow "$at"
    if node_pid "$at" >/dev/null; then
        [ "$before" != "$(cat "$at/concord.yaml")" ] || return 0
        end_node "$at"
    fi
    # A session of its own, so that Ctrl-C on `make cluster` does not reach it.
    CONCORD_CONFIG='' setsid "$binary" serve --config "$at/concord.yaml" </dev/null >>"$at/log" 2>&1 &
    echo $! >"$at/pid"
    disown $!
}

# await_node NUMBER waits until a node takes new work.
await_node() {
    local at=$dir/node-$1
    for _ in $(seq 600); do
        if ready "$(value "$at" http)"; then
            return 0
        fi
        if ! node_pid "$at" >/dev/null; then
            tail -n 5 "$at/log" >&2
            fail "node-$1 did not start; its log is $at/log"
        fi
        sleep 0.1
    done
    "$binary" health --server "http://$(value "$at" http)" >&2 || true
    fail "node-$1 is not ready after 60 s; its log is $at/log"
}

up() {
    local part number
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    binary=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
    [ -x "$binary" ] || fail "there is no binary $2; make build"
    for part in mariadb zookeeper rocketmq; do
        "$parts/$part.sh" install
    done
    [ -e "$dir/secret" ] || (umask 077 && head -c 24 /dev/urandom | base64 >"$dir/secret")
    say "MariaDB, ZooKeeper, RocketMQ"
    "$parts/mariadb.sh" start "$dir/mariadb"
    "$parts/zookeeper.sh" start "$dir/zookeeper"
    "$parts/rocketmq.sh" start "$dir/rocketmq" "$BROKERS"
    sql 'CREATE DATABASE IF NOT EXISTS concord CHARACTER SET utf8mb4'
    "$binary" migrate --mysql-dsn "root@tcp(127.0.0.1:$(cat "$dir/mariadb/port"))/concord"
    say "nodes"
    for number in $(seq "$NODES"); do
        start_node "$number"
    done
    for number in $(seq "$NODES"); do
        await_node "$number"
    done
    status
    hints
}

# row prints a line of the table.
row() { printf '  %-15s %-8s %-22s %-28s %s\n' "$@"; }

status() {
    local at name state broker
    echo
    row WHAT PID "SEATA CLIENTS" "HTTP, OTHER" LOG
    for at in "$dir"/node-*/; do
        at=${at%/}
        [ -e "$at/concord.yaml" ] || continue
        state=$(node_pid "$at" || echo down)
        row "$(basename "$at")" "$state" "$(value "$at" tc)" "http://$(value "$at" http)" "$at/log"
    done
    part_row mariadb "$dir/mariadb" "mysql://root@127.0.0.1:$(cat "$dir/mariadb/port" 2>/dev/null)" error.log
    part_row zookeeper "$dir/zookeeper" "127.0.0.1:$(cat "$dir/zookeeper/port" 2>/dev/null)" zookeeper.log
    part_row namesrv "$dir/rocketmq/namesrv.d" "$(cat "$dir/rocketmq/namesrv" 2>/dev/null)" out
    for broker in "$dir"/rocketmq/broker-*/; do
        name=$(basename "$broker")
        part_row "$name" "${broker%/}" "127.0.0.1:$(cat "$broker/port" 2>/dev/null)" out
    done
    echo
}

# part_row NAME DIR ADDRESS LOG
part_row() {
    local pid
    pid=$(cat "$2/pid" 2>/dev/null) && [ -e "/proc/$pid" ] || pid=down
    row "$1" "$pid" - "$3" "$2/$4"
}

hints() {
    local first=$dir/node-1
    cat <<END
Try next:
  $binary nodes --server http://$(value "$first" http)
  $binary tx list --live --server http://$(value "$first" http)
  curl -s http://$(value "$first" http)/readyz
  deploy/cluster.sh kill $dir node-2      # the others take over; 'make cluster' brings it back
  make cluster-down                       # CLUSTER=$dir, if you chose that

Java clients find the nodes with
  registry { type = "zk"  zk { cluster = "default"  serverAddr = "127.0.0.1:$(cat "$dir/zookeeper/port")" } }
or, without ZooKeeper, with
  service.default.grouplist = "$(for at in "$dir"/node-*/; do value "${at%/}" tc; done | paste -sd';')"
END
}

# end_node DIR ends a node and waits for it.
end_node() {
    local pid
    pid=$(node_pid "$1") || { rm -f "$1/pid"; return 0; }
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 300); do
        node_pid "$1" >/dev/null || break
        sleep 0.1
    done
    if node_pid "$1" >/dev/null; then
        echo "cluster: $1 did not end within 30 s, killed" >&2
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$1/pid"
}

down() {
    local at
    [ -d "$1" ] || { say "nothing is in $1"; return 0; }
    dir=$(cd "$1" && pwd)
    for at in "$dir"/node-*/; do
        end_node "${at%/}" &
    done
    wait
    "$parts/rocketmq.sh" stop "$dir/rocketmq" &
    "$parts/zookeeper.sh" stop "$dir/zookeeper" &
    "$parts/mariadb.sh" stop "$dir/mariadb" &
    wait
    say "all ended; what they stored is in $dir, rm -r it to forget it"
}

kill_node() {
    local pid
    dir=$(cd "$1" && pwd)
    pid=$(node_pid "$dir/$2") || fail "$2 does not run in $dir"
    kill -9 "$pid"
    say "$2 (pid $pid) is killed"
}

case "${1-} $#" in
"up 3") up "$2" "$3" ;;
"down 2") down "$2" ;;
"status 2") dir=$(cd "$2" && pwd) && status ;;
"kill 3") kill_node "$2" "$3" ;;
*) usage ;;
esac
