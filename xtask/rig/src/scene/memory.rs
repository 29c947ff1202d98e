//! Tasks that eat memory: the kernel's choice falls on them, and their end says so.

use anyhow::{Result, ensure};

use super::found;
use super::kills::Patient;
use crate::place::{Pair, Place, WORKER};

const PIDS: &str = "systemctl show -P MainPID bramble-worker; bramble worker-agent status --json | jq .agent_pid";

pub fn run(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let pids = pair.worker.run(PIDS)?;
    let bystander = Patient::begin(&pair, "memory")?;

    pair.worker.run("systemctl set-property bramble-worker MemoryMax=160M MemorySwapMax=0")?;
    starves(&pair, &["tail", "/dev/zero"])?;
    found("beyond the unit's MemoryMax= a task ends with `killed: out of memory`");
    starves(&pair, &["sh", "-c", "tail /dev/zero; exit $?"])?;
    found("so does one whose shell was waiting for what was killed");
    pair.worker.run("rm -r /etc/systemd/system.control/bramble-worker.service.d; systemctl daemon-reload")?;

    // Kept back for the rest of the machine, which would answer nobody for minutes, or never again.
    let most: u64 = pair.worker.run("systemctl show -P MemoryMax bramble-worker")?.trim().parse()?;
    let total: u64 = pair.worker.run("awk '/^MemTotal:/ { print $2 * 1024 }' /proc/meminfo")?.trim().parse()?;
    ensure!((90 << 20..110 << 20).contains(&total.saturating_sub(most)), "tasks may take {most} bytes of {total}");
    starves(&pair, &["tail", "/dev/zero"])?;
    found("so does one that eats all that the machine does not keep for itself");

    // why: what died of hunger a moment ago must not lend its reason to others; the keeper remembers it for 3 s.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let killed = ended(&pair, &["sh", "-c", "kill -9 $$"])?;
    ensure!(killed.contains("killed by signal 9"), "SIGKILL of another kind is told as {killed:?}");
    found("one that is killed in another way says `killed by signal 9`");

    bystander.still_runs(&pair)?;
    let (_, code, attempt) = bystander.release(&pair)?;
    ensure!((code, attempt) == (Some(5), 1), "the task beside them ended with {code:?}, attempt {attempt}");
    pair.worker.says(PIDS, &pids)?;
    found("keeper, agent and the task beside them lived on");
    Ok(())
}

fn starves(pair: &Pair, command: &[&str]) -> Result<()> {
    let told = ended(pair, command)?;
    ensure!(told.contains("killed: out of memory"), "`{}` ended as {told:?}", command.join(" "));
    Ok(())
}

/// What `wait` says of its end; the code is 137 in any case.
fn ended(pair: &Pair, command: &[&str]) -> Result<String> {
    let job = pair.host.submit(&["--node", WORKER], command)?;
    let waited = pair.host.say(&["wait", &job.to_string()])?;
    let tasks = pair.host.tasks(&[&job.to_string()])?;
    ensure!(tasks.first().is_some_and(|task| task.code == Some(137)), "{tasks:?}");
    Ok(waited.text)
}
