use std::fs;
use std::path::Path;

use protocol::job::{Array, JobFile, JobSpec};
use protocol::secret::JobSecret;
use protocol::secret::SecretAs::{Env, File};
use tempfile::TempDir;

use super::draft::Draft;
use super::keys::{KEYS, LATER};
use super::plan::Plan;
use super::read;
use super::start::Start;

mod fuzz;
mod schema;
mod shapes;

fn draft(text: &str) -> Result<Draft, String> {
    let document = read::document("job.toml", text.as_bytes().to_vec()).map_err(|mistake| mistake.to_string())?;
    read::draft(&document).map_err(|mistake| mistake.to_string())
}

fn plan(text: &str, beside: &Path) -> Result<Plan, String> {
    let document = read::document("job.toml", text.as_bytes().to_vec()).map_err(|mistake| mistake.to_string())?;
    let draft = read::draft(&document).map_err(|mistake| mistake.to_string())?;
    Plan::of(draft, beside, "job").map_err(|wrong| read::mistake(&document, &wrong).to_string())
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

#[track_caller]
fn wrong(text: &str, line: usize, says: &[&str]) {
    let here = folder(&[]);
    let why = plan(text, here.path()).expect_err(text);
    assert!(why.starts_with(&format!("job.toml:{line}: ")), "{text}: {why}");
    assert!(why.contains("; ") || why.contains(", "), "{text}: says nothing to do: {why}");
    assert_eq!(why.lines().count(), 1, "{text}: {why}");
    for part in says {
        assert!(why.contains(part), "{text}: {why}");
    }
}

#[test]
fn every_key_arrives_in_the_job() {
    let here = folder(&[("run.py", "print(1)"), ("a.csv", "1,2"), ("set/x", ""), ("set/y", "")]);
    let text = r#"
        executable = "run.py"
        args = ["-n", "two words", ""]
        data = ["a.csv", "set/"]
        files = ["kept", { file = "ana/set", as = "input", writable = true }]
        env = { RATE = "0.1", EMPTY = "" }
        secrets = ["hub-token", { secret = "db", as = "PGPASSWORD" }, { secret = "db", file = "id.pem" }]
        cpus = 2
        node = "pi-3"
        name = "night run"
        notify = ["mail:ana@example.org", "https://example.org/hook"]
        array = "5-9"
    "#;
    let plan = plan(text, here.path()).unwrap();
    let file = |name: &str| JobFile::of(name.parse().unwrap());
    let set = JobFile { called: Some("input".parse().unwrap()), writable: true, ..file("ana/set") };
    let expected = JobSpec {
        name: Some("night run".parse().unwrap()),
        env: [("RATE".into(), "0.1".into()), ("EMPTY".into(), String::new())].into(),
        cpus: 2,
        node: Some("pi-3".parse().unwrap()),
        array: Some(Array { first: 5, last: 9 }),
        interpreters: ["python3".to_owned()].into(),
        files: vec![file("run.py"), file("a.csv"), file("set"), file("kept"), set],
        notify: vec!["mail:ana@example.org".parse().unwrap(), "https://example.org/hook".parse().unwrap()],
        secrets: [
            ("hub-token", Env("HUB_TOKEN".into())),
            ("db", Env("PGPASSWORD".into())),
            ("db", File("id.pem".parse().unwrap())),
        ]
        .map(|(secret, given)| JobSecret { secret: secret.parse().unwrap(), given })
        .into(),
        ..JobSpec::of(["python3", "./run.py", "-n", "two words", ""])
    };
    assert_eq!(plan.spec, expected);
    let names: Vec<&str> = plan.uploads.iter().map(|upload| upload.name.as_str()).collect();
    assert_eq!(names, ["run.py", "a.csv", "set"]);
}

#[test]
fn a_count_begins_at_nothing_and_a_range_where_it_says() {
    let array =
        |value: &str| draft(&format!("executable = \"x\"\narray = {value}")).unwrap().array.map(|array| array.value);
    assert_eq!(array("3"), Some(Array { first: 0, last: 2 }));
    assert_eq!(array("1"), Some(Array { first: 0, last: 0 }));
    assert_eq!(array("\"5-9\""), Some(Array { first: 5, last: 9 }));
    assert_eq!(array("0x10"), Some(Array { first: 0, last: 15 }));
}

#[test]
fn a_table_of_its_own_and_dotted_keys_are_the_same_environment() {
    let one = draft("executable = \"x\"\nenv.A = \"1\"\nenv.\"B.C\" = \"2\"").unwrap().env;
    let names: Vec<&str> = one.iter().map(|(name, _)| name.value.as_str()).collect();
    assert_eq!(names, ["A", "B.C"]);
    assert_eq!(draft("executable = \"x\"\n[env]\nA = \"1\"").unwrap().env.len(), 1);
}

#[test]
fn the_classic_four_lines_are_read_without_quotes() {
    let here = folder(&[("run.py", ""), ("a b.csv", "")]);
    let text = "# by hand\r\nexecutable = run.py\r\ndata = a b.csv\r\nemail = x@y.z \r\nclient = ana's run\r\n";
    let plan = plan(text, here.path()).unwrap();
    assert_eq!(plan.spec.command, ["python3", "./run.py"]);
    assert_eq!(plan.spec.name.unwrap().as_str(), "ana's run");
    assert_eq!(plan.spec.notify, ["mail:x@y.z".parse().unwrap()]);
    let names: Vec<&str> = plan.uploads.iter().map(|upload| upload.name.as_str()).collect();
    assert_eq!(names, ["run.py", "a b.csv"]);
}

#[test]
fn classic_lines_may_have_quotes_or_no_value() {
    let one = draft("executable = 'run.py'\ndata = \"a.csv\"\nclient=x").unwrap();
    assert_eq!((one.executable.unwrap().value.as_str(), one.data[0].value.as_str()), ("run.py", "a.csv"));
    let bare = draft("executable=run.py\ndata=\nclient=\nemail=").unwrap();
    assert_eq!((bare.data.len(), bare.name, bare.notify.len()), (0, None, 0));
    let quoted = draft("executable = \"run.py\"\ndata = \"a.csv\"\nemail = \"\"\nclient = \"x\"").unwrap();
    assert_eq!(quoted.name.unwrap().value.as_str(), "x");
    wrong("executable = run.py\nexecutable = b.py", 2, &["twice"]);
    wrong("executable = run\nemail = x y.z", 2, &["has a space", "write mail:ana@example.org"]);
    // What is more than the four lines is TOML, and has to be it.
    wrong("executable = run.py\nargs = [\"1\"]", 1, &["not TOML", "quotes"]);
    wrong("executable = run.py\ndata = [\"a\"", 2, &["not TOML", "unclosed array"]);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let after = |line: &str| format!("executable = \"x\"\n\n{line}\n");
    for (line, says) in [
        ("exe = 1", &["no key \"exe\"", "did you mean executable?"][..]),
        ("zzz = 1", &["no key \"zzz\"", "the keys are executable, args"]),
        ("arg = []", &["did you mean args?"]),
        ("args = \"a b\"", &["args is a list of texts; write args = [\"a\", \"b\"]"]),
        ("args = [1]", &["put it in quotes: \"1\""]),
        ("args = [true]", &["put it in quotes: \"true\""]),
        ("args = [[]]", &["a text in quotes, and not a list"]),
        ("args = [\"a\\u0000b\"]", &["zero byte"]),
        ("data = 3", &["put it in quotes: \"3\", or several in brackets"]),
        ("data = [\"\"]", &["a path of data is empty"]),
        ("data = \"a\\u0000\"", &["zero byte"]),
        ("data = \"nothere.csv\"", &["nothere.csv is not there"]),
        ("data = \"~/a.csv\"", &["only a shell knows what ~ is"]),
        ("files = \"a\"", &["files is a list"]),
        ("files = [\"../a\"]", &["as `bramble file` lists it"]),
        ("files = [3]", &["each of files is a name"]),
        ("files = [{ as = \"a\" }]", &["missing its name"]),
        ("files = [{ file = \"a\", sa = \"b\" }]", &["no key \"sa\""]),
        ("files = [{ file = \"a\", as = \"b/c\" }]", &["no '/'"]),
        ("files = [{ file = \"a\", writable = \"yes\" }]", &["true or false"]),
        ("files = [\"a\", \"ana/a\"]", &["two things would be called \"a\""]),
        ("env = [\"A=1\"]", &["env is a table"]),
        ("env = { A = 1 }", &["env.A is a text; put it in quotes: \"1\""]),
        ("env = { BRAMBLE_JOB = \"1\" }", &["set by Bramble itself"]),
        ("env = { \"A=B\" = \"1\" }", &["cannot be an environment variable"]),
        ("env = { A = \"\\u0000\" }", &["cannot be an environment variable"]),
        ("secrets = \"token\"", &["secrets is a list of secrets"]),
        ("secrets = [3]", &["each of secrets is a name, or as { secret = "]),
        ("secrets = [\"two words\"]", &["letters, digits", "`bramble secret` lists"]),
        ("secrets = [{ as = \"A\" }]", &["a secret is missing its name"]),
        ("secrets = [{ secret = \"a\", fil = \"A\" }]", &["a secret has no key \"fil\"", "Did you mean file?"]),
        ("secrets = [{ secret = \"a\", file = \"b/c\" }]", &["no '/'"]),
        ("secrets = [{ secret = \"a\", as = \"A\", file = \"b\" }]", &["name a twice to give it as both"]),
        ("secrets = [\"a\",\n  { secret = \"b\", as = \"A\" }]", &["A would be two things", "--secret b=OTHER"]),
        ("env = { A = \"1\" }\nsecrets = [\"a\"]", &["A would be two things in the environment"]),
        ("secrets = [{ secret = \"a\", as = \"BRAMBLE_X\" }]", &["BRAMBLE_"]),
        ("cpus = \"2\"", &["write cpus = 2"]),
        ("cpus = 0", &["from 1 to 4096, and not 0"]),
        ("cpus = -1", &["and not -1"]),
        ("cpus = 99999999999999999999", &["from 1 to 4096"]),
        ("cpus = 1.5", &["whole number"]),
        ("node = \"all\"", &["meaning of its own"]),
        ("node = \"pi 3\"", &["letters, digits"]),
        ("name = \"\"", &["cannot be empty"]),
        ("name = \"a\\nb\"", &["one line"]),
        ("name = \"a\"\nclient = \"b\"", &["both name the job"]),
        ("array = \"9-5\"", &["runs backwards"]),
        ("array = \"5\"", &["array = 10 or array = \"5-9\""]),
        ("array = \"a-b\"", &["array = 10 or array = \"5-9\""]),
        ("array = 0", &["from 1 to 1000000"]),
        ("array = 1000001", &["from 1 to 1000000"]),
        ("array = \"0-1000000\"", &["more than 1000000 tasks"]),
        ("array = []", &["array = 10 or array = \"5-9\""]),
        ("email = \"xy.z\"", &["no mail address", "write mail:ana@example.org"]),
        ("notify = \"ana@example.org\"", &["nowhere that can be told", "mail:"]),
        ("notify = [\"ftp://example.org\"]", &["nowhere that can be told", "https://"]),
        ("notify = [\"mail:a@b\", \"mail:a@b\"]", &["mail:a@b would be told twice"]),
        ("notify = \"mail:x@y.z\"\nemail = \"x@y.z\"", &["mail:x@y.z would be told twice"]),
        ("notify = { mail = \"a@b\" }", &["notify is a text", "several in brackets"]),
        ("executable = \"y\"", &["executable is there twice; leave one out"]),
        ("cpus = 2\ncpus = 2", &["not TOML", "duplicate key", "leave one of the two out"]),
        ("cpus = ", &["not TOML"]),
    ] {
        // Of two lines that do not go together, the second is the one too many.
        let expected = 2 + line.lines().count();
        wrong(&after(line), expected, says);
    }
}

#[test]
fn a_program_is_needed() {
    wrong("", 1, &["executable is missing"]);
    wrong("cpus = 2", 1, &["executable is missing"]);
    wrong("\nexecutable = \"\"", 2, &["executable is empty"]);
    wrong("\nexecutable = \" \"", 2, &["executable is empty"]);
    wrong("executable = ", 1, &["executable is empty"]);
    wrong("executable = \"a\\u0000\"", 1, &["zero byte"]);
    wrong("executable = 1", 1, &["in quotes: \"1\""]);
}

#[test]
fn what_will_mean_something_later_says_what_to_do_now() {
    for (name, _) in LATER {
        wrong(&format!("executable = \"x\"\n{name} = 1"), 2, &[name, "has no meaning yet; leave it out"]);
    }
}

#[test]
fn what_is_no_text_at_all_is_told_with_its_line() {
    let why = read::document("job.toml", b"executable = \"x\"\nname = \"\xff\"\n".to_vec()).unwrap_err();
    assert_eq!(why.to_string(), "job.toml:2: this line is not UTF-8; save the file as UTF-8");
    let why = read::document("job.toml", vec![b'\n'; read::MOST_BYTES as usize + 1]).unwrap_err();
    assert!(why.to_string().starts_with("job.toml:1: this is too large"), "{why}");
}

#[test]
fn an_editor_of_windows_may_have_saved_it() {
    assert!(draft("\u{feff}executable = \"x\"\r\ncpus = 2\r\n").is_ok());
    assert!(draft("\u{feff}executable = x\r\nclient = a\r\n").is_ok());
}

#[test]
fn a_file_is_brought_along_and_anything_else_is_the_nodes() {
    let here = folder(&[("tool", "#!/bin/sh\n"), ("python3/x", ""), ("sub/run.sh", "true")]);
    let command = |executable: &str| {
        let plan = plan(&format!("executable = \"{executable}\""), here.path()).unwrap();
        (plan.spec.command.join(" "), plan.uploads.len())
    };
    assert_eq!(command("tool"), ("./tool".into(), 1));
    assert_eq!(command("./tool"), ("./tool".into(), 1));
    assert_eq!(command("sub/run.sh"), ("bash ./run.sh".into(), 1));
    assert_eq!(command("sub/../tool"), ("./tool".into(), 1));
    assert_eq!(command(here.path().join("tool").to_str().unwrap()), ("./tool".into(), 1));
    assert_eq!(command("uname"), ("uname".into(), 0));
    // A folder is no program.
    assert_eq!(command("python3"), ("python3".into(), 0));
    let refused = |executable: &str| plan(&format!("executable = \"{executable}\""), here.path()).unwrap_err();
    assert!(
        refused("sub/rum.sh").contains("sub/rum.sh is not there, did you mean run.sh?; a program that the node has")
    );
    assert!(refused("rum.sh").contains("rum.sh is not there"));
    assert!(refused("./uname").contains("./uname is not there"));
    assert!(refused("tool/x").contains("tool/x is not there"));
    assert!(refused("sub/").contains("sub/ is a folder"));
    assert!(refused("/dev/null").contains("is no file"));
}

#[test]
fn a_script_starts_by_its_first_line_or_else_by_its_extension() {
    let elf = String::from("\x7fELF and more");
    let here = folder(&[
        ("a.py", "#!/usr/bin/env python3\nprint(1)\n"),
        ("b.py", "print(1)\n"),
        ("c.sh", ""),
        ("d", &elf),
        ("e.R", "1 + 1"),
        ("f.py", "#!/usr/bin/env python3\r\nprint(1)\r\n"),
        ("g", "#!"),
        ("-c.py", "print(1)"),
    ]);
    let start = |name: &str| Start::of(&here.path().join(name), name);
    assert_eq!(start("a.py"), Ok(Start::FirstLine("/usr/bin/env python3".into())));
    assert_eq!(start("b.py"), Ok(Start::Interpreter("python3")));
    assert_eq!(start("c.sh"), Ok(Start::Interpreter("bash")));
    assert_eq!(start("d"), Ok(Start::Itself));
    assert!(start("e.R").unwrap_err().contains("nothing says what runs e.R"));
    assert!(start("f.py").unwrap_err().contains("as on Windows"));
    assert!(start("g").unwrap_err().contains("names no program"));
    let plan = |name: &str| plan(&format!("executable = \"{name}\""), here.path()).unwrap();
    assert!(plan("a.py").uploads[0].source.executable(), "whatever its mode is here");
    assert!(!plan("b.py").uploads[0].source.executable());
    assert_eq!(plan("-c.py").spec.command, ["python3", "./-c.py"]);
}

#[test]
fn whatever_a_folder_can_hold_may_be_given() {
    let longest = "é".repeat(127) + "x";
    let names = ["two words.csv", "new\nline", "-rf", "ünïcode ✓", "\u{1b}[2J", "'", &longest];
    let here = folder(&names.map(|name| (name, "x")));
    for name in names {
        let text = format!("executable = \"cat\"\ndata = {}", serde_json::to_string(name).unwrap());
        let plan = plan(&text, here.path()).unwrap();
        assert_eq!(plan.spec.files, [JobFile::of(own(name))]);
    }
}

fn own(name: &str) -> protocol::file::FileRef {
    protocol::file::FileRef { owner: None, name: name.parse().unwrap() }
}

#[test]
fn paths_may_lead_anywhere_and_are_named_by_their_last_part() {
    let here = folder(&[("a.csv", "1"), ("jobs/x", "")]);
    std::os::unix::fs::symlink("../a.csv", here.path().join("jobs/link")).unwrap();
    std::os::unix::fs::symlink("nowhere", here.path().join("jobs/dangling")).unwrap();
    let jobs = here.path().join("jobs");
    let named = |path: &str| {
        plan(&format!("executable = \"cat\"\ndata = \"{path}\""), &jobs).map(|plan| plan.uploads[0].name.to_string())
    };
    assert_eq!(named("../a.csv"), Ok("a.csv".into()));
    assert_eq!(named("link"), Ok("link".into()));
    assert!(named("../jobs/").unwrap_err().contains("leads to ../a.csv"));
    fs::remove_file(jobs.join("link")).unwrap();
    assert_eq!(named("../jobs/"), Ok("jobs".into()));
    assert_eq!(named("."), Ok("jobs".into()));
    assert!(named("dangling").unwrap_err().starts_with("job.toml:2: dangling is not there"));
    assert!(named("/dev/null").unwrap_err().starts_with("job.toml:2: /dev/null is neither a file nor a folder"));
    assert!(named("/").unwrap_err().starts_with("job.toml:2: "));
}

#[test]
fn one_name_is_one_thing() {
    let here = folder(&[("run.py", ""), ("a/x.csv", ""), ("b/x.csv", "")]);
    let why = |text: &str| plan(text, here.path()).unwrap_err();
    let twice = why("executable = \"run.py\"\ndata = [\n \"a/x.csv\",\n \"b/x.csv\" ]");
    assert!(twice.starts_with("job.toml:4: two things would be called \"x.csv\""), "{twice}");
    let twice = why("executable = \"run.py\"\ndata = \"run.py\"");
    assert!(twice.starts_with("job.toml:2: two things"), "{twice}");
    let out = why("executable = \"run.py\"\nfiles = [\n { file = \"x\", as = \"out\" }]");
    assert!(out.starts_with("job.toml:3: out is the folder in which a task leaves its results"), "{out}");
    let anew = why("executable = \"run.py\"\ndata = \"a/x.csv\"\nfiles = [{ file = \"x.csv\", as = \"old.csv\" }]");
    assert!(anew.starts_with("job.toml:3: \"x.csv\" is kept anew") && anew.contains("file mv"), "{anew}");
}

#[test]
fn the_page_tells_of_every_key() {
    let page = include_str!("../../../docs/submit.md");
    for key in KEYS {
        assert!(page.contains(&format!("| `{}` |", key.name)), "docs/submit.md has no row of {}", key.name);
    }
    for (name, _) in LATER {
        assert!(page.contains(&format!("`{name}`")), "docs/submit.md says nothing of {name}");
    }
}
