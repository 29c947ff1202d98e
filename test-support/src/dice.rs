//! Chance under a seed: the same seed falls the same way, on every machine.

use std::ops::Range;

/// SplitMix64: every state is as good as any other, 0 too.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Each part of a story has dice of its own, so that none depends on how often another throws.
    pub fn of(seed: u64, part: impl AsRef<[u8]>) -> Self {
        Self(part.as_ref().iter().fold(seed, |mix, byte| Self(mix ^ u64::from(*byte)).next()))
    }

    #[expect(clippy::should_implement_trait, reason = "numbers without end are no iterator one would loop over")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn within(&mut self, first: usize, last: usize) -> usize {
        first + self.below((last + 1).saturating_sub(first))
    }

    pub fn roll(&mut self, among: Range<u64>) -> u64 {
        among.start + self.next() % among.end.saturating_sub(among.start).max(1)
    }

    /// True so many times out of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    /// One of them, each as often as its weight says.
    pub fn weighed<T: Copy>(&mut self, among: &[(u64, T)]) -> T {
        let mut rest = self.roll(0..among.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in among {
            match rest.checked_sub(*weight) {
                Some(less) => rest = less,
                None => return *one,
            }
        }
        among[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_part_say_it_all() {
        let rolls = |seed, part: &str| {
            let mut dice = Dice::of(seed, part);
            (0..50).map(|_| dice.roll(10..1000)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(7, "a"), rolls(7, "a"));
        assert_ne!(rolls(7, "a"), rolls(8, "a"));
        assert_ne!(rolls(7, "a"), rolls(7, "b"));
        assert!(rolls(7, "a").iter().all(|n| (10..1000).contains(n)));
        let mut seen = rolls(7, "a");
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 40, "{seen:?}");
    }

    #[test]
    fn what_weighs_more_comes_more_often() {
        let mut dice = Dice::of(1, "w");
        let heavy = (0..1000).filter(|_| dice.weighed(&[(9, true), (1, false)])).count();
        assert!((800..1000).contains(&heavy), "{heavy}");
        let even = (0..1000).filter(|_| dice.chance(50)).count();
        assert!((400..600).contains(&even), "{even}");
    }
}
