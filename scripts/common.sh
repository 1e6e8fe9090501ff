# Shared by scripts/demo and scripts/check; sourced, not run.
# shellcheck shell=sh disable=SC2034,SC2154 # top is set by, build_packages used in, the scripts

build_packages="gcc make autoconf automake pkg-config libc6-dev libevent-dev libssl-dev libyaml-dev libjansson-dev libjose-dev"

# need PACKAGE...: install what of these Debian packages is missing.
need() {
    missing=
    for package in "$@"; do
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$state" = "install ok installed" ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "missing:$missing; install them with apt-get as root, then run this again" >&2
            exit 1
        }
        as_root=sudo
    fi
    echo "installing:$missing"
    # What is wanted of a package are its programs: no service of it is started.
    policy=/usr/sbin/policy-rc.d
    made_policy=
    if [ ! -e "$policy" ]; then
        made_policy=$policy
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 0755 "$policy"
    fi
    installed=yes
    # shellcheck disable=SC2086 # a list of words
    { $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends $missing >/dev/null; } || installed=no
    [ -z "$made_policy" ] || $as_root rm -f "$made_policy"
    [ "$installed" = yes ]
}

# quietly LOG COMMAND...: run a command with its output in a file; show the end of it on failure.
quietly() {
    log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "failed: $* (all of its output: $log)" >&2
        return 1
    fi
}

# build DIRECTORY CONFIGURE-OPTIONS...: configure and make there, out of the source tree. A tree that
# has itself been configured cannot be built elsewhere: then a copy of what it distributes is.
build() {
    directory=$1
    shift
    sources=$top
    mkdir -p "$directory"
    [ -x "$top/configure" ] || quietly "$directory/autogen.log" "$top/autogen.sh"
    if [ -e "$top/config.status" ]; then
        sources=$directory/sources
        quietly "$directory/copy.log" make -C "$top" distdir distdir="$sources"
    fi
    (cd "$directory" && quietly configure.log "$sources/configure" "$@" &&
        quietly make.log make -j "$(nproc)")
}
