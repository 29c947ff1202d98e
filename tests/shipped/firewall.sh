# Three machines on one switch: a manager, and two workers of which this is one.
ip link add switch type bridge
ip link set switch up
machine() {
    ip netns add "$1"
    ip link add "to-$1" type veth peer name eth0 netns "$1"
    ip link set "to-$1" master switch up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set eth0 up
    ip -n "$1" link set lo up
    ip netns exec "$1" python3 -m http.server --bind "$2" "$3" >/dev/null 2>&1 &
}
ip addr add 10.77.0.11/24 dev switch
python3 -m http.server --bind 10.77.0.11 8000 >/dev/null 2>&1 &
machine manager 10.77.0.1 2222
machine other 10.77.0.12 8000
reaches() { timeout 1.5 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
from() { ip netns exec "$1" timeout 1.5 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; }
until_so reaches 10.77.0.1 2222
until_so reaches 10.77.0.12 8000
until_so from other 10.77.0.11 8000

# Where the manager would not be reached any more nothing is changed.
refused "taken back" setup-firewall manager=10.77.0.9 port=2222 also= off=no
reaches 10.77.0.12 8000 || fail "rules that were taken back still hold"

for time in once twice; do
    run setup-firewall manager=10.77.0.1 port=2222 also= off=no || fail "$said"
    reaches 10.77.0.1 2222 || fail "$time: the manager is not reached"
    from manager 10.77.0.11 8000 || fail "$time: the manager does not reach it"
    if reaches 10.77.0.12 8000; then fail "$time: it reaches another worker"; fi
    if from other 10.77.0.11 8000; then fail "$time: another worker reaches it"; fi
done
[[ $said == *"already configured"* ]] || fail "the second time it changed something: $said"
[[ $(grep -c bramble.nft /etc/nftables.conf) == 1 ]] || fail "it is loaded twice: $(cat /etc/nftables.conf)"
# As it is loaded when the machine is switched on.
nft flush ruleset
nft -f /etc/nftables.conf
if reaches 10.77.0.12 8000; then fail "after a start it reaches another worker"; fi
reaches 10.77.0.1 2222 || fail "after a start the manager is not reached"

run setup-firewall manager=10.77.0.1 port=2222 also="10.77.0.12 10.78.0.0/16" off=no || fail "$said"
reaches 10.77.0.12 8000 || fail "one that may be reached is not"
run setup-firewall manager=10.77.0.1 port=2222 also= off=yes || fail "$said"
run setup-firewall manager=10.77.0.1 port=2222 also= off=yes || fail "$said"
[[ $said == *"already without it"* ]] || fail "$said"
reaches 10.77.0.12 8000 && from other 10.77.0.11 8000 || fail "it is still there"
if grep -q bramble.nft /etc/nftables.conf; then fail "it is still loaded"; fi

refused "is an address" setup-firewall manager='10.77.0.1; }' port=2222 also= off=no
refused "addresses and subnets" setup-firewall manager=10.77.0.1 port=2222 also='10.0.0.0/33' off=no
