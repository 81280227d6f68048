# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Install what is missing. Sourced by the scripts beside this folder:
#
#     . "$root/scripts/lib/packages.sh"
#     coppice_need gcc cmake ninja-build
#     coppice_need_architecture arm64   # before naming check:arm64
#
# Does nothing, and needs no privileges, when everything is there.

coppice_die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Run a command as root, or say why that cannot be.
coppice_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        coppice_die "not root, and no sudo: run this as root first: $*"
    fi
}

coppice_have_package() {
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) in
    ?i*) return 0 ;;
    *) return 1 ;;
    esac
}

# Packages of another architecture, so that check:arm64 can be named.
coppice_need_architecture() {
    command -v dpkg >/dev/null || return 0
    if [ "$(dpkg --print-architecture)" = "$1" ] ||
        dpkg --print-foreign-architectures | grep -qx "$1"; then
        return 0
    fi
    coppice_as_root dpkg --add-architecture "$1"
    coppice_apt_updated=
}

# Install the packages named, those that are missing.
coppice_need() {
    local package missing=()

    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null
    then
        # Another system: the build tells what it does not find.
        echo "No apt-get here. These Debian packages, or yours like them," \
            "have to be installed: $*" >&2
        return 0
    fi
    for package in "$@"; do
        coppice_have_package "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    echo "Installing ${missing[*]}" >&2
    if [ -z "${coppice_apt_updated:-}" ]; then
        coppice_as_root apt-get -q update >&2 ||
            coppice_die "apt-get update failed"
        coppice_apt_updated=yes
    fi
    coppice_as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends "${missing[@]}" >&2 ||
        coppice_die "could not install ${missing[*]}"
}
