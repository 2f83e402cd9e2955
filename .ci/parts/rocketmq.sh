#!/usr/bin/env bash
# A private RocketMQ 5.2.0 for tests, from Maven Central's jars, in a directory of the caller's choice.
#
#   rocketmq.sh install            Java, Maven and the jars, if they are missing (Java needs root)
#   rocketmq.sh start DIR [SET]    SET: single (default), 2m2s, dledger; the name server's HOST:PORT in DIR/namesrv
#   rocketmq.sh stop DIR [KILL]    end the processes of DIR and no others, with KILL at once
#   rocketmq.sh kill DIR NAME      kill -9 one process: namesrv; broker-a; 2m2s: also broker-b, broker-a-slave,
#                                  broker-b-slave; dledger: n0, n1, n2 (all of broker RaftNode00)
#   rocketmq.sh run DIR NAME       run one process again, on its old port and data; returns when it listens
#   rocketmq.sh leader DIR         dledger: the NAME of the present leader
#
# start returns when every broker takes messages: masters are registered, slaves are in sync, a leader is elected.
# Topics are not made; a client makes its own (admin, any broker). Each process has DIR/NAME/{pid,port,conf,out}
# (the name server: DIR/namesrv.d).
# Environment: ROCKETMQ_BROKER_CONF, lines added to each broker's configuration; ROCKETMQ_BROKER_OPTS, options added to
# each broker's JVM; ROCKETMQ_ACL, a file that becomes plain_acl.yml and turns access control on.
set -euo pipefail

. "$(dirname "$0")/common.bash"

version=5.2.0
lib=$(cd "$(dirname "$0")/../.." && pwd)/.parts/rocketmq/lib-$version

install() {
    "$(dirname "$0")/java.sh" install
    [ ! -e "$lib/complete" ] || return 0
    # Not local: the trap runs after the function has ended.
    mkdir -p "$lib"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>io.concord.parts</groupId>
  <artifactId>rocketmq</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-namesrv</artifactId><version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-broker</artifactId><version>$version</version>
    </dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.6.1</version>
  </plugin></plugins></build>
</project>
POM
    (cd "$work" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/jars" >&2)
    cp "$work"/jars/*.jar "$lib/"
    touch "$lib/complete"
}

# ask HOST:PORT CODE prints the answer to a request of RocketMQ's remoting protocol (4 bytes length, 4 bytes length of
# the header, header as JSON). The answer is read for at most a second.
ask() {
    local json="{\"code\":$2,\"language\":\"JAVA\",\"version\":459,\"opaque\":1,\"flag\":0,\"extFields\":{}}" n
    n=${#json}
    exec 3<>"/dev/tcp/${1%:*}/${1#*:}" || return 1
    printf '%b%s' "$(printf '\\x%02x' 0 0 $(((n + 4) >> 8)) $(((n + 4) & 255)) 0 0 $((n >> 8)) $((n & 255)))" "$json" >&3
    { timeout 0.5 cat <&3 || true; } | tr -d '\0'
    exec 3>&-
}

# brokers DIR prints the name server's table of brokers (GET_BROKER_CLUSTER_INFO).
brokers() { (ask "$(cat "$1/namesrv")" 106) 2>/dev/null || true; }

# in_sync DIR NAME tells whether the slave of a master follows (GET_BROKER_HA_STATUS).
in_sync() { (ask "127.0.0.1:$(cat "$1/$2/port")" 907) 2>/dev/null | grep -q '"inSync":true'; }

# process_pid DIR prints the pid of the process that runs in DIR, if it does.
process_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-Duser.home=$1 " && echo "$pid"
}

# wait_for SECONDS WHAT COMMAND... polls.
wait_for() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if [ $SECONDS -ge $until ]; then
            log "$what: not within the time"
            return 1
        fi
        sleep 0.2
    done
}

listens() { ! port_free "$(cat "$1/port")"; }

# run_process DIR NAME runs a process that was configured, and waits until it listens.
run_process() {
    local dir=$1 name=$2 at=$1/$2 pid kind
    [ -e "$at/conf" ] || { log "no process $name in $dir"; exit 2; }
    if process_pid "$at" >/dev/null; then
        log "$name already runs in $dir"
        return 0
    fi
    kind=(-Xms64m -Xmx64m -XX:MaxDirectMemorySize=96m -XX:MaxMetaspaceSize=96m)
    local main=org.apache.rocketmq.broker.BrokerStartup more=()
    case $name in
    namesrv.d)
        kind=(-Xms24m -Xmx24m -XX:MaxMetaspaceSize=64m)
        main=org.apache.rocketmq.namesrv.NamesrvStartup
        ;;
    n[0-9]) kind=(-Xms256m -Xmx256m -XX:MaxDirectMemorySize=128m -XX:MaxMetaspaceSize=96m) ;;
    esac
    [ "$name" = namesrv.d ] || read -ra more <<<"${ROCKETMQ_BROKER_OPTS:-$(cat "$dir/opts")}"
    ROCKETMQ_HOME=$dir/home setsid java "-Duser.home=$at" "${kind[@]}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        --add-exports java.base/sun.nio.ch=ALL-UNNAMED -Drocketmq.broker.diskSpaceWarningLevelRatio=0.90 "${more[@]}" \
        -cp "$lib/*" $main -c "$at/conf" </dev/null >>"$at/out" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$at/pid"
    if ! wait_for 60 "$name listens" listens "$at"; then
        tail -n 20 "$at/out" >&2
        return 1
    fi
}

# configure_broker DIR NAME PORT LINES... writes what all brokers have in common, and lines of its own.
configure_broker() {
    local dir=$1 name=$2 port=$3 at=$1/$2
    shift 3
    mkdir -p "$at"
    echo "$port" >"$at/port"
    cat >"$at/conf" <<CONF
brokerIP1=127.0.0.1
namesrvAddr=$(cat "$dir/namesrv")
listenPort=$port
storePathRootDir=$at/store
storePathCommitLog=$at/store/commitlog
brokerClusterName=concord
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=true
defaultTopicQueueNums=4
registerNameServerPeriod=10000
maxMessageSize=1048576
flushDiskType=SYNC_FLUSH
syncFlushTimeout=1500
slaveTimeout=1500
mappedFileSizeCommitLog=16777216
mappedFileSizeConsumeQueue=200000
maxHashSlotNum=50000
maxIndexNum=200000
timerWheelEnable=false
deleteWhen=04
fileReservedTime=48
diskMaxUsedSpaceRatio=95
cleanFileForciblyEnable=false
brokerFastFailureEnable=false
osPageCacheBusyTimeOutMills=10000
sendMessageThreadPoolNums=4
endTransactionThreadPoolNums=32
transactionTimeOut=3000
transactionCheckInterval=3000
transactionCheckMax=100000
transactionOpBatchInterval=500
$(printf '%s\n' "$@")
${ROCKETMQ_ACL:+aclEnable=true}
${ROCKETMQ_BROKER_CONF:-}
CONF
}

# free_base prints a port P such that the ports of all processes of a set can be bound: P, and for i from 1 to 5
# P+20i-2, P+20i, P+20i+1 (remoting, its second port, replication) and P+20i+10 (DLedger). No two such ranges overlap.
free_base() {
    local base i offset ok
    for _ in $(seq 50); do
        base=$((12000 + (RANDOM % 66) * 120))
        ok=yes
        port_free "$base" || continue
        for i in 1 2 3 4 5; do
            for offset in -2 0 1 10; do
                port_free $((base + 20 * i + offset)) || ok=
            done
        done
        [ -z "$ok" ] || { echo "$base"; return 0; }
    done
    log "no free ports"
    return 1
}

# has_room DIR: from 90 % on a broker refuses to write, and says so only to who sends.
has_room() {
    local used
    used=$(df --output=pcent "$1" | tail -1 | tr -dc '0-9')
    [ "${used:-0}" -lt 90 ] || { log "the disk of $1 is filled by $used %, which RocketMQ refuses to write on"; return 1; }
}

# configure DIR SET
configure() {
    local dir=$1 base name i peers
    # Sets that start at the same time find the same ports free. The lock is held by all processes of the set.
    while base=$(free_base); do
        exec 9>"${TMPDIR:-/tmp}/concord-rocketmq-$base.lock"
        ! flock -n 9 || break
    done
    [ -n "$base" ] || exit 1
    mkdir -p "$dir/home/conf" "$dir/namesrv.d"
    has_room "$dir" || exit 1
    if [ -n "${ROCKETMQ_ACL:-}" ]; then
        cp "$ROCKETMQ_ACL" "$dir/home/conf/plain_acl.yml"
    fi
    echo "${ROCKETMQ_BROKER_OPTS:-}" >"$dir/opts"
    echo "$2" >"$dir/set"
    echo "127.0.0.1:$base" >"$dir/namesrv"
    echo "$base" >"$dir/namesrv.d/port"
    printf 'listenPort=%s\nkvConfigPath=%s\nscanNotActiveBrokerInterval=2000\n' "$base" "$dir/namesrv.d/kv.json" \
        >"$dir/namesrv.d/conf"
    case $2 in
    single)
        configure_broker "$dir" broker-a $((base + 20)) brokerName=broker-a brokerId=0 brokerRole=ASYNC_MASTER
        ;;
    2m2s)
        i=0
        for name in a b; do
            i=$((i + 1))
            configure_broker "$dir" broker-$name $((base + 20 * i)) brokerName=broker-$name brokerId=0 \
                brokerRole=SYNC_MASTER inSyncReplicas=2 totalReplicas=2
            configure_broker "$dir" broker-$name-slave $((base + 40 + 20 * i)) brokerName=broker-$name brokerId=1 \
                brokerRole=SLAVE inSyncReplicas=2 totalReplicas=2
        done
        ;;
    dledger)
        peers="n0-127.0.0.1:$((base + 30));n1-127.0.0.1:$((base + 50));n2-127.0.0.1:$((base + 70))"
        for i in 0 1 2; do
            # More threads than these fill a small heap with DLedger's buffers of 4 MB each.
            configure_broker "$dir" n$i $((base + 20 + 20 * i)) brokerName=RaftNode00 brokerId=0 \
                enableDLegerCommitLog=true dLegerGroup=RaftNode00 "dLegerPeers=$peers" "dLegerSelfId=n$i" \
                endTransactionThreadPoolNums=16
        done
        ;;
    *) usage ;;
    esac
}

# has_leader DIR tells whether the name server knows a master of RaftNode00.
has_leader() { brokers "$1" | grep -qE '"?0"?:"127\.0\.0\.1:'; }
has_masters() { [ "$(brokers "$1" | grep -oE '\b"?0"?:"127\.0\.0\.1:[0-9]+' | wc -l)" -ge "$2" ]; }

start() {
    local dir set name
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    [ -e "$lib/complete" ] || install
    [ -e "$dir/set" ] || configure "$dir" "$2"
    set=$(cat "$dir/set")
    run_process "$dir" namesrv.d
    case $set in
    single)
        run_process "$dir" broker-a
        wait_for 60 "broker is registered" has_masters "$dir" 1
        ;;
    2m2s)
        run_process "$dir" broker-a &
        run_process "$dir" broker-b
        wait
        wait_for 60 "masters are registered" has_masters "$dir" 2
        run_process "$dir" broker-a-slave &
        run_process "$dir" broker-b-slave
        wait
        wait_for 90 "slave of broker-a is in sync" in_sync "$dir" broker-a
        wait_for 90 "slave of broker-b is in sync" in_sync "$dir" broker-b
        ;;
    dledger)
        for name in n0 n1; do
            run_process "$dir" $name &
        done
        run_process "$dir" n2
        wait
        wait_for 90 "a leader is elected" has_leader "$dir"
        ;;
    esac
}

# end DIR SIGNAL
end() {
    local pid
    pid=$(process_pid "$1") || { rm -f "$1/pid"; return 0; }
    kill "-$2" "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
        process_pid "$1" >/dev/null || break
        sleep 0.1
    done
    if process_pid "$1" >/dev/null; then
        log "pid $pid did not end within 5 s, killed"
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$1/pid"
}

stop() {
    local dir at
    [ -d "$1" ] || return 0
    dir=$(cd "$1" && pwd)
    for at in "$dir"/*/conf; do
        [ ! -f "$at" ] || end "$(dirname "$at")" "${2:-TERM}" &
    done
    wait
}

leader() {
    local port name
    port=$(brokers "$1" | grep -oE '\b"?0"?:"127\.0\.0\.1:[0-9]+' | head -1 | sed 's/.*://')
    for name in "$1"/n[0-9]; do
        [ "$(cat "$name/port")" != "${port:-none}" ] || basename "$name"
    done
}

place() {
    local name=$2
    [ "$name" != namesrv ] || name=namesrv.d
    echo "$(cd "$1" && pwd)/$name"
}

case "${1-} $#" in
"install 1") install ;;
"start 2") start "$2" single ;;
"start 3") start "$2" "$3" ;;
"stop 2") stop "$2" ;;
"stop 3") stop "$2" "$3" ;;
"kill 3") end "$(place "$2" "$3")" 9 ;;
"run 3") at=$(place "$2" "$3") && run_process "$(dirname "$at")" "$(basename "$at")" ;;
"leader 2") leader "$(cd "$2" && pwd)" ;;
*) usage ;;
esac
