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

. "$(dirname "$0")/common.bash"

stop_seconds=5

install() {
    if command -v stunnel >/dev/null && command -v openssl >/dev/null; then
        return 0
    fi
    install_packages stunnel4 openssl
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

is_server() { has_argument "$2" "$1/stunnel.conf"; }

accepts() { (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; }

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
    if server_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    configure "$dir" "$@"
    stunnel "$dir/stunnel.conf" </dev/null >"$dir/out.log" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    if comes_up "$pid" 100 accepts "$1"; then
        return 0
    fi
    log "it did not come up"
    tail -n 20 "$dir/out.log" >&2
    stop "$dir"
    exit 1
}

case "${1-} $#" in
"install 1") install ;;
"certs 2") certs "$2" ;;
"start "[4-9]) shift && start "$@" ;;
"stop 2") stop "$2" ;;
*) usage ;;
esac
