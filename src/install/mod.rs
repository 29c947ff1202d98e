//! `bramble install manager|worker`: makes a machine one of a bramble, by hand.
//!
//! It looks at the machine, shows every file it would write and every command it would run, and does that after a
//! yes. What is already as it should be is left alone, so that running it again, or with a newer binary, is
//! always safe; what a person has changed is never overwritten unasked. With `--root DIR` it prepares the
//! files of another machine (an image, a test) and runs nothing.
//!
//! Where the program that runs is the Debian package's, program and units are there already and stay the package's:
//! what is left to do is who this machine is.

mod ask;
mod binary;
mod disk;
mod manager;
mod plan;
mod unit;
mod worker;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use disk::Disk;
use plan::Plan;

#[derive(Debug, clap::Args)]
pub struct InstallArgs {
    #[command(subcommand)]
    role: Role,
}

impl InstallArgs {
    /// To become a manager, shown and asked first.
    pub fn manager() -> Self {
        Self { role: Role::Manager { common: Common::default() } }
    }
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Make this machine the manager of a bramble
    Manager {
        #[command(flatten)]
        common: Common,
    },
    /// Make this machine a worker of a bramble; `bramble join-token` on the manager prints what to give here
    Worker {
        #[command(flatten)]
        worker: worker::Settings,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Common {
    /// Write below DIR, as if it were /, and run no command: for images and tests
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
    /// Replace units that were changed by hand too; the old ones are kept as NAME.old
    #[arg(long)]
    force: bool,
    /// The program to install [default: this one]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// Why nothing, or not everything, was done. The numbers are the exit codes of every verb.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

impl Stop {
    fn code(&self) -> u8 {
        match self {
            Stop::Failed(_) => 1,
            Stop::Usage(_) => 2,
            Stop::Refused(_) => 3,
        }
    }
}

/// `manager_config`: the commented default that a new manager starts with.
pub fn run(args: InstallArgs, manager_config: &str) -> ExitCode {
    match install(args, manager_config, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("bramble install: {stop}");
            ExitCode::from(stop.code())
        }
    }
}

fn install(args: InstallArgs, manager_config: &str, out: &mut dyn Write) -> Result<(), Stop> {
    let (common, plan) = match args.role {
        Role::Manager { common } => {
            let plan = manager::plan(&machine(&common)?, &common, manager_config)?;
            (common, plan)
        }
        Role::Worker { common, worker } => {
            let plan = worker::plan(&machine(&common)?, &common, &worker)?;
            (common, plan)
        }
    };
    decide(&plan, &common, out)
}

/// Shows the plan and carries it out if it is wanted and may be.
fn decide(plan: &Plan, common: &Common, out: &mut dyn Write) -> Result<(), Stop> {
    let shown = |error: std::io::Error| Stop::Failed(format!("the plan cannot be shown: {error}"));
    write!(out, "{plan}").map_err(shown)?;
    if plan.is_done() {
        return writeln!(out, "nothing to do: everything is as it should be").map_err(shown);
    }
    if common.root.is_none() && !rustix::process::geteuid().is_root() {
        return Err(Stop::Refused("nothing was written: this needs root; run it again with sudo".into()));
    }
    if !common.yes {
        ask::wanted(out)?;
    }
    plan.carry_out(out)?;
    writeln!(out, "\n{}", plan.next()).map_err(shown)
}

/// The machine that is installed on.
fn machine(common: &Common) -> Result<Machine, Stop> {
    let Some(root) = &common.root else {
        // systemd's own test for "am I the init of this machine", sd_booted(3).
        let systemd = Path::new("/run/systemd/system").is_dir();
        let disk = Disk::live();
        let packaged = common.binary.is_none()
            && std::env::current_exe().is_ok_and(|own| own == Path::new(binary::PACKAGED))
            && unit::are_packaged(&disk);
        return Ok(Machine { disk, live: true, systemd, packaged });
    };
    Ok(Machine { disk: Disk::below(root)?, live: false, systemd: false, packaged: false })
}

struct Machine {
    disk: Disk,
    /// This one, not an image of another.
    live: bool,
    /// systemd runs here and takes commands.
    systemd: bool,
    /// Program and units are those of the Debian package.
    packaged: bool,
}

impl Machine {
    fn is_active(&self, unit: &str) -> bool {
        let asked = || std::process::Command::new("systemctl").args(["is-active", "--quiet", unit]).status();
        self.systemd && asked().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests;
