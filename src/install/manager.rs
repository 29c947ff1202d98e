//! What makes a machine the manager.

use super::binary::Binary;
use super::plan::{File, Plan, Step};
use super::unit::MANAGER;
use super::{Common, Machine, Stop};

const CONFIG: &str = "/etc/bramble/manager.toml";
const STATE: &str = "/var/lib/bramble";

pub fn plan(machine: &Machine, common: &Common, config: &str) -> Result<Plan, Stop> {
    let mut plan = Plan::new(&machine.disk, "bramble install manager");
    Binary::chosen(common.binary.as_deref()).plan(machine, &mut plan)?;
    let upgraded = plan.changes(super::binary::INSTALLED.as_ref());

    plan.folder_at_least("/etc/bramble", 0o755);
    let path = CONFIG.into();
    plan.push(match machine.disk.is_there(CONFIG.as_ref()) {
        true => Step::Keep { path, why: "yours" },
        false => {
            let why = "every key with its default, commented out";
            Step::File(File { path, mode: 0o644, text: config.into(), why, secret: false, old: None })
        }
    });
    plan.folder(STATE, 0o700);

    MANAGER.plan(machine, common, &mut plan)?;
    let changed = upgraded || plan.changes(&MANAGER.path());
    let runs = machine.is_active(MANAGER.name);
    MANAGER.plan_start(machine, &mut plan);
    if changed && runs {
        // Tasks run on meanwhile, and the agents come back by themselves.
        plan.run(["systemctl", "restart", MANAGER.name]);
    }
    plan.then(next(machine));
    Ok(plan)
}

fn next(machine: &Machine) -> String {
    let look = "\
What to look at next:
  systemctl status bramble-manager      is it up?
  bramble node                          the manager and its nodes
  bramble join-token                    what to paste on a machine that is to be a worker
  /etc/bramble/manager.toml             people and their roles; then: systemctl restart bramble-manager";
    if !machine.live {
        return "All is in place there, and nothing was started here; the manager starts when that system does.".into();
    }
    if machine.systemd {
        return look.into();
    }
    format!("systemd does not run here; start the manager by hand:\n  bramble manager --config {CONFIG}\n\n{look}")
}
