# What the scripts beside this one share. They source it; it is none of them, hence the other ending.
#
# A script of a server that listens on one port of 127.0.0.1 defines
#
#   is_server DIR PID   whether this process is the server of DIR
#   answers PORT        whether a server can be used
#   prepare DIR         make what the server needs in DIR, once it is known that it does not run
#   launch DIR PORT     run it in the background, as the last thing that is done
#   logs DIR            show the end of what it wrote
#
# and install, and has main do the rest. DIR is absolute in all of them. One that starts in another way defines is_server
# and a start of its own, which leaves the pid in DIR/pid; one of a program that is no server uses the first half.

part=$(basename "$0" .sh)

# usage shows the verbs, which are the first paragraph of a script's comment that is set in.
usage() {
    sed -n "/^#   $part\.sh /,/^#\$\|^[^#]/s/^#  *//p" "$0" >&2
    exit 2
}

# log says what happens on standard error, so that standard output stays free for callers.
log() { echo "$part: $*" >&2; }

# install_packages NAME... installs packages of the distribution. None of them starts a service.
install_packages() {
    if [ "$(id -u)" -ne 0 ]; then
        log "not installed, and this is not root. Run as root: apt-get update && apt-get install $*"
        exit 1
    fi
    # A policy file is Debian's way to forbid services; an existing one is respected.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# port_free tells whether nobody accepts connections on a loopback port.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# has_argument PID TEXT tells whether a process was started with an argument, among others.
has_argument() { tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qFx -- "$2"; }

# comes_up PID TENTHS COMMAND... waits until the command succeeds, for so many tenths of a second at most, and fails at
# once if the process ends.
comes_up() {
    local pid=$1 tenths=$2
    shift 2
    for _ in $(seq "$tenths"); do
        [ -e "/proc/$pid" ] || return 1
        if "$@" && [ -e "/proc/$pid" ]; then
            return 0
        fi
        sleep 0.1
    done
    return 1
}

# end_process PID SECONDS has a process end, and kills it if it does not in time.
end_process() {
    kill "$1" 2>/dev/null || true
    for _ in $(seq $(($2 * 10))); do
        [ -e "/proc/$1" ] || return 0
        sleep 0.1
    done
    log "pid $1 did not end within $2 s, killed"
    kill -9 "$1" 2>/dev/null || true
}

# The life of a server. What its script may set: the ports to choose from, and how many seconds the server has to end.
port_first=20000
port_count=10000
stop_seconds=20

# server_pid prints the pid of the server in $1 if it is alive; a pid that was reused by another program is none.
server_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && is_server "$1" "$pid" && echo "$pid"
}

# last_port prints the port that the server in $1 had when it last ran.
last_port() { cat "$1/last-port" 2>/dev/null || true; }

start() {
    local dir port attempt pid
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    if server_pid "$dir" >/dev/null; then
        log "already running in $dir"
        return 0
    fi
    prepare "$dir"
    # A port can be taken between the look and the bind; then the server ends at once and another port is tried.
    port=$(last_port "$dir")
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$port" ] || port=$((port_first + (RANDOM % port_count)))
        port_free "$port" || { port=; continue; }
        launch "$dir" "$port"
        pid=$!
        disown "$pid"
        echo "$pid" >"$dir/pid"
        if comes_up "$pid" 300 answers "$port"; then
            echo "$port" | tee "$dir/last-port" >"$dir/port"
            return 0
        fi
        log "attempt $attempt on port $port did not come up"
        stop "$dir"
        port=
    done
    logs "$dir" >&2 || true
    exit 1
}

stop() {
    local dir pid
    dir=$(cd "$1" 2>/dev/null && pwd) || return 0
    if pid=$(server_pid "$dir"); then
        end_process "$pid" "$stop_seconds"
    fi
    rm -f "$dir/pid" "$dir/port"
}

# main does what a server's script is told.
main() {
    case "${1-} $#" in
    "install 1") install ;;
    "start 2") start "$2" ;;
    "stop 2") stop "$2" ;;
    *) usage ;;
    esac
}
