#!/usr/bin/env bash
# /// bramble
# about = "Let a worker reach the manager and nobody else, and nobody else reach it"
# on = "workers"
# dangerous = true
# [params.manager]
# about = "the manager's address, as in 10.1.0.1"
# [params.port]
# about = "where the manager's SSH listens for agents"
# type = "number"
# default = 2222
# [params.also]
# about = "others that may be reached and may log in, addresses or subnets with a space between"
# default = ""
# [params.off]
# about = "yes takes it back"
# type = "flag"
# default = "no"
# ///
# shellcheck disable=SC2154 # parameters come as variables
set -euo pipefail

step=begin
fail() { printf 'setup-firewall: %s: %s\n' "$step" "$1" >&2; exit 1; }
trap 'fail "line $LINENO failed"' ERR

is_address() {
    local IFS=. part
    [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || return 1
    for part in $1; do ((10#$part <= 255)) || return 1; done
}

step=parameters
[[ $EUID -eq 0 ]] || fail "this needs root; run it with --as root"
is_address "$manager" || fail "manager is an address, as in 10.1.0.1, and not \"$manager\""
((port >= 1 && port <= 65535)) || fail "port is a number from 1 to 65535, and not $port"
read -ra others <<<"$also"
for one in "${others[@]}"; do
    bits=${one#"${one%%/*}"}
    if ! is_address "${one%%/*}" || ! [[ $bits =~ ^(/([0-9]|[12][0-9]|3[0-2]))?$ ]]; then
        fail "also has addresses and subnets, as in 10.1.0.1 or 10.2.0.0/16, and not \"$one\""
    fi
done

step=install
if ! command -v nft >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y nftables >/dev/null || fail "nftables cannot be installed; is there a package source?"
fi

main=/etc/nftables.conf
file=/etc/nftables.d/bramble.nft
line='include "/etc/nftables.d/bramble.nft"'
if [[ $off == yes ]]; then
    step=remove
    if [[ -e $file ]] || nft list table inet bramble >/dev/null 2>&1; then
        nft delete table inet bramble 2>/dev/null || true
        rm -f "$file"
        [[ ! -f $main ]] || sed -i "\|^$line\$|d" "$main"
        echo "taken back"
    else
        echo "already without it"
    fi
    exit 0
fi

step=configure
printf -v peers '%s, ' "$manager" "${others[@]}"
wanted="# Written by bramble script run setup-firewall; run that again instead of changing it.
table inet bramble
delete table inet bramble
table inet bramble {
    set peers {
        type ipv4_addr
        flags interval
        elements = { ${peers%, } }
    }
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        ip saddr @peers accept
        # Addresses and neighbours.
        udp sport 67 udp dport 68 accept
        icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
    }
    chain output {
        type filter hook output priority filter; policy drop;
        oif lo accept
        ct state established,related accept
        ip daddr @peers accept
        udp sport 68 udp dport 67 accept
        icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
    }
}"
if [[ -f $file ]] && [[ $(<"$file") == "$wanted" ]] && grep -qxF "$line" "$main" 2>/dev/null && nft list table inet bramble >/dev/null 2>&1; then
    echo "already configured: $file"
    exit 0
fi

step=load
# What was there before comes back at once where the manager cannot be reached through it.
before=$(nft list table inet bramble 2>/dev/null || true)
printf '%s\n' "$wanted" | nft -f - || fail "nft does not take these rules"
reaches() { timeout 5 bash -c "exec 3<>/dev/tcp/$manager/$port" 2>/dev/null; }
if ! reaches; then
    nft delete table inet bramble
    if [[ -n $before ]]; then printf '%s\n' "$before" | nft -f -; fi
    fail "the manager does not answer at $manager:$port with these rules, so they were taken back"
fi

step=keep
mkdir -p /etc/nftables.d
printf '%s\n' "$wanted" >"$file.new"
chmod 644 "$file.new"
mv "$file.new" "$file"
if [[ ! -f $main ]]; then
    printf '#!/usr/sbin/nft -f\n\nflush ruleset\n\n%s\n' "$line" >"$main"
elif ! grep -qxF "$line" "$main"; then
    printf '%s\n' "$line" >>"$main"
fi
echo "configured: $file"

step=start
[[ -d /run/systemd/system ]] || fail "the rules hold until this machine is switched off; it has no systemd to load them again"
systemctl enable nftables >/dev/null 2>&1 || fail "systemctl cannot enable nftables, so the rules hold until this machine is switched off"
