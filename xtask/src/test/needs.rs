//! What tests need beyond Rust and a C compiler. With `cross.rs` the only place that names Debian packages.

use crate::debian::{install, is_there};

struct Need {
    /// A program on the PATH, or a file by its whole path.
    what: &'static str,
    package: &'static str,
    /// What cannot be tested without it.
    tests: &'static str,
}

impl Need {
    /// Installed, its package would start a service, or take the place of one: not on a machine that somebody works on.
    fn intrudes(&self) -> bool {
        ["chrony", "apt-cacher-ng"].contains(&self.package) && std::path::Path::new("/run/systemd/system").exists()
    }
}

const NEEDS: &[Need] = &[
    Need {
        what: "systemd-analyze",
        package: "systemd",
        tests: "that the units written by `bramble install` are what systemd accepts",
    },
    Need {
        what: "ssh",
        package: "openssh-client",
        tests: "that OpenSSH's own client gets no shell from the link, and is found dead or alive as any other",
    },
    Need {
        what: "sshd",
        package: "openssh-server",
        tests: "the console as a person sees it who comes in by ssh, and nodes without an agent",
    },
    Need { what: "sudo", package: "sudo", tests: "nodes without an agent whose log-in is not root" },
    Need { what: "ip", package: "iproute2", tests: "that a node which dies in the middle is noticed" },
    Need {
        what: "/usr/bin/aiosmtpd",
        package: "python3-aiosmtpd",
        tests: "that people are told by mail and by URL that their jobs have ended",
    },
    Need {
        what: "dnsmasq",
        package: "dnsmasq-base",
        tests: "that a machine gets its address from what setup-dhcp sets up",
    },
    Need { what: "udhcpc", package: "udhcpc", tests: "the same" },
    Need { what: "chronyd", package: "chrony", tests: "that what setup-time sets up gives the time" },
    Need {
        what: "apt-cacher-ng",
        package: "apt-cacher-ng",
        tests: "that what setup-package-cache sets up gives packages",
    },
    Need { what: "nft", package: "nftables", tests: "that what setup-firewall sets up keeps workers apart" },
    Need { what: "dpkg-scanpackages", package: "dpkg-dev", tests: "the same" },
    Need { what: "shellcheck", package: "shellcheck", tests: "the scripts that come with the program" },
    #[cfg(not(target_arch = "aarch64"))]
    Need { what: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu", tests: FOREIGN },
    #[cfg(not(target_arch = "aarch64"))]
    Need { what: "/usr/aarch64-linux-gnu/lib/libc.so", package: "libc6-dev-arm64-cross", tests: FOREIGN },
    #[cfg(not(target_arch = "aarch64"))]
    Need { what: "qemu-aarch64-static", package: "qemu-user-static", tests: FOREIGN },
];

#[cfg(not(target_arch = "aarch64"))]
const FOREIGN: &str = "a worker built for 64-bit Pis";

/// Installs what is missing where it may (root, Debian); names what stays missing and what that leaves out.
pub fn provide() {
    let missing = missing();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<&str> = missing.iter().filter(|need| !need.intrudes()).map(|need| need.package).collect();
    if !packages.is_empty() {
        install(&packages);
    }
    for need in self::missing() {
        eprintln!("missing: {}; not tested without it: {}", need.what, need.tests);
        eprintln!("         to get it: apt-get install {}", need.package);
    }
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !is_there(need.what)).collect()
}
