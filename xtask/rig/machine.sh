#!/usr/bin/env bash
# Real Debian machines in QEMU: systemd, cgroup v2, kernel drivers, power cuts. Started by `cargo xtask rig`; see README.md.
set -euo pipefail

HOME_DIR=${RIG_HOME:-/var/tmp/bramble-rig}
SUITE=bookworm
HERE=$(cd "$(dirname "$0")" && pwd)
PACKAGES="systemd-sysv dbus udev kmod openssh-server iproute2 iputils-ping procps ca-certificates
e2fsprogs i2c-tools dnsmasq-base zstd initramfs-tools jq sqlite3 ${RIG_PACKAGES:-}"
KEY=$HOME_DIR/.key

die() { echo "rig: $*" >&2; exit 1; }
now() { date +%s%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }

# ---------------------------------------------------------------- the base image

base_dir() {
    local recipe
    recipe=$({ cat "$HERE/image.sh"; declare -f build; echo "$SUITE $1 $PACKAGES"; } | sha256sum | cut -c1-10)
    echo "$HOME_DIR/.base-$1-$recipe"
}

# "URI suite" of this machine's own Debian repositories, or of RIG_MIRROR (needed where the host is not Debian).
repositories() {
    local found
    found=$(apt-get indextargets --format "\$(REPO_URI) \$(CODENAME)" 'Identifier: Packages' 2>/dev/null |
        awk -v s="$SUITE" '$2 == s || $2 == s "-updates" || $2 == s "-security"' | sort -u || true)
    if [[ -n ${RIG_MIRROR:-} ]]; then echo "$RIG_MIRROR $SUITE"
    elif [[ -n $found ]]; then echo "$found"
    else die "apt on this machine knows no Debian $SUITE; set RIG_MIRROR to a Debian mirror"; fi
}

install_tools() {
    local arch=$1 missing='' apt=$HOME_DIR/.apt wait=(-o DPkg::Lock::Timeout=300)
    local -A package=([qemu-img]=qemu-utils [mmdebstrap]=mmdebstrap [mke2fs]=e2fsprogs [ssh]=openssh-client
        [zstd]=zstd [qemu-system-x86_64]=qemu-system-x86)
    [[ $arch == arm64 ]] && package+=([qemu-system-aarch64]=qemu-system-arm [qemu-aarch64-static]=qemu-user-static [arch-test]=arch-test)
    for tool in "${!package[@]}"; do command -v "$tool" >/dev/null || missing+=" ${package[$tool]}"; done
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=" debian-archive-keyring"
    if [[ -z $missing ]]; then return; fi
    ((EUID == 0)) || die "root must install:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # All of them by name, those that are there too: apt would remove a part of QEMU of one version to install a part of
    # another.
    package+=([keyring]=debian-archive-keyring)
    echo "installing$missing"
    apt-get -q "${wait[@]}" update >/dev/null
    apt-get -qy "${wait[@]}" install --no-remove --no-install-recommends "${package[@]}" >/dev/null 2>&1 && return
    # A part of QEMU from backports is already here and wants the rest from there too. /etc/apt stays as it is, and so does
    # whatever else is here: an ssh from backports would keep Debian's own sshd out.
    local one theirs=()
    for one in "${package[@]}"; do
        if [[ $one == qemu* || " $missing " == *" $one "* ]]; then theirs+=("$one"); fi
    done
    mkdir -p "$apt/lists/partial"
    repositories | awk -v s="$SUITE" '{ print "deb", $1, $2, "main" } $2 == s { print "deb", $1, s "-backports", "main" }' \
        >"$apt/sources.list"
    local private=("${wait[@]}" -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$apt/lists")
    apt-get -q "${private[@]}" update >/dev/null
    apt-get -qy "${private[@]}" -t "$SUITE-backports" install --no-install-recommends "${theirs[@]}" >/dev/null
}

build() {
    local arch=amd64 begin base work uri suite repos=() drivers='*/lib/modules/*/kernel/drivers'
    local leave_out=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' "$drivers/gpu/*" "$drivers/media/*"
        "$drivers/infiniband/*" "$drivers/net/ethernet/*" "$drivers/net/wireless/*")
    [[ ${1:-} == --arch ]] && arch=$2
    begin=$(now)
    mkdir -p "$HOME_DIR"
    exec 9>"$HOME_DIR/.lock" && flock 9 # held while others wait for the same image
    install_tools "$arch"
    [[ -f $KEY ]] || ssh-keygen -q -t ed25519 -N '' -C bramble-rig -f "$KEY"
    base=$(base_dir "$arch")
    if [[ -f $base/disk.qcow2 ]]; then echo "$base is already there"; return; fi
    ((EUID == 0)) || die "root must build the image"

    if [[ $arch == arm64 && $(uname -m) != aarch64 && ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]]; then
        [[ -e /proc/sys/fs/binfmt_misc/register ]] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
        cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register
    fi
    work=$(mktemp -d "$HOME_DIR/.build-XXXXXX")
    # shellcheck disable=SC2064 # the folder is known now and local later
    trap "rm -rf --one-file-system '$work'" EXIT
    while read -r uri suite; do repos+=("deb $uri $suite main"); done < <(repositories)
    ((${#repos[@]})) || exit 1 # else mmdebstrap would choose a mirror of its own
    # shellcheck disable=SC2086 # a list of words
    mmdebstrap --quiet --mode=root --variant=minbase --architectures="$arch" \
        --include="$(echo $PACKAGES linux-image-$arch | tr ' ' ',')" \
        --aptopt='Acquire::Languages "none"' \
        "${leave_out[@]/#/--dpkgopt=path-exclude=}" \
        --essential-hook="$HERE/image.sh before \"\$1\"" \
        --customize-hook="$HERE/image.sh after \"\$1\"" \
        "$SUITE" "$work/root" "${repos[@]}"
    mkdir "$work/base"
    cp "$work"/root/boot/vmlinuz-* "$work/base/vmlinuz"
    cp "$work"/root/boot/initrd.img-* "$work/base/initrd"
    rm -f "$work"/root/boot/{vmlinuz,initrd}*
    mke2fs -q -t ext4 -L bramble -E lazy_itable_init=0,lazy_journal_init=0 -d "$work/root" "$work/disk.raw" 8G
    qemu-img convert -c -O qcow2 "$work/disk.raw" "$work/base/disk.qcow2"
    chmod 444 "$work/base/"*
    mv "$work/base" "$base"
    echo "built $base, $(du -m "$base" | cut -f1) MB, in $(since "$begin") s"
}

# ---------------------------------------------------------------- guests

guest() {
    [[ ${1:-} =~ ^[a-z][a-z0-9-]*$ ]] || die "a guest's name is made of a-z, 0-9 and -; got '${1:-}'"
    NAME=$1 DIR=$HOME_DIR/$1
}
known() { guest "${1:-}"; [[ -d $DIR ]] || die "no guest '$NAME'; make it with: cargo xtask rig up $NAME"; }

# The saved pid, if that process still is this guest's QEMU.
running() {
    PID=$(cat "$DIR/pid" 2>/dev/null) && tr '\0' '\n' <"/proc/$PID/cmdline" 2>/dev/null | grep -qxF "$DIR/pid"
}
gone() { # SECONDS
    for ((i = 0; i < $1 * 10; i++)); do running || return 0; sleep 0.1; done
    return 1
}

# KVM counts only if a kernel really runs on it; some clouds offer a /dev/kvm that no stock kernel survives.
accelerator() {
    local base=$1 memo
    memo=$HOME_DIR/.accel-$(cut -c1-8 /proc/sys/kernel/random/boot_id)
    if [[ ! -f $memo ]]; then
        if [[ -w /dev/kvm ]] && timeout -s KILL 10 qemu-system-x86_64 -accel kvm -cpu host -machine q35 -bios qboot.rom \
            -m 256 -nodefaults -display none -no-reboot -kernel "$base/vmlinuz" -append 'panic=-1' >/dev/null 2>&1; then
            echo kvm >"$memo"
        else echo tcg,thread=multi,tb-size=256 >"$memo"; fi
    fi
    if [[ $arch != amd64 ]]; then echo tcg,thread=multi,tb-size=256; else cat "$memo"; fi
}

up() {
    local mem=512 smp=2 cache=writeback lan='' arch=amd64 extra=() begin base id accel port error=''
    begin=$(now)
    guest "${1:-}"; shift
    # shellcheck source=/dev/null
    [[ -f $DIR/options ]] && . "$DIR/options"
    while (($#)); do
        case $1 in
            --mem) mem=$2 ;; --smp) smp=$2 ;; --disk-cache) cache=$2 ;; --lan) lan=$2 ;; --arch) arch=$2 ;;
            --) shift; extra=("$@"); break ;;
            *) die "rig up does not know '$1'" ;;
        esac
        shift 2
    done
    if running; then die "'$NAME' is up already"; fi
    base=$(base_dir "$arch")
    if [[ ! -f $DIR/disk.qcow2 ]]; then
        [[ -f $base/disk.qcow2 ]] || (build --arch "$arch")
        mkdir -p "$DIR"
        qemu-img create -q -f qcow2 -F qcow2 -b "$base/disk.qcow2" "$DIR/disk.qcow2"
        ln -s "$base" "$DIR/base"
    fi
    base=$(readlink "$DIR/base")
    declare -p mem smp cache lan arch extra | sed 's/^declare -[-a]* //' >"$DIR/options"
    accel=$(accelerator "$base")
    id=$(echo "$NAME" | sha256sum | cut -c1-32)

    # shellcheck disable=SC2054 # QEMU's own commas
    local qemu=(-name "$NAME" -accel "$accel" -m "$mem" -smp "$smp" -nodefaults -no-user-config -display none
        -daemonize -pidfile "$DIR/pid" -kernel "$base/vmlinuz" -initrd "$base/initrd"
        -chardev "file,id=console,path=$DIR/serial.log,append=on" -serial chardev:console
        -drive "if=none,id=disk,file=$DIR/disk.qcow2,cache=$cache,discard=unmap" -device virtio-blk-pci,drive=disk
        -device "virtio-net-pci,netdev=net0,mac=52:54:00:${id:0:2}:${id:2:2}:00,romfile=")
    local cmdline="root=/dev/vda rw net.ifnames=0 mitigations=off fsck.repair=yes panic=5 tsc=reliable systemd.machine_id=$id systemd.hostname=$NAME"
    if [[ $arch == arm64 ]]; then
        # shellcheck disable=SC2054
        qemu=(qemu-system-aarch64 -machine virt -cpu max,pauth-impdef=on "${qemu[@]}" -append "$cmdline console=ttyAMA0")
    else
        # Emulated, a processor with everything takes four times as long to boot: Debian loads and tests a driver for each.
        qemu=(qemu-system-x86_64 -machine q35,sata=off,smbus=off -cpu "$([[ $accel == kvm ]] && echo host || echo qemu64)" -bios qboot.rom
            "${qemu[@]}" -append "$cmdline console=ttyS0")
    fi
    if [[ -n $lan ]]; then # every guest of one segment hears the others, as on one switch
        qemu+=(-netdev "socket,id=lan,mcast=230.0.0.1:$((20000 + 16#$(echo "$HOME_DIR/$lan" | sha256sum | cut -c1-4) % 20000)),localaddr=127.0.0.1"
            -device "virtio-net-pci,netdev=lan,mac=52:54:00:${id:0:2}:${id:2:2}:01,romfile=")
    fi
    for ((try = 0; ; try++)); do # QEMU itself says whether the port is free, so two guests cannot race for one
        port=$(cat "$DIR/port" 2>/dev/null) && ((try == 0)) || port=$((40000 + RANDOM % 20000))
        error=$("${qemu[@]}" -netdev "user,id=net0,hostfwd=tcp:127.0.0.1:$port-:22" "${extra[@]}" 2>&1 9>&-) && break
        if [[ $error != *"forwarding rule"* ]] || ((try > 20)); then die "QEMU does not start: $error"; fi
    done
    echo "$port" >"$DIR/port"
    reachable 1800 || die "'$NAME' does not answer on port $port; see: cargo xtask rig log $NAME"
    echo "$NAME is up: port $port, ${accel%%,*}, $(since "$begin") s"
}

# Waits until sshd answers, then opens the one connection that `rig ssh` and `rig cp` share. It is given time to answer:
# each knock makes a machine that is slow already start one more sshd.
reachable() { # SECONDS
    local port line end=$((SECONDS + $1))
    port=$(cat "$DIR/port")
    until line=$(exec 3<>"/dev/tcp/127.0.0.1/$port" && read -r -t 30 -u 3 l && echo "$l") 2>/dev/null && [[ $line == SSH-* ]]; do
        if ! running || ((SECONDS > end)); then return 1; fi
        sleep 0.2
    done
    secure ssh -O exit root@guest 2>/dev/null || rm -f "$DIR/ssh" # after a reset it would hang on a dead connection
    secure ssh -n -MNf root@guest >/dev/null 2>&1 || secure ssh -n root@guest true
}
secure() { # ssh|scp …
    local tool=$1; shift
    "$tool" -F /dev/null -i "$KEY" -o Port="$(cat "$DIR/port")" -o HostName=127.0.0.1 -o ControlPath="$DIR/ssh" \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=60 \
        -o ServerAliveInterval=5 -o ServerAliveCountMax=12 "$@"
}
up_only() { known "${1:-}"; running || die "'$NAME' is down; start it with: cargo xtask rig up $NAME"; }

down() {
    up_only "${1:-}"
    secure ssh -n root@guest systemctl poweroff >/dev/null 2>&1 || true
    gone 90 || die "'$NAME' does not shut down; see: cargo xtask rig log $NAME, or: rig cut $NAME"
}
cut_power() {
    known "${1:-}"
    if running; then kill -KILL "$PID"; gone 10 || die "process $PID does not die"; fi
    rm -f "$DIR/pid" "$DIR/ssh"
}
list() {
    for DIR in "$HOME_DIR"/[a-z]*/; do
        DIR=${DIR%/}
        [[ -f $DIR/options ]] || continue
        if running; then
            echo "${DIR##*/} up port=$(cat "$DIR/port") pid=$PID rss=$(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$PID/status")MB"
        else echo "${DIR##*/} down"; fi
    done
}

# A socket of the guest as a socket of this machine, over the one connection: for as long as the guest stays up.
forward() { # NAME LOCAL-SOCKET GUEST-SOCKET
    up_only "${1:-}"
    secure ssh -O check root@guest 2>/dev/null || reachable 1800 || die "'$NAME' does not answer"
    secure ssh -O cancel -L "$2:$3" root@guest 2>/dev/null || true
    rm -f "$2"
    secure ssh -O forward -L "$2:$3" root@guest
}

case ${1:-} in
    build | up | down | list | forward) "$@" ;;
    ssh) up_only "${2:-}"; secure ssh root@guest "${@:3}" ;;
    cp) up_only "${2:-}"; (($# >= 4)) || die "rig cp NAME SOURCE… TARGET"; secure scp -qr "${@:3:$#-3}" "root@guest:${*: -1}" ;;
    log) known "${2:-}"; cat "$DIR/serial.log" ;;
    cut) cut_power "${2:-}" ;;
    rm) cut_power "${2:-}"; rm -rf "$DIR" ;;
    wait) up_only "${2:-}"; reachable 1800 ;;
    *) die "there is no '${1:-}'; see: cargo xtask rig help" ;;
esac
