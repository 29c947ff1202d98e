//! A task for each combination of values, which stand in its command and environment for names in braces.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BadSpec, JobSpec, MOST_AXES, MOST_TASKS};

/// What is tried of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    pub name: String,
    pub values: Vec<String>,
}

impl JobSpec {
    /// With the values that the task with this index tries. What is filled in is not looked at again.
    pub(super) fn filled(&self, text: &str, index: u32) -> String {
        if self.sweep.is_empty() || !text.contains('{') || !self.maps().contains(&index) {
            return text.to_owned();
        }
        let mut filled = String::new();
        fill(text, |name| self.tried(name, index), |part| filled.push_str(part));
        filled
    }

    /// The most bytes that it has with any of the values that are tried.
    pub(super) fn longest(&self, text: &str) -> usize {
        let longest: BTreeMap<&str, &str> = self
            .sweep
            .iter()
            .filter_map(|axis| Some((&*axis.name, &**axis.values.iter().max_by_key(|value| value.len())?)))
            .collect();
        let mut bytes = 0_usize;
        fill(text, |name| longest.get(name).copied(), |part| bytes = bytes.saturating_add(part.len()));
        bytes
    }

    /// What the task with this index tries of the axis of that name.
    pub fn tried(&self, name: &str, index: u32) -> Option<&str> {
        let at = self.sweep.iter().position(|axis| axis.name == name)?;
        let (axis, after) = (self.sweep.get(at)?, combinations(self.sweep.get(at + 1..)?));
        let value = (index / after.max(1)) as usize % axis.values.len().max(1);
        axis.values.get(value).map(String::as_str)
    }

    pub(super) fn check_sweep(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        if !self.sweep.is_empty() && self.array.is_some() {
            return bad("a sweep makes an array of its own; leave one of both out".into());
        }
        if self.sweep.len() > MOST_AXES {
            return bad(format!("a job is swept over at most {MOST_AXES} things, not {}", self.sweep.len()));
        }
        let mut names = BTreeSet::new();
        let mut tasks = 1_u64;
        for Axis { name, values } in &self.sweep {
            if name.is_empty() || !name.chars().all(of_a_name) {
                return bad(format!("{name:?} cannot be swept over; its name has letters, digits and _ only"));
            }
            if !names.insert(name) {
                return bad(format!("{name} is swept over twice; give all its values at once"));
            }
            if values.is_empty() {
                return bad(format!("{name} is swept over no values; give it some, or leave it out"));
            }
            if let Some(value) = values.iter().find(|value| value.contains('\0')) {
                return bad(format!("{value:?}, a value of {name}, has a zero byte, which no program can be given"));
            }
            tasks = tasks.saturating_mul(values.len() as u64);
        }
        if tasks > u64::from(MOST_TASKS) {
            return bad(format!("this sweep has {tasks} combinations; at most {MOST_TASKS} tasks fit into a job"));
        }
        Ok(())
    }
}

fn of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Adds up the text, with values in the places of their names in braces. What is filled in is not looked at again.
fn fill<'a>(text: &'a str, value: impl Fn(&str) -> Option<&'a str>, mut add: impl FnMut(&'a str)) {
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        add(before);
        let (name, after) = from.split_at(from.find(|c| !of_a_name(c)).unwrap_or(from.len()));
        rest = match value(name).zip(after.strip_prefix('}')) {
            Some((value, after)) => {
                add(value);
                after
            }
            None => {
                add("{");
                from
            }
        };
    }
    add(rest);
}

/// How many tasks these make; a job without any has one.
pub fn combinations(sweep: &[Axis]) -> u32 {
    sweep.iter().fold(1, |tasks: u32, axis| tasks.saturating_mul(u32::try_from(axis.values.len()).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::{Array, MOST_COMMAND_BYTES};
    use super::*;
    use crate::result::{INPUTS, Reduce};

    fn axis(name: &str, values: &[&str]) -> Axis {
        Axis { name: name.into(), values: values.iter().map(|&v| v.into()).collect() }
    }

    #[test]
    fn a_sweep_makes_a_task_of_each_combination() {
        let mut spec = JobSpec::of(["train", "--rate={rate}", "{depth}{rate}", "{other} {rate", "}{"]);
        spec.sweep = vec![axis("rate", &["0.1", "{depth}"]), axis("depth", &["3", "5", "7"])];
        spec.env.insert("RATE".into(), "{rate}".into());
        assert_eq!(spec.check(), Ok(()));
        assert_eq!(spec.indices(), 0..=5);
        assert_eq!(spec.command_of(1), ["train", "--rate=0.1", "50.1", "{other} {rate", "}{"]);
        assert_eq!(spec.command_of(5)[1..3], ["--rate={depth}", "7{depth}"], "what is filled in stays as it is");
        assert_eq!((spec.env_of(0)["RATE"].as_str(), spec.tried("depth", 2)), ("0.1", Some("7")));
        assert_eq!(spec.tried("width", 0), None);
        for (sweep, word) in [
            (vec![axis("a b", &["1"])], "letters"),
            (vec![axis("a", &[])], "no values"),
            (vec![axis("a", &["1"]), axis("a", &["2"])], "twice"),
            (vec![axis("a", &["\0"])], "zero byte"),
            ((0..7).map(|n| axis(&format!("a{n}"), &["1"; 10])).collect(), "10000000 combinations"),
        ] {
            let told = JobSpec { sweep, ..JobSpec::of(["true"]) }.check().unwrap_err().to_string();
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn what_is_filled_in_counts_and_braces_without_end_are_read_once() {
        let told = |spec: JobSpec| spec.check().unwrap_err().to_string();
        let mut spec = JobSpec { sweep: vec![axis("a", &["x", &"y".repeat(1 << 19)])], ..JobSpec::of(["{a}{a}{a}"]) };
        assert!(told(spec.clone()).contains("command and environment have 1572865 bytes"));
        spec.command = vec!["{a}".into()];
        assert_eq!(spec.check(), Ok(()));
        spec.env.insert("A".into(), "{a}".into());
        assert!(told(spec).contains("bytes"));
        let braces = "{".repeat(MOST_COMMAND_BYTES - 1);
        let spec = JobSpec { sweep: vec![axis("a", &["x"])], ..JobSpec::of([braces.clone()]) };
        assert_eq!((spec.check(), spec.command_of(0)), (Ok(()), vec![braces]));
        let sweep = (0..=MOST_AXES).map(|n| axis(&format!("a{n}"), &["1"])).collect();
        assert!(told(JobSpec { sweep, ..JobSpec::of(["true"]) }).contains("at most 100 things"));
        let command = [&["cat".to_owned()], &vec![INPUTS.to_owned(); 4][..]].concat();
        let reduce = Reduce { command, part: "x".repeat(255).parse().unwrap() };
        let array = Some(Array { first: 0, last: 999 });
        assert!(told(JobSpec { array, reduce: Some(reduce), ..JobSpec::of(["true"]) }).contains("bytes"));
    }
}
