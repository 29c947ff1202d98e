# A machine for one scene: its own network, /run, and copies of what scripts write to. Called by main.rs.
export PATH=$STAGE/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
mkdir "$STAGE/bin" "$STAGE/etc" "$STAGE/lib"
cp -a /etc/. "$STAGE/etc"
mount --bind "$STAGE/etc" /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/netns /run/chrony
ip link set lo up

# Starts and stops what is meant, as the units of Debian do.
cat >"$STAGE/bin/systemctl" <<'END'
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
verb=$1 unit=${!#}
pid() { cat "/run/$unit.pid" 2>/dev/null; }
running() { [[ -n $(pid) ]] && kill -0 "$(pid)" 2>/dev/null; }
stop() {
    running || return 0
    kill "$(pid)"
    tail --pid="$(pid)" -f /dev/null
}
start() {
    case $unit in
    dnsmasq) dnsmasq --conf-file=/dev/null --conf-dir=/etc/dnsmasq.d,.dpkg-dist --port=0 --user=root --pid-file=/run/dnsmasq.pid --dhcp-leasefile="$STAGE/leases" ;;
    # Never sets the clock of the machine that tests.
    chrony) chronyd -x -U -f /etc/chrony/chrony.conf && cp /run/chrony/chronyd.pid /run/chrony.pid ;;
    apt-cacher-ng)
        mkdir -p /run/apt-cacher-ng
        apt-cacher-ng -c /etc/apt-cacher-ng CacheDir="$STAGE/cache" LogDir="$STAGE/log" PidFile=/run/apt-cacher-ng.pid SocketPath=/run/apt-cacher-ng/socket
        ;;
    esac
}
echo "$verb $unit" >>"$STAGE/systemctl.log"
case $verb in
enable) ;;
is-active) running ;;
start) running || start ;;
restart) stop && start ;;
show | list-units) ;;
esac
END
chmod 755 "$STAGE/bin/systemctl"

fail() { echo "$1" >&2; exit 1; }

# Runs a script of the library with parameters, as an agent would, and keeps what it says in $said.
run() {
    local script=$1
    shift
    local how=(bash "$SCRIPTS/$script.sh")
    if [[ -e $SCRIPTS/$script.py ]]; then how=(python3 "$SCRIPTS/$script.py"); fi
    said=$(env -i PATH="$PATH" HOME=/root LANG="$LANG" STAGE="$STAGE" BRAMBLE="${BRAMBLE:-}" "$@" "${how[@]}" 2>&1)
}
# It fails, and says why.
refused() {
    local why=$1
    shift
    if run "$@"; then fail "$* was taken: $said"; fi
    [[ $said == *"$why"* ]] || fail "$* was refused for another reason: $said"
}
# Until it is so, for a while.
until_so() {
    local tries=200
    until "$@" >/dev/null 2>&1; do
        ((tries-- > 0)) || fail "it never came to be: $*"
        sleep 0.1
    done
}
# Another machine on a cable to this one, which is 10.77.0.1 on eth1.
another_machine() {
    ip netns add other
    ip link add eth1 type veth peer name eth0 netns other
    ip addr add 10.77.0.1/24 dev eth1
    ip link set eth1 up
    ip -n other link set lo up
    ip -n other link set eth0 address dc:a6:32:00:00:0"${1:-1}" up
}
