//! The scripts that come with the program, run for real and twice each: in namespaces of their own, with a copy of `/etc`,
//! and with the daemons that they set up. There is no systemd: `systemctl` here starts the daemon that is meant.
//!
//! What a script sets up is asked for by whoever would use it: a machine that wants an address, a clock, `apt`.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

const STAGE: &str = include_str!("stage.sh");

/// What a scene needs and this machine does not have.
fn lacks(needs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a machine of its own needs root".into());
    }
    let missing = ["unshare", "ip", "timeout"].iter().chain(needs).find(|need| !is_there(need))?;
    Some(format!("there is no {missing} here; cargo xtask test installs it where it may"))
}

/// Runs a scene as a shell, on a stage of its own.
fn play(scene: &str) {
    let folder = tempfile::Builder::new().prefix("bramble-shipped-").tempdir_in("/var/tmp").unwrap();
    let script = folder.path().join("scene.sh");
    std::fs::write(&script, format!("{STAGE}\n{scene}\necho played\n")).unwrap();
    // The shell is the first process of its own world: it takes in what daemons leave, and all of it ends with it.
    let output = Command::new("timeout")
        .args(["100", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["--propagation", "private", "bash", "-euo", "pipefail"])
        .arg(&script)
        .env("SCRIPTS", scripts())
        .env("STAGE", folder.path())
        .env("BRAMBLE", env!("CARGO_BIN_EXE_bramble"))
        .output()
        .unwrap();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && said.ends_with("played\n"), "{}\n{said}\n{complained}", output.status);
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| folder.join(program).is_file())
}

#[test]
fn restore_makes_of_a_backup_the_bramble_it_was() {
    if let Some(why) = lacks(&["python3"]) {
        test_support::leave_out!("{why}");
    }
    play(include_str!("backup.sh"));
}

#[test]
fn setup_dhcp_gives_a_machine_an_address_and_a_known_one_always_the_same() {
    if let Some(why) = lacks(&["dnsmasq", "udhcpc"]) {
        test_support::leave_out!("{why}");
    }
    play(include_str!("dhcp.sh"));
}

#[test]
fn setup_firewall_leaves_a_worker_the_manager_and_nobody_else() {
    if let Some(why) = lacks(&["nft", "python3"]) {
        test_support::leave_out!("{why}");
    }
    play(include_str!("firewall.sh"));
}

#[test]
fn setup_time_gives_the_time_to_its_subnet() {
    if let Some(why) = lacks(&["chronyd"]) {
        test_support::leave_out!("{why}");
    }
    play(include_str!("time.sh"));
}

#[test]
fn setup_package_cache_gives_a_package_that_its_source_has_no_more() {
    if let Some(why) = lacks(&["apt-cacher-ng", "dpkg-scanpackages", "python3"]) {
        test_support::leave_out!("{why}");
    }
    play(include_str!("packages.sh"));
}

#[test]
fn node_report_tells_what_is_wrong_with_a_board_and_does_not_invent_what_it_cannot_know() {
    if let Some(why) = lacks(&[]) {
        test_support::leave_out!("{why}");
    }
    play(include_str!("report.sh"));
}

#[test]
fn shellcheck_finds_nothing_in_any_of_them() {
    if !is_there("shellcheck") {
        test_support::leave_out!("there is no shellcheck here");
    }
    let files = std::fs::read_dir(scripts()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "sh")).collect();
    assert!(!files.is_empty());
    let output = Command::new("shellcheck").args(&files).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}
