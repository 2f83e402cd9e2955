#!/usr/bin/env bash
# A private OpenID provider for tests: the npm package oidc-provider, as oidc/server.mjs sets it up.
#
#   oidc.sh install              Node (18 or later) and the package, if they are missing (Node needs root)
#   oidc.sh start DIR PUBLICURL  the issuer's URL in DIR/issuer, pid in DIR/pid; returns when it answers. PUBLICURL is
#                                where the server under test is reached
#   oidc.sh stop DIR             end that provider and no other
set -euo pipefail

. "$(dirname "$0")/common.bash"

stop_seconds=5
here=$(cd "$(dirname "$0")" && pwd)/oidc
lib=$(cd "$here/../../.." && pwd)/.parts/oidc

install() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        install_packages nodejs npm
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

is_server() { has_argument "$2" "$1"; }

# answers tells whether the provider of an issuer says what it is.
answers() {
    local address=${1#http://}
    (
        exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
        printf 'GET /.well-known/openid-configuration HTTP/1.0\r\nHost: %s\r\n\r\n' "$address" >&3
        timeout 5 cat <&3 | grep -q authorization_endpoint
    ) 2>/dev/null
}

# ready tells whether the provider of a directory answers.
ready() { [ -e "$1/issuer" ] && answers "$(cat "$1/issuer")"; }

start() {
    local dir pid
    install
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    if server_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    rm -f "$dir/issuer"
    cp "$here/server.mjs" "$lib/" # modules are looked for beside it
    node "$lib/server.mjs" "$dir" "$2" </dev/null >"$dir/out.log" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    if comes_up "$pid" 300 ready "$dir"; then
        return 0
    fi
    log "it did not come up"
    tail -n 20 "$dir/out.log" >&2 || true
    stop "$dir"
    rm -f "$dir/issuer"
    exit 1
}

case "${1-} $#" in
"install 1") install ;;
"start 3") start "$2" "$3" ;;
"stop 2") stop "$2" && rm -f "$2/issuer" ;;
*) usage ;;
esac
