//! What it was measured on: a number from one machine says nothing without it.

use std::fs;
use std::path::Path;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub root: bool,
    pub state: String,
    /// What the state is on.
    pub file_system: String,
    pub load: f64,
}

impl Machine {
    pub fn look(state: &Path) -> Self {
        let uname = rustix::system::uname();
        // What comes after its number only says who built it.
        let release = uname.release().to_string_lossy();
        let kernel = format!("{} {}", uname.sysname().to_string_lossy(), release.split('-').next().unwrap_or_default());
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let memory =
            value(&file("/proc/meminfo"), "MemTotal").and_then(|kb| kb.strip_suffix(" kB")?.parse::<u64>().ok());
        Self {
            cpu: value(&file("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| uname.machine().to_string_lossy().into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory.unwrap_or(0) / 1024,
            kernel,
            root: rustix::process::geteuid().is_root(),
            state: state.display().to_string(),
            file_system: file_system(&file("/proc/mounts"), state),
            load: file("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }

    /// What makes the numbers worth less.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = vec![];
        if self.load > 0.5 {
            doubts.push(format!("the machine was busy before it began: load {:.2}", self.load));
        }
        if self.file_system == "tmpfs" {
            doubts.push("state was not on a disk: durable costs nothing there".into());
        }
        if !self.root {
            doubts.push("not root: tasks had no uid of their own, which is a little cheaper".into());
        }
        doubts
    }
}

/// `key : value` of a file in /proc.
fn value(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

/// The file system a folder is on: the mount with the longest name that leads to it.
fn file_system(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.into());
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let on = mounts.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    on.map_or("an unknown file system".into(), |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_the_mount_nearest_to_it() {
        let mounts = "/dev/sda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/no/such/folder")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/no/such/folder")), "ext4");
    }

    #[test]
    fn memory_and_processor_are_read_as_the_kernel_writes_them() {
        assert_eq!(value("processor\t: 0\nmodel name\t: A Chip: fast\n", "model name").unwrap(), "A Chip: fast");
        assert_eq!(value("MemTotal:       2048 kB\n", "MemTotal").unwrap(), "2048 kB");
    }
}
