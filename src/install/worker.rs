//! What makes a machine a worker: besides the unit, whom it works for and the token to join with.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use protocol::address::with_port;
use protocol::name::NodeName;
use protocol::node::Role;
use protocol::token::JoinToken;

use super::binary::{Binary, INSTALLED, PACKAGED};
use super::plan::{File, Plan, Step};
use super::unit::WORKER;
use super::{Common, Machine, Stop};

/// Words for `bramble worker-agent run`.
const SETTINGS: &str = "/etc/bramble/worker.env";
/// The join token, for root's eyes only.
const TOKEN: &str = "/etc/bramble/worker-join.env";
const STATE: &str = "/var/lib/bramble-worker";
/// There once the worker has joined: it comes back by its key, a token is of no more use.
const JOINED: &str = "/var/lib/bramble-worker/manager.json";

#[derive(Debug, Clone, Default, clap::Args)]
pub struct Settings {
    /// The manager to work for, port 2222 where none is given
    #[arg(long, value_name = "HOST[:PORT]")]
    manager: Option<String>,
    /// The token of `bramble join-token`; - reads it from stdin, @FILE from a file
    #[arg(long, value_name = "TOKEN")]
    join: Option<String>,
    /// The name of this node [default: its host name]
    #[arg(long)]
    name: Option<NodeName>,
    /// Room for this many tasks at once [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    slots: Option<u32>,
    /// Room for the files of tasks, kept for the next that are given them, as in 2GiB [default: a tenth of the disk]
    #[arg(long, value_name = "SIZE")]
    cache_limit: Option<ByteSize>,
}

pub fn plan(machine: &Machine, common: &Common, settings: &Settings) -> Result<Plan, Stop> {
    let joined = machine.disk.is_there(JOINED.as_ref());
    let mut plan = Plan::new(&machine.disk, "bramble install worker");
    Binary::chosen(common.binary.as_deref()).plan(machine, &mut plan)?;

    plan.folder_at_least("/etc/bramble", 0o755);
    plan_settings(machine, settings, &mut plan)?;
    plan_token(machine, settings, joined, &mut plan)?;
    plan.folder(STATE, 0o711);

    WORKER.plan(machine, common, &mut plan)?;
    let runs = machine.is_active(WORKER.name);
    WORKER.plan_start(machine, &mut plan);
    if runs && plan.writes(INSTALLED.as_ref()) {
        // Not a restart: the keeper becomes the new program and keeps its children, exit codes and all.
        plan.run([INSTALLED, "worker-agent", "upgrade", INSTALLED]);
    } else if runs && plan.changes(&WORKER.path()) && machine.packaged {
        plan.run([PACKAGED, "worker-agent", "upgrade", PACKAGED]);
    }
    let stale = runs && [Path::new(SETTINGS), Path::new(TOKEN), &WORKER.path()].iter().any(|path| plan.changes(path));
    plan.then(next(machine, stale));
    Ok(plan)
}

fn plan_settings(machine: &Machine, settings: &Settings, plan: &mut Plan) -> Result<(), Stop> {
    let path = PathBuf::from(SETTINGS);
    let there = machine.disk.read(&path)?;
    let Some(manager) = &settings.manager else {
        if settings.name.is_some() || settings.slots.is_some() || settings.cache_limit.is_some() {
            return Err(Stop::Usage(
                "--name, --slots and --cache-limit are written together with --manager HOST; add it".into(),
            ));
        }
        if there.is_some() {
            plan.push(Step::Keep { path, why: "yours" });
            return Ok(());
        }
        return Err(Stop::Usage(
            "a new worker needs --manager HOST and --join TOKEN; on the manager, `bramble join-token` prints both"
                .into(),
        ));
    };
    let text = env_file(manager, settings)?;
    plan.push(match there {
        Some(there) if there == text.as_bytes() => Step::Keep { path, why: "the same settings" },
        there => {
            let why = if there.is_some() { "instead of other settings" } else { "" };
            Step::File(File { path, mode: 0o644, text, why, secret: false, old: None })
        }
    });
    Ok(())
}

fn env_file(manager: &str, settings: &Settings) -> Result<String, Stop> {
    check_address(manager)?;
    let mut words = format!("--manager {manager}");
    if let Some(name) = &settings.name {
        words += &format!(" --name {name}");
    }
    if let Some(slots) = settings.slots {
        words += &format!(" --slots {slots}");
    }
    if let Some(limit) = settings.cache_limit {
        // A number alone: however it was written, it is one word.
        words += &format!(" --cache-limit {}", limit.as_u64());
    }
    Ok(format!("# Words for `bramble worker-agent run`; see its --help.\nBRAMBLE_WORKER={words}\n"))
}

/// What `worker-agent run` takes, and nothing that an environment file or a command line would read as more than one word.
fn check_address(manager: &str) -> Result<(), Stop> {
    with_port(manager).map_err(|error| Stop::Usage(format!("--manager {error}")))?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%');
    if manager.chars().all(good) && !manager.starts_with('-') {
        return Ok(());
    }
    Err(Stop::Usage(format!(
        "--manager {manager:?} has a character that no host name has; write HOST or HOST:PORT, such as 192.168.1.10"
    )))
}

fn plan_token(machine: &Machine, settings: &Settings, joined: bool, plan: &mut Plan) -> Result<(), Stop> {
    let path = PathBuf::from(TOKEN);
    let Some(join) = &settings.join else {
        match machine.disk.is_there(&path) {
            true if joined => plan.push(Step::Remove { path, why: "it was used: this worker has joined", old: None }),
            true => plan.push(Step::Keep { path, why: "not used yet" }),
            false if joined => {}
            false => {
                return Err(Stop::Usage(
                    "this worker has not joined yet and needs --join TOKEN; get one on the manager with: \
                     bramble join-token"
                        .into(),
                ));
            }
        }
        return Ok(());
    };
    let token = read_token(join)?;
    let text = format!("# Single-use; of no more use once the worker has joined.\nBRAMBLE_JOIN_TOKEN={token}\n");
    plan.push(match machine.disk.read(&path)? {
        Some(there) if there == text.as_bytes() => Step::Keep { path, why: "the same token" },
        _ => Step::File(File { path, mode: 0o600, text, why: "the join token", secret: true, old: None }),
    });
    Ok(())
}

fn read_token(join: &str) -> Result<JoinToken, Stop> {
    let text = match join.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| Stop::Usage(format!("--join {join}: {error}")))?,
        None if join == "-" => {
            std::io::read_to_string(std::io::stdin()).map_err(|error| Stop::Usage(format!("--join -: {error}")))?
        }
        None => join.to_owned(),
    };
    let token: JoinToken = text.parse().map_err(|error| Stop::Usage(format!("--join: {error}")))?;
    if token.role != Role::Worker {
        return Err(Stop::Usage(format!("--join: this token is for a {}, not for a worker", token.role)));
    }
    Ok(token)
}

fn next(machine: &Machine, stale: bool) -> String {
    if !machine.live {
        return "All is in place there, and nothing was started here; the worker starts when that system does.".into();
    }
    let mut text = String::new();
    if stale {
        text += "The worker runs on with what it was started with. To take the new settings, let it finish its work\n\
                 (on the manager: bramble node drain NAME), then: systemctl restart bramble-worker\n\n";
    }
    if !machine.systemd {
        text += "systemd does not run here; start the worker by hand, with the words of /etc/bramble/worker.env:\n  \
                 bramble worker-agent run --manager HOST:PORT --join TOKEN\n\n";
    }
    text += "\
What to look at next:
  systemctl status bramble-worker       is it up?
  bramble worker-agent status           is it linked to its manager?
  bramble worker-agent check            what this machine lacks, each with a remedy
  bramble node                          on the manager: it should be there";
    text
}
