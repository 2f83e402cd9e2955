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

. "$(dirname "$0")/common.bash"

jar=/usr/share/java/zookeeper.jar
port_first=30000
port_count=2700
stop_seconds=10

install() {
    if [ -e "$jar" ] && command -v java >/dev/null; then
        return 0
    fi
    install_packages zookeeper openjdk-17-jre-headless
}

is_server() { has_argument "$2" "$1/zoo.cfg"; }

# answers tells whether a server on a loopback port gives sessions. It says "imok" some time before that.
answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf srvr >&3
        timeout 2 cat <&3 | grep -q '^Mode:'
    ) 2>/dev/null
}

# last_port reads what the server was last told.
last_port() { sed -n 's/^clientPort=//p' "$1/zoo.cfg" 2>/dev/null || true; }

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

prepare() { read -r -a flags <<<"${ZOOKEEPER_JVM_FLAGS-}"; }

launch() {
    configure "$1" "$2"
    java -Xms32m -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.preAllocSize=1024 \
        -Dzookeeper.jmx.log4j.disable=true -Djava.net.preferIPv4Stack=true "${flags[@]}" \
        -cp "$1/conf:$jar:/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar" \
        org.apache.zookeeper.server.ZooKeeperServerMain "$1/zoo.cfg" </dev/null >"$1/out.log" 2>&1 &
}

logs() { tail -n 20 "$1/out.log" "$1/zookeeper.log"; }

main "$@"
