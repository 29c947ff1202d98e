//! The folders tasks run in: made, handed over, and removed whatever a task has done to them.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use protocol::id::AttemptId;
use protocol::result::OUT;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use crate::layout::Layout;
use crate::out;

/// Where removed folders wait, inside the folder of all work folders: no attempt is called that.
const GONE: &str = ".gone";

/// So begin the names of folders kept for later tasks, in there too.
const SPARE: &str = ".spare-";

/// How many names of a folder are read at once.
const BATCH: usize = 512;

/// The rooms all tasks share. Task uids pass through `work`, nobody but us looks into `spool`.
pub fn prepare(layout: &Layout) -> io::Result<()> {
    let make = |path: &Path, mode: u32| {
        std::fs::create_dir_all(path)?;
        rustix::fs::chmod(path, Mode::from_raw_mode(mode)).map_err(io::Error::from)
    };
    make(&layout.works(), 0o711)?;
    make(&layout.spool(), 0o700)?;
    make(&layout.works().join(GONE), 0o700)?;
    put_spares_away(layout)
}

/// What an earlier agent did with its spares is not known.
fn put_spares_away(layout: &Layout) -> io::Result<()> {
    for entry in std::fs::read_dir(layout.works())? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(SPARE.as_bytes()) {
            put_away(layout, &entry.path())?;
        }
    }
    Ok(())
}

pub fn spare(layout: &Layout, number: u32) -> PathBuf {
    layout.works().join(format!("{SPARE}{number}"))
}

/// Whose it is, where there is nothing in it but an empty one for the result, and their modes are those of new ones
/// (which a list of rights would have changed).
pub fn owner_if_untouched(path: &Path) -> Option<u32> {
    let folder = open_folder(CWD, path).ok()?;
    if !out::is_only(&folder, OUT).ok()? {
        return None;
    }
    let inner = open_folder(&folder, OUT).ok()?;
    let [of, of_inner] = [rustix::fs::fstat(&folder).ok()?, rustix::fs::fstat(&inner).ok()?];
    let is_new = [of, of_inner].iter().all(|of| of.st_mode & 0o7777 == 0o700);
    let untouched = is_new && of.st_uid == of_inner.st_uid && out::is_empty(&inner).ok()?;
    untouched.then_some(of.st_uid)
}

/// A folder for this attempt alone, empty but for one for its result, both owned by `uid` where one is given, and no
/// output of a namesake (a manager that was set up anew counts from one again).
pub fn make(layout: &Layout, attempt: AttemptId, uid: Option<u32>) -> io::Result<PathBuf> {
    remove_output(layout, attempt);
    let path = layout.work(attempt);
    match rustix::fs::mkdir(&path, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            // Left by an agent that was killed between making it and handing the task over.
            put_away(layout, &path)?;
            rustix::fs::mkdir(&path, Mode::RWXU)?;
        }
        Err(error) => return Err(error.into()),
    }
    rustix::fs::mkdir(path.join(OUT), Mode::RWXU)?;
    if let Some(uid) = uid {
        hand_over(&path, uid)?;
    }
    Ok(path)
}

/// From now on it is the task's, with the one for its result.
pub fn hand_over(path: &Path, uid: u32) -> io::Result<()> {
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(rustix::fs::Gid::from_raw(uid)));
    let give = |path: &Path| rustix::fs::chownat(CWD, path, owner, group, AtFlags::SYMLINK_NOFOLLOW);
    give(&path.join(OUT))?;
    Ok(give(path)?)
}

pub fn remove_output(layout: &Layout, attempt: AttemptId) {
    for file in [layout.stdin(attempt), layout.stdout(attempt), layout.stderr(attempt)] {
        forgive(&file, rustix::fs::unlink(&file));
    }
}

/// Removes a folder with nothing in it but an empty one for the result.
pub fn remove_untouched(path: &Path) -> Result<(), Errno> {
    match rustix::fs::rmdir(path.join(OUT)) {
        Ok(()) | Err(Errno::NOENT) => rustix::fs::rmdir(path),
        error => error,
    }
}

/// Removes the folder of an attempt. Cheap: one that is not as it was made is only put out of the way, and then `true`
/// says that [`empty_gone`] has work.
pub fn remove(layout: &Layout, attempt: AttemptId) -> bool {
    let path = layout.work(attempt);
    match remove_untouched(&path) {
        Ok(()) | Err(Errno::NOENT) => false,
        Err(_) => {
            let moved = put_away(layout, &path);
            forgive(&path, moved.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)));
            true
        }
    }
}

fn forgive(path: &Path, done: Result<(), Errno>) {
    match done {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => tracing::warn!("{} cannot be removed ({error}); the next start tries again", path.display()),
    }
}

/// Out of the way of a namesake, in one step, and removed by [`empty_gone`].
pub fn put_away(layout: &Layout, path: &Path) -> io::Result<()> {
    let gone = open_folder(CWD, layout.works().join(GONE))?;
    Ok(move_up(CWD, path, &gone)?)
}

/// What an earlier agent left of attempts nobody knows any more. `true`: [`empty_gone`] has work.
pub fn sweep(layout: &Layout, known: impl Fn(AttemptId) -> bool) -> bool {
    let name_of = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let names = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().filter_map(name_of);
    let strangers: BTreeSet<AttemptId> = names(layout.works())
        .chain(names(layout.spool()).filter_map(|name| {
            [".in", ".out", ".err"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned)
        }))
        .filter_map(|name| name.parse().ok())
        .filter(|attempt| !known(*attempt))
        .collect();
    for &attempt in &strangers {
        remove_output(layout, attempt);
        remove(layout, attempt);
    }
    names(layout.works().join(GONE)).next().is_some()
}

/// Removes everything that was put away. Takes as long as it takes: not for a thread that has other work.
///
/// A task may leave a tree of any depth, so nothing here recurses or builds long paths: a folder inside a folder is
/// moved up beside it first. Links are removed, never followed.
pub fn empty_gone(layout: &Layout) -> io::Result<()> {
    let gone = open_folder(CWD, layout.works().join(GONE))?;
    let mut stuck = BTreeSet::new();
    loop {
        let mut names = names_in(&gone)?;
        names.retain(|(name, _)| !stuck.contains(name));
        if names.is_empty() {
            break;
        }
        for (name, kind) in names {
            let done = match kind {
                FileType::Directory => remove_folder(&gone, &name),
                _ => unlink(&gone, &name, AtFlags::empty()),
            };
            if let Err(error) = done {
                let name_shown = name.to_string_lossy().into_owned();
                tracing::warn!("{name_shown} in {GONE} cannot be removed ({error}); the next start tries again");
                stuck.insert(name);
            }
        }
    }
    Ok(())
}

type Name = std::ffi::CString;

/// Empties a folder, moving its folders up into `gone`, and removes it.
fn remove_folder(gone: &OwnedFd, name: &Name) -> Result<(), Errno> {
    if unlink(gone, name, AtFlags::REMOVEDIR).is_ok() {
        return Ok(());
    }
    unlock(gone, name);
    let folder = open_folder(gone, name.as_c_str())?;
    loop {
        let names = names_in(&folder)?;
        if names.is_empty() {
            return unlink(gone, name, AtFlags::REMOVEDIR);
        }
        for (inner, kind) in names {
            if kind != FileType::Directory {
                unlink(&folder, &inner, AtFlags::empty())?;
            } else if unlink(&folder, &inner, AtFlags::REMOVEDIR).is_err() {
                unlock(&folder, &inner);
                move_up(&folder, inner.as_c_str(), gone)?;
            }
        }
    }
}

fn unlink(at: impl AsFd, name: &Name, flags: AtFlags) -> Result<(), Errno> {
    match rustix::fs::unlinkat(at, name.as_c_str(), flags) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}

/// A task may have taken its own rights away, which stops everyone but root.
fn unlock(at: impl AsFd, name: &Name) {
    if !rustix::process::geteuid().is_root() {
        // Where this fails the removal does too, and says so.
        let _ = rustix::fs::chmodat(at, name.as_c_str(), Mode::RWXU, AtFlags::empty());
    }
}

fn move_up<P: rustix::path::Arg + Copy>(from: impl AsFd, name: P, gone: &OwnedFd) -> Result<(), Errno> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        match rustix::fs::renameat_with(&from, name, gone, &number, RenameFlags::NOREPLACE) {
            // Left by an earlier agent.
            Err(Errno::EXIST) => {}
            // A file system without that flag: an empty folder may be replaced, anything else is refused.
            Err(Errno::INVAL) => match rustix::fs::renameat(&from, name, gone, &number) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
                done => return done,
            },
            done => return done,
        }
    }
}

fn open_folder(at: impl AsFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

/// Some of the names in a folder; all that are left, if it is asked again until there are none.
fn names_in(folder: &OwnedFd) -> Result<Vec<(Name, FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        names.push((name.to_owned(), kind));
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, Layout, AttemptId) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
        prepare(&layout).unwrap();
        (dir, layout, "17.3#2".parse().unwrap())
    }

    fn left(layout: &Layout) -> usize {
        fs::read_dir(layout.works().join(GONE)).unwrap().count() + fs::read_dir(layout.works()).unwrap().count() - 1
    }

    #[test]
    fn a_task_has_an_empty_folder_for_itself() {
        let (_dir, layout, attempt) = place();
        let path = make(&layout, attempt, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let out = fs::metadata(layout.out(attempt)).unwrap();
        assert_eq!(out.permissions().mode() & 0o777, 0o700);
        fs::write(path.join("old"), "x").unwrap();
        fs::write(layout.out(attempt).join("old"), "x").unwrap();
        fs::write(layout.stdout(attempt), "old").unwrap();
        make(&layout, attempt, None).unwrap();
        assert_eq!(
            owner_if_untouched(&path),
            Some(fs::metadata(&path).unwrap().uid()),
            "what was left is out of the way"
        );
        assert!(!layout.stdout(attempt).exists());
        assert!(!remove(&layout, attempt), "an untouched folder costs nothing more");
        empty_gone(&layout).unwrap();
        assert_eq!(left(&layout), 0);
    }

    #[test]
    fn a_folder_is_untouched_only_with_an_empty_one_for_the_result_and_nothing_else() {
        let (_dir, layout, attempt) = place();
        let out = layout.out(attempt);
        let changes: [(&str, &dyn Fn()); 6] = [
            ("a file", &|| fs::write(layout.work(attempt).join("file"), "").unwrap()),
            ("a result", &|| fs::write(out.join("file"), "").unwrap()),
            ("no place for a result", &|| fs::remove_dir(&out).unwrap()),
            ("another mode", &|| fs::set_permissions(&out, fs::Permissions::from_mode(0o750)).unwrap()),
            ("a file in its place", &|| {
                fs::remove_dir(&out).unwrap();
                fs::write(&out, "").unwrap();
            }),
            ("a link in its place", &|| {
                fs::remove_dir(&out).unwrap();
                symlink(layout.works().join(GONE), &out).unwrap();
            }),
        ];
        for (what, change) in changes {
            let path = make(&layout, attempt, None).unwrap();
            assert!(owner_if_untouched(&path).is_some());
            change();
            assert_eq!(owner_if_untouched(&path), None, "{what}");
            remove(&layout, attempt);
            assert!(!path.exists(), "{what}");
        }
        if rustix::process::geteuid().is_root() {
            let path = make(&layout, attempt, Some(70_001)).unwrap();
            assert_eq!((owner_if_untouched(&path), fs::metadata(&out).unwrap().gid()), (Some(70_001), 70_001));
            hand_over(&layout.work(attempt), 70_001).unwrap();
            fs::remove_dir(&out).unwrap();
            fs::create_dir(&out).unwrap();
            fs::set_permissions(&out, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(owner_if_untouched(&path), None, "somebody else's");
        }
    }

    #[test]
    fn trees_of_any_shape_go_and_what_links_lead_to_stays() {
        let (dir, layout, attempt) = place();
        let precious = dir.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "keep me").unwrap();
        let path = make(&layout, attempt, None).unwrap();
        symlink(&precious, path.join("link")).unwrap();
        fs::create_dir_all(path.join("a/b/c")).unwrap();
        symlink(&precious, path.join("a/b/c/link")).unwrap();
        fs::write(path.join("a/b/file"), "x").unwrap();
        fs::set_permissions(path.join("a/b/c"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(path.join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(path.join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        for number in 0..(BATCH * 2 + 3) {
            fs::write(path.join(format!("file {number}")), "").unwrap();
        }
        fs::write(layout.stdout(attempt), "said").unwrap();
        remove_output(&layout, attempt);
        assert!(remove(&layout, attempt));
        assert!(!path.exists() && !layout.stdout(attempt).exists());
        empty_gone(&layout).unwrap();
        assert_eq!(left(&layout), 0);
        assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "keep me");
    }

    #[test]
    fn a_tree_deeper_than_any_path_or_stack_goes_too() {
        let (_dir, layout, attempt) = place();
        let top = make(&layout, attempt, None).unwrap();
        let mut at = open_folder(CWD, &top).unwrap();
        for _ in 0..1_500 {
            rustix::fs::mkdirat(&at, "deeper", Mode::RWXU).unwrap();
            at = open_folder(&at, "deeper").unwrap();
        }
        drop(at);
        assert!(remove(&layout, attempt));
        empty_gone(&layout).unwrap();
        assert_eq!(left(&layout), 0);
    }

    #[test]
    fn a_new_agent_sweeps_what_nobody_knows() {
        let (_dir, layout, attempt) = place();
        let known: AttemptId = "17.4#1".parse().unwrap();
        for attempt in [attempt, known] {
            fs::write(make(&layout, attempt, None).unwrap().join("file"), "x").unwrap();
            fs::write(layout.stderr(attempt), "x").unwrap();
        }
        assert!(sweep(&layout, |attempt| attempt == known));
        empty_gone(&layout).unwrap();
        assert!(layout.work(known).join("file").exists() && layout.stderr(known).exists());
        assert!(!layout.work(attempt).exists() && !layout.stderr(attempt).exists());
        assert!(!sweep(&layout, |attempt| attempt == known));
    }
}
