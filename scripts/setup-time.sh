#!/usr/bin/env bash
# /// bramble
# about = "Give the time: chrony on the manager for a subnet, and on workers as its clients"
# dangerous = true
# [params.serve]
# about = "the subnet that may ask this machine, as 10.1.0.0/24; nobody where it is empty"
# default = ""
# [params.server]
# about = "where this machine gets its own time: a name or an address, or local for its own clock alone"
# default = "pool.ntp.org"
# ///
# shellcheck disable=SC2154 # parameters come as variables
set -euo pipefail

step=begin
fail() { printf 'setup-time: %s: %s\n' "$step" "$1" >&2; exit 1; }
trap 'fail "line $LINENO failed"' ERR

step=parameters
[[ $server =~ ^[A-Za-z0-9][A-Za-z0-9.:-]*$ ]] || fail "server is a name or an address, and not \"$server\""
[[ -z $serve || $serve =~ ^[0-9a-fA-F.:]+/[0-9]{1,3}$ ]] || fail "serve is a subnet, as in 10.1.0.0/24, and not \"$serve\""
[[ $EUID -eq 0 ]] || fail "this needs root; run it with --as root"

step=install
if ! command -v chronyd >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y chrony >/dev/null || fail "chrony cannot be installed; is there a package source?"
fi

step=configure
wanted=$(
    echo "# Written by bramble script run setup-time; run that again instead of changing it."
    case $server in
    local) ;;
    *pool*) echo "pool $server iburst" ;;
    *) echo "server $server iburst" ;;
    esac
    # A machine that gives the time goes on giving it while nobody gives it any.
    if [[ -n $serve ]]; then echo "allow $serve"; echo "local stratum 10"; fi
    # Boards without a clock of their own are hours off when they start.
    echo "makestep 1 3"
)
file=/etc/chrony/conf.d/bramble.conf
changed=no
if [[ -f $file ]] && [[ $(<"$file") == "$wanted" ]]; then
    echo "already configured: $file"
else
    mkdir -p /etc/chrony/conf.d
    printf '%s\n' "$wanted" >"$file.new"
    chmod 644 "$file.new"
    mv "$file.new" "$file"
    changed=yes
    echo "configured: $file"
fi
main=/etc/chrony/chrony.conf
[[ -f $main ]] || fail "$main is not there, which the package brings; install chrony again"
grep -Eq '^[[:space:]]*confdir[[:space:]]+/etc/chrony/conf\.d' "$main" ||
    fail "$main does not read /etc/chrony/conf.d; add the line: confdir /etc/chrony/conf.d"

step=start
[[ -d /run/systemd/system ]] || fail "the configuration is written, but this machine has no systemd to start chrony with"
if [[ $changed == yes ]]; then
    systemctl enable chrony >/dev/null 2>&1 || fail "systemctl cannot enable chrony"
    systemctl restart chrony || fail "chrony does not start; see: journalctl -u chrony"
elif ! systemctl is-active --quiet chrony; then
    systemctl start chrony || fail "chrony does not start; see: journalctl -u chrony"
fi

step=check
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if tracking=$(chronyc -n tracking 2>/dev/null); then
        printf '%s\n' "$tracking" | grep -E '^(Reference ID|Stratum|System time)' || true
        exit 0
    fi
    sleep 0.5
done
fail "chrony runs, and does not answer chronyc"
