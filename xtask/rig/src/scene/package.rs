//! The Debian package: it comes, is upgraded, goes, and leaves nothing.

use anyhow::{Context, Result, ensure};
use protocol::job::TaskState;

use super::found;
use super::kills::Patient;
use crate::place::{PATIENCE, Pair, Place, WORKER, linked};

const UNITS: [&str; 2] = ["bramble-manager", "bramble-worker"];

pub fn run(place: &Place) -> Result<()> {
    let guest = place.machine('p', "10.77.0.3")?;
    for (file, to) in [(&place.package, "/root/1.deb"), (&place.newer_package, "/root/2.deb")] {
        guest.copy(file, to)?;
    }
    guest.run("dpkg -i /root/1.deb")?;
    for unit in UNITS {
        guest.says(
            &format!("systemctl is-enabled {unit} || true; systemctl is-active {unit} || true"),
            "disabled\ninactive",
        )?;
        guest.says(&format!("systemd-analyze verify {unit}.service 2>&1"), "")?;
    }
    guest.says("ls -d /etc/bramble /var/lib/bramble* 2>/dev/null || true", "")?;
    found("the package brings program and units, and starts nothing");

    let said = guest.run("bramble install manager --yes")?;
    ensure!(said.contains("of the Debian package"), "{said}");
    guest.until("the manager", PATIENCE, "systemctl is-active bramble-manager; test -S /run/bramble/manager.sock")?;
    let token = guest.run("bramble join-token --json | jq -r .token")?;
    guest.run(&format!("bramble install worker --yes --manager 127.0.0.1 --join {token} --name {WORKER}"))?;
    guest.says("ls /usr/local/bin; find /etc/systemd/system -name 'bramble*' -type f", "")?;
    let pair = Pair { manager: guest.clone(), worker: guest.clone(), host: place.host(&guest)? };
    pair.linked(&[WORKER])?;
    found("`bramble install` of a packaged bramble takes its program and units");

    let task = Patient::begin(&pair, "package")?;
    let pids = UNITS.map(|unit| format!("systemctl show -P MainPID {unit}"));
    let [manager, keeper] = [guest.run(&pids[0])?, guest.run(&pids[1])?];
    guest.run("dpkg -i /root/2.deb")?;
    guest.until("the manager", PATIENCE, "systemctl is-active bramble-manager; test -S /run/bramble/manager.sock")?;
    linked(&place.host(&guest)?, &[WORKER])?;
    ensure!(guest.run(&pids[0])? != manager, "the manager was not restarted");
    guest.says(&pids[1], &keeper)?;
    guest.until("the new keeper", PATIENCE, &format!("test $(readlink /proc/{keeper}/exe) = /usr/bin/bramble"))?;
    task.still_runs(&pair)?;
    let end = task.release(&pair)?;
    ensure!(end == (TaskState::Failed, Some(5), 1), "the task that ran meanwhile ended as {end:?}");
    found("an upgrade restarts the manager; the keeper becomes the new program and keeps its task, exit code and all");

    guest.run("dpkg --remove bramble")?;
    for unit in UNITS {
        guest.says(&format!("systemctl is-active {unit} || true"), "inactive")?;
    }
    guest.run("test -e /var/lib/bramble/bramble.db; test -e /etc/bramble/manager.toml; test ! -e /usr/bin/bramble")?;
    guest.run("dpkg -i /root/2.deb; bramble install manager --yes; bramble install worker --yes")?;
    let host = place.host(&guest)?;
    linked(&host, &[WORKER])?;
    let known = host.tasks(&[&task.job.to_string()])?;
    ensure!(known.first().is_some_and(|known| known.code == Some(5)), "of job {} is known: {known:?}", task.job);
    found("removed and installed again it is what it was");

    // Tasks outlive a worker; they do not outlive a purge.
    let pair = Pair { manager: guest.clone(), worker: guest.clone(), host };
    Patient::begin(&pair, "purge")?;
    guest.run("dpkg --purge bramble")?;
    guest.until(
        "the end of all its processes",
        PATIENCE,
        "! pgrep bramble; test -z \"$(ps -eo uid=,args= | awk '$1 >= 1900000000')\"",
    )?;
    let left = guest.run("find / -xdev -name '*bramble*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/root/*' -not -path '/var/log/*'")?;
    ensure!(left.is_empty(), "left behind: {left}");
    guest
        .says("systemctl --failed --no-legend --plain; systemctl list-unit-files --no-legend 'bramble*' || true", "")?;
    guest.remove().context("at the end")?;
    found("purged it leaves nothing: no process, no file, no unit");
    Ok(())
}
