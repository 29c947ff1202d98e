//! The stories, in the order they are told. Each is whole by itself: it makes the machines it needs where none before it
//! did, and leaves them linked and idle.

mod clock;
mod cuts;
mod install;
mod kills;
mod memory;
mod order;
mod package;
mod upgrade;

use anyhow::Result;

use crate::place::Place;

pub struct Scene {
    pub name: &'static str,
    pub sentence: &'static str,
    pub run: fn(&Place) -> Result<()>,
}

pub const SCENES: [Scene; 9] = [
    Scene {
        name: "install",
        sentence: "`bramble install` makes a manager and workers, and tasks are born as they should",
        run: install::run,
    },
    Scene {
        name: "kills",
        sentence: "manager, agent and keeper are killed again and again: systemd and the keeper bring them back",
        run: kills::run,
    },
    Scene {
        name: "memory",
        sentence: "a task that eats more memory than there is is killed alone, and its end says why",
        run: memory::run,
    },
    Scene { name: "order", sentence: "machines boot in any order and find each other", run: order::run },
    Scene {
        name: "clock",
        sentence: "the clock jumps a year back and forward under load, and nobody notices",
        run: clock::run,
    },
    Scene { name: "upgrade", sentence: "`bramble install` of another build while tasks run", run: upgrade::run },
    Scene { name: "cut-manager", sentence: "the manager's power is cut under load", run: cuts::manager },
    Scene { name: "cut-worker", sentence: "the worker's power is cut under load", run: cuts::worker },
    Scene {
        name: "package",
        sentence: "the Debian package is installed, starts, is upgraded, removed and purged",
        run: package::run,
    },
];

/// One sentence that was found true.
fn found(sentence: impl std::fmt::Display) {
    println!("  {sentence}");
}
