#!/usr/bin/env bash
# A private OpenID provider for tests: the npm package oidc-provider, as oidc/server.mjs sets it up.
#
#   oidc.sh install              Node (18 or later) and the package, if they are missing (Node needs root)
#   oidc.sh start DIR PUBLICURL  the issuer's URL in DIR/issuer, pid in DIR/pid; returns when it answers. PUBLICURL is
#                                where the server under test is reached
#   oidc.sh stop DIR             end that provider and no other
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)/oidc
lib=$(cd "$here/../../.." && pwd)/.parts/oidc

usage() {
    sed -n '4,7s/^# *//p' "$0" >&2
    exit 2
}

log() { echo "oidc: $*" >&2; }

install() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        if [ "$(id -u)" -ne 0 ]; then
            log "Node is not installed, and this is not root. Run as root: apt-get update && apt-get install nodejs npm"
            exit 1
        fi
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >&2
    fi
    if cmp -s "$here/package-lock.json" "$lib/complete"; then
        return 0
    fi
    mkdir -p "$lib"
    (
        flock 9 # tests of several packages may come at once
        cmp -s "$here/package-lock.json" "$lib/complete" && exit 0
        cp "$here/package.json" "$here/package-lock.json" "$lib/"
        (cd "$lib" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
        cp "$here/package-lock.json" "$lib/complete"
    ) 9>"$lib/lock"
}

# provider_pid prints the pid of the provider in $1 if it is alive; a pid that was reused by another program is none.
provider_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) &&
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qFx "$1" && echo "$pid"
}

# answers tells whether the provider of an issuer says what it is.
answers() {
    local address=${1#http://}
    (
        exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
        printf 'GET /.well-known/openid-configuration HTTP/1.0\r\nHost: %s\r\n\r\n' "$address" >&3
        timeout 5 cat <&3 | grep -q authorization_endpoint
    ) 2>/dev/null
}

start() {
    local dir pid
    install
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    if provider_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    rm -f "$dir/issuer"
    cp "$here/server.mjs" "$lib/" # modules are looked for beside it
    node "$lib/server.mjs" "$dir" "$2" </dev/null >"$dir/out.log" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    for _ in $(seq 300); do
        [ -e "/proc/$pid" ] || break
        if [ -e "$dir/issuer" ] && answers "$(cat "$dir/issuer")"; then
            return 0
        fi
        sleep 0.1
    done
    log "it did not come up"
    tail -n 20 "$dir/out.log" >&2 || true
    stop "$dir"
    exit 1
}

stop() {
    local dir pid
    dir=$(cd "$1" 2>/dev/null && pwd) || return 0
    pid=$(provider_pid "$dir") || { rm -f "$dir/pid" "$dir/issuer"; return 0; }
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
        [ -e "/proc/$pid" ] || break
        sleep 0.1
    done
    if [ -e "/proc/$pid" ]; then
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$dir/pid" "$dir/issuer"
}

case "${1-} $#" in
"install 1") install ;;
"start 3") start "$2" "$3" ;;
"stop 2") stop "$2" ;;
*) usage ;;
esac
