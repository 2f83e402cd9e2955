#!/usr/bin/env bash
# A private ZooKeeper for tests and `make cluster`: the distribution's jars, run from a directory of the caller's choice.
#
#   zookeeper.sh install      install zookeeper if it is missing (needs root)
#   zookeeper.sh start DIR    data and logs in DIR, port in DIR/port, pid in DIR/pid; returns when it gives sessions
#   zookeeper.sh stop DIR     end that server and no other
#
# One server without an ensemble, on 127.0.0.1 only, without the admin HTTP server. A server that is started again in
# the same directory takes its old port if that is free, so that clients find it again. Session timeouts between 1 s
# and 60 s are granted. ZOOKEEPER_JVM_FLAGS adds flags, as in "-Dzookeeper.skipACL=yes".
set -euo pipefail

jar=/usr/share/java/zookeeper.jar

usage() {
    sed -n '4,6s/^# *//p' "$0" >&2
    exit 2
}

# log says what happens on standard error, so that standard output stays free for callers.
log() { echo "zookeeper: $*" >&2; }

install() {
    if [ -e "$jar" ] && command -v java >/dev/null; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        log "not installed, and this is not root. Run as root: apt-get update &&" \
            "apt-get install zookeeper openjdk-17-jre-headless"
        exit 1
    fi
    # The package alone starts nothing (zookeeperd would), but what it depends on might.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        zookeeper openjdk-17-jre-headless >&2
}

# port_free tells whether nobody accepts connections on a loopback port.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# answers tells whether a server on a loopback port gives sessions. It says "imok" some time before that.
answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf srvr >&3
        timeout 2 cat <&3 | grep -q '^Mode:'
    ) 2>/dev/null
}

# server_pid prints the pid of the server in $1 if it is alive; a pid that was reused by another program is none.
server_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) &&
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qFx "$1/zoo.cfg" && echo "$pid"
}

# configure writes the configuration files of a server in $1 on port $2.
configure() {
    mkdir -p "$1/conf" "$1/data"
    cat >"$1/zoo.cfg" <<END
dataDir=$1/data
clientPort=$2
clientPortAddress=127.0.0.1
tickTime=500
minSessionTimeout=1000
maxSessionTimeout=60000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=ruok,srvr,cons,dump
autopurge.snapRetainCount=3
autopurge.purgeInterval=24
END
    cat >"$1/conf/log4j.properties" <<END
log4j.rootLogger=INFO, FILE
log4j.appender.FILE=org.apache.log4j.RollingFileAppender
log4j.appender.FILE.File=$1/zookeeper.log
log4j.appender.FILE.MaxFileSize=10MB
log4j.appender.FILE.MaxBackupIndex=2
log4j.appender.FILE.layout=org.apache.log4j.PatternLayout
log4j.appender.FILE.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} %m%n
END
}

start() {
    local dir port attempt pid flags
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    if server_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    read -r -a flags <<<"${ZOOKEEPER_JVM_FLAGS-}"
    port=$(sed -n 's/^clientPort=//p' "$dir/zoo.cfg" 2>/dev/null || true)
    # A port can be taken between the look and the bind; then the server ends at once and another port is tried.
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$port" ] || port=$((30000 + (RANDOM % 2700)))
        port_free "$port" || { port=; continue; }
        configure "$dir" "$port"
        java -Xms32m -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.preAllocSize=1024 \
            -Dzookeeper.jmx.log4j.disable=true -Djava.net.preferIPv4Stack=true "${flags[@]}" \
            -cp "$dir/conf:$jar:/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar" \
            org.apache.zookeeper.server.ZooKeeperServerMain "$dir/zoo.cfg" </dev/null >"$dir/out.log" 2>&1 &
        pid=$!
        disown "$pid"
        echo "$pid" >"$dir/pid"
        for _ in $(seq 300); do
            [ -e "/proc/$pid" ] || break
            if answers "$port" && [ -e "/proc/$pid" ]; then
                echo "$port" >"$dir/port"
                return 0
            fi
            sleep 0.1
        done
        log "attempt $attempt on port $port did not come up"
        stop "$dir"
        port=
    done
    tail -n 20 "$dir/out.log" "$dir/zookeeper.log" >&2 || true
    exit 1
}

stop() {
    local dir pid
    dir=$(cd "$1" 2>/dev/null && pwd) || return 0
    pid=$(server_pid "$dir") || { rm -f "$dir/pid" "$dir/port"; return 0; }
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        [ -e "/proc/$pid" ] || break
        sleep 0.1
    done
    if [ -e "/proc/$pid" ]; then
        log "pid $pid did not end within 10 s, killed"
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$dir/pid" "$dir/port"
}

case "${1-} $#" in
"install 1") install ;;
"start 2") start "$2" ;;
"stop 2") stop "$2" ;;
*) usage ;;
esac
