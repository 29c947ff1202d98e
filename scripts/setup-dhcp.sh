#!/usr/bin/env bash
# /// bramble
# about = "Give addresses on one interface with dnsmasq, the same one to the same machine"
# on = "manager"
# dangerous = true
# [params.interface]
# about = "the network card the nodes are on, as in eth1"
# [params.range]
# about = "the first and the last address to give, as in 10.1.0.50,10.1.0.150"
# [params.lease]
# about = "how long one is given for, as in 12h"
# default = "12h"
# [params.fixed]
# about = "machines that always have the same address: MAC=ADDRESS=NAME, several with a space between"
# default = ""
# ///
# shellcheck disable=SC2154 # parameters come as variables
set -euo pipefail

step=begin
fail() { printf 'setup-dhcp: %s: %s\n' "$step" "$1" >&2; exit 1; }
trap 'fail "line $LINENO failed"' ERR

is_address() {
    local IFS=. part
    [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || return 1
    for part in $1; do ((10#$part <= 255)) || return 1; done
}

step=parameters
[[ $EUID -eq 0 ]] || fail "this needs root; run it with --as root"
[[ $interface =~ ^[A-Za-z0-9][A-Za-z0-9._@-]{0,14}$ ]] || fail "interface is the name of a network card, and not \"$interface\""
ip link show dev "$interface" >/dev/null 2>&1 || fail "there is no interface $interface here; ip -br link shows what there is"
first=${range%%,*} last=${range##*,}
if [[ $range != "$first,$last" ]] || ! is_address "$first" || ! is_address "$last"; then
    fail "range is two addresses with a comma between, as in 10.1.0.50,10.1.0.150, and not \"$range\""
fi
[[ $lease =~ ^[0-9]+[mhd]?$ || $lease == infinite ]] || fail "lease is a time, as in 12h, and not \"$lease\""
hosts=
read -ra machines <<<"$fixed"
for one in "${machines[@]}"; do
    IFS='=' read -r mac address name rest <<<"$one"
    if ! [[ $mac =~ ^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$ && -z $rest && $name =~ ^[A-Za-z0-9][A-Za-z0-9-]{0,62}$ ]] ||
        ! is_address "$address"; then
        fail "fixed is MAC=ADDRESS=NAME, as in dc:a6:32:00:00:01=10.1.0.11=pi-1, and not \"$one\""
    fi
    hosts+="dhcp-host=$mac,$address,$name"$'\n'
done
ip -4 -o addr show dev "$interface" | grep -q . ||
    fail "$interface has no address of its own yet, so nobody could be answered there; give it one first"

step=install
if ! command -v dnsmasq >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y dnsmasq >/dev/null || fail "dnsmasq cannot be installed; is there a package source?"
fi

step=configure
wanted=$(
    cat <<EOF
# Written by bramble script run setup-dhcp; run that again instead of changing it.
interface=$interface
bind-interfaces
except-interface=lo
dhcp-authoritative
dhcp-range=$first,$last,$lease
EOF
    printf '%s' "$hosts"
)
file=/etc/dnsmasq.d/bramble-dhcp.conf
changed=no
if [[ -f $file ]] && [[ $(<"$file") == "$wanted" ]]; then
    echo "already configured: $file"
else
    mkdir -p /etc/dnsmasq.d
    printf '%s\n' "$wanted" >"$file.new"
    chmod 644 "$file.new"
    said=$(dnsmasq --test --conf-file="$file.new" 2>&1) || { rm -f "$file.new"; fail "dnsmasq does not take this configuration: $said"; }
    mv "$file.new" "$file"
    changed=yes
    echo "configured: $file"
fi

step=start
[[ -d /run/systemd/system ]] || fail "the configuration is written, but this machine has no systemd to start dnsmasq with"
if [[ $changed == yes ]]; then
    systemctl enable dnsmasq >/dev/null 2>&1 || fail "systemctl cannot enable dnsmasq"
    systemctl restart dnsmasq || fail "dnsmasq does not start; see: journalctl -u dnsmasq"
elif ! systemctl is-active --quiet dnsmasq; then
    systemctl start dnsmasq || fail "dnsmasq does not start; see: journalctl -u dnsmasq"
fi
echo "addresses $first to $last are given on $interface"
