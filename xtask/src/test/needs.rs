//! What tests need beyond Rust and a C compiler. The one place that names Debian packages.

use std::process::Command;

use crate::run::run;

struct Need {
    program: &'static str,
    package: &'static str,
    /// What cannot be tested without it.
    tests: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        program: "systemd-analyze",
        package: "systemd",
        tests: "that the units written by `bramble install` are what systemd accepts",
    },
    Need {
        program: "ssh",
        package: "openssh-client",
        tests: "that OpenSSH's own client gets no shell from the link, and is found dead or alive as any other",
    },
    Need { program: "sshd", package: "openssh-server", tests: "the console as a person sees it who comes in by ssh" },
];

/// Installs what is missing where it may (root, Debian); names what stays missing and what that leaves out.
pub fn provide() {
    let missing = missing();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if is_root() && is_there("apt-get") {
        // A fresh machine knows no packages yet, and an old list names files that are gone.
        let _ = run(apt(&["update"]))
            && run(apt(&[&["install", "--yes", "--no-install-recommends"], &packages[..]].concat()));
    }
    for need in self::missing() {
        eprintln!("missing: {}; not tested without it: {}", need.program, need.tests);
        eprintln!("         to get it: apt-get install {}", need.package);
    }
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !is_there(need.program)).collect()
}

fn apt(args: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "--option", "DPkg::Lock::Timeout=120"]).args(args);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    // Without a crate for it: the owner of our own entry in /proc.
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_path_is_not_missing() {
        assert!(is_there("sh"));
        assert!(!is_there("no-such-program-anywhere"));
    }

    #[test]
    fn apt_never_asks_anybody_anything() {
        let apt = apt(&["install", "--yes", "x"]);
        assert!(apt.get_envs().any(|(key, _)| key == "DEBIAN_FRONTEND"));
        assert!(apt.get_args().any(|arg| arg == "--yes"));
    }
}
