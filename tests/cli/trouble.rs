//! What is typed wrong, and managers that are not there or talk nonsense.

use std::os::unix::ffi::OsStrExt;

use protocol::api::{Refusal, Reply};

use crate::fake::{Fake, Ran, Say, bramble};

fn run(args: &[&str]) -> Ran {
    Ran::of(bramble(args).output().unwrap())
}

#[test]
fn where_no_manager_is_the_sentence_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix://{}", folder.path().join("m.sock").display());
    run(&["--manager", &address, "node"]).says(
        4,
        "",
        &format!(
            "bramble: no manager answers at {address}; start one with `bramble manager`, try `bramble demo`, or name \
             another with --manager\n"
        ),
    );
    assert_eq!(run(&["--manager", &address, "run", "--wait", "--", "true"]).code, Some(125));
}

#[test]
fn an_address_that_is_none_is_typed_wrong() {
    let ran = run(&["node", "--manager", "ssh://pi"]);
    ran.says(
        2,
        "",
        "bramble: ssh://pi cannot be reached from here yet; log in to that machine with ssh and use bramble there\n",
    );
    assert_eq!(run(&["node", "--manager", "pi"]).code, Some(2));
    let ran = Ran::of(bramble(&["node"]).env("BRAMBLE_MANAGER", "pi").output().unwrap());
    let sentence = "\"pi\" is not a manager's address; write unix:///run/bramble/manager.sock";
    ran.says(2, "", &format!("bramble: BRAMBLE_MANAGER is wrong: {sentence}\n"));
}

#[test]
fn garbage_from_the_manager_is_told_as_such() {
    let garbage: [fn() -> Say; 4] = [
        || Say::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        || Say::Raw(b"\0\0\0\x03{{{"),
        || Say::Raw(b"\xff\xff\xff\xff"),
        || Say::Frame(serde_json::json!({"id": 1, "reply": {"dance": {"steps": 3}}})),
    ];
    for bad in garbage {
        let fake = Fake::that(move |_| vec![bad()]);
        for words in [&["node"][..], &["logs", "17.0"]] {
            let ran = fake.run(words);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
            assert!(ran.stderr.contains("is not understood") && ran.stderr.contains("version"), "{ran:?}");
        }
    }
}

#[test]
fn an_answer_to_another_question_is_not_taken_for_ours() {
    let ran = Fake::replying(Reply::Nodes(vec![])).run(&["job"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.starts_with("bramble: the manager gave an answer that does not fit (nodes)"), "{}", ran.stderr);
}

#[test]
fn a_manager_that_dies_before_it_answers_is_not_reachable() {
    let ran = Fake::that(|_| vec![Say::Die]).run(&["stop", "17", "18", "--json"]);
    assert_eq!(ran.code, Some(4));
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "unavailable");
}

#[test]
fn a_manager_in_trouble_says_so_itself() {
    let fake = Fake::that(|_| vec![Say::Refuse(Refusal::unavailable("the disk of the manager is full"))]);
    fake.run(&["run", "--", "true"]).says(4, "", "bramble: the disk of the manager is full\n");
}

#[test]
fn what_is_typed_wrong_is_told_with_what_was_meant() {
    let told = |args: &[&str]| {
        let ran = run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        ran.stderr
    };
    let node = "bramble: there is no verb nod, did you mean node? See them all with: bramble --help\n";
    assert_eq!(told(&["nod"]), node);
    let drain = "bramble: there is no verb drian, did you mean drain? See them all with: bramble node --help\n";
    assert_eq!(told(&["node", "drian", "pi-1"]), drain);
    assert_eq!(told(&["run", "-w", "echo", "hi"]), "bramble: write the command after --: bramble run -w -- echo hi\n");
    assert!(told(&["job", "4.0"]).contains("4.0 is a task: bramble task 4.0"));
    assert!(told(&["stop", "4.9-1"]).contains("runs backwards; write it as 4.1-9"));
    assert!(told(&["job", "-n", "0"]).contains("write a number from 1 on"));
    assert!(told(&["run", "--nod", "x", "--", "true"]).contains("'--node'"));
    assert!(told(&["logs", "17.x"]).contains("an attempt as 17.3#2"));
    assert!(told(&["task", "--state", "fail"]).contains("queued, starting, running"));
    assert!(told(&["run", "--env", "A", "--", "true"]).contains("--env KEY=VALUE"));
    assert!(told(&["join-token", "--ttl", "soon"]).contains("write 90s, 10m"));
    assert!(told(&["node", "drain"]).contains("<NAME>"));
    let json: serde_json::Value = serde_json::from_str(&told(&["run", "--json"])).unwrap();
    let message = "the following required arguments were not provided: <COMMAND>...";
    assert_eq!(json, serde_json::json!({"error": {"kind": "usage", "message": message}}));
}

#[test]
fn words_that_are_not_utf8_are_refused_with_a_sentence() {
    let mut command = bramble(&["run", "--"]);
    command.arg(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let sentence = "bramble: the argument \"caf\u{fffd}\" is not UTF-8, which everything given to bramble must be\n";
    Ran::of(command.output().unwrap()).says(2, "", sentence);
}

#[test]
fn without_a_verb_a_beginner_is_told_where_to_begin() {
    let ran = run(&[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("bramble run -- hostname"), "{}", ran.stdout);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let fake = Fake::replying(Reply::Nodes(vec![]));
    let output = fake.command(&["node"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("bramble: the output cannot be written: No space"));
}

#[test]
fn rooms_have_their_own_idea_of_a_manager() {
    // An `install worker` that took a person's manager for the node's would write it into a unit.
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let token = "bramble1-worker-abcdefghijklmnopqrst2345-abc-DEF_ghi0123456789abcdefghijklmnopqrstuv";
    let words = ["install", "worker", "--root", root, "--join", token, "--yes"];
    let install = |more: &[&str]| {
        let mut command = bramble(&[&words, more].concat());
        Ran::of(command.env("BRAMBLE_MANAGER", "unix:///nowhere").output().unwrap())
    };
    let without = install(&[]);
    assert!(without.code == Some(2) && without.stderr.contains("--manager"), "{without:?}");
    let with = install(&["--manager", "pi:2222"]);
    assert_eq!(with.code, Some(0), "{with:?}");
    let written = std::fs::read_to_string(folder.path().join("etc/bramble/worker.env")).unwrap();
    assert!(written.contains("pi:2222") && !written.contains("nowhere"), "{written}");
    let help = run(&["worker-agent", "run", "--help"]);
    assert!(help.stdout.contains("--manager <HOST[:PORT]>") && !help.stdout.contains("unix://"), "{}", help.stdout);
}

#[test]
fn every_room_is_there_and_explains_itself() {
    for words in [&["demo"][..], &["manager"], &["config"], &["install", "manager"], &["worker-agent", "check"]] {
        let ran = run(&[words, &["--help"]].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert!(ran.stdout.contains(&format!("Usage: bramble {}", words.join(" "))), "{}", ran.stdout);
    }
    assert!(run(&["config"]).stdout.contains("# ssh = \"0.0.0.0:2222\""));
    let ran = run(&["manager", "--config", "/nonexistent/manager.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("/nonexistent/manager.toml cannot be read: No such file"), "{}", ran.stderr);
}

#[test]
fn a_demo_in_a_folder_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "precious").unwrap();
    let ran = run(&["demo", "--headless", "--state", folder.path().to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
}

#[test]
fn help_is_given_either_way_it_is_asked_for() {
    assert_eq!(run(&["help", "run"]), run(&["run", "--help"]));
    assert_eq!(run(&["help"]), run(&["--help"]));
    assert!(run(&["help"]).stdout.contains("\n  man "));
}
