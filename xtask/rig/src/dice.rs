//! Chance under a seed: the same seed, the same story. (What the machines make of it takes its own time.)

use std::time::Duration;

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Each part of a story has dice of its own, so that none depends on how often another throws.
    pub fn new(seed: u64, part: &str) -> Self {
        let mixed = part.bytes().fold(seed, |mix, byte| Dice(mix ^ u64::from(byte)).next());
        Self(mixed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `below` - 1.
    pub fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to.saturating_sub(from) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_part_say_it_all() {
        let throws = |seed, part| {
            let mut dice = Dice::new(seed, part);
            (0..50).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7, "cuts"), throws(7, "cuts"));
        assert_ne!(throws(7, "cuts"), throws(8, "cuts"));
        assert_ne!(throws(7, "cuts"), throws(7, "load"));
        let mut seen = throws(7, "cuts");
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 40, "{seen:?}");
    }

    #[test]
    fn moments_lie_between_their_ends() {
        let mut dice = Dice::new(1, "x");
        for _ in 0..1000 {
            let millis = dice.millis(20, 30).as_millis();
            assert!((20..=30).contains(&millis));
        }
        assert_eq!(dice.millis(5, 5).as_millis(), 5);
    }
}
