//! `bramble run`.

use std::process::Stdio;
use std::sync::Arc;

use protocol::api::{More, Refusal, Reply, Request, Waited};
use protocol::id::TaskId;
use protocol::job::{Array, Counts, JobFile, JobSpec, Stream, TaskState};

use crate::common::screen::Terminal;
use crate::fake::{Fake, Gate, Ran, Say};
use crate::sample::{ended, printed, submitted, task};

/// A manager whose job 17 prints and ends so.
fn running(output: Vec<More>, end: Reply) -> Fake {
    Fake::that(move |request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => output.iter().cloned().map(Say::More).chain([Say::Reply(Reply::End)]).collect(),
        Request::Wait { .. } => vec![Say::Reply(end.clone())],
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

/// A manager whose job 17 says `started`, and goes on until the gate is opened or a stop is asked.
fn lasting(gate: &Arc<Gate>) -> Fake {
    let gate = gate.clone();
    Fake::that(move |request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => {
            vec![Say::More(printed(Stream::Stdout, b"started\n")), Say::Await(gate.clone()), Say::Reply(Reply::End)]
        }
        Request::Wait { .. } => {
            vec![Say::Await(gate.clone()), Say::Reply(ended(TaskState::Stopped, None, "stopped by ana"))]
        }
        Request::Stop { .. } => {
            gate.open();
            vec![Say::Reply(Reply::Done { tasks: 1 })]
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

#[test]
fn a_pipe_gets_the_number_alone() {
    running(vec![], Reply::End).run(&["run", "--", "true"]).says(0, "17\n", "");
}

#[test]
fn json_gets_one_object() {
    let ran = running(vec![], Reply::End).run(&["run", "--json", "--", "true"]);
    ran.says(0, "{\"job\":17,\"tasks\":1}\n", "");
}

#[test]
fn a_person_is_told_how_to_go_on() {
    let fake = running(vec![], Reply::End);
    let (screen, code) = Terminal::of(fake.command(&["run", "--", "true"]), 80).ends();
    assert_eq!(screen, "job 17 submitted; see what it prints with: bramble logs 17 -f\n");
    assert_eq!(code, Some(0));
}

#[test]
fn everything_asked_for_arrives_in_the_request() {
    let fake = running(vec![], Reply::End);
    let options =
        ["--node", "pi-3", "--name", "night run", "--cpus", "2", "--array", "5-9", "--env", "A=b=c", "-e", "B="];
    let files = ["--file", "ana/set=input", "--writable-file", "rate=0.1=rate"];
    let told = ["--notify", "mail:ana@example.org", "--notify", "https://example.org/hook"];
    fake.run(&[&["run"], &options[..], &files[..], &told, &["--", "sweep", "--json"]].concat()).says(0, "17\n", "");
    let spec = JobSpec {
        name: Some("night run".parse().unwrap()),
        env: [("A".into(), "b=c".into()), ("B".into(), String::new())].into(),
        cpus: 2,
        node: Some("pi-3".parse().unwrap()),
        array: Some(Array { first: 5, last: 9 }),
        files: vec![
            JobFile { called: Some("input".parse().unwrap()), ..JobFile::of("ana/set".parse().unwrap()) },
            JobFile {
                called: Some("rate".parse().unwrap()),
                writable: true,
                ..JobFile::of("rate=0.1".parse().unwrap())
            },
        ],
        notify: vec!["mail:ana@example.org".parse().unwrap(), "https://example.org/hook".parse().unwrap()],
        ..JobSpec::of(["sweep", "--json"])
    };
    assert_eq!(fake.asked(), [Request::Submit(spec)]);
}

#[test]
fn what_cannot_run_is_refused_before_anyone_is_asked() {
    let fake = running(vec![], Reply::End);
    let ran = fake.run(&["run", "--array", "9-5", "--", "true"]);
    ran.says(2, "", "bramble: the array 9-5 runs backwards; write it as 5-9\n");
    assert_eq!(fake.asked(), []);
}

#[test]
fn waiting_passes_on_both_outputs_and_the_programs_own_code() {
    let output = vec![
        printed(Stream::Stdout, b"one\n"),
        printed(Stream::Stderr, b"oh\n"),
        printed(Stream::Stdout, b"two\x1b[1m\n"),
    ];
    let fake = running(output, ended(TaskState::Failed, Some(7), "exit code 7"));
    fake.run(&["run", "--wait", "--", "thing"]).says(7, "one\ntwo\x1b[1m\n", "oh\n");
}

#[test]
fn waiting_as_json_is_a_line_for_each_thing_that_happens() {
    let output = vec![printed(Stream::Stdout, b"hi\n"), More::LogNote { text: "3 bytes were dropped".into() }];
    let fake = running(output, ended(TaskState::Succeeded, Some(0), ""));
    let ran = fake.run(&["run", "--wait", "--json", "--", "thing"]);
    let lines = ran.json_lines();
    assert_eq!(lines[0], serde_json::json!({"submitted": {"job": 17, "tasks": 1}}));
    assert_eq!(lines[1], serde_json::json!({"log": {"stream": "stdout", "offset": 0, "bytes": "aGkK"}}));
    assert_eq!(lines[2], serde_json::json!({"log_note": {"text": "3 bytes were dropped"}}));
    assert_eq!(lines[3]["waited"]["counts"]["succeeded"], 1);
    assert_eq!((lines.len(), ran.stderr.as_str(), ran.code), (4, "", Some(0)));
}

#[test]
fn the_ends_a_program_cannot_tell_of_itself_are_told_for_it() {
    let told = |state, code, reason: &str| {
        let ran = running(vec![], ended(state, code, reason)).run(&["run", "--wait", "--", "thing"]);
        (ran.code.unwrap(), ran.stderr)
    };
    let said = |code, text: &str| (code, format!("bramble: job 17 {text}\n"));
    assert_eq!(
        told(TaskState::Failed, Some(137), "killed by signal 9"),
        said(137, "failed: killed by signal 9 (SIGKILL)")
    );
    assert_eq!(told(TaskState::Failed, Some(127), "no program thing"), said(127, "failed: no program thing"));
    assert_eq!(told(TaskState::Failed, Some(126), "not executable"), said(126, "failed: not executable"));
    assert_eq!(told(TaskState::Failed, Some(125), "no space left"), said(125, "failed: no space left"));
    assert_eq!(told(TaskState::Stopped, None, "by ana"), said(1, "stopped: by ana"));
    assert_eq!(told(TaskState::Lost, None, "exit unknown"), said(1, "lost: exit unknown"));
    assert_eq!(told(TaskState::Failed, Some(4), "exit code 4"), (4, String::new()));
}

#[test]
fn an_array_is_waited_for_as_a_whole() {
    let end = |failed| {
        let fake = Fake::that(move |request| match request {
            Request::Submit(_) => vec![Say::Reply(submitted(17, 3))],
            Request::Wait { .. } => {
                let counts = Counts { succeeded: 3 - failed, failed, ..Counts::default() };
                vec![Say::Reply(Reply::Waited(Waited { counts, code: None, reason: String::new() }))]
            }
            Request::Tasks(query) if query.states == [TaskState::Failed] => {
                let failed = task(TaskId::new(17, 2), TaskState::Failed);
                vec![Say::Reply(Reply::Tasks { total: 1, tasks: vec![failed] })]
            }
            _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
        });
        fake.run(&["run", "--wait", "--array", "0-2", "--", "thing"])
    };
    end(0).says(0, "job 17: 3 succeeded\n", "");
    let see = "bramble: see: bramble task 17 --state failed, bramble logs 17.2\n";
    end(1).says(1, "job 17: 2 succeeded, 1 failed\n", see);
}

#[test]
fn the_programs_codes_are_never_taken_for_troubles_of_ours() {
    let refusing = |refusal: Refusal| Fake::that(move |_| vec![Say::Refuse(refusal.clone())]);
    let wait = ["run", "--wait", "--", "true"];
    refusing(Refusal::refused("ana is a viewer here")).run(&wait).says(125, "", "bramble: ana is a viewer here\n");
    refusing(Refusal::usage("no such node")).run(&wait).says(2, "", "bramble: no such node\n");
    let ran = refusing(Refusal::refused("ana is a viewer here")).run(&["run", "--", "true"]);
    ran.says(3, "", "bramble: ana is a viewer here\n");
}

#[test]
fn a_manager_that_dies_meanwhile_leaves_the_way_back() {
    let fake = Fake::that(|request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => vec![Say::More(printed(Stream::Stdout, b"half")), Say::Die],
        _ => vec![],
    });
    let ran = fake.run(&["run", "--wait", "--", "true"]);
    let address = fake.address();
    let sentence =
        format!("bramble: the manager at {address} went away; job 17 runs on, get back to it with: bramble wait 17\n");
    ran.says(125, "half", &sentence);
}

#[test]
fn output_that_is_refused_does_not_end_the_waiting() {
    let fake = Fake::that(|request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => vec![Say::Refuse(Refusal::refused("the log is gone"))],
        _ => vec![Say::Reply(ended(TaskState::Failed, Some(3), "exit code 3"))],
    });
    let ran = fake.run(&["run", "--wait", "--", "true"]);
    ran.says(3, "", "bramble: its output cannot be shown: the log is gone\n");
}

#[test]
fn when_nobody_reads_any_more_the_job_is_left_running() {
    let (gate, full) = (Gate::new(), vec![b'x'; 256 * 1024]);
    let until = gate.clone();
    let fake = Fake::that(move |request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => vec![Say::Await(until.clone()), Say::More(printed(Stream::Stdout, &full))],
        _ => vec![],
    });
    let mut command = fake.command(&["run", "--wait", "--", "yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    gate.open();
    let ran = Ran::of(child.wait_with_output().unwrap());
    let sentence = "bramble: nobody reads its output any more; job 17 runs on, get back to it with: bramble wait 17\n";
    ran.says(141, "", sentence);
}

#[test]
fn ctrl_c_without_a_terminal_leaves_the_job_running() {
    let fake = lasting(&Gate::new());
    let mut command = fake.command(&["run", "--wait", "--", "sleep", "9"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.says(130, "", "bramble: job 17 runs on, get back to it with: bramble wait 17\n");
}

fn on_terminal(fake: &Fake) -> Terminal {
    let terminal = Terminal::of(fake.command(&["run", "--wait", "--", "sleep", "9"]), 80);
    terminal.until_shows("started");
    terminal.keys("<c-c>");
    terminal.until_shows("stop job 17? [y/N, Ctrl-C again leaves it running] ");
    terminal
}

#[test]
fn ctrl_c_on_a_terminal_asks_and_yes_stops_the_job() {
    let fake = lasting(&Gate::new());
    let terminal = on_terminal(&fake);
    terminal.keys("y<enter>");
    let (screen, code) = terminal.ends();
    assert!(screen.ends_with("bramble: job 17 stopped: stopped by ana\n"), "{screen}");
    assert_eq!(code, Some(1));
}

#[test]
fn no_goes_on_as_if_nothing_had_been_asked() {
    let gate = Gate::new();
    let fake = lasting(&gate);
    let terminal = on_terminal(&fake);
    terminal.keys("<enter>");
    terminal.until_shows("job 17 goes on");
    gate.open();
    let (screen, code) = terminal.ends();
    assert!(screen.ends_with("bramble: job 17 stopped: stopped by ana\n"), "{screen}");
    assert_eq!(code, Some(1));
    assert!(!fake.asked().iter().any(|request| matches!(request, Request::Stop { .. })));
}

#[test]
fn a_second_ctrl_c_or_the_end_of_input_leaves_and_says_how_to_get_back() {
    for leave in ["<c-c>", "<c-d>"] {
        let fake = lasting(&Gate::new());
        let terminal = on_terminal(&fake);
        terminal.keys(leave);
        let (screen, code) = terminal.ends();
        // The terminal echoes the key when it likes, the last words may be there before.
        let said = screen.replace("^C", "");
        assert!(said.ends_with("\nbramble: job 17 runs on, get back to it with: bramble wait 17\n"), "{screen:?}");
        assert_eq!(code, Some(130));
        assert!(!fake.asked().iter().any(|request| matches!(request, Request::Stop { .. })));
    }
}

#[test]
fn a_job_that_ends_while_the_person_thinks_ends_the_waiting() {
    let gate = Gate::new();
    let fake = lasting(&gate);
    let terminal = on_terminal(&fake);
    gate.open();
    let (screen, code) = terminal.ends();
    assert!(screen.ends_with("bramble: job 17 stopped: stopped by ana\n"), "{screen}");
    assert_eq!(code, Some(1));
}
