//! Folders of tasks that have ended and left them as they were made: the next task of the same person gets one of these,
//! which costs a tenth of making and removing one. Nobody else does: what a person may have done to a folder that does
//! not show (a default ACL, a process that hides in it) stays with that person.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use protocol::id::AttemptId;
use rustix::fs::{CWD, RenameFlags};

use super::folder;
use crate::layout::Layout;

/// In all; what is more is removed as ever.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub struct Spares {
    /// Their numbers, by the uid they belong to.
    free: HashMap<u32, Vec<u32>>,
    count: usize,
    next: u32,
}

impl Spares {
    /// As [`folder::make`].
    pub fn make(&mut self, layout: &Layout, attempt: AttemptId, uid: Option<u32>) -> io::Result<PathBuf> {
        let path = layout.work(attempt);
        let own = || rustix::process::geteuid().as_raw();
        let Some(spare) = self.take(layout, uid.unwrap_or_else(own)) else {
            return folder::make(layout, attempt, uid);
        };
        folder::remove_output(layout, attempt);
        match rustix::fs::renameat_with(CWD, &spare, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(path),
            // Another of that name is there, or this file system cannot tell.
            Err(_) => {
                // Whatever stays is swept by the next start.
                let _ = folder::remove_untouched(&spare);
                folder::make(layout, attempt, uid)
            }
        }
    }

    /// As [`folder::remove`].
    pub fn remove(&mut self, layout: &Layout, attempt: AttemptId) -> bool {
        folder::remove_output(layout, attempt);
        let path = layout.work(attempt);
        let kept = self.count < MOST && self.keep(layout, &path).is_some();
        !kept && folder::remove(layout, attempt)
    }

    fn take(&mut self, layout: &Layout, uid: u32) -> Option<PathBuf> {
        let number = self.free.get_mut(&uid)?.pop()?;
        self.count -= 1;
        Some(folder::spare(layout, number))
    }

    /// `None` where it is not as it was made.
    fn keep(&mut self, layout: &Layout, path: &Path) -> Option<()> {
        let uid = folder::owner_if_untouched(path)?;
        let number = self.next;
        self.next = number.wrapping_add(1);
        let spare = folder::spare(layout, number);
        rustix::fs::renameat_with(CWD, path, CWD, &spare, RenameFlags::NOREPLACE).ok()?;
        self.free.entry(uid).or_default().push(number);
        self.count += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn place() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
        folder::prepare(&layout).unwrap();
        (dir, layout)
    }

    fn attempt(index: u32) -> AttemptId {
        protocol::id::TaskId::new(17, index).attempt(1)
    }

    fn file_number(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn the_next_task_of_the_same_person_gets_the_folder_of_the_last_and_no_output_of_a_namesake() {
        let (_dir, layout) = place();
        let mut spares = Spares::default();
        let first = spares.make(&layout, attempt(1), None).unwrap();
        let number = file_number(&first);
        assert!(!spares.remove(&layout, attempt(1)));
        assert!(!first.exists());
        fs::write(layout.stderr(attempt(2)), "of a namesake").unwrap();
        let second = spares.make(&layout, attempt(2), None).unwrap();
        assert_eq!((second.clone(), file_number(&second)), (layout.work(attempt(2)), number));
        assert!(!layout.stderr(attempt(2)).exists());
        assert_ne!(file_number(&spares.make(&layout, attempt(3), None).unwrap()), number);
    }

    #[test]
    fn no_folder_goes_from_one_person_to_another() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (_dir, layout) = place();
        let mut spares = Spares::default();
        let (ana, ben) = (Some(70_001), Some(70_002));
        let number = file_number(&spares.make(&layout, attempt(1), ana).unwrap());
        spares.remove(&layout, attempt(1));
        let of_ben = spares.make(&layout, attempt(2), ben).unwrap();
        assert_ne!(file_number(&of_ben), number);
        assert_eq!(fs::metadata(&of_ben).unwrap().uid(), 70_002);
        assert_eq!(file_number(&spares.make(&layout, attempt(3), ana).unwrap()), number);
    }

    #[test]
    fn a_folder_that_a_task_has_changed_is_not_used_again() {
        let (_dir, layout) = place();
        let mut spares = Spares::default();
        let open = spares.make(&layout, attempt(1), None).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o750)).unwrap();
        let full = spares.make(&layout, attempt(2), None).unwrap();
        fs::write(full.join("file"), "x").unwrap();
        let result = spares.make(&layout, attempt(3), None).unwrap();
        fs::write(result.join("out/file"), "x").unwrap();
        assert!(!spares.remove(&layout, attempt(1)), "it is empty and gone");
        assert!(spares.remove(&layout, attempt(2)), "it waits to be emptied");
        assert!(spares.remove(&layout, attempt(3)), "so does a result");
        assert_eq!(spares.count, 0);
    }

    #[test]
    fn what_is_in_the_way_of_a_spare_is_put_away() {
        let (_dir, layout) = place();
        let mut spares = Spares::default();
        spares.make(&layout, attempt(1), None).unwrap();
        spares.remove(&layout, attempt(1));
        fs::create_dir(layout.work(attempt(2))).unwrap();
        fs::write(layout.work(attempt(2)).join("old"), "x").unwrap();
        let path = spares.make(&layout, attempt(2), None).unwrap();
        assert!(folder::owner_if_untouched(&path).is_some());
    }

    #[test]
    fn only_so_many_are_kept_and_a_new_agent_keeps_none() {
        let (_dir, layout) = place();
        let mut spares = Spares::default();
        (0..50).for_each(|index| drop(spares.make(&layout, attempt(index), None).unwrap()));
        (0..50).for_each(|index| assert!(!spares.remove(&layout, attempt(index))));
        let left = || fs::read_dir(layout.works()).unwrap().count() - 1;
        assert_eq!(left(), MOST);
        folder::prepare(&layout).unwrap();
        assert_eq!(left(), 0);
    }
}
