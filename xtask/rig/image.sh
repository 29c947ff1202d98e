#!/usr/bin/env bash
# What makes a bootstrapped Debian a guest of the rig. Called by `machine.sh`: image.sh before|after ROOT
set -euo pipefail
step=$1 root=$2

# Before the kernel is installed, so that its initrd is made once, small, and knows the disk.
before() {
    echo '/dev/vda / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
    mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/usr/share/initramfs-tools/modules.d"
    printf 'MODULES=list\nCOMPRESS=zstd\nRESUME=none\nFSTYPE=ext4\n' >"$root/etc/initramfs-tools/conf.d/rig"
    printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$root/usr/share/initramfs-tools/modules.d/rig"
}

after() {
    install -d -m 700 "$root/root/.ssh"
    install -m 600 "${RIG_HOME:-/var/tmp/bramble-rig}/.key.pub" "$root/root/.ssh/authorized_keys"
    cat >"$root/etc/ssh/sshd_config.d/rig.conf" <<'EOF'
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
HostKey /etc/ssh/ssh_host_ed25519_key
MaxSessions 100
EOF
    # eth0: QEMU's user network, whose addresses are fixed. eth1: the shared segment of `rig up --lan`, by DHCP.
    cat >"$root/etc/systemd/network/eth0.network" <<'EOF'
[Match]
Name=eth0
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
EOF
    cat >"$root/etc/systemd/network/eth1.network" <<'EOF'
[Match]
Name=eth1
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
UseGateway=no
UseDNS=no
EOF
    echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
    rm -f "$root/etc/hostname"
    : >"$root/etc/machine-id"
    mkdir -p "$root/var/log/journal"
    chroot "$root" systemctl --quiet enable systemd-networkd ssh
    chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
        e2scrub_all.timer e2scrub_reap.service fstrim.timer ldconfig.service systemd-networkd-wait-online.service \
        systemd-pcrphase.service systemd-pcrphase-sysinit.service getty@tty1.service
    touch "$root/etc/.updated" "$root/var/.updated"
}

"$step"
