//! Whatever text there is: no panic, and whatever is wrong is told with its line.

use test_support::Dice;

use super::{folder, plan};

/// What a submission is made of, and what gets into one by accident.
const PARTS: &[&str] = &[
    "executable",
    "args",
    "data",
    "files",
    "env",
    "cpus",
    "node",
    "name",
    "array",
    "client",
    "email",
    "notify",
    "step",
    "sweep",
    "split",
    "by",
    "chunks",
    "map",
    "reduce",
    "from",
    "to",
    "separator",
    "\"lines\"",
    "\"{input}\"",
    "\"{inputs}\"",
    "{ from = 1, to = 9 }",
    "[1, 0.5]",
    "mem",
    "file",
    "as",
    "writable",
    " = ",
    "=",
    "\n",
    "\n\n",
    "\r\n",
    " ",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    ".",
    "#",
    "\\",
    "\\u0000",
    "0",
    "1",
    "-1",
    "5-9",
    "\"5-9\"",
    "1e9",
    "true",
    "1979-05-27",
    "\"x\"",
    "\"ana/set\"",
    "../",
    "/",
    "~/",
    "a.csv",
    "run.py",
    "\"run.py\"",
    "é",
    "\u{feff}",
    "\u{202e}",
    "\0",
    "\t",
    "99999999999999999999",
    "0x7f",
    "inf",
];

/// Of which the rest spoils some.
const BEGINNINGS: &[&str] = &[
    "executable = \"run.py\"\n",
    "executable = \"run.py\"\n",
    "executable = \"run.py\"\n",
    "data = \"a.csv\"\n[[step]]\nexecutable = \"run.py\"\nargs = [\"{input}\"]\n",
    "executable = \"echo\"\nargs = [\"{rate}\"]\n[sweep]\nrate = { from = 1, to = 2, step = 0.5 }\n",
    "[split]\nfile = \"a.csv\"\nby = \"lines\"\nchunks = 3\nmap = [\"wc\", \"{input}\"]\nreduce = [\"cat\", \"{inputs}\"]\n",
];

fn text(dice: &mut Dice) -> String {
    let mut text = String::new();
    if dice.chance(50) {
        text += dice.pick::<&str>(BEGINNINGS);
    }
    for _ in 0..dice.within(0, 24) {
        // Whole lines reach deeper than shreds do.
        if dice.chance(40) {
            text += &format!("{} = {}\n", dice.pick(PARTS), dice.pick(PARTS));
        } else {
            text.push_str(dice.pick::<&str>(PARTS));
        }
    }
    text
}

#[test]
fn no_text_makes_it_panic_and_every_mistake_has_its_line() {
    let here = folder(&[("run.py", "print(1)"), ("a.csv", "1")]);
    let mut good = 0;
    for seed in 0..20_000 {
        let text = text(&mut Dice::new(seed));
        let lines = text.matches('\n').count() + 1;
        match plan(&text, here.path()) {
            Ok(_) => good += 1,
            Err(why) => {
                let line = why.strip_prefix("job.toml:").and_then(|rest| rest.split_once(": ")).map(|(line, _)| line);
                let line: Option<usize> = line.and_then(|line| line.parse().ok());
                assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "seed {seed}: {text:?}: {why}");
            }
        }
    }
    assert!(good > 100, "of all that was made only {good} were submissions");
}

#[test]
fn what_is_nested_deeply_is_refused() {
    for deep in ["[".repeat(100_000), "{a=".repeat(100_000), "a.".repeat(100_000)] {
        assert!(
            plan(&format!("executable = \"x\"\ndata = {deep}"), "/".as_ref()).unwrap_err().starts_with("job.toml:")
        );
        assert!(plan(&format!("executable = \"x\"\n{deep}"), "/".as_ref()).unwrap_err().starts_with("job.toml:"));
    }
}
