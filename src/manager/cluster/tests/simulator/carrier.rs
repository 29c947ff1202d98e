//! Who tells people that jobs have ended, as `manager::notify` does: in its own time, now and then in vain; it says what came
//! of it, some of it twice, and again after a reload, until it hears that it was heard. It dies with the manager.

use std::collections::BTreeMap;

use super::agenda::SECOND;
use super::world::{Happening, Sim};
use crate::manager::cluster::Input;

/// What came of each, where it is known.
#[derive(Debug, Default)]
pub struct Carrier(BTreeMap<u64, Option<Result<(), String>>>);

impl Carrier {
    pub fn forget(&mut self, no: u64) {
        self.0.remove(&no);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Sim {
    pub fn deliver(&mut self, no: u64) {
        if self.carrier.0.contains_key(&no) {
            return;
        }
        self.carrier.0.insert(no, None);
        let slowest = if self.dice.chance(20) { 90 * SECOND } else { SECOND };
        let (delay, epoch) = (self.up_to(slowest), self.manager.epoch);
        self.agenda.after(delay, Happening::Carried { epoch, no });
    }

    /// After a start or a reload: all that is owed, and nothing else.
    pub fn carry_on(&mut self) {
        let owed: Vec<u64> = self.manager.core.owed().iter().map(|row| row.no).collect();
        self.carrier.0.retain(|no, _| owed.contains(no));
        for no in owed {
            match self.carrier.0.get(&no).cloned().flatten() {
                Some(outcome) => self.put(Input::Delivered { no, outcome }),
                None => self.deliver(no),
            }
        }
    }

    pub fn carried(&mut self, epoch: u32, no: u64) {
        if self.manager.epoch != epoch || !self.manager.up {
            return;
        }
        let Some(None) = self.carrier.0.get(&no) else { return };
        let outcome = if self.dice.chance(85) {
            self.promises.ends.truly_told(&self.manager.disk, no, epoch);
            Ok(())
        } else {
            Err("nobody is there".to_owned())
        };
        self.carrier.0.insert(no, Some(outcome.clone()));
        let times = if self.noise && self.dice.chance(10) { 2 } else { 1 };
        for _ in 0..times {
            self.put(Input::Delivered { no, outcome: outcome.clone() });
        }
        if self.noise && self.dice.chance(5) {
            self.put(Input::Delivered { no: no + 1000, outcome });
        }
    }
}
