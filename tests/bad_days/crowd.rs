//! Ten thousand people at the door.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::common::{folder, until};
use crate::kit::{Manager, cpu, memory, slowest_answer};

const CROWD: usize = 10_000;

/// Connects as this user, as often as that, and keeps all of them open.
fn crowd(socket: &Path, uid: u32, size: usize) -> Vec<UnixStream> {
    let socket = socket.to_owned();
    let knocking = std::thread::spawn(move || {
        // This thread alone changes.
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(uid)).unwrap();
        (0..size).map(|_| UnixStream::connect(&socket).unwrap()).collect()
    });
    knocking.join().unwrap()
}

#[test]
fn ten_thousand_callers_are_served_or_told_why_not_and_agents_and_admins_get_through() {
    let here = folder();
    let mut limit = getrlimit(Resource::Nofile);
    if !rustix::process::geteuid().is_root() || limit.maximum.is_some_and(|most| most < CROWD as u64 + 1000) {
        test_support::leave_out!("{CROWD} callers of several users need root and as many descriptors");
    }
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    // A manager with few descriptors, as a shell gives them: it is the crowd that has to find no place.
    let people =
        "[people]\nuid-70001 = \"viewer\"\nuid-70002 = \"viewer\"\nuid-70003 = \"viewer\"\nuid-70004 = \"viewer\"\n";
    let manager = Manager::with(here.path(), people, |command| {
        use std::os::unix::process::CommandExt;
        let few = rustix::process::Rlimit { current: Some(1024), maximum: Some(1024) };
        // SAFETY: a system call.
        unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Nofile, few)?)) };
    });
    let _worker = manager.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let pid = manager.child.id();
    let (memory_before, fds_before) = (memory(pid), descriptors(pid));

    let mut all: Vec<UnixStream> = (0..4).flat_map(|n| crowd(&manager.socket, 70_001 + n, CROWD / 4)).collect();
    // Everyone has either a place or a sentence.
    let began = Instant::now();
    let done = manager.verb(&["run", "--wait", "--", "sh", "-c", "exit 3"]);
    assert_eq!(done.status.code(), Some(3), "{}", crate::common::said(&done));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(slowest_answer(&manager.socket, 50) < Duration::from_secs(2));
    let fake = crate::fake::runtime();
    fake.block_on(async { drop(crate::fake::Fake::join(&manager, "pi-2").await.link().await) });
    let (mut told_own, mut told_all, mut served) = (0, 0, 0);
    for caller in &mut all {
        caller.set_nonblocking(true).unwrap();
        let mut told = vec![];
        let ended = caller.read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        if told.contains("connections to the manager already; close some first") {
            told_own += 1;
        } else if told.contains("programs are connected to the manager, which is as many as it serves") {
            told_all += 1;
        } else {
            assert!(ended.is_err() && told.is_empty(), "{told}");
            served += 1;
        }
    }
    assert!(told_own > 4000 && told_all > 2000 && served <= 512, "{told_own} {told_all} {served}");
    assert!(descriptors(pid) < 800, "{} descriptors", descriptors(pid));
    let grown = memory(pid).saturating_sub(memory_before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    // Idle ones cost nothing: no accept that fails and fails.
    let (used, while_idle) = (cpu(pid), Instant::now());
    std::thread::sleep(Duration::from_millis(500)); // why: the time over which idleness is measured
    let share = (cpu(pid) - used) / while_idle.elapsed().as_secs_f64();
    assert!(share < 0.5, "{share} of a processor while nothing happens");

    drop(all);
    until("all is as before", || (descriptors(pid) <= fds_before + 5).then_some(()));
    assert_eq!(crowd(&manager.socket, 70_001, 10).len(), 10);
    manager.ends();
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
