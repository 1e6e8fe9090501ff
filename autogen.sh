#!/bin/sh
# Make the configure script from configure.ac.
set -eu
cd "$(dirname "$0")"
for tool in autoreconf aclocal automake pkg-config; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "autogen.sh: $tool is missing; on Debian: apt-get install autoconf automake pkg-config" >&2
        exit 1
    }
done
exec autoreconf --install --force
