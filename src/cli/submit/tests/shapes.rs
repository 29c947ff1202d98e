//! Steps, sweeps and splits.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use protocol::job::{Array, Axis};
use protocol::result::Reduce;

use super::{draft, folder, plan, wrong};
use crate::cli::submit::plan::Plan;

fn axis(name: &str, values: &[&str]) -> Axis {
    Axis { name: name.into(), values: values.iter().map(|&value| value.into()).collect() }
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.uploads.iter().map(|upload| upload.name.as_str()).collect()
}

#[test]
fn steps_are_one_command_and_bring_their_programs() {
    let here = folder(&[("prep.py", ""), ("fit.sh", "#!/bin/sh\n"), ("a.csv", "1")]);
    let text = r#"
        data = ["a.csv"]
        [[step]]
        executable = "prep.py"
        args = ["{input}", "--out=x{input}"]
        name = "prepare"
        [[step]]
        executable = "./fit.sh"
        [[step]]
        executable = "prep.py"
        args = ["it's"]
        [[step]]
        executable = "sort"
    "#;
    let plan = plan(text, here.path()).unwrap();
    let script = "\
(exec 'python3' './prep.py' 'a.csv' '--out=xa.csv') || { c=$?; printf 'bramble: step 1 of 4 (%s) ended with exit code %s\\n' 'prepare' \"$c\" >&2; exit \"$c\"; }
(exec './fit.sh') || { c=$?; printf 'bramble: step 2 of 4 ended with exit code %s\\n' \"$c\" >&2; exit \"$c\"; }
(exec 'python3' './prep.py' 'it'\\''s') || { c=$?; printf 'bramble: step 3 of 4 ended with exit code %s\\n' \"$c\" >&2; exit \"$c\"; }
(exec 'sort') || { c=$?; printf 'bramble: step 4 of 4 ended with exit code %s\\n' \"$c\" >&2; exit \"$c\"; }";
    assert_eq!(words(&plan.spec.command), ["sh", "-c", script]);
    assert_eq!(names(&plan), ["prep.py", "fit.sh", "a.csv"], "each comes once");
    let runs: Vec<(&str, String)> = plan.runs.iter().map(|run| (run.what.as_str(), run.words.join(" "))).collect();
    assert_eq!(runs[0], ("step 1", "python3 ./prep.py a.csv --out=xa.csv".into()));
    assert_eq!(runs[3], ("step 4", "sort".into()));
}

#[test]
fn the_input_of_steps_is_what_comes_first() {
    let here = folder(&[("-a.csv", "1")]);
    let step = "[[step]]\nexecutable = \"wc\"\nargs = [\"{input}\"]";
    let of = |rest: &str| plan(&format!("{rest}\n{step}"), here.path()).unwrap().runs[0].words.join(" ");
    assert_eq!(of("data = \"-a.csv\"\nfiles = [\"kept\"]"), "wc ./-a.csv");
    assert_eq!(of("files = [\"kept\", \"other\"]"), "wc kept");
    assert_eq!(of("files = [{ file = \"ana/set\", as = \"in\" }]"), "wc in");
    wrong(step, 3, &["{input} is the first of data or files, and there is none"]);
}

#[test]
fn what_is_wrong_with_steps_is_told_with_its_line() {
    wrong("step = []", 1, &["begin it with a line [[step]]"]);
    wrong("\n[step]\nexecutable = \"x\"", 2, &["begin it with a line [[step]]"]);
    wrong("[[step]]\nexe = \"x\"", 2, &["step has no key \"exe\"", "did you mean executable?"]);
    wrong("[[step]]\nargs = [\"x\"]", 1, &["this step has no executable"]);
    wrong("[[step]]\nexecutable = 1", 2, &["step.executable is a text; put it in quotes"]);
    wrong("[[step]]\nexecutable = \"x\"\nargs = \"y\"", 3, &["step.args is a list of texts; write step.args = "]);
    wrong("[[step]]\nexecutable = \"rum.py\"", 2, &["rum.py is not there"]);
    wrong("[[step]]\nexecutable = \"x\"\nname = \"a\\nb\"", 3, &["one line"]);
    wrong("executable = \"x\"\n[[step]]\nexecutable = \"y\"", 2, &["executable and step both say what runs"]);
    wrong("args = [\"1\"]\n[[step]]\nexecutable = \"y\"", 1, &["each step has its own"]);
    let long = "x".repeat(140_000);
    wrong(&format!("[[step]]\nexecutable = \"echo\"\nargs = [\"{long}\"]"), 1, &["put them into a script"]);
}

#[test]
fn a_sweep_tries_everything_in_the_order_of_the_file() {
    let text = r#"
        executable = "train"
        args = ["--rate={rate}", "{seed}"]
        env = { MODE = "{mode}" }
        [sweep]
        rate = [0.1, 1e-3, "a b"]
        seed = { from = 1, to = 10, step = 4 }
        mode = ["x"]
    "#;
    let plan = plan(text, Path::new("/")).unwrap();
    let expected = vec![axis("rate", &["0.1", "1e-3", "a b"]), axis("seed", &["1", "5", "9"]), axis("mode", &["x"])];
    assert_eq!(plan.spec.sweep, expected);
    assert_eq!(plan.spec.indices(), 0..=8);
    assert_eq!(plan.spec.command_of(4), ["train", "--rate=1e-3", "5"]);
}

#[test]
fn what_is_wrong_with_a_sweep_is_told_with_its_line() {
    let after = |rest: &str| format!("executable = \"x\"\nargs = [\"{{a}}\"]\n{rest}");
    for (rest, line, says) in [
        ("sweep = 1", 3, &["sweep is a table", "[sweep]"][..]),
        ("[sweep]", 3, &["write [sweep] and below it"]),
        ("[sweep]\na = 1", 4, &["a list of values or a range"]),
        ("[sweep]\na = []", 4, &["a list of values or a range"]),
        ("[sweep]\na = [true]", 4, &["put it in quotes: \"true\""]),
        ("[sweep]\na = [[1]]", 4, &["and not a list"]),
        ("[sweep]\na = [1]\nb = [2]", 5, &["b is swept over and used nowhere; write {b} in args"]),
        ("[sweep]\na = { from = 1 }", 4, &["a beginning and an end"]),
        ("[sweep]\na = { from = 1, to = 2, by = 1 }", 4, &["a range has no key \"by\""]),
        ("[sweep]\na = { from = \"1\", to = 2 }", 4, &["sweep.a.from is a number"]),
        ("[sweep]\na = { from = 1e3, to = 2 }", 4, &["no plain number"]),
        ("[sweep]\na = { from = 1, to = 5, step = -1 }", 4, &["never comes to 5"]),
        ("[sweep]\na = { from = 1, to = 5, step = 0 }", 4, &["leads nowhere"]),
        ("[sweep]\na = { from = 0, to = 1000000 }", 4, &["is too long; at most 1000000"]),
        ("[sweep]\n\"a b\" = [1]", 4, &["letters, digits and _"]),
        ("[sweep]\n1a = [1]", 4, &["begins with no digit"]),
        ("[sweep]\ninput = [1]", 4, &["a meaning of its own"]),
        ("array = 2\n[sweep]\na = [1]", 5, &["array and sweep both say how many tasks"]),
        ("[sweep]\na = { from = 1, to = 2000 }\nb = { from = 1, to = 2000 }", 5, &["used nowhere"]),
    ] {
        wrong(&after(rest), line, says);
    }
    let many = "executable = \"{a}{b}\"\n[sweep]\na = { from = 1, to = 2000 }\nb = { from = 1, to = 2000 }";
    wrong(many, 3, &["4000000 combinations"]);
}

/// Steps with what is tried in them: the values go past the shell, whatever they are.
#[test]
fn what_is_tried_in_steps_is_no_part_of_the_script() {
    let text = r#"
        [[step]]
        executable = "printf"
        args = ["%s|", "{a}", "x{a}", "{b}"]
        [sweep]
        a = ["it's $(id)", "\"; exit 3 #"]
    "#;
    let plan = plan(text, Path::new("/")).unwrap();
    for (index, said) in [(0, "it's $(id)|xit's $(id)|{b}|"), (1, "\"; exit 3 #|x\"; exit 3 #|{b}|")] {
        let command = plan.spec.command_of(index);
        let output = Command::new(&command[0]).args(&command[1..]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), said, "{command:?}");
    }
}

const SPLIT: &str = r#"
    name = "night run"
    data = "words.txt"
    [split]
    file = "numbers.txt"
    by = "lines"
    chunks = 3
    map = ["python3", "map.py", "--in={input}", "{output}"]
    reduce = ["red.sh", "{inputs}", "-o", "{output}"]
"#;

fn numbers() -> tempfile::TempDir {
    folder(&[("numbers.txt", "1\n2\n3\n4\n5\n6\n"), ("map.py", ""), ("red.sh", "#!/bin/sh\n"), ("words.txt", "x")])
}

#[test]
fn a_split_is_an_array_over_its_parts_and_one_more() {
    let here = numbers();
    let plan = plan(SPLIT, here.path()).unwrap();
    let spec = &plan.spec;
    assert_eq!(spec.array, Some(Array { first: 0, last: 2 }));
    assert_eq!(words(&spec.command), ["python3", "map.py", "--in=numbers.txt", "out/part"]);
    let command = ["./red.sh", "{inputs}", "-o", "out/result"].map(String::from).to_vec();
    assert_eq!(spec.reduce, Some(Reduce { command, part: "part".parse().unwrap() }));
    let reduces = ["./red.sh", "part-0/part", "part-1/part", "part-2/part", "-o", "out/result"];
    assert_eq!(spec.command_of(3), reduces);
    assert_eq!(names(&plan)[..3], ["red.sh", "words.txt", "map.py"]);
    let given: Vec<(&str, Option<u32>)> = spec.files.iter().map(|file| (file.name().as_str(), file.only)).collect();
    let part = |n| ("numbers.txt", Some(n));
    assert_eq!(given, [("red.sh", None), ("words.txt", None), ("map.py", None), part(0), part(1), part(2)]);
    assert_eq!(plan.split, Some(("numbers.txt".into(), vec![4, 4, 4])));
    for (n, name) in names(&plan)[3..].iter().enumerate() {
        assert!(name.starts_with("night run.numbers.txt.") && name.ends_with(&format!(".part-{n}")), "{name}");
    }
}

#[test]
fn parts_of_two_files_that_are_called_alike_are_called_otherwise() {
    let here = numbers();
    let parts = |text: &str| {
        let plan = plan(text, here.path()).unwrap();
        names(&plan).iter().filter(|name| name.contains(".part-")).map(|&name| name.to_owned()).collect::<BTreeSet<_>>()
    };
    let first = parts(SPLIT);
    assert_eq!(first, parts(SPLIT), "the same is called the same");
    fs::create_dir(here.path().join("other")).unwrap();
    fs::write(here.path().join("other/numbers.txt"), "7\n8\n9\n").unwrap();
    assert!(first.is_disjoint(&parts(&SPLIT.replace("numbers.txt", "other/numbers.txt"))));
    let long = format!("{}.txt", "é".repeat(125));
    fs::write(here.path().join(&long), "1\n").unwrap();
    let text = SPLIT.replace("numbers.txt", &long).replace("night run", "a/b");
    let named = parts(&text).pop_first().unwrap();
    assert!(named.starts_with("a_b.é") && named.ends_with(".part-0") && named.len() <= 255, "{named}");
}

#[test]
fn where_map_says_nothing_of_input_and_output_they_are_its_own() {
    let here = numbers();
    let of = |map: &str| {
        let text = format!("[split]\nfile = \"numbers.txt\"\nby = \"bytes\"\nchunks = 2\nmap = {map}\n");
        plan(&text, here.path()).unwrap().spec.command
    };
    let run = |command: &[String]| {
        let place = folder(&[("numbers.txt", "3\n1\n2\n"), ("out/x", "")]);
        let output = Command::new(&command[0]).args(&command[1..]).current_dir(place.path()).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{command:?}: {output:?}");
        fs::read_to_string(place.path().join("out/part")).unwrap()
    };
    let both = of("[\"sort\", \"-n\"]");
    assert_eq!(both[..3], ["sh", "-c", "exec \"$0\" \"$@\" < 'numbers.txt' > out/part"]);
    assert_eq!(run(&both), "1\n2\n3\n");
    assert_eq!(run(&of("[\"sort\", \"-n\", \"{input}\"]")), "1\n2\n3\n");
    assert_eq!(run(&of("[\"sort\", \"-n\", \"-o\", \"{output}\"]")), "1\n2\n3\n");
    assert_eq!(of("[\"cp\", \"{input}\", \"{output}\"]"), ["cp", "numbers.txt", "out/part"]);
    assert_eq!(run(&of("[\"printf\", \"%s\", \"it's $(id)\"]")), "it's $(id)");
}

#[test]
fn without_reduce_it_is_an_array() {
    let here = numbers();
    let text = "[split]\nfile = \"numbers.txt\"\nby = \"lines\"\nchunks = 900\nmap = [\"cat\", \"{input}\"]";
    let plan = plan(text, here.path()).unwrap();
    assert_eq!((plan.spec.array, &plan.spec.reduce), (Some(Array { first: 0, last: 5 }), &None));
    assert!(names(&plan)[0].starts_with("job.numbers.txt."), "named after the submission file");
}

#[test]
fn what_is_wrong_with_a_split_is_told_with_its_line() {
    let here = numbers();
    fs::write(here.path().join("empty"), "").unwrap();
    fs::create_dir(here.path().join("set")).unwrap();
    let good = "[split]\nfile = \"numbers.txt\"\nby = \"lines\"\nchunks = 3\nmap = [\"wc\", \"{input}\"]\nreduce = [\"cat\", \"{inputs}\"]\n";
    assert!(plan(good, here.path()).is_ok());
    for (from, to, line, says) in [
        ("file = \"numbers.txt\"", "", 1, &["split has no file; name"][..]),
        ("by = \"lines\"", "", 1, &["split has no by; say"]),
        ("chunks = 3", "", 1, &["split has no chunks; say"]),
        ("map = [\"wc\", \"{input}\"]", "map = []", 1, &["split has no map; say"]),
        ("numbers.txt", "number.txt", 2, &["number.txt is not there, did you mean numbers.txt?"]),
        ("numbers.txt", "set", 2, &["set is a folder"]),
        ("numbers.txt", "empty", 2, &["empty is empty, and there is nothing to split"]),
        ("numbers.txt", "", 2, &["name a file of this machine"]),
        ("\"lines\"", "\"line\"", 3, &["split.by is where the file may be cut", "Did you mean lines?"]),
        ("\"lines\"", "{ separator = \"\" }", 3, &["1 to 1024 bytes"]),
        ("\"lines\"", "{ separato = \"x\" }", 3, &["split.by = { separator = "]),
        ("\"lines\"", "{ }", 3, &["split.by = { separator = "]),
        ("\"lines\"", "{ separator = 1 }", 3, &["put it in quotes"]),
        ("\"lines\"", "[]", 3, &["split.by = \"lines\""]),
        ("chunks = 3", "chunks = 0", 4, &["from 1 to 900"]),
        ("chunks = 3", "chunks = 901", 4, &["from 1 to 900"]),
        ("chunks = 3", "chunk = 3", 4, &["split has no key \"chunk\"", "did you mean chunks?"]),
        ("\"wc\"", "\"wc.py\"", 5, &["wc.py is not there"]),
        ("\"wc\"", "\" \"", 5, &["map begins with nothing"]),
        ("[\"wc\", \"{input}\"]", "\"wc\"", 5, &["split.map is a list of texts"]),
        ("\"{inputs}\"", "\"x\"", 6, &["reduce has no word {inputs}"]),
        ("\"{inputs}\"", "\"in={inputs}\"", 6, &["a word of its own"]),
    ] {
        let why = plan(&good.replacen(from, to, 1), here.path()).unwrap_err();
        assert!(why.starts_with(&format!("job.toml:{line}: ")) && why.lines().count() == 1, "{to}: {why}");
        says.iter().for_each(|part| assert!(why.contains(part), "{to}: {why}"));
    }
    let before = |line: &str| plan(&format!("{line}\n{good}"), here.path()).unwrap_err();
    assert!(before("executable = \"x\"").contains("executable and split both say what runs"));
    assert!(before("array = 2").contains("array and split both say how many tasks"));
    assert!(before("sweep = { a = [1] }").contains("sweep and split both say how many tasks"));
    assert!(before("args = [\"x\"]").contains("map and reduce have theirs"));
    assert!(before("data = \"numbers.txt\"").contains("two things would be called \"numbers.txt\""));
}

#[test]
fn a_submission_runs_one_thing() {
    let why = draft("name = \"x\"").unwrap_err();
    assert!(why.contains("executable is missing") && why.contains("[[step]]s or a [split]"), "{why}");
}
