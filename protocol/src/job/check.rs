//! What cannot be run is refused before it is kept, with the sentence a person reads.

use std::collections::BTreeSet;

use super::{Array, BadSpec, JobFile, JobSpec, MOST_COMMAND_BYTES, MOST_CPUS, MOST_JOB_FILES, MOST_TASKS};
use crate::node::INTERPRETERS;
use crate::notify::MOST_NOTIFY;
use crate::result::{INPUTS, OUT, Reduce};
use crate::secret::{JobSecret, MOST_JOB_SECRETS, MOST_SECRET_BYTES, SecretAs};

impl JobSpec {
    /// What cannot be run is refused here, once, with the sentence a person reads.
    pub fn check(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        if self.command.first().is_none_or(String::is_empty) {
            return bad("the command is empty; write it after --, as in: bramble run -- echo hello".into());
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return bad("the command has a zero byte, which no program can be given".into());
        }
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                return bad(format!("{key:?} cannot be an environment variable; write KEY=VALUE without zero bytes"));
            }
            if key.starts_with("BRAMBLE_") {
                return bad(format!("{key} is set by Bramble itself; choose a name that does not start with BRAMBLE_"));
            }
        }
        if !(1..=MOST_CPUS).contains(&self.cpus) {
            return bad(format!("a task has 1 to {MOST_CPUS} CPUs, not {}", self.cpus));
        }
        if let Some(Array { first, last }) = self.array {
            if first > last {
                return bad(format!("the array {first}-{last} runs backwards; write it as {last}-{first}"));
            }
            if last - first >= MOST_TASKS {
                return bad(format!("the array {first}-{last} has more than {MOST_TASKS} tasks; split it"));
            }
        }
        if let Some(unknown) = self.interpreters.iter().find(|name| !INTERPRETERS.contains(&&***name)) {
            let known = INTERPRETERS.join(", ");
            return bad(format!("no node says whether it has {unknown:?}; what they tell of is {known}"));
        }
        self.check_sweep()?;
        self.check_reduce()?;
        self.check_secrets()?;
        self.check_length()?;
        self.check_notify()?;
        if self.files.len() > MOST_JOB_FILES {
            return bad(format!("{} files are too many for a job; pack them as a folder", self.files.len()));
        }
        if let Some(file) = self.files.iter().find(|file| file.name().as_str() == OUT) {
            let file = file.file.to_string();
            return bad(format!(
                "{file:?} would be called {OUT:?} in the task's folder, as what it leaves is; call it otherwise, as in: --file {file:?}=other"
            ));
        }
        let known = |only: u32| self.maps().contains(&only);
        if let Some(file) = self.files.iter().find(|file| file.only.is_some_and(|only| !known(only))) {
            return bad(format!("{:?} is for a task that there is not", file.file.to_string()));
        }
        let mut names = BTreeSet::new();
        let clashes = |file: &&JobFile, names: &BTreeSet<_>| {
            let (name, only) = (file.name(), file.only);
            // What all have, no task can have of its own; the rest is seen when that comes second.
            names.contains(&(name, only)) || only.is_some() && names.contains(&(name, None))
        };
        // Those that all have come first.
        let (some, all): (Vec<&JobFile>, Vec<&JobFile>) = self.files.iter().partition(|file| file.only.is_some());
        let twice = { all }.into_iter().chain(some).find(|file| {
            let clashes = clashes(file, &names);
            names.insert((file.name(), file.only));
            clashes
        });
        if let Some(twice) = twice {
            let (file, name) = (twice.file.to_string(), twice.name());
            return bad(format!(
                "two files would be called {name:?} in the task's folder; call one otherwise, as in: --file {file:?}=other"
            ));
        }
        let parts: BTreeSet<String> = self.reduce.iter().flat_map(|_| self.maps().map(Reduce::folder)).collect();
        let for_all = self.files.iter().filter(|file| file.only.is_none());
        if let Some(file) = { for_all }.find(|file| parts.contains(file.name().as_str())) {
            let (file, name) = (file.file.to_string(), file.name());
            return bad(format!(
                "{name:?} is what the task that reduces finds another's part under; call it otherwise, as in: --file {file:?}=other"
            ));
        }
        Ok(())
    }

    /// With whatever is filled in.
    fn check_length(&self) -> Result<(), BadSpec> {
        let sum = |lengths: &mut dyn Iterator<Item = usize>| lengths.fold(0_usize, usize::saturating_add);
        let env = sum(&mut self.env.iter().map(|(key, value)| key.len() + self.longest(value) + 2));
        let command = sum(&mut self.command.iter().map(|word| self.longest(word) + 1));
        let reduce = self.reduce.as_ref().map_or(0, |reduce| {
            let path = |index| Reduce::folder(index).len() + reduce.part.as_str().len() + 2;
            let inputs: usize = self.maps().map(path).sum();
            sum(&mut reduce.command.iter().map(|word| if word == INPUTS { inputs } else { word.len() + 1 }))
        });
        let bytes = command.max(reduce).saturating_add(env);
        if bytes > MOST_COMMAND_BYTES {
            return Err(BadSpec(format!(
                "command and environment have {bytes} bytes; at most {MOST_COMMAND_BYTES} fit"
            )));
        }
        // They may become as long as any.
        let name = |secret: &JobSecret| match &secret.given {
            SecretAs::Env(name) => name.len() + 2 + MOST_SECRET_BYTES,
            SecretAs::File(_) => 0,
        };
        let bytes = bytes.saturating_add(sum(&mut self.secrets.iter().map(name)));
        if bytes > MOST_COMMAND_BYTES / 2 * 3 {
            return Err(BadSpec(format!(
                "command and environment may have {bytes} bytes with the longest secrets there can be, and at most {} fit; give some of them as files",
                MOST_COMMAND_BYTES / 2 * 3
            )));
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        if self.secrets.len() > MOST_JOB_SECRETS {
            return bad(format!(
                "a job is given at most {MOST_JOB_SECRETS} secrets, not {}; set several as one, and give it as a file",
                self.secrets.len()
            ));
        }
        let (mut variables, mut files) = (BTreeSet::new(), BTreeSet::new());
        for JobSecret { secret, given } in &self.secrets {
            match given {
                SecretAs::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
                    return bad(format!(
                        "{name:?} cannot be the environment variable that the secret {secret} is given as; write a name without = and zero bytes"
                    ));
                }
                SecretAs::Env(name) if name.starts_with("BRAMBLE_") => {
                    return bad(format!(
                        "the secret {secret} cannot be given as {name}, which is for Bramble itself to set; choose a name that does not start with BRAMBLE_"
                    ));
                }
                SecretAs::Env(name) if self.env.contains_key(name) || !variables.insert(name) => {
                    return bad(format!(
                        "{name} would be two things in the environment, the secret {secret} and another; give one another name, as in: --secret {secret}=OTHER"
                    ));
                }
                SecretAs::File(name) if !files.insert(name) => {
                    return bad(format!(
                        "two secrets would be files called {name:?}; call one otherwise, as in: --secret-file {secret}=other"
                    ));
                }
                SecretAs::Env(_) | SecretAs::File(_) => {}
            }
        }
        Ok(())
    }

    fn check_notify(&self) -> Result<(), BadSpec> {
        if self.notify.len() > MOST_NOTIFY {
            let many = self.notify.len();
            return Err(BadSpec(format!("the end of a job is told to at most {MOST_NOTIFY} places, not {many}")));
        }
        let mut places = BTreeSet::new();
        match self.notify.iter().find(|place| !places.insert(*place)) {
            Some(twice) => Err(BadSpec(format!("{twice} would be told twice; leave one of both out"))),
            None => Ok(()),
        }
    }

    fn check_reduce(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        let Some(Reduce { command, .. }) = &self.reduce else { return Ok(()) };
        if command.first().is_none_or(String::is_empty) || command.iter().any(|word| word.contains('\0')) {
            return bad("the command that reduces is empty, or has a zero byte, which no program can be given".into());
        }
        if !command.iter().any(|word| word == INPUTS) {
            return bad(format!("the command that reduces has no word {INPUTS}, which becomes the paths of all parts"));
        }
        let (first, last) = self.maps().into_inner();
        if last - first >= MOST_JOB_FILES as u32 || last == u32::MAX {
            return bad(format!("at most {MOST_JOB_FILES} tasks can be reduced"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_run_is_refused_with_what_to_do() {
        let refused = |change: &dyn Fn(&mut JobSpec)| {
            let mut spec = JobSpec::of(["true"]);
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(refused(&|s: &mut JobSpec| s.command.clear()).contains("after --"));
        assert!(refused(&|s: &mut JobSpec| s.command.push("a\0b".into())).contains("zero byte"));
        assert!(refused(&|s: &mut JobSpec| s.cpus = 0).contains("1 to"));
        assert!(refused(&|s: &mut JobSpec| s.array = Some(Array { first: 9, last: 5 })).contains("5-9"));
        assert!(refused(&|s: &mut JobSpec| s.array = Some(Array { first: 0, last: u32::MAX })).contains("split"));
        assert!(
            refused(&|s: &mut JobSpec| drop(s.env.insert("BRAMBLE_JOB".into(), "1".into()))).contains("Bramble itself")
        );
        assert!(refused(&|s: &mut JobSpec| drop(s.env.insert("A=B".into(), "1".into()))).contains("KEY=VALUE"));
        assert!(refused(&|s: &mut JobSpec| s.command.push("x".repeat(2 << 20))).contains("bytes"));
        let out = JobFile::of("out".parse().unwrap());
        assert!(refused(&move |s: &mut JobSpec| s.files = vec![out.clone()]).contains("what it leaves"));
        let two = ["data", "ana/data"].map(|name| JobFile::of(name.parse().unwrap()));
        assert!(refused(&move |s: &mut JobSpec| s.files = two.to_vec()).contains("two files would be called \"data\""));
    }

    #[test]
    fn what_one_task_is_given_may_be_called_as_what_another_is() {
        let part = |name: &str, only| JobFile {
            called: Some("input".parse().unwrap()),
            only,
            ..JobFile::of(name.parse().unwrap())
        };
        let with = |files| JobSpec { array: Some(Array { first: 0, last: 1 }), files, ..JobSpec::of(["true"]) }.check();
        assert_eq!(with(vec![part("a", Some(0)), part("b", Some(1))]), Ok(()));
        for files in [
            vec![part("a", Some(0)), part("b", Some(0))],
            vec![part("a", Some(0)), part("b", None)],
            vec![part("a", None), part("b", Some(1))],
        ] {
            assert!(with(files).unwrap_err().to_string().contains("two files would be called"));
        }
        assert!(with(vec![part("a", Some(2))]).unwrap_err().to_string().contains("there is not"));
    }
}
