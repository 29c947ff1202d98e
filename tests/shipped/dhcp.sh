another_machine
whole=(lease=12h fixed="dc:a6:32:00:00:02=10.77.0.9=pi-2")
run setup-dhcp interface=eth1 range=10.77.0.50,10.77.0.60 "${whole[@]}" || fail "$said"
run setup-dhcp interface=eth1 range=10.77.0.50,10.77.0.60 "${whole[@]}" || fail "$said"
[[ $said == *"already configured"* ]] || fail "the second time it changed something: $said"
[[ $(grep -c restart "$STAGE/systemctl.log") == 1 ]] || fail "the second time it started dnsmasq again"

address() {
    # Tells the address it was given, and sets nothing.
    printf '#!/bin/sh\n[ "$1" = bound ] && echo "$ip" >"$STAGE/bound"\nexit 0\n' >"$STAGE/bin/bound"
    chmod 755 "$STAGE/bin/bound"
    rm -f "$STAGE/bound"
    ip netns exec other udhcpc -i eth0 -n -q -f -t 20 -T 1 -s "$STAGE/bin/bound" >"$STAGE/udhcpc.log" 2>&1 || fail "no lease: $(cat "$STAGE/udhcpc.log")"
    cat "$STAGE/bound"
}
given=$(address)
[[ $given =~ ^10\.77\.0\.(5[0-9]|60)$ ]] || fail "it was given $given"
ip -n other link set eth0 down
ip -n other link set eth0 address dc:a6:32:00:00:02 up
given=$(address)
[[ $given == 10.77.0.9 ]] || fail "a known machine was given $given"

refused "network card" setup-dhcp interface='eth1; touch /tmp/x' range=10.77.0.50,10.77.0.60 "${whole[@]}"
refused "no interface eth9" setup-dhcp interface=eth9 range=10.77.0.50,10.77.0.60 "${whole[@]}"
refused "two addresses" setup-dhcp interface=eth1 range=10.77.0.50-60 "${whole[@]}"
refused "MAC=ADDRESS=NAME" setup-dhcp interface=eth1 range=10.77.0.50,10.77.0.60 lease=12h fixed='* x'
refused "two addresses" setup-dhcp interface=eth1 range=10.77.0.500,10.77.0.60 "${whole[@]}"
