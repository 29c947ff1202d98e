//! What this machine is ([`Facts`]), what it is doing ([`Metrics`]) and what it lacks ([`check`]).
//!
//! Everything is read from the kernel's own files, and everything in them is doubted: what is missing, torn or absurd
//! is `None`, never 0. Metrics are read once a second for ever, so they cost three small files and two system calls,
//! and are rounded so that noise is not worth telling anyone.

mod board;
pub mod check;
pub(crate) mod files;
mod gpu;
pub mod interpreters;
mod machine;
mod print;
mod rates;

use std::path::{Path, PathBuf};

use protocol::node::{Facts, Interpreter, Metrics};

use board::Board;
use files::Root;
use rates::Rates;

use machine::Disk;
pub use machine::{cpus, meminfo};
pub use print::print;

/// Samples one machine. The manager's own card is made by the same code as a worker's.
pub struct Sampler {
    root: Root,
    state: PathBuf,
    board: Board,
    rates: Rates,
    disk_full: bool,
    cpu_model: Option<String>,
    interpreters: Vec<Interpreter>,
}

impl Sampler {
    /// `sysfs_root`: a folder with `sys/` and `proc/device-tree/` of a simulated board; `None` is this machine.
    /// `state`: the folder whose file system is the disk that matters.
    pub fn new(sysfs_root: Option<&Path>, state: &Path) -> Self {
        let root = Root::new(sysfs_root);
        let board = Board::find(&root);
        Self {
            root,
            state: state.to_owned(),
            board,
            rates: Rates::default(),
            disk_full: false,
            cpu_model: machine::cpu_model(),
            interpreters: Vec::new(),
        }
    }

    /// Looks at everything but the interpreters, whose versions take long to ask: find them with
    /// [`interpreters::find`], away from whatever must not wait, and hand them in here.
    pub fn know(&mut self, interpreters: Vec<Interpreter>) {
        self.interpreters = interpreters;
    }

    /// Cheap enough for once a minute.
    pub fn facts(&mut self) -> Facts {
        // A driver may have come, or gone, since the last look.
        self.board = Board::find(&self.root);
        Facts {
            cpu_model: self.cpu_model.clone(),
            model: board::model(&self.root),
            gpus: gpu::find(&self.root),
            interpreters: self.interpreters.clone(),
            simulated: self.root.simulated(),
            ..machine::facts(&self.state)
        }
    }

    /// Rates (CPU, network) are those since the last call, and `None` the first time.
    pub fn metrics(&mut self) -> Metrics {
        let rates = self.rates.sample();
        let disk = self.disk();
        Metrics {
            disk_used: disk.map(|disk| rates::disk_step(disk.used)),
            disk_full: self.disk_full,
            temperature: self.board.temperature(),
            throttle: self.board.throttle(),
            gpu: self.board.gpu_busy(),
            ..rates
        }
    }

    /// A look at the disk alone.
    pub fn disk_full(&mut self) -> bool {
        self.disk();
        self.disk_full
    }

    fn disk(&mut self) -> Option<Disk> {
        let disk = machine::disk(&self.state);
        self.disk_full = disk.is_some_and(|disk| disk.is_full(self.disk_full));
        disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described_and_does_something() {
        let state = tempfile::tempdir().unwrap();
        let mut sampler = Sampler::new(None, state.path());
        let facts = sampler.facts();
        assert!(!facts.simulated);
        assert!(facts.cpus.unwrap() >= 1 && facts.memory.unwrap().0 > 1 << 20 && facts.disk.unwrap().0 > 1 << 20);
        assert!(facts.hostname.is_some() && facts.kernel.is_some() && facts.arch.is_some() && facts.boot_id.is_some());
        let first = sampler.metrics();
        assert_eq!((first.cpu, first.net_in), (None, None), "a rate needs two samples");
        assert!(first.memory_used.unwrap() <= facts.memory.unwrap());
        assert!(first.disk_used.is_some() && first.uptime_minutes.is_some());
    }

    #[test]
    fn a_simulated_board_says_that_it_is_one() {
        let root = tempfile::tempdir().unwrap();
        let zone = root.path().join("sys/class/thermal/thermal_zone0");
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("type"), "cpu-thermal\n").unwrap();
        std::fs::write(zone.join("temp"), "48312\n").unwrap();
        std::fs::create_dir_all(root.path().join("proc/device-tree")).unwrap();
        std::fs::write(root.path().join("proc/device-tree/model"), "Raspberry Pi 4 Model B Rev 1.4\0").unwrap();
        let mut sampler = Sampler::new(Some(root.path()), root.path());
        let facts = sampler.facts();
        assert!(facts.simulated);
        assert_eq!(facts.model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(sampler.metrics().temperature.unwrap().value(), 48.5);
        assert!(sampler.metrics().memory_used.is_some(), "memory and disk are those of this machine");
    }
}
