//! SIGKILL, again and again: of the manager, of the agent, of the keeper.

use anyhow::{Result, ensure};
use protocol::id::JobId;
use protocol::job::TaskState;

use super::found;
use crate::guest::Guest;
use crate::place::{PATIENCE, Pair, Place, WORKER};
use crate::until;

pub fn run(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let task = Patient::begin(&pair, "kills-1")?;
    manager(place, &pair)?;
    agent(&pair)?;
    task.still_runs(&pair)?;
    let end = task.release(&pair)?;
    ensure!(end == (TaskState::Failed, Some(5), 1), "the task that was there all the time ended as {end:?}");
    found("a task that ran meanwhile ended with its own code and all it printed");
    keeper(&pair)
}

fn manager(place: &Place, pair: &Pair) -> Result<()> {
    for _ in 0..10 {
        kill_main(&pair.manager, "bramble-manager")?;
    }
    let host = place.host(&pair.manager)?;
    crate::place::linked(&host, &[WORKER])?;
    let restarts = pair.manager.run("systemctl show -P NRestarts bramble-manager")?;
    ensure!(restarts.parse::<u32>().is_ok_and(|restarts| restarts >= 10), "systemd counts {restarts} restarts");
    found("the manager was killed ten times in a row: systemd brought it back each time, the worker links again");
    Ok(())
}

fn agent(pair: &Pair) -> Result<()> {
    let pid = "bramble worker-agent status --json | jq -r .agent_pid";
    for _ in 0..10 {
        let old = pair.worker.run(&format!("pid=$({pid}); kill -9 $pid; echo $pid"))?;
        pair.worker.until(
            "another agent",
            PATIENCE,
            &format!("pid=$({pid}); test $pid != null; test $pid != {old}"),
        )?;
    }
    crate::place::linked(&pair.host, &[WORKER])?;
    found("the agent was killed ten times in a row: the keeper brought it back each time");
    Ok(())
}

/// Its exit codes are lost with it, never guessed; the tasks run on.
fn keeper(pair: &Pair) -> Result<()> {
    let task = Patient::begin(pair, "kills-2")?;
    for _ in 0..5 {
        kill_main(&pair.worker, "bramble-worker")?;
        pair.worker.until("the keeper", PATIENCE, "bramble worker-agent status")?;
        task.still_runs(pair)?;
    }
    crate::place::linked(&pair.host, &[WORKER])?;
    let cgroup = pair.host.verb(&["run", "--wait", "--node", WORKER, "--", "cat", "/proc/self/cgroup"])?;
    ensure!(cgroup.contains("bramble-worker.service/bramble-"), "born after that without a cgroup: {cgroup}");
    let end = task.release(pair)?;
    ensure!(end == (TaskState::Lost, None, 1), "the task whose keeper was killed ended as {end:?}");
    let why = pair.host.verb(&["task", &format!("{}.0", task.job)])?;
    ensure!(why.contains("exit unknown"), "{why}");
    found("the keeper was killed five times: its task ran on, ended as lost: exit unknown, and did not run again");
    Ok(())
}

fn kill_main(guest: &Guest, unit: &str) -> Result<()> {
    let pid = format!("systemctl show -P MainPID {unit}");
    let old =
        guest.until("its process", PATIENCE, &format!("pid=$({pid}); test $pid != 0; kill -9 $pid; echo $pid"))?;
    guest.until("systemd's restart", PATIENCE, &format!("pid=$({pid}); test $pid != 0; test $pid != {old}"))?;
    Ok(())
}

/// A task that runs until it is told to go on, and ends with code 5.
pub struct Patient {
    pub job: JobId,
    word: &'static str,
    pid: String,
}

impl Patient {
    pub fn begin(pair: &Pair, word: &'static str) -> Result<Self> {
        let script = "printf '\\n%s\\n' $BRAMBLE_ATTEMPT >>/srv/ran; echo begun; until test -e /srv/go-$0; do sleep 1; done; echo done; exit 5";
        pair.worker.run(&format!("rm -f /srv/go-{word}"))?;
        let job = pair.host.submit(&["--node", WORKER, "--name", word], &["sh", "-c", script, word])?;
        let pid = pair.worker.until("the task", PATIENCE, &Self::find(word))?;
        Ok(Self { job, word, pid })
    }

    fn find(word: &str) -> String {
        format!("pgrep -f '^sh -c printf .*BRAMBLE_ATTEMPT.* {word}$'")
    }

    /// The very same process.
    pub fn still_runs(&self, pair: &Pair) -> Result<()> {
        pair.worker.says(&Self::find(self.word), &self.pid)
    }

    /// Lets it end, and says how it was told: state, code, attempt.
    pub fn release(&self, pair: &Pair) -> Result<(TaskState, Option<i32>, u32)> {
        pair.worker.run(&format!("touch /srv/go-{}", self.word))?;
        let end = until("the end of the task", PATIENCE, || {
            let tasks = pair.host.tasks(&[&self.job.to_string()])?;
            let task = tasks.first().filter(|task| task.state.ended());
            task.map(|task| (task.state, task.code, task.attempt)).ok_or_else(|| anyhow::anyhow!("{tasks:?}"))
        })?;
        let printed = pair.host.verb(&["logs", &format!("{}.0", self.job)])?;
        ensure!(printed == "begun\ndone\n", "it printed {printed:?}");
        let ran = pair.worker.run(&format!("grep -c '^{}.0#' /srv/ran", self.job))?;
        ensure!(ran == "1", "it ran {ran} times");
        Ok(end)
    }
}
