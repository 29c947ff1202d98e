//! Chance from a seed: the same seed rolls the same numbers.

use std::ops::Range;

#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Every use has dice of its own, so that what one does changes nothing for the others.
    pub fn of(seed: u64, what_for: &str) -> Dice {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Dice(what_for.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix))
    }

    /// splitmix64: any state is as good as any other.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn roll(&mut self, among: Range<u64>) -> u64 {
        among.start + self.next() % (among.end - among.start)
    }

    /// True so many times out of a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.roll(0..100) < chance
    }

    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.roll(0..among.len() as u64) as usize]
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

#[test]
fn the_same_seed_rolls_the_same_and_another_one_does_not() {
    let rolls = |seed, what| -> Vec<u64> {
        let mut dice = Dice::of(seed, what);
        (0..50).map(|_| dice.roll(10..1000)).collect()
    };
    assert_eq!(rolls(7, "a"), rolls(7, "a"));
    assert_ne!(rolls(7, "a"), rolls(8, "a"));
    assert_ne!(rolls(7, "a"), rolls(7, "b"));
    assert!(rolls(7, "a").iter().all(|n| (10..1000).contains(n)));
    let mut dice = Dice::of(1, "w");
    let heavy = (0..1000).filter(|_| dice.weighed(&[(9, true), (1, false)])).count();
    assert!((800..1000).contains(&heavy), "{heavy}");
}
