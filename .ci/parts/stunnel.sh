#!/usr/bin/env bash
# TLS beside a program that speaks none: stunnel, set up as docs/SECURITY.md says.
#
#   stunnel.sh install                               stunnel and openssl, if they are missing (needs root)
#   stunnel.sh certs DIR                             authority.pem, and server.pem and client.pem with their .key, for
#                                                    127.0.0.1, in DIR
#   stunnel.sh start DIR LISTEN CONNECT [LISTEN CONNECT...]
#                                                    take connections at LISTEN (HOST:PORT) in the clear, and make them
#                                                    by TLS to CONNECT, with the client's certificate; pid in DIR/pid
#   stunnel.sh stop DIR                              end that process and no other
set -euo pipefail

usage() {
    sed -n '4,10s/^# *//p' "$0" >&2
    exit 2
}

log() { echo "stunnel: $*" >&2; }

install() {
    if command -v stunnel >/dev/null && command -v openssl >/dev/null; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        log "not installed, and this is not root. Run as root: apt-get update && apt-get install stunnel4 openssl"
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends stunnel4 openssl >&2
}

certs() {
    local dir name
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    (
        umask 077
        cd "$dir"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=authority \
            -keyout authority.key -out authority.pem
        for name in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
                -keyout "$name.key" -out "$name.csr"
            openssl x509 -req -in "$name.csr" -CA authority.pem -CAkey authority.key -CAcreateserial -days 30 \
                -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$name.pem"
        done
    ) 2>"$dir/openssl.log" || { cat "$dir/openssl.log" >&2; exit 1; }
}

# stunnel_pid prints the pid of the process in $1 if it is alive; a pid that was reused by another program is none.
stunnel_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) &&
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qFx "$1/stunnel.conf" && echo "$pid"
}

# configure writes the configuration in $1 for pairs of addresses.
configure() {
    local dir=$1 n=0
    shift
    {
        echo "foreground = yes"
        echo "pid ="
        while [ $# -gt 0 ]; do
            n=$((n + 1))
            cat <<END
[concord-$n]
client = yes
accept = $1
connect = $2
sslVersionMin = TLSv1.3
CAfile = $dir/authority.pem
verifyChain = yes
checkIP = ${2%:*}
cert = $dir/client.pem
key = $dir/client.key
END
            shift 2
        done
    } >"$dir/stunnel.conf"
}

start() {
    local dir pid
    dir=$(cd "$1" && pwd)
    shift
    if stunnel_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    configure "$dir" "$@"
    stunnel "$dir/stunnel.conf" </dev/null >"$dir/out.log" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    for _ in $(seq 100); do
        [ -e "/proc/$pid" ] || break
        if (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; then
            return 0
        fi
        sleep 0.1
    done
    log "it did not come up"
    tail -n 20 "$dir/out.log" >&2
    stop "$dir"
    exit 1
}

stop() {
    local dir pid
    dir=$(cd "$1" 2>/dev/null && pwd) || return 0
    pid=$(stunnel_pid "$dir") || { rm -f "$dir/pid"; return 0; }
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
        [ -e "/proc/$pid" ] || break
        sleep 0.1
    done
    if [ -e "/proc/$pid" ]; then
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$dir/pid"
}

case "${1-} $#" in
"install 1") install ;;
"certs 2") certs "$2" ;;
"start "[4-9]) shift && start "$@" ;;
"stop 2") stop "$2" ;;
*) usage ;;
esac
