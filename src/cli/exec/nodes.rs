//! `--on`: names, and many names as one: `pi-[1-3,7]` is pi-1, pi-2, pi-3 and pi-7, the way they are told, too.

use std::ops::RangeInclusive;

use protocol::run::{MOST_NODES, On};

/// What one `--on` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes(pub Vec<On>);

pub fn nodes(text: &str) -> Result<Nodes, String> {
    let mut on = vec![];
    for part in parts(text)? {
        if part.starts_with("label=") {
            return Err("nodes have no labels yet; name them, as in --on pi-1,pi-2, or write --on all".into());
        }
        if part == "cooler" {
            return Err("nothing is run on the cooler".into());
        }
        for name in expanded(part)? {
            on.push(name.parse::<On>().map_err(|bad| bad.to_string())?);
            if on.len() > MOST_NODES {
                return Err(too_many(text));
            }
        }
    }
    Ok(Nodes(on))
}

/// At commas, but not at those within brackets.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = vec![];
    let (mut start, mut within) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' if !within => within = true,
            b']' if within => within = false,
            b'[' | b']' => return Err(bad(text)),
            b',' if !within => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    if within || parts.iter().any(|part| part.is_empty()) { Err(bad(text)) } else { Ok(parts) }
}

fn expanded(part: &str) -> Result<Vec<String>, String> {
    let Some((prefix, rest)) = part.split_once('[') else { return Ok(vec![part.to_owned()]) };
    let (ranges, suffix) = rest.split_once(']').ok_or_else(|| bad(part))?;
    if suffix.contains('[') {
        return Err(bad(part));
    }
    let mut names = vec![];
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let numbers = numbers(first, last).ok_or_else(|| bad(part))?;
        if numbers.end() - numbers.start() >= (MOST_NODES - names.len()) as u64 {
            return Err(too_many(part));
        }
        let width = if first.starts_with('0') { first.len() } else { 0 };
        names.extend(numbers.map(|number| format!("{prefix}{number:0width$}{suffix}")));
    }
    Ok(names)
}

fn numbers(first: &str, last: &str) -> Option<RangeInclusive<u64>> {
    let plain = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(first) || !plain(last) {
        return None;
    }
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

fn bad(text: &str) -> String {
    format!("{text:?} is no list of nodes; write pi-1,pi-2, or 'pi-[1-3,7]' for pi-1, pi-2, pi-3 and pi-7")
}

fn too_many(text: &str) -> String {
    format!("{text:?} is more nodes than one run is on, which are {MOST_NODES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Vec<String> {
        nodes(text).unwrap().0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nodes_are_named_one_by_one_or_many_as_one() {
        assert_eq!(meant("pi-1,manager,all"), ["pi-1", "manager", "all"]);
        assert_eq!(meant("pi-[1-3,7],x"), ["pi-1", "pi-2", "pi-3", "pi-7", "x"]);
        assert_eq!(meant("pi-[08-10]"), ["pi-08", "pi-09", "pi-10"]);
        assert_eq!(meant("r[2].pi"), ["r2.pi"]);
    }

    #[test]
    fn what_is_no_list_of_nodes_is_told_with_what_would_be() {
        for bad in
            ["", "a,", ",a", "a[", "a]", "a[1-", "a[]", "a[3-1]", "a[x]", "a[1][2]", "a[[1]]", "a[1-2-3]", "a[+1]"]
        {
            assert!(nodes(bad).unwrap_err().contains("pi-1"), "{bad}");
        }
        for many in ["pi-[0-4096]", "pi-[1-999999999999999999]", "a-[1-3000],b-[1-3000]"] {
            assert!(nodes(many).unwrap_err().contains("4096"), "{many}");
        }
        assert_eq!(meant("pi-[1-4096]").len(), 4096);
        assert!(nodes("label=gpu").unwrap_err().contains("no labels yet"));
        assert!(nodes("cooler").unwrap_err().contains("cooler"));
        assert!(nodes("pi 1").is_err());
    }
}
