//! `bramble demo`: a whole bramble on this machine. A manager and real workers, each a process of this same binary
//! with its own state folder and key, joined over real SSH on loopback; a simulated board under each worker.
//!
//! The demo plays the part that systemd has on real machines: it starts the daemons, starts them again when they
//! die, and ends them. What a killed demo left running is adopted by the next one.

mod board;
mod daemon;
mod folders;
mod samples;
mod stage;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::ManagerAddress;
use crate::console;
use crate::console::theme::ColorChoice;
use folders::Folders;
use stage::Stage;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// No screen: print one JSON line when every worker is up, and run until a signal
    #[arg(long)]
    pub headless: bool,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = NODES, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub nodes: u32,
    /// Where everything is kept between runs [default: the user's data folder; as root /var/lib/bramble-demo]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Begin anew: forget what earlier runs left in the state folder
    #[arg(long)]
    pub fresh: bool,
    /// No sample jobs
    #[arg(long)]
    pub no_samples: bool,
    /// Where each worker, in turn, dials in the manager's place: for tests, whose relays delay and cut
    #[arg(long, hide = true, value_name = "HOST:PORT", value_delimiter = ',')]
    pub dial: Vec<String>,
}

const NODES: u32 = 3;

impl Default for Args {
    fn default() -> Self {
        Self { headless: false, nodes: NODES, state: None, fresh: false, no_samples: false, dial: vec![] }
    }
}

pub fn run(args: Args, color: ColorChoice) -> anyhow::Result<ExitCode> {
    if !args.headless && !on_a_terminal() {
        bail!("the demo ends in the console, which needs a terminal; without one use: bramble demo --headless");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("no runtime")?;
    runtime.block_on(play(args, color))
}

/// Everything from here on can be interrupted at any moment; the stage is always cleared afterwards.
async fn play(args: Args, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let mut ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
        .into_iter()
        .map(signal)
        .collect::<Result<Vec<_>, _>>()
        .context("signals cannot be received")?;
    let folders = Folders::prepare(args.state.as_deref(), args.fresh)?;
    let mut stage = Stage::new(folders, args.nodes, args.dial.clone());
    let played = {
        let [terminate, interrupt, hangup] = &mut ends[..] else { bail!("a signal is missing") };
        tokio::select! {
            played = perform(&mut stage, &args, color) => played,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        }
    };
    if !args.headless {
        note("ending the demo: its tasks are stopped");
    }
    let cleared = stage.clear().await;
    played.and(cleared).map(|()| ExitCode::SUCCESS)
}

/// Returns when the person has seen enough; headless: never.
async fn perform(stage: &mut Stage, args: &Args, color: ColorChoice) -> anyhow::Result<()> {
    if !args.headless {
        note(&format!("starting a manager and {} workers in {} …", args.nodes, stage.folders.state.display()));
    }
    let client = stage.set().await?;
    if !args.no_samples {
        samples::submit(&client).await?;
    }
    if args.headless {
        let line = stage.line().await?;
        writeln!(std::io::stdout(), "{line}").context("nobody reads what the demo prints")?;
        return std::future::pending().await;
    }
    let address = ManagerAddress::Unix(stage.folders.socket());
    let note = "a demo: its boards are simulated, and leaving it ends it. ? shows every key".to_owned();
    let options = console::Options {
        manager: Arc::new(move || Ok(address.clone())),
        color,
        theme: None,
        keymap: None,
        read_only: false,
        note: Some(note),
    };
    console::run(options).await?;
    Ok(())
}

fn on_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Where the terminal is gone nobody can be told, and the stage is to be cleared all the same: `eprintln!` panics.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
