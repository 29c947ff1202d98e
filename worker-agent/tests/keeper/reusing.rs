//! What a task leaves behind is killed, and the next task is none the worse for it.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use protocol::job::Outcome;

use super::worker::*;

/// More than there are cgroups at that moment, so that each of them comes to be used again if it ever is.
const MANY: u32 = 20;

fn many_run(worker: &mut Worker, from: u32) {
    for index in from..from + MANY {
        worker.spawn(attempt(index), &["true"]);
        assert_eq!(worker.outcome(attempt(index)), Outcome::Exited(0), "task {index}");
    }
}

fn leaves_something_to_be_killed(worker: &mut Worker, index: u32) {
    worker.shell(attempt(index), "sleep 1000 & echo bg");
    assert_eq!(worker.outcome(attempt(index)), Outcome::Exited(0));
}

fn ends_only_by_sigkill(worker: &mut Worker, index: u32) {
    worker.shell(attempt(index), "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    worker.lines(attempt(index), 1);
    worker.stop(attempt(index), Duration::ZERO);
    assert_eq!(worker.outcome(attempt(index)), stopped());
}

fn runs_on(worker: &mut Worker, index: u32) {
    worker.shell(attempt(index), "sleep 1000 & echo ready; while ! [ -e go ]; do sleep 0.01; done");
    worker.lines(attempt(index), 1);
}

fn let_go(worker: &mut Worker, index: u32) -> Outcome {
    std::fs::write(worker.work(attempt(index)).join("go"), "").unwrap();
    worker.outcome(attempt(index))
}

fn folders(base: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten().filter(|one| one.path().is_dir());
    entries.map(|one| one.file_name().into_string().unwrap()).collect()
}

fn assert_no_more_cgroups_than(worker: &Worker, most: usize) {
    if let Some(base) = worker.cgroups() {
        let left = folders(&base);
        assert!(left.len() <= most, "cgroups pile up: {left:?}");
    }
}

#[test]
fn many_tasks_run_after_one_whose_children_had_to_be_killed() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        for round in 0..5 {
            leaves_something_to_be_killed(&mut worker, round * 100);
            many_run(&mut worker, round * 100 + 1);
        }
        assert_no_more_cgroups_than(&worker, 1);
    }
}

#[test]
fn many_tasks_run_after_stops_that_needed_sigkill() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        for round in 0..5 {
            ends_only_by_sigkill(&mut worker, round * 100);
            many_run(&mut worker, round * 100 + 1);
        }
        assert_no_more_cgroups_than(&worker, 1);
    }
}

#[test]
fn many_tasks_run_in_an_upgraded_keeper_whatever_was_killed_before() {
    let mut worker = Worker::start();
    for round in 0..3 {
        let from = round * 1000;
        runs_on(&mut worker, from);
        leaves_something_to_be_killed(&mut worker, from + 1);
        many_run(&mut worker, from + 2);
        let mut command = worker.command(&["upgrade", PROGRAM]);
        let answer = std::thread::spawn(move || command.output().unwrap());
        worker.meet_agent();
        assert!(answer.join().unwrap().status.success());
        many_run(&mut worker, from + 100);
        assert_eq!(let_go(&mut worker, from), Outcome::Exited(0));
        many_run(&mut worker, from + 200);
        assert_no_more_cgroups_than(&worker, 2);
    }
}

#[test]
fn many_tasks_run_in_the_keeper_after_a_killed_one() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        for round in 0..3 {
            let from = round * 1000;
            runs_on(&mut worker, from);
            leaves_something_to_be_killed(&mut worker, from + 1);
            // Its main process ends without a keeper, its child is left for the next.
            runs_on(&mut worker, from + 2);
            many_run(&mut worker, from + 3);
            worker.kill_keeper();
            std::fs::write(worker.work(attempt(from + 2)).join("go"), "").unwrap();
            worker.start_keeper();
            many_run(&mut worker, from + 100);
            assert_eq!(let_go(&mut worker, from), unknown_exit());
            many_run(&mut worker, from + 200);
            assert_no_more_cgroups_than(&worker, 3);
        }
    }
}

#[test]
fn cgroups_that_tasks_made_inside_their_own_go_with_it() {
    let mut worker = Worker::start();
    let Some(base) = worker.cgroups().filter(|_| is_root()) else { return };
    let script =
        format!("set -- {}/[0-9]*; for at; do mkdir -p $at/mine/too; done; sleep 1000 & echo bg", base.display());
    worker.shell(attempt(0), &script);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0));
    many_run(&mut worker, 1);
    assert_no_more_cgroups_than(&worker, 1);
    worker.signal_keeper(libc::SIGTERM);
    assert_eq!(worker.keeper_end(), Some(0));
    assert!(!base.exists(), "{:?}", folders(&base));
}

#[test]
fn a_cgroup_of_the_keeper_before_is_not_used_again_when_its_task_has_ended() {
    let mut worker = Worker::start();
    let Some(base) = worker.cgroups().filter(|_| is_root()) else { return };
    runs_on(&mut worker, 0);
    let [old] = <[String; 1]>::try_from(folders(&base)).unwrap();
    worker.kill_keeper();
    worker.start_keeper();
    worker.spawn(attempt(1), &["cat", "/proc/self/cgroup"]);
    assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(0));
    assert!(!worker.output(attempt(1), "out").contains(&format!("/{old}\n")));
    assert_eq!(let_go(&mut worker, 0), unknown_exit());
    many_run(&mut worker, 2);
    assert!(!base.join(old).exists());
}

/// A cgroup that was killed as a whole, for a keeper to start in; where this machine has any.
struct KilledGroup(PathBuf);

impl KilledGroup {
    fn make(worker: &Worker) -> Option<Self> {
        let home = worker_agent::keeper::cgroup::available().ok().filter(|_| is_root())?;
        let name = worker.dir.path().file_name().unwrap().to_str().unwrap();
        let group = Self(home.join(format!("bramble-killed-{name}")));
        std::fs::create_dir(&group.0).unwrap();
        std::fs::write(group.0.join("cgroup.kill"), "1").unwrap();
        Some(group)
    }

    /// Into it goes what this command becomes.
    fn enter(&self, command: &mut Command) {
        let procs = CString::new(self.0.join("cgroup.procs").into_os_string().into_encoded_bytes()).unwrap();
        let enter = move || {
            // SAFETY: system calls on a string that lives as long as this closure.
            let written = unsafe {
                let file = libc::open(procs.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                libc::write(file, c"0".as_ptr().cast(), 1)
            };
            if written == 1 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // SAFETY: only system calls.
        unsafe { command.pre_exec(enter) };
    }

    /// Whether this kernel kills what is born below it.
    fn kills_at_birth(&self) -> bool {
        !folders(&self.0).iter().any(|name| name.starts_with("bramble-"))
    }
}

impl Drop for KilledGroup {
    fn drop(&mut self) {
        let removed = || {
            folders(&self.0).iter().for_each(|inner| drop(remove_with_folders(&self.0.join(inner))));
            std::fs::remove_dir(&self.0).is_ok()
        };
        let until = Instant::now() + PATIENCE;
        while !removed() && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}

fn remove_with_folders(group: &Path) -> std::io::Result<()> {
    folders(group).iter().for_each(|inner| drop(std::fs::remove_dir(group.join(inner))));
    std::fs::remove_dir(group)
}

#[test]
fn a_keeper_in_a_cgroup_that_was_killed_before_runs_tasks_and_ends_them_whole() {
    let mut worker = Worker::prepare(Mode::Usual);
    let Some(group) = KilledGroup::make(&worker) else { return };
    let log = worker.file("log");
    for round in 0..2 {
        let from = round * 1000;
        worker.start_keeper_with(|command| {
            group.enter(command);
            command.stderr(File::create(&log).unwrap());
        });
        many_run(&mut worker, from);
        leaves_something_to_be_killed(&mut worker, from + 100);
        ends_only_by_sigkill(&mut worker, from + 101);
        many_run(&mut worker, from + 200);
        let said = std::fs::read_to_string(&log).unwrap();
        let warned = said.matches("tasks run without cgroups").count();
        let check = text(&worker.command(&["check"]).output().unwrap());
        if group.kills_at_birth() {
            assert_eq!(warned, 1, "{said}");
            assert!(check.contains("was killed as a whole"), "{check}");
        } else {
            assert_eq!(warned, 0, "{said}");
        }
        worker.kill_keeper();
    }
}
