//! What a submission file says, checked as far as that can be done without looking at any other file.

use std::ops::Range;

use protocol::file::FileRef;
use protocol::job::{Array, JobSpec};
use protocol::name::{FileName, JobName, NodeName};
use protocol::secret::JobSecret;

use super::keys::{EXECUTABLE, SPLIT, STEP};
use super::secret;
use super::shape::{At, Variable, Wrong};
use super::split::Split;
use super::step::Step;
use super::sweep::Swept;
use crate::cli::parse;

/// The program, of which nothing is checked but the words that are added.
pub const ANY: &str = "true";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    pub executable: Option<At<String>>,
    pub args: Vec<At<String>>,
    pub data: Vec<At<String>>,
    pub files: Vec<At<KeptFile>>,
    pub env: Vec<Variable>,
    pub secrets: Vec<At<JobSecret>>,
    pub cpus: Option<u32>,
    pub node: Option<NodeName>,
    pub name: Option<At<JobName>>,
    pub notify: Vec<At<String>>,
    pub array: Option<At<Array>>,
    pub steps: Vec<At<Step>>,
    pub sweep: Vec<At<Swept>>,
    pub split: Option<At<Split>>,
}

/// One of `files`, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub file: At<String>,
    pub called: Option<At<String>>,
    pub writable: bool,
}

/// One of `files`, as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    pub file: FileRef,
    pub called: Option<FileName>,
    pub writable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indices {
    Count(u32),
    Range(String),
}

impl Draft {
    pub fn executable(&mut self, text: At<String>) -> Result<(), Wrong> {
        if text.value.trim().is_empty() {
            return Err(text.wrong("executable is empty; name a program or a script, as in: executable = \"run.py\""));
        }
        self.executable = Some(without_zero("executable", text)?);
        Ok(())
    }

    pub fn args(&mut self, args: Vec<At<String>>) -> Result<(), Wrong> {
        self.args = args.into_iter().map(|arg| without_zero("an argument", arg)).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub fn data(&mut self, paths: Vec<At<String>>) -> Result<(), Wrong> {
        if let Some(empty) = paths.iter().find(|path| path.value.is_empty()) {
            return Err(empty.wrong("a path of data is empty; name a file or a folder, or leave it out"));
        }
        self.data = paths.into_iter().map(|path| without_zero("a path of data", path)).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub fn files(&mut self, files: Vec<Kept>) -> Result<(), Wrong> {
        self.files = files.into_iter().map(meant).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub fn env(&mut self, env: Vec<Variable>) -> Result<(), Wrong> {
        for (name, value) in &env {
            let mut spec = JobSpec::of([ANY]);
            spec.env.insert(name.value.clone(), value.value.clone());
            spec.check().map_err(|bad| name.wrong(bad.to_string()))?;
        }
        self.env = env;
        Ok(())
    }

    pub fn secrets(&mut self, secrets: Vec<At<JobSecret>>) -> Result<(), Wrong> {
        self.secrets = secrets;
        Ok(())
    }

    pub fn cpus(&mut self, cpus: At<u32>) -> Result<(), Wrong> {
        self.cpus = Some(cpus.value);
        Ok(())
    }

    pub fn node(&mut self, node: At<String>) -> Result<(), Wrong> {
        let parsed = node.value.parse().map_err(|bad| {
            node.wrong(format!("{bad}; `bramble node` lists those there are, and without node any that fits is taken"))
        })?;
        self.node = Some(parsed);
        Ok(())
    }

    pub fn name(&mut self, name: At<String>) -> Result<(), Wrong> {
        if self.name.is_some() {
            return Err(name.wrong("name and client both name the job; leave client out"));
        }
        let parsed =
            name.value.parse().map_err(|bad| name.wrong(format!("{bad}; give it another, or leave it out")))?;
        self.name = Some(At::new(parsed, name.span));
        Ok(())
    }

    pub fn client(&mut self, client: At<String>) -> Result<(), Wrong> {
        // Who left that line empty wanted no name.
        if client.value.trim().is_empty() { Ok(()) } else { self.name(client) }
    }

    /// What is wrong with one is said when the job is made.
    pub fn notify(&mut self, places: Vec<At<String>>) -> Result<(), Wrong> {
        self.notify.extend(places);
        Ok(())
    }

    pub fn email(&mut self, email: At<String>) -> Result<(), Wrong> {
        let address = email.value.trim();
        if !address.is_empty() {
            self.notify.push(At::new(format!("mail:{address}"), email.span));
        }
        Ok(())
    }

    pub fn array(&mut self, indices: At<Indices>) -> Result<(), Wrong> {
        let array = match &indices.value {
            Indices::Count(n) => Array { first: 0, last: n.saturating_sub(1) },
            Indices::Range(text) if text.contains('-') => {
                parse::array(text).map_err(|_| not_a_range(&indices, text))?
            }
            Indices::Range(text) => return Err(not_a_range(&indices, text)),
        };
        let spec = JobSpec { array: Some(array), ..JobSpec::of([ANY]) };
        spec.check().map_err(|bad| indices.wrong(bad.to_string()))?;
        self.array = Some(At::new(array, indices.span));
        Ok(())
    }

    pub fn steps(&mut self, steps: Vec<At<Step>>) -> Result<(), Wrong> {
        self.steps = steps;
        Ok(())
    }

    pub fn sweep(&mut self, sweep: Vec<At<Swept>>) -> Result<(), Wrong> {
        self.sweep = sweep;
        Ok(())
    }

    pub fn split(&mut self, split: At<Split>) -> Result<(), Wrong> {
        self.split = Some(split);
        Ok(())
    }

    /// What goes together, and what does not.
    pub fn whole(self) -> Result<Self, Wrong> {
        let executable = self.executable.as_ref().map(|executable| (EXECUTABLE, executable.span.clone()));
        let step = self.steps.first().map(|step| (STEP, step.span.clone()));
        let split = self.split.as_ref().map(|split| (SPLIT, split.span.clone()));
        let array = self.array.as_ref().map(|array| ("array", array.span.clone()));
        let sweep = self.sweep.first().map(|axis| ("sweep", axis.span.clone()));
        only_one([executable.clone(), step, split.clone()], "say what runs")?;
        only_one([array, sweep, split.clone()], "say how many tasks there are")?;
        if let Some(arg) = self.args.first().filter(|_| executable.is_none()) {
            let whose =
                if split.is_some() { "map and reduce have theirs in their own list" } else { "each step has its own" };
            return Err(arg.wrong(format!("args are those of executable, which is not there; {whose}")));
        }
        secret::check(&self.secrets, &self.env)?;
        if executable.is_none() && self.steps.is_empty() && split.is_none() {
            let sentence = format!(
                "{EXECUTABLE} is missing; name what is to run, as in: {EXECUTABLE} = \"run.py\", or write [[{STEP}]]s or a [{SPLIT}]"
            );
            return Err(Wrong { span: 0..0, sentence });
        }
        Ok(self)
    }
}

/// Of two that mean the same the later is the one too many.
fn only_one(all: [Option<(&'static str, Range<usize>)>; 3], what: &str) -> Result<(), Wrong> {
    let mut there: Vec<_> = all.into_iter().flatten().collect();
    there.sort_by_key(|(_, span)| span.start);
    match &there[..] {
        [(first, _), (second, span), ..] => Err(Wrong {
            span: span.clone(),
            sentence: format!("{first} and {second} both {what}; leave one of them out"),
        }),
        _ => Ok(()),
    }
}

/// A number in quotes could be meant as a count or as an index; it is taken for neither.
fn not_a_range(indices: &At<Indices>, text: &str) -> Wrong {
    indices
        .wrong(format!("array is a number of tasks or a range, and not {text:?}; write array = 10 or array = \"5-9\""))
}

pub fn without_zero(what: &str, text: At<String>) -> Result<At<String>, Wrong> {
    match text.value.contains('\0') {
        true => Err(text.wrong(format!("{what} has a zero byte, which no program can be given; leave it out"))),
        false => Ok(text),
    }
}

fn meant(kept: Kept) -> Result<At<KeptFile>, Wrong> {
    let file: FileRef = kept.file.value.parse().map_err(|bad| {
        let sentence =
            format!("{bad}; a file is named as `bramble file` lists it, as in \"data.csv\" or \"ana/data.csv\"");
        kept.file.wrong(sentence)
    })?;
    let called = kept.called.map(|called| {
        called.value.parse().map_err(|bad| called.wrong(format!("{bad}; write a name without a folder after as")))
    });
    Ok(At::new(KeptFile { file, called: called.transpose()?, writable: kept.writable }, kept.file.span))
}
