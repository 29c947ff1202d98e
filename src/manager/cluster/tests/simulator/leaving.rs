//! What tasks leave: brought by the agent before it tells of their end, on a way of its own that may break like any other.
//! Until the end is acknowledged it is on the machine, and the next agent brings it again.

use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::result::Left;

use super::super::words::admin;
use super::agenda::{MS, SECOND};
use super::people::Ask;
use super::world::{Happening, Sim};

#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    pub left: Left,
    pub hash: ContentHash,
    brought: Brought,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    No,
    UnderWay,
    Done,
}

impl Sim {
    /// A task has ended well. Some leave the same bytes as another has, or as somebody keeps.
    pub fn leaves(&mut self, at: usize, attempt: AttemptId) {
        let reduced = self.manager.disk.jobs.get(&attempt.task.job).is_some_and(|job| job.spec.reduce.is_some());
        let percent = if reduced { 95 } else { self.plan.leaves };
        if !self.dice.chance(percent) {
            return;
        }
        let hash = match self.dice.below(4) {
            0 => ContentHash([self.dice.below(4) as u8; 32]),
            _ => {
                let mut bytes = [99; 32];
                let numbers = [attempt.task.job.0, attempt.task.index, attempt.number];
                numbers.iter().zip(bytes.chunks_exact_mut(4)).for_each(|(n, to)| to.copy_from_slice(&n.to_le_bytes()));
                ContentHash(bytes)
            }
        };
        let left = Left { size: 10 + u64::from(hash.0[31]), entries: 1, left_out: 0 };
        self.promises.reduces.truly_left(attempt, hash);
        self.machines[at].left.insert(attempt, Leaving { left, hash, brought: Brought::No });
    }

    /// Whether the end of this may be told: what it left is there, or there is nothing. Else it is brought first.
    pub fn has_brought(&mut self, at: usize, attempt: AttemptId) -> bool {
        let machine = &mut self.machines[at];
        let life = machine.life;
        if !machine.gives_results {
            machine.left.remove(&attempt);
        }
        let Some(leaving) = machine.left.get_mut(&attempt) else { return true };
        match leaving.brought {
            Brought::Done => return true,
            Brought::UnderWay => return false,
            Brought::No => leaving.brought = Brought::UnderWay,
        }
        let (left, hash) = (leaving.left, leaving.hash);
        self.ask(admin(), Ask::Bring { machine: at, life, attempt, left, hash }, 0);
        false
    }

    pub fn brought(&mut self, at: usize, life: u32, attempt: AttemptId, kept: bool) {
        let machine = &mut self.machines[at];
        if machine.life != life {
            return;
        }
        if !kept {
            machine.left.remove(&attempt);
        } else if let Some(leaving) = machine.left.get_mut(&attempt) {
            leaving.brought = Brought::Done;
        }
        self.agent_hears_of_end(at, attempt);
    }

    /// Nobody can say whether it arrived.
    pub fn bring_later(&mut self, at: usize, life: u32, attempt: AttemptId) {
        let delay = 100 * MS + self.up_to(2 * SECOND);
        self.agenda.after(delay, Happening::Brings { machine: at, life, attempt });
    }

    pub fn bring_again(&mut self, at: usize, life: u32, attempt: AttemptId) {
        let machine = &mut self.machines[at];
        if machine.life != life {
            return;
        }
        if let Some(leaving) = machine.left.get_mut(&attempt) {
            leaving.brought = Brought::No;
        }
        self.agent_hears_of_end(at, attempt);
    }

    /// The next agent knows nothing of what the last one brought.
    pub fn nothing_is_brought(&mut self, at: usize) {
        self.machines[at].left.values_mut().for_each(|leaving| leaving.brought = Brought::No);
    }
}
