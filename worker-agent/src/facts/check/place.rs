//! The state folder and its disk.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use protocol::unit::Bytes;
use rustix::fs::{Access, FallocateFlags};

use super::Finding;
use crate::facts::machine;
use crate::layout::Layout;

pub fn check(layout: &Layout) -> Vec<Finding> {
    let root = rustix::process::geteuid().is_root();
    let mut found = Vec::new();
    found.extend(not_writable(&layout.state));
    if root {
        found.extend(closed_to_tasks(&layout.state));
    }
    found.extend(machine::disk(&layout.state).and_then(|disk| low_disk(&layout.state, disk)));
    found.extend(no_holes(&layout.spool()));
    found
}

fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

fn not_writable(state: &Path) -> Option<Finding> {
    let folder = nearest(state);
    let error = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(Finding::serious(
        "state-not-writable",
        format!("The state folder {} cannot be written ({error}).", state.display()),
        "Run the worker as the owner of that folder, or choose another with --state DIR.",
    ))
}

/// Tasks run under uids of their own, and must be able to pass through to their folder.
fn closed_to_tasks(state: &Path) -> Option<Finding> {
    let closed: Vec<PathBuf> = state
        .ancestors()
        .filter(|folder| std::fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o001 == 0))
        .map(Path::to_owned)
        .collect();
    let outermost = closed.last()?;
    Some(Finding::serious(
        "state-closed-to-tasks",
        format!("Tasks cannot reach their folders in {}: {} is closed to them.", state.display(), outermost.display()),
        format!("Open the way: chmod o+x {}; or choose another folder with --state DIR.", outermost.display()),
    ))
}

fn low_disk(state: &Path, disk: machine::Disk) -> Option<Finding> {
    let Bytes(free) = disk.free;
    let percent = free.saturating_mul(100) / disk.total.0.max(1);
    let problem = format!("The disk of {} has only {} free ({percent} %).", state.display(), disk.free);
    let remedy = "Make room there, or choose a folder on another disk with --state DIR.";
    if percent < 1 || free < 128 << 20 {
        Some(Finding::serious("disk-full", problem, remedy))
    } else if percent < 5 || free < 1 << 30 {
        Some(Finding::minor("disk-low", problem, remedy))
    } else {
        None
    }
}

/// The limit of a task's output is held by giving the oldest part back to the file system.
fn no_holes(spool: &Path) -> Option<Finding> {
    let probe = nearest(spool).join(format!(".bramble-check-{}", std::process::id()));
    let file = File::options().write(true).create_new(true).open(&probe).ok()?;
    let tried = std::io::Write::write_all(&mut &file, &[1; 8192])
        .map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
        .and_then(|()| rustix::fs::fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 4096));
    // A probe that cannot be removed is found, and named, by whoever looks into the folder.
    let _ = std::fs::remove_file(&probe);
    (tried == Err(rustix::io::Errno::OPNOTSUPP)).then(|| {
        Finding::minor(
            "no-hole-punching",
            format!(
                "The file system of {} cannot drop the oldest output of a task: it grows without bound.",
                spool.display()
            ),
            "Choose a folder on ext4, xfs, btrfs or tmpfs with --state DIR.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_parent_is_named_with_the_command_that_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let state = dir.path().join("closed/state");
        std::fs::create_dir_all(&state).unwrap();
        open(dir.path(), 0o755);
        open(&dir.path().join("closed"), 0o700);
        let finding = closed_to_tasks(&state).unwrap();
        assert!(finding.serious && finding.remedy.contains(&format!("chmod o+x {}/closed;", dir.path().display())));
        open(&dir.path().join("closed"), 0o711);
        assert_eq!(closed_to_tasks(&state), None);
    }

    #[test]
    fn a_disk_is_low_before_it_is_full() {
        let left = |free: u64| {
            let disk = machine::Disk { total: Bytes(100 << 30), used: Bytes(0), free: Bytes(free), files: None };
            low_disk(Path::new("/x"), disk).map(|finding| finding.serious)
        };
        assert_eq!(left(50 << 30), None);
        assert_eq!(left(3 << 30), Some(false));
        assert_eq!(left(1 << 20), Some(true));
    }
}
