//! The machines the scenes share, made when the first scene wants them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::guest::Guest;
use crate::host::Host;
use crate::{Args, seconds, until};

/// Ssh answers, systemd starts things, a link is made: on an emulated processor, perhaps beside much other work.
pub const PATIENCE: Duration = Duration::from_secs(600);

pub struct Place {
    pub seed: u64,
    pub cuts: u32,
    /// The program that is tested.
    pub program: PathBuf,
    pub package: PathBuf,
    pub newer_package: PathBuf,
    script: PathBuf,
    /// Begins the names of the machines.
    prefix: String,
    /// Of this run.
    pub folder: tempfile::TempDir,
}

/// A manager, and a worker on a machine of its own.
pub struct Pair {
    pub manager: Guest,
    pub worker: Guest,
    pub host: Host,
}

/// What the worker's node is called.
pub const WORKER: &str = "worker";
const SOCKET: &str = "/run/bramble/manager.sock";

impl Place {
    pub fn new(args: &Args) -> Result<Self> {
        let path = |name: &str| {
            let value = std::env::var_os(name);
            value
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set; start this with: cargo xtask rig test"))
        };
        Ok(Self {
            seed: args.seed,
            cuts: args.cuts,
            program: path("BRAMBLE_RIG_PROGRAM")?,
            package: path("BRAMBLE_RIG_PACKAGE")?,
            newer_package: path("BRAMBLE_RIG_NEWER_PACKAGE")?,
            script: path("BRAMBLE_RIG_MACHINE")?,
            prefix: args.machines.clone(),
            folder: tempfile::Builder::new().prefix("rig-").tempdir()?,
        })
    }

    /// `m` the manager's, `w` the worker's, `p` one alone.
    fn guest(&self, letter: char) -> Guest {
        Guest::new(&self.script, &format!("{}-{letter}", self.prefix))
    }

    /// A machine that runs, with its address on the segment of the tests; booted where it does not yet.
    pub fn machine(&self, letter: char, address: &str) -> Result<Guest> {
        let guest = self.guest(letter);
        if !guest.is_up() {
            let took = guest.up(&["--lan", &self.prefix, "--smp", "1"])?;
            println!("  {} booted in {}", guest.name, seconds(took));
        }
        guest.run(&format!(
            "printf '[Match]\\nName=eth1\\n[Network]\\nAddress={address}/24\\nLinkLocalAddressing=no\\nIPv6AcceptRA=no\\n' \
             >/etc/systemd/network/10-lan.network
             networkctl reload; install -m 1777 -d /srv; touch /srv/ran; chmod 666 /srv/ran"
        ))?;
        Ok(guest)
    }

    /// Both machines with the program installed and linked, the manager's socket at hand. Nothing runs.
    pub fn pair(&self) -> Result<Pair> {
        let (manager, worker) = std::thread::scope(|scope| {
            let other = scope.spawn(|| self.machine('w', "10.77.0.2"));
            let manager = self.machine('m', "10.77.0.1");
            (manager, other.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the other machine"))))
        });
        let (manager, worker) = (manager?, worker?);
        if manager.run("systemctl is-active bramble-manager").is_err() {
            self.install_manager(&manager)?;
        }
        if worker.run("systemctl is-active bramble-worker").is_err() {
            self.install_worker(&manager, &worker, &format!("--name {WORKER} --slots 4"))?;
        }
        let pair = Pair { host: self.host(&manager)?, manager, worker };
        pair.linked(&[WORKER])?;
        Ok(pair)
    }

    pub fn install_manager(&self, on: &Guest) -> Result<String> {
        on.copy(&self.program, "/root/bramble")?;
        on.run("/root/bramble install manager --yes")
    }

    pub fn install_worker(&self, manager: &Guest, on: &Guest, options: &str) -> Result<String> {
        let token = manager.run("bramble join-token --json | jq -r .token")?;
        ensure!(!token.is_empty() && !token.contains(' '), "bramble join-token says {token:?}");
        if on.run("test -x /root/bramble").is_err() {
            on.copy(&self.program, "/root/bramble")?;
        }
        on.run(&format!("/root/bramble install worker --yes --manager 10.77.0.1 --join {token} {options}"))
    }

    /// The manager there, asked from here; to be had anew after each boot.
    pub fn host(&self, manager: &Guest) -> Result<Host> {
        let socket = self.folder.path().join(format!("{}.sock", manager.name));
        manager.until("its socket", PATIENCE, &format!("test -S {SOCKET}"))?;
        manager.forward(&socket, SOCKET)?;
        Ok(Host { program: self.program.clone(), socket })
    }

    pub fn clear(&self) {
        for letter in ['m', 'w', 'p'] {
            let _ = self.guest(letter).remove();
        }
    }
}

impl Pair {
    /// Waits until these nodes are up.
    pub fn linked(&self, names: &[&str]) -> Result<()> {
        linked(&self.host, names)
    }
}

pub fn linked(host: &Host, names: &[&str]) -> Result<()> {
    until("nodes are up", PATIENCE, || {
        let nodes = host.nodes()?;
        for name in names {
            let node = nodes.as_array().into_iter().flatten().find(|node| node["name"] == **name);
            ensure!(node.is_some_and(|node| node["state"] == "up"), "{name} is {:?}", node.map(|node| &node["state"]));
        }
        Ok(())
    })
}
