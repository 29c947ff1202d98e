//! `[[step]]`: programs that run one after the other, on one node and in one folder.

use protocol::name::JobName;
use toml::Spanned;
use toml::de::DeValue;

use super::draft::without_zero;
use super::shape::{At, Key, Shape, Wrong, key, read_table, table_of};
use super::value;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    pub executable: Option<At<String>>,
    pub args: Vec<At<String>>,
    pub name: Option<JobName>,
}

pub const KEYS: &[Key<Step>] = &[
    key(
        "executable",
        Shape::Text(Step::executable),
        "The program: a file beside this one, or else the name of a program that the node has",
    ),
    key("args", Shape::Texts(Step::args), "Its arguments; {input} in them is the first of data, or else of files"),
    key("name", Shape::Text(Step::name), "What to call it where it fails"),
];

impl Step {
    fn executable(&mut self, text: At<String>) -> Result<(), Wrong> {
        if text.value.trim().is_empty() {
            return Err(text.wrong("the executable of this step is empty; name a program or a script"));
        }
        self.executable = Some(without_zero("executable", text)?);
        Ok(())
    }

    fn args(&mut self, args: Vec<At<String>>) -> Result<(), Wrong> {
        self.args = args.into_iter().map(|arg| without_zero("an argument", arg)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn name(&mut self, name: At<String>) -> Result<(), Wrong> {
        let parsed: Result<JobName, _> = name.value.parse();
        self.name = Some(parsed.map_err(|_| {
            name.wrong("the name of a step is one line of at most 128 bytes; leave it out, or shorten it")
        })?);
        Ok(())
    }
}

pub fn read(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<At<Step>>, Wrong> {
    let shape = || format!("each step is a table of its own; begin it with a line [[{key}]]");
    let Some(array) = value.get_ref().as_array().filter(|array| !array.is_empty()) else {
        return Err(value::wrong(value, shape()));
    };
    array.iter().map(|one| step(key, one, shape)).collect()
}

fn step(key: &str, value: &Spanned<DeValue<'_>>, shape: impl Fn() -> String) -> Result<At<Step>, Wrong> {
    let step = read_table(Some(key), KEYS, table_of(value, shape)?)?;
    if step.executable.is_none() {
        return Err(value::wrong(
            value,
            format!("this {key} has no executable; name what it runs, as in: executable = \"run.py\""),
        ));
    }
    Ok(At::new(step, value.span()))
}
