//! A valve for what strangers and liars can cause: a few at once, then one a minute, and how many were held back.

use super::port::Mono;

const BURST: u32 = 8;
const REFILL_MS: u64 = 60_000;

#[derive(Debug, Clone)]
pub struct Valve {
    left: u32,
    refilled: Mono,
    held_back: u64,
}

impl Default for Valve {
    fn default() -> Self {
        Self { left: BURST, refilled: Mono(0), held_back: 0 }
    }
}

impl Valve {
    /// `Some(held back since the last one)` where one more may pass.
    pub fn pass(&mut self, now: Mono) -> Option<u64> {
        let due = now.0.saturating_sub(self.refilled.0) / REFILL_MS;
        if due > 0 {
            self.left = self.left.saturating_add(u32::try_from(due).unwrap_or(u32::MAX)).min(BURST);
            self.refilled = now;
        }
        if self.left == 0 {
            self.held_back += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

/// Adds what was held back to a sentence.
pub fn with_held_back(sentence: &str, held_back: u64) -> String {
    match held_back {
        0 => sentence.to_owned(),
        1 => format!("{sentence} (and one more before it)"),
        n => format!("{sentence} (and {n} more before it)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_passes_as_a_few_and_then_one_a_minute() {
        let mut valve = Valve::default();
        let passed = (0..100_000).filter(|ms| valve.pass(Mono(*ms)).is_some()).count();
        assert_eq!(passed, BURST as usize + 1);
        assert!(valve.pass(Mono(200_000)).unwrap() > 30_000);
    }
}
