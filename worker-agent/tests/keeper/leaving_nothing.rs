//! Many tasks later the keeper is what it was at the start.

use std::collections::HashSet;

use protocol::job::Outcome;
use protocol::keeper::ToKeeper;

use super::worker::*;

fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn children(pid: i32) -> HashSet<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn orphans_are_reaped_and_are_not_taken_for_tasks() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let orphan = "(sh -c 'echo $$; exit 3' &)";
        worker.shell(attempt(0), &format!("{orphan}; {orphan}; {orphan}; exec sleep 1000"));
        let orphans: Vec<i32> = worker.lines(attempt(0), 3).iter().map(|line| line.parse().unwrap()).collect();
        until("the orphans to be reaped", || {
            orphans.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
        });
        assert_eq!(worker.status().running, 1);
        worker.stop(attempt(0), PATIENCE);
        assert_eq!(worker.outcome(attempt(0)), stopped(), "{mode:?}");
    }
}

#[test]
fn three_hundred_tasks_leave_no_descriptor_no_zombie_no_cgroup_and_no_long_journal() {
    const AT_ONCE: u32 = 10;
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(attempt(1000), "exit 0");
        worker.outcome(attempt(1000));
        worker.say(&ToKeeper::Forget { attempts: vec![attempt(1000)] });
        let keeper = worker.keeper_pid();
        let before = descriptors(keeper);
        for round in 0..30 {
            let attempts: Vec<_> = (0..AT_ONCE).map(|index| attempt(round * AT_ONCE + index)).collect();
            attempts.iter().for_each(|&attempt| worker.spawn(attempt, &["true"]));
            attempts.iter().for_each(|&attempt| assert_eq!(worker.outcome(attempt), Outcome::Exited(0)));
            worker.say(&ToKeeper::Forget { attempts });
        }
        until("the last to be forgotten", || worker.status().unacked == 0);
        assert_eq!(children(keeper), HashSet::from([worker.agent_pid()]), "{mode:?}");
        // Two descriptors for each cgroup that is kept to be used again.
        let slots = worker
            .cgroups()
            .map_or(0, |base| std::fs::read_dir(base).unwrap().flatten().filter(|one| one.path().is_dir()).count());
        assert!(slots <= AT_ONCE as usize, "{slots} cgroups");
        let most = before + 2 * slots;
        until("the doors to close", || descriptors(keeper) <= most);
        assert!(std::fs::metadata(worker.state().join("journal")).unwrap().len() < 500_000);

        let base = worker.cgroups();
        worker.signal_keeper(libc::SIGTERM);
        assert_eq!(worker.keeper_end(), Some(0));
        if let Some(base) = base {
            assert!(!base.exists(), "a keeper without tasks leaves no cgroup behind");
        }
    }
}
