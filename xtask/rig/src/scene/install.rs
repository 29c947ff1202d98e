//! `bramble install` with real units; what a task is when it runs.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::found;
use crate::guest::Guest;
use crate::place::{PATIENCE, Pair, Place, WORKER};

pub fn run(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    found("manager and worker are installed, running and linked");
    for (guest, unit) in [(&pair.manager, "bramble-manager"), (&pair.worker, "bramble-worker")] {
        guest.says(&format!("systemctl is-enabled {unit}; systemctl is-active {unit}"), "enabled\nactive")?;
        guest.says(&format!("systemd-analyze verify {unit}.service 2>&1"), "")?;
        guest.says("systemctl --failed --no-legend --plain", "")?;
    }
    found("systemd verifies both units without a word");
    again(&pair)?;
    task(&pair)?;
    stopped_whole(&pair)?;
    same_machine(place, &pair)
}

/// Running it again is harmless.
fn again(pair: &Pair) -> Result<()> {
    for (guest, role) in [(&pair.manager, "manager"), (&pair.worker, "worker")] {
        let said = guest.run(&format!(
            "pid=$(systemctl show -P MainPID bramble-{role}); \
            /root/bramble install {role} --yes; test $pid = $(systemctl show -P MainPID bramble-{role})"
        ))?;
        let quiet = said.contains("nothing to do") || said.contains("remove  /etc/bramble/worker-join.env");
        ensure!(quiet, "installing the {role} once more: {said}");
    }
    found("installing it again changes nothing and restarts nothing");
    Ok(())
}

const LOOK: &str = "id -u; id -g; id -G; grep -E '^(NoNewPrivs|CapEff|Groups)' /proc/self/status | tr '\\t' ' '; \
     sed -n 's/^0:://p' /proc/self/cgroup; cat /proc/self/oom_score_adj; pwd; stat -c %a .";

fn task(pair: &Pair) -> Result<()> {
    let said = pair.host.verb(&["run", "--wait", "--node", WORKER, "--", "sh", "-c", LOOK])?;
    let lines: Vec<&str> = said.lines().collect();
    let [uid, gid, groups, rest @ ..] = lines.as_slice() else { anyhow::bail!("the task said {said:?}") };
    ensure!(uid.parse::<u32>().is_ok_and(|uid| uid >= 1_900_000_000), "it runs as uid {uid}");
    ensure!(gid == uid && groups == uid, "its groups are {gid}, {groups}");
    let has = |wanted: &str| rest.iter().any(|line| line.trim() == wanted);
    ensure!(
        has("Groups:") && has("NoNewPrivs: 1") && has("CapEff: 0000000000000000"),
        "it may more than it should: {said}"
    );
    let born = "/system.slice/bramble-worker.service/bramble-";
    ensure!(rest.iter().any(|line| line.starts_with(born)), "it was not born into a cgroup of its own: {said}");
    ensure!(has("0") && has("700"), "its OOM score or its folder's mode is wrong: {said}");
    found("a task has a uid of its own, no groups, no privileges, a cgroup of its own, and dies of hunger like anyone");

    let scores = scores(&pair.worker)?;
    ensure!(scores["keeper"] == -1000, "the keeper's oom_score_adj: {scores:?}");
    ensure!(scores["agent"] < 0, "the agent's oom_score_adj: {scores:?}");
    pair.manager.says("cat /proc/$(systemctl show -P MainPID bramble-manager)/oom_score_adj", "-900")?;
    found(format_args!("oom_score_adj: keeper {}, agent {}, manager -900", scores["keeper"], scores["agent"]));
    Ok(())
}

fn scores(worker: &Guest) -> Result<BTreeMap<&'static str, i32>> {
    let mut scores = BTreeMap::new();
    for who in ["keeper", "agent"] {
        let status = format!("bramble worker-agent status --json | jq .{who}_pid");
        let score = worker.run(&format!("cat /proc/$({status})/oom_score_adj"))?;
        scores.insert(who, score.parse().with_context(|| format!("{who}: {score}"))?);
    }
    Ok(scores)
}

/// A stop reaches what hides from signals, by cgroup.kill.
fn stopped_whole(pair: &Pair) -> Result<()> {
    let daemon = "setsid sh -c 'trap : TERM HUP; setsid sleep 4711 & while :; do sleep 1; done' & wait";
    let job = pair.host.submit(&["--node", WORKER], &["sh", "-c", daemon])?;
    pair.worker.until("its daemons run", PATIENCE, "pgrep -fx 'sleep 4711'")?;
    pair.host.verb(&["stop", &job.to_string()])?;
    let waited = pair.host.say(&["wait", &job.to_string()])?;
    ensure!(waited.code == 1 && waited.text.contains("stopped"), "it was stopped, and is {waited:?}");
    pair.worker.says("ps -eo uid=,args= | awk '$1 >= 1900000000'", "")?;
    found("a stopped task is gone whole, what hid in sessions of its own included");
    Ok(())
}

/// A worker beside the manager, as a shelf of one machine has it.
fn same_machine(place: &Place, pair: &Pair) -> Result<()> {
    if pair.manager.run("systemctl is-active bramble-worker").is_err() {
        place.install_worker(&pair.manager, &pair.manager, "--name beside --slots 1")?;
    }
    pair.linked(&["beside", WORKER])?;
    let said = pair.host.verb(&["run", "--wait", "--node", "beside", "--", "hostname"])?;
    ensure!(said.trim() == pair.manager.name, "the task beside the manager said {said:?}");
    found("a worker beside the manager joins too");
    Ok(())
}
