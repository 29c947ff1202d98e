//! The systemd units. Each is sealed with a hash of itself, so that a unit an older Bramble wrote is told from one
//! that a person changed.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::disk::Disk;
use super::plan::{File, Plan, Step};
use super::{Common, Machine, Stop};

pub struct Unit {
    /// `bramble-worker.service`
    pub name: &'static str,
    pub text: &'static str,
}

pub const MANAGER: Unit = Unit { name: "bramble-manager.service", text: include_str!("bramble-manager.service") };
pub const WORKER: Unit = Unit { name: "bramble-worker.service", text: include_str!("bramble-worker.service") };

const FOLDER: &str = "/etc/systemd/system";
/// Where a package has them; what lies in the folder above comes before them.
const PACKAGED: &str = "/usr/lib/systemd/system";
const SEAL: &str = "# sealed: ";

impl Unit {
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(self.name)
    }

    fn old(&self) -> PathBuf {
        self.path().with_extension("service.old")
    }

    /// Adds the step that writes it.
    pub fn plan(&self, machine: &Machine, common: &Common, plan: &mut Plan) -> Result<(), Stop> {
        let path = self.path();
        if machine.packaged {
            return self.plan_packaged(machine, common, plan);
        }
        let text = self.sealed();
        let file = |why, old| {
            Step::File(File { path: path.clone(), mode: 0o644, text: text.clone(), why, secret: false, old })
        };
        let step = match machine.disk.read(&path)? {
            None => file("", None),
            Some(there) if there == text.as_bytes() => Step::Keep { path, why: "the same unit" },
            Some(there) if is_sealed(&there) => file("instead of that of another version of Bramble", None),
            Some(_) if common.force => file("instead of one changed by hand, kept as .old", Some(self.old())),
            Some(_) => return Err(self.changed()),
        };
        plan.push(step);
        Ok(())
    }

    /// The package has the unit. One of ours from before would come first, and name a program that is never upgraded.
    fn plan_packaged(&self, machine: &Machine, common: &Common, plan: &mut Plan) -> Result<(), Stop> {
        plan.push(Step::Keep { path: Path::new(PACKAGED).join(self.name), why: "of the Debian package" });
        let path = self.path();
        match machine.disk.read(&path)? {
            None => Ok(()),
            Some(there) if is_sealed(&there) => {
                plan.push(Step::Remove { path, why: "the package has one", old: None });
                Ok(())
            }
            Some(_) if common.force => {
                let old = Some(self.old());
                plan.push(Step::Remove {
                    path,
                    why: "the package has one; this one, changed by hand, kept as .old",
                    old,
                });
                Ok(())
            }
            Some(_) => Err(self.changed()),
        }
    }

    /// Adds the steps that make systemd start it, now and at every boot.
    pub fn plan_start(&self, machine: &Machine, plan: &mut Plan) {
        let link = Path::new(FOLDER).join("multi-user.target.wants").join(self.name);
        let enabled = machine.disk.is_there(&link);
        if !machine.systemd {
            match enabled {
                true => plan.push(Step::Keep { path: link, why: "" }),
                // What `systemctl enable` would do.
                false => {
                    let packaged = || Path::new(PACKAGED).join(self.name);
                    let to = if machine.packaged { packaged() } else { self.path() };
                    plan.push(Step::Link { path: link, to });
                }
            }
            return;
        }
        let changed = plan.changes(&self.path());
        if changed {
            plan.run(["systemctl", "daemon-reload"]);
        }
        if machine.packaged && changed && enabled {
            // The link still names the unit that is gone.
            plan.run(["systemctl", "reenable", self.name]);
        }
        if !enabled || !machine.is_active(self.name) {
            plan.run(["systemctl", "enable", "--now", self.name]);
        }
    }

    fn changed(&self) -> Stop {
        let (path, name) = (self.path(), self.name);
        Stop::Refused(format!(
            "nothing was written: {} was changed by hand; move what was changed to `systemctl edit {name}`, \
             or replace it with --force",
            path.display()
        ))
    }

    pub fn sealed(&self) -> String {
        let name = self.name;
        format!(
            "# Written by `bramble install`. Changes of your own belong in: systemctl edit {name}\n{SEAL}{}\n\n{}",
            seal(self.text.as_bytes()),
            self.text
        )
    }
}

/// Whether a package brought both.
pub fn are_packaged(disk: &Disk) -> bool {
    [MANAGER, WORKER].iter().all(|unit| disk.is_there(&Path::new(PACKAGED).join(unit.name)))
}

/// Whether this is, to the letter, what some Bramble wrote.
fn is_sealed(unit: &[u8]) -> bool {
    let Ok(unit) = std::str::from_utf8(unit) else { return false };
    let Some((_, rest)) = unit.split_once(SEAL) else { return false };
    rest.split_once("\n\n").is_some_and(|(told, text)| told == seal(text.as_bytes()))
}

fn seal(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_recognised_as_ours_until_a_letter_of_it_changes() {
        let unit = WORKER.sealed();
        assert!(is_sealed(unit.as_bytes()));
        assert!(!is_sealed(unit.replace("RestartSec=1", "RestartSec=2").as_bytes()));
        assert!(!is_sealed(WORKER.text.as_bytes()));
        assert!(!is_sealed(b"\xff"));
    }

    #[test]
    fn a_task_outlives_its_keeper_and_dies_alone_of_hunger() {
        for line in ["KillMode=process", "Delegate=yes", "OOMPolicy=continue", "OOMScoreAdjust=-1000", "Type=notify"] {
            assert!(WORKER.text.lines().any(|l| l == line), "{line}");
        }
        for unit in [MANAGER, WORKER] {
            for line in ["Restart=always", "RestartSec=1", "StartLimitIntervalSec=0", "RuntimeDirectoryPreserve=yes"] {
                assert!(unit.text.lines().any(|l| l == line), "{}: {line}", unit.name);
            }
        }
    }
}
