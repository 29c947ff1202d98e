//! Installing Debian packages, where that is possible and allowed.

use std::path::Path;
use std::process::Command;

use crate::run::run;

/// A program on the PATH, or a file by its whole path.
pub fn is_there(what: &str) -> bool {
    if what.starts_with('/') {
        return Path::new(what).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(what).is_file())
}

/// As root on Debian; false where we are neither, or where it fails.
pub fn install(packages: &[&str]) -> bool {
    // A fresh machine knows no packages yet, and an old list names files that are gone.
    is_root()
        && is_there("apt-get")
        && run(apt(&["update"]))
        && run(apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat()))
}

fn apt(args: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "--option", "DPkg::Lock::Timeout=120"]).args(args);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
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
    fn what_is_on_the_path_or_at_its_path_is_not_missing() {
        assert!(is_there("sh") && is_there("/proc/self"));
        assert!(!is_there("no-such-program-anywhere") && !is_there("/no/such/file"));
    }

    #[test]
    fn apt_never_asks_anybody_anything() {
        let apt = apt(&["install", "--yes", "x"]);
        assert!(apt.get_envs().any(|(key, _)| key == "DEBIAN_FRONTEND"));
        assert!(apt.get_args().any(|arg| arg == "--yes"));
    }
}
