//! Many names as one: pi-1, pi-2, pi-3 and pi-7 are `pi-[1-3,7]`, which `--on` takes again.

use std::collections::{BTreeMap, BTreeSet};

/// Longer numbers are part of the name.
const LONGEST_NUMBER: usize = 18;

pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    // A name that does not fold is a family of its own.
    let mut families: BTreeMap<(&str, &str), BTreeSet<(usize, u64)>> = BTreeMap::new();
    let mut plain = BTreeSet::new();
    for name in names {
        match taken_apart(name) {
            Some((prefix, digits, suffix)) => {
                let number = digits.parse().unwrap_or_default();
                let width = if digits.starts_with('0') { digits.len() } else { 0 };
                families.entry((prefix, suffix)).or_default().insert((width, number));
            }
            None => drop(plain.insert(name)),
        }
    }
    let mut told: Vec<String> = plain.into_iter().map(str::to_owned).collect();
    for ((prefix, suffix), numbers) in families {
        told.extend(by_width(numbers).into_iter().map(|(width, numbers)| written(prefix, width, &numbers, suffix)));
    }
    told.join(",")
}

/// Around its last number.
fn taken_apart(name: &str) -> Option<(&str, &str, &str)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let digits = &name[start..end];
    (digits.len() <= LONGEST_NUMBER).then_some((&name[..start], digits, &name[end..]))
}

/// 10 stands with 08 and 09, which are as wide; 1 and 01 are two.
fn by_width(numbers: BTreeSet<(usize, u64)>) -> BTreeMap<usize, BTreeSet<u64>> {
    let padded: BTreeSet<usize> = numbers.iter().map(|(width, _)| *width).filter(|width| *width > 0).collect();
    let mut by_width: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for (width, number) in numbers {
        let digits = number.to_string().len();
        let width = if width == 0 && padded.contains(&digits) { digits } else { width };
        by_width.entry(width).or_default().insert(number);
    }
    by_width
}

fn written(prefix: &str, width: usize, numbers: &BTreeSet<u64>, suffix: &str) -> String {
    let mut ranges: Vec<(u64, u64)> = vec![];
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let range = |(first, last): &(u64, u64)| match last - first {
        0 => format!("{first:0width$}"),
        // Two are as short named both.
        1 => format!("{first:0width$},{last:0width$}"),
        _ => format!("{first:0width$}-{last:0width$}"),
    };
    let told = ranges.iter().map(range).collect::<Vec<_>>().join(",");
    if numbers.len() == 1 { format!("{prefix}{told}{suffix}") } else { format!("{prefix}[{told}]{suffix}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use test_support::Dice;

    use super::*;
    use crate::cli::exec::nodes::nodes;

    #[test]
    fn neighbours_are_told_as_one() {
        assert_eq!(fold(["pi-7", "pi-2", "pi-1", "pi-3"]), "pi-[1-3,7]");
        assert_eq!(fold(["pi-1"]), "pi-1");
        assert_eq!(fold(["manager", "pi-10", "pi-9"]), "manager,pi-[9,10]");
        assert_eq!(fold(["pi-08", "pi-09", "pi-10", "pi-11"]), "pi-[08-11]");
        assert_eq!(fold(["pi-1", "pi-01"]), "pi-1,pi-01");
        assert_eq!(fold(["r1.pi-1.lan", "r1.pi-2.lan", "r2.pi-1.lan"]), "r1.pi-[1,2].lan,r2.pi-1.lan");
        assert_eq!(fold(["a99999999999999999999"]), "a99999999999999999999");
        assert_eq!(fold([]), "");
    }

    #[test]
    fn whatever_is_folded_means_the_same_nodes() {
        for seed in 0..2000 {
            let dice = &mut Dice::new(seed);
            let mut names = BTreeSet::new();
            for _ in 0..dice.within(1, 30) {
                let (before, after) = (*dice.pick(&["pi-", "pi", "n0.", "a", ""]), *dice.pick(&["", "", ".lan", "x"]));
                let width = dice.within(0, 4);
                names.insert(format!("{before}{:0width$}{after}", dice.within(0, 120)));
            }
            let folded = fold(names.iter().map(String::as_str));
            let again: BTreeSet<String> = nodes(&folded).unwrap().0.iter().map(ToString::to_string).collect();
            assert_eq!(again, names, "seed {seed}: {folded}");
        }
    }
}
