//! The machine under the board: system, kernel, memory, disk, addresses.

use std::net::IpAddr;
use std::path::Path;

use protocol::node::Facts;
use protocol::unit::Bytes;
use sysinfo::{CpuRefreshKind, Networks, RefreshKind, System};

use super::files;

/// All that does not depend on the board.
pub fn facts(state: &Path) -> Facts {
    let uname = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_str().ok().filter(|text| !text.is_empty()).map(str::to_owned);
    Facts {
        hostname: word(uname.nodename()),
        os: files::text(Path::new("/etc/os-release")).and_then(|text| pretty_name(&text)),
        kernel: word(uname.release()),
        arch: word(uname.machine()),
        cpus: cpus(),
        memory: files::text(Path::new("/proc/meminfo")).and_then(|text| meminfo(&text, "MemTotal:")),
        disk: disk(state).map(|disk| disk.total),
        addresses: addresses(),
        boot_id: files::line(Path::new("/proc/sys/kernel/random/boot_id")),
        ..Facts::default()
    }
}

/// The CPUs this process may use: its affinity and the quota of its cgroup count.
pub fn cpus() -> Option<u32> {
    std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok())
}

pub fn cpu_model() -> Option<String> {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing())).ok()?;
    let brand = system.cpus().first()?.brand().trim();
    (!brand.is_empty()).then(|| brand.to_owned())
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty() && !value.contains(char::is_control)).then(|| value.to_owned())
}

/// One row of /proc/meminfo.
pub fn meminfo(text: &str, row: &str) -> Option<Bytes> {
    let value = text.lines().find_map(|line| line.strip_prefix(row))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kib.checked_mul(1024)?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub total: Bytes,
    pub used: Bytes,
    /// What is left for those who are not root.
    pub free: Bytes,
    /// So many files may still be made there, where that is limited.
    pub files: Option<u64>,
}

/// A task needs a folder, two files of output and a line in the journal; and what one of them prints takes more soon.
const ROOM: Bytes = Bytes(32 << 20);
const FILES: u64 = 100;

impl Disk {
    /// Whether too little is left to begin anything. Once it was, twice as much has to be free again.
    pub fn is_full(&self, before: bool) -> bool {
        let times = if before { 2 } else { 1 };
        // A twentieth of a disk that is small altogether.
        let room = ROOM.0.min(self.total.0 / 20) * times;
        self.free.0 < room || self.files.is_some_and(|files| files < FILES * times)
    }
}

/// The file system under the nearest folder of this path that exists.
pub fn disk(path: &Path) -> Option<Disk> {
    let there = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    let bytes = |blocks: u64| blocks.checked_mul(there.f_frsize);
    let total = bytes(there.f_blocks).filter(|&total| total > 0)?;
    let used = total.saturating_sub(bytes(there.f_bfree)?);
    let files = (there.f_files > 0).then_some(there.f_favail);
    Some(Disk { total: Bytes(total), used: Bytes(used), free: Bytes(bytes(there.f_bavail)?), files })
}

/// Where others reach this machine, IPv4 first. What is only valid on one cable (`fe80::`) leads nobody here.
fn addresses() -> Vec<String> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let mut found: Vec<IpAddr> = networks
        .values()
        .flat_map(|network| network.ip_networks().iter().map(|network| network.addr))
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
        })
        .collect();
    found.sort();
    found.dedup();
    found.iter().map(IpAddr::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_named_as_its_maker_writes_it() {
        let text = "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(text).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name("PRETTY_NAME=\"\"\n"), None);
        assert_eq!(pretty_name("NAME=x\n"), None);
    }

    #[test]
    fn memory_is_read_or_none() {
        assert_eq!(meminfo("MemTotal:        3884396 kB\nMemFree: 1 kB", "MemTotal:"), Some(Bytes(3_884_396 * 1024)));
        for absurd in ["", "MemTotal: kB", "MemTotal: -5 kB", "MemTotal: 99999999999999999999 kB", "MemTotal: 5 pages"]
        {
            assert_eq!(meminfo(absurd, "MemTotal:"), None, "{absurd:?}");
        }
        assert_eq!(meminfo(&format!("MemTotal: {} kB", u64::MAX), "MemTotal:"), None);
    }

    #[test]
    fn a_disk_is_full_before_the_last_byte_and_until_there_is_room_for_more_than_one_task() {
        let gib = 1 << 30;
        let card = |free, files| Disk { total: Bytes(32 * gib), used: Bytes(0), free: Bytes(free), files };
        assert!(!card(gib, None).is_full(true));
        assert!(!card(40 << 20, Some(5000)).is_full(false) && card(40 << 20, Some(5000)).is_full(true));
        assert!(card(30 << 20, None).is_full(false));
        assert!(card(gib, Some(7)).is_full(false), "no file can be made any more");
        let small = |free| Disk { total: Bytes(8 << 20), used: Bytes(0), free: Bytes(free), files: None };
        assert!(!small(1 << 20).is_full(false) && small(300_000).is_full(false));
    }

    #[test]
    fn the_disk_of_a_folder_that_is_not_there_yet_is_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let disk_of = |path: &Path| disk(path).unwrap().total;
        assert_eq!(disk_of(&dir.path().join("not/yet")), disk_of(dir.path()));
    }
}
