#!/usr/bin/env bash
# /// bramble
# about = "Keep packages near: apt-cacher-ng on the manager, and workers that ask it"
# dangerous = true
# [params.role]
# about = "cache: keep packages here; client: get them from a cache; none: from their source again"
# choices = ["cache", "client", "none"]
# [params.cache]
# about = "for a client: where the cache is, as in 10.1.0.1"
# default = ""
# [params.port]
# about = "the port of the cache"
# type = "number"
# default = 3142
# ///
# shellcheck disable=SC2154 # parameters come as variables
set -euo pipefail

step=begin
fail() { printf 'setup-package-cache: %s: %s\n' "$step" "$1" >&2; exit 1; }
trap 'fail "line $LINENO failed"' ERR

step=parameters
[[ $EUID -eq 0 ]] || fail "this needs root; run it with --as root"
((port >= 1 && port <= 65535)) || fail "port is a number from 1 to 65535, and not $port"
if [[ $role == client ]]; then
    [[ $cache =~ ^[A-Za-z0-9][A-Za-z0-9.:-]*$ ]] || fail "cache says where the cache is, as in cache=10.1.0.1"
fi

# Puts text into a file of its own, in one step; says whether that changed anything.
put() {
    if [[ -f $1 ]] && [[ $(<"$1") == "$2" ]]; then
        echo "already configured: $1"
        return 1
    fi
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$2" >"$1.new"
    chmod 644 "$1.new"
    mv "$1.new" "$1"
    echo "configured: $1"
}

proxy=/etc/apt/apt.conf.d/02bramble-cache
case $role in
none)
    step=configure
    if [[ -e $proxy ]]; then
        rm "$proxy"
        echo "removed: $proxy"
    else
        echo "already without a cache"
    fi
    ;;
client)
    step=configure
    put "$proxy" "// Written by bramble script run setup-package-cache; run that again instead of changing it.
Acquire::http::Proxy \"http://$cache:$port\";" || true
    step=check
    if ! (exec 3<>"/dev/tcp/$cache/$port") 2>/dev/null; then
        fail "nothing answers at $cache:$port; run this with role=cache there first, or take it back with role=none"
    fi
    echo "packages come from $cache:$port"
    ;;
cache)
    step=install
    if ! command -v apt-cacher-ng >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y apt-cacher-ng >/dev/null ||
            fail "apt-cacher-ng cannot be installed; is there a package source?"
    fi
    step=configure
    changed=no
    put /etc/apt-cacher-ng/zz_bramble.conf "# Written by bramble script run setup-package-cache; run that again instead of changing it.
Port: $port" && changed=yes
    step=start
    [[ -d /run/systemd/system ]] || fail "the configuration is written, but this machine has no systemd to start apt-cacher-ng with"
    if [[ $changed == yes ]]; then
        systemctl enable apt-cacher-ng >/dev/null 2>&1 || fail "systemctl cannot enable apt-cacher-ng"
        systemctl restart apt-cacher-ng || fail "apt-cacher-ng does not start; see: journalctl -u apt-cacher-ng"
    elif ! systemctl is-active --quiet apt-cacher-ng; then
        systemctl start apt-cacher-ng || fail "apt-cacher-ng does not start; see: journalctl -u apt-cacher-ng"
    fi
    echo "packages are kept here, at port $port"
    ;;
esac
