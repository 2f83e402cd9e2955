#!/usr/bin/env bash
# A browser without a screen, to look at pages as people see them.
#
#   chromium.sh install                        install chromium and fonts if they are missing (needs root)
#   chromium.sh shot URL FILE [WIDTH HEIGHT]   a PNG of the page, 1280x900 if nothing is said; what the page logs, among
#                                              it what its content security policy has blocked, goes to standard error
#   chromium.sh text URL                       the page's elements as they are when it is loaded
#
# A URL with #place gives a white picture: this way of taking pictures cannot do pages that are scrolled. Each call uses
# a profile of its own, which is gone afterwards. CHROMIUM_FLAGS adds flags:
# "--blink-settings=preferredColorScheme=0" is what people have who prefer the dark.
set -euo pipefail

. "$(dirname "$0")/common.bash"

install() {
    local missing=() chinese=/usr/share/fonts/truetype/wqy/wqy-microhei.ttc
    command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
    [ -f "$chinese" ] || missing+=(fonts-wqy-microhei)
    [ ${#missing[@]} -gt 0 ] || return 0
    install_packages "${missing[@]}"
}

# browse starts the browser on a page: $1 is the URL, the rest are flags.
browse() {
    local url=$1 extra
    shift
    read -r -a extra <<<"${CHROMIUM_FLAGS-}"
    profile=$(mktemp -d) # not local: the trap comes after the function
    trap 'rm -rf "$profile"' EXIT
    # Root has no sandbox of its own; a container's /dev/shm may be small.
    timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
        --no-first-run --disable-background-networking --disable-component-update --user-data-dir="$profile" \
        --enable-logging=stderr --v=0 "$@" "${extra[@]}" "$url" 2>"$profile/log" || {
        cat "$profile/log" >&2
        exit 1
    }
    grep CONSOLE "$profile/log" >&2 || true
}

case "${1-} $#" in
"install 1") install ;;
"shot 3") browse "$2" --screenshot="$3" --window-size=1280,900 ;;
"shot 5") browse "$2" --screenshot="$3" --window-size="$4,$5" ;;
"text 2") browse "$2" --dump-dom ;;
*) usage ;;
esac
