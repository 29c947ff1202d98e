another_machine
ip -n other addr add 10.77.0.2/24 dev eth0
run setup-time serve=10.77.0.0/24 server=local || fail "$said"
run setup-time serve=10.77.0.0/24 server=local || fail "$said"
[[ $said == *"already configured"* ]] || fail "the second time it changed something: $said"
[[ $(grep -c restart "$STAGE/systemctl.log") == 1 ]] || fail "the second time it started chrony again"
# Asks once, tells how far off this clock is, and sets nothing.
asked() { ip netns exec other chronyd -U -Q -t 10 -f /dev/null "server 10.77.0.1 iburst maxsamples 1" 2>&1; }
until_so asked
told=$(asked)
[[ $told == *"System clock wrong by"* ]] || fail "no time came: $told"

refused "is a subnet" setup-time serve='10.77.0.0/24
allow all' server=local
refused "a name or an address" setup-time serve= server='a b'
