//! What each task of a job runs. The same for all of them, but in a sweep and for the task that reduces: what makes theirs
//! differ is kept once, and filled in when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::job::JobSpec;

use super::compact::Command;

#[derive(Debug)]
pub struct Recipe {
    command: Command,
    env: Option<Arc<BTreeMap<String, String>>>,
    /// Where they differ.
    each: Option<Box<Each>>,
}

/// As much of what was submitted as that takes.
#[derive(Debug)]
struct Each {
    spec: JobSpec,
    /// The environment differs too.
    env: bool,
}

impl Recipe {
    pub fn new(spec: &JobSpec) -> Self {
        let (first, last) = spec.maps().into_inner();
        // In a sweep it is never handed out as it is.
        let alike = if spec.sweep.is_empty() { (last - first).saturating_add(1) } else { 1 };
        let differ = !spec.sweep.is_empty() || spec.reduce.is_some();
        Self {
            command: Command::new(&spec.command, alike),
            env: (!spec.env.is_empty()).then(|| Arc::new(spec.env.clone())),
            each: differ.then(|| Box::new(Each::of(spec))),
        }
    }

    /// As it was submitted.
    pub fn command(&self) -> &Command {
        &self.command
    }

    pub fn command_of(&self, index: u32) -> Arc<[String]> {
        self.own(index).map_or_else(|| self.command.shared(), |spec| spec.command_of(index).into())
    }

    pub fn words_of(&self, index: u32) -> Vec<String> {
        self.own(index).map_or_else(|| self.command.words(), |spec| spec.command_of(index))
    }

    /// About as many as they take written out.
    pub fn bytes_of(&self, index: u32) -> usize {
        let own = self.own(index).map(|spec| spec.command_of(index).iter().map(|word| word.len() + 3).sum());
        own.unwrap_or_else(|| self.command.bytes())
    }

    pub fn env_of(&self, index: u32) -> Option<Arc<BTreeMap<String, String>>> {
        match &self.each {
            Some(each) if each.env => Some(Arc::new(each.spec.env_of(index))),
            _ => self.env.clone(),
        }
    }

    /// From which the command of this task follows, where it has one of its own.
    fn own(&self, index: u32) -> Option<&JobSpec> {
        let spec = &self.each.as_ref()?.spec;
        (!spec.sweep.is_empty() || !spec.maps().contains(&index)).then_some(spec)
    }
}

impl Each {
    fn of(spec: &JobSpec) -> Self {
        let JobSpec { command, env, array, sweep, reduce, .. } = spec.clone();
        let differs = !sweep.is_empty() && env.values().any(|value| value.contains('{'));
        let env = if differs { env } else { BTreeMap::new() };
        let command = if sweep.is_empty() { vec![] } else { command };
        Self { spec: JobSpec { env, array, sweep, reduce, ..JobSpec::of(command) }, env: differs }
    }
}

#[cfg(test)]
mod tests {
    use protocol::job::{Array, Axis};
    use protocol::result::Reduce;

    use super::*;

    fn swept() -> JobSpec {
        let mut spec = JobSpec::of(["train", "{rate}"]);
        spec.sweep = vec![Axis { name: "rate".into(), values: vec!["0.1".into(), "0.02".into()] }];
        spec.env.insert("RATE".into(), "{rate}".into());
        spec
    }

    #[test]
    fn all_tasks_of_an_array_share_one_command_and_one_environment() {
        let mut spec = JobSpec { array: Some(Array { first: 5, last: 9 }), ..JobSpec::of(["true"]) };
        spec.env.insert("A".into(), "1".into());
        spec.reduce = Some(Reduce { command: vec!["cat".into(), "{inputs}".into()], part: "n".parse().unwrap() });
        let recipe = Recipe::new(&spec);
        assert!(Arc::ptr_eq(&recipe.command_of(5), &recipe.command_of(9)));
        assert!(Arc::ptr_eq(&recipe.env_of(5).unwrap(), &recipe.env_of(10).unwrap()));
        assert_eq!(recipe.words_of(10), spec.command_of(10));
        assert_eq!(recipe.bytes_of(5), recipe.command().bytes());
        assert_eq!(recipe.bytes_of(10), 6 + 5 * ("part-5/n".len() + 3));
    }

    #[test]
    fn each_task_of_a_sweep_has_what_it_tries() {
        let mut spec = swept();
        let recipe = Recipe::new(&spec);
        assert_eq!(*recipe.command_of(1), spec.command_of(1));
        assert_eq!((recipe.words_of(0), recipe.words_of(1)), (spec.command_of(0), spec.command_of(1)));
        assert_eq!(recipe.env_of(1).as_deref(), Some(&spec.env_of(1)));
        assert_eq!(recipe.command().words(), ["train", "{rate}"]);
        assert_eq!(recipe.bytes_of(1), recipe.bytes_of(0) + 1);
        spec.env.insert("RATE".into(), "none".into());
        let recipe = Recipe::new(&spec);
        assert!(Arc::ptr_eq(&recipe.env_of(0).unwrap(), &recipe.env_of(1).unwrap()), "none of it differs");
    }
}
