//! `bramble exec`, and what is asked of a run afterwards.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use protocol::api::{Hello, More, Refusal, Reply, Request, Right};
use protocol::id::{JobId, Target};
use protocol::job::{Counts, NotStarted, Outcome, Stream, TaskState};
use protocol::run::{AnswerView, Had, On, OutputChunk, RunAs, RunFollow, RunSpec, RunView, RunWhat, WhichOutput};
use protocol::script::{About, Language, ScriptView};

use crate::common::screen::Terminal;
use crate::fake::{Fake, Gate, Ran, Say};
use crate::sample::days_ago;

fn answer(index: u32, node: &str, outcome: Option<Outcome>) -> AnswerView {
    AnswerView {
        index,
        node: node.parse().unwrap(),
        state: outcome.as_ref().map_or(TaskState::Running, Outcome::state),
        stopping: false,
        away: false,
        started_at: Some(days_ago(2)),
        ended_at: outcome.as_ref().map(|_| days_ago(2)),
        ran_ms: outcome.as_ref().map(|_| 7),
        code: outcome.as_ref().and_then(Outcome::code),
        reason: outcome.as_ref().map(Outcome::reason).unwrap_or_default(),
        outcome,
    }
}

fn well(index: u32, node: &str) -> AnswerView {
    answer(index, node, Some(Outcome::Exited(0)))
}

fn ill(index: u32, node: &str) -> AnswerView {
    answer(index, node, Some(Outcome::Exited(3)))
}

fn down(index: u32, node: &str) -> AnswerView {
    let message = format!("{node} is down");
    let outcome = Outcome::NotStarted { kind: NotStarted::NotReached, message };
    AnswerView { started_at: None, ..answer(index, node, Some(outcome)) }
}

fn run(on: &[&str], answers: Vec<AnswerView>) -> RunView {
    let mut counts = Counts::default();
    answers.iter().for_each(|answer| *counts.of(answer.state) += 1);
    RunView {
        id: JobId(17),
        owner: "ana".parse().unwrap(),
        what: RunWhat::Command(vec!["uptime".into()]),
        text: None,
        on: on.iter().map(|on| on.parse().unwrap()).collect(),
        run_as: RunAs::Me,
        stdin: 0,
        timeout_ms: None,
        at_once: None,
        again: None,
        asked_at: days_ago(2),
        ended_at: Some(days_ago(2)),
        state: counts.state(),
        counts,
        answers,
    }
}

/// What is known when the run is asked for: only who is down has ended.
fn asked(on: &[&str], answers: &[AnswerView]) -> Reply {
    let begun = answers.iter().map(|end| match &end.outcome {
        Some(Outcome::NotStarted { kind: NotStarted::NotReached, .. }) => end.clone(),
        _ => answer(end.index, &end.node.to_string(), None),
    });
    Reply::Run(Box::new(RunView { ended_at: None, ..run(on, begun.collect()) }))
}

fn output(index: u32, stream: Stream, offset: u64, bytes: &[u8]) -> More {
    More::Output(OutputChunk { index, stream, offset, bytes: bytes.to_vec().into() })
}

/// A manager whose run 17 prints and ends so.
fn running(on: &'static [&'static str], printed: Vec<More>, ends: Vec<AnswerView>) -> Fake {
    Fake::that(move |request| match request {
        Request::Hello { .. } => vec![Say::Reply(Reply::Hello(Hello {
            protocol: protocol::PROTOCOL,
            version: protocol::VERSION.into(),
            person: "ana".parse().unwrap(),
            role: Right::Operator,
            ssh: String::new(),
            host_key: String::new(),
        }))],
        Request::Run(_) | Request::RunAgain { .. } => vec![Say::Reply(asked(on, &ends))],
        Request::RunShow { .. } => vec![Say::Reply(Reply::Run(Box::new(run(on, ends.clone()))))],
        Request::RunFollow(follow) => {
            let fresh = |more: &&More| {
                let More::Output(chunk) = more else { return true };
                let had = follow.had.iter().find(|had| had.index == chunk.index);
                had.is_none_or(|had| {
                    chunk.offset >= if chunk.stream == Stream::Stdout { had.stdout } else { had.stderr }
                })
            };
            let pieces = printed.iter().filter(fresh).cloned().map(Say::More);
            let told = [Say::More(More::Answers(ends.clone())), Say::Reply(Reply::End)];
            pieces.chain(told).collect()
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

#[test]
fn of_one_node_output_and_exit_code_are_the_programs_own() {
    let printed = vec![
        output(0, Stream::Stdout, 0, b"one\x1b[2J\xff"),
        output(0, Stream::Stderr, 0, b"oh\n"),
        output(0, Stream::Stdout, 8, b"two"),
    ];
    let fake = running(&["pi-1"], printed, vec![ill(0, "pi-1")]);
    let done = fake.command(&["exec", "--on", "pi-1", "--", "thing"]).output().unwrap();
    assert_eq!(done.stdout, b"one\x1b[2J\xfftwo");
    assert_eq!((done.stderr, done.status.code()), (b"oh\n".to_vec(), Some(3)));
}

#[test]
fn the_ends_a_program_cannot_tell_of_itself_are_told_for_it() {
    let told = |outcome| {
        let ran = running(&["pi-1"], vec![], vec![answer(0, "pi-1", Some(outcome))])
            .run(&["exec", "--on", "pi-1", "--", "thing"]);
        (ran.code.unwrap(), ran.stderr)
    };
    let said = |code, text: &str| (code, format!("bramble: {text}\n"));
    let message = || "no program thing".to_owned();
    let not = |kind| Outcome::NotStarted { kind, message: message() };
    assert_eq!(told(Outcome::Signaled(9)), said(137, "pi-1: killed by signal 9 (SIGKILL)"));
    assert_eq!(told(Outcome::TimedOut { limit_ms: 2000 }), said(124, "pi-1: not done within 2 s"));
    assert_eq!(told(not(NotStarted::NotFound)), said(127, "pi-1: no program thing"));
    assert_eq!(told(not(NotStarted::NotExecutable)), said(126, "pi-1: no program thing"));
    assert_eq!(told(Outcome::Stopped { reason: "by bo".into() }), said(1, "pi-1: stopped: by bo"));
    assert_eq!(told(Outcome::Exited(200)), (200, String::new()));
    let ran = running(&["pi-1"], vec![], vec![down(0, "pi-1")]).run(&["exec", "--on", "pi-1", "--", "thing"]);
    ran.says(125, "", "bramble: pi-1 is down\n");
}

#[test]
fn a_terminal_is_never_commanded() {
    let hostile = b"\x1b]0;mine\x07\x1b[2Jgood\rbad\x9b31m\xe2\x80\xae\n";
    let safe = r"\u{1b}]0;mine\u{7}\u{1b}[2Jgood";
    for (on, ends) in [(&["pi-1"][..], vec![well(0, "pi-1")]), (&["all"], vec![well(0, "pi-1"), well(1, "pi-2")])] {
        let printed = (0..ends.len() as u32)
            .flat_map(|n| [output(n, Stream::Stdout, 0, hostile), output(n, Stream::Stderr, 0, hostile)]);
        let fake = running(on, printed.collect(), ends);
        for layout in ["--live", "--group"] {
            let command = fake.command(&["exec", "--on", on[0], layout, "--as", "me", "--", "thing"]);
            let terminal = Terminal::of(command, 120);
            terminal.until_shows(safe);
            let raw = terminal.raw();
            let (screen, code) = terminal.ends();
            assert_eq!(code, Some(0), "{screen}");
            assert!(screen.contains(r"bad\x9b31m\u{202e}"), "{screen}");
            assert!(!raw.windows(2).any(|two| two == b"\x1b]") && !raw.contains(&7), "{screen}");
        }
    }
}

#[test]
fn lines_of_several_nodes_stand_after_their_names_and_are_never_torn() {
    let printed = vec![
        output(0, Stream::Stdout, 0, b"one\ntw"),
        output(1, Stream::Stdout, 0, b"eins\n"),
        output(0, Stream::Stderr, 0, b"oh\n"),
        output(0, Stream::Stdout, 6, b"o\nthree"),
    ];
    let fake = running(&["all"], printed, vec![well(0, "pi-1"), ill(1, "pi-2"), down(2, "pi-3")]);
    let ran = fake.run(&["exec", "--on", "all", "--", "thing"]);
    ran.says(
        6,
        "pi-1: one\npi-2: eins\npi-1: two\npi-1: three\n",
        "bramble: pi-3 is down\npi-1: oh\nbramble: pi-2: exit code 3\n\
         bramble: run 17: 1 succeeded, 2 failed (pi-[2,3]); again where it did not go well: bramble exec --retry-failed 17\n",
    );
}

#[test]
fn equal_answers_are_one_and_failed_ones_come_first() {
    let base = b"a\nb\nc\nd\n";
    let printed = vec![
        output(0, Stream::Stdout, 0, base),
        output(1, Stream::Stdout, 0, base),
        output(2, Stream::Stdout, 0, b"a\nb\nX\nd\n"),
        output(3, Stream::Stderr, 0, b"oh\n"),
    ];
    let ends =
        vec![well(0, "pi-1"), well(1, "pi-2"), well(2, "pi-3"), ill(3, "pi-4"), down(4, "pi-5"), down(5, "pi-6")];
    let ran = running(&["all"], printed, ends).run(&["exec", "--on", "all", "--group", "--", "thing"]);
    let told = "pi-[5,6]  2 nodes, is down, printed nothing\n\npi-4  exit code 3\n-- stderr --\noh\n\n\
        pi-[1,2]  2 nodes, succeeded\na\nb\nc\nd\n\npi-3  succeeded\nunlike pi-[1,2]:\n- c\n+ X\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(6), told));
    assert!(ran.stderr.starts_with("bramble: pi-[5,6]: is down\n"), "{}", ran.stderr);
}

#[test]
fn what_is_too_long_to_be_kept_is_fetched_again_and_told_whole() {
    let piece = |n: u64| output(0, Stream::Stdout, n << 20, &[b'a' + n as u8; 1 << 20]);
    let printed: Vec<More> = (0..3).map(piece).chain([output(1, Stream::Stdout, 0, b"short\n")]).collect();
    let fake = running(&["all"], printed, vec![well(0, "pi-1"), well(1, "pi-2")]);
    let ran = fake.run(&["exec", "--on", "all", "--group", "--", "thing"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lengths: Vec<usize> = ran.stdout.lines().map(str::len).collect();
    assert_eq!(lengths, ["pi-1  succeeded".len(), 3 << 20, 0, "pi-2  succeeded".len(), 5]);
    let again = fake.asked().into_iter().filter_map(|request| match request {
        Request::RunFollow(follow) => Some(follow),
        _ => None,
    });
    let one = [
        Had { index: 0, stdout: 0, stderr: u64::MAX, ended: false },
        Had { index: 1, stdout: u64::MAX, stderr: u64::MAX, ended: true },
    ];
    let wanted = RunFollow { run: JobId(17), output: WhichOutput::Ended, had: one.into() };
    assert_eq!(again.last(), Some(wanted));
}

#[test]
fn as_json_each_answer_is_a_line_and_the_run_comes_last() {
    let printed = vec![
        output(0, Stream::Stdout, 0, b"hi\n"),
        output(0, Stream::Stderr, 0, b"\xff"),
        output(1, Stream::Stdout, 0, &[b'x'; 1 << 20]),
        output(1, Stream::Stdout, 1 << 20, b"more"),
    ];
    let fake = running(&["all"], printed, vec![well(0, "pi-1"), ill(1, "pi-2"), down(2, "pi-3")]);
    let ran = fake.run(&["exec", "--json", "--on", "all", "--", "thing"]);
    let lines = ran.json_lines();
    assert_eq!((lines.len(), ran.stderr.as_str(), ran.code), (4, "", Some(6)));
    assert_eq!(
        (&lines[0]["node"], &lines[0]["code"], &lines[0]["stdout"]),
        (&"pi-1".into(), &0.into(), &"hi\n".into())
    );
    assert_eq!((&lines[0]["stderr"], &lines[0]["stderr_base64"]), (&"/w==".into(), &true.into()));
    assert_eq!(lines[1]["stdout"].as_str().map(str::len), Some(1 << 20));
    assert_eq!((&lines[1]["stdout_truncated"], &lines[1]["reason"]), (&true.into(), &"exit code 3".into()));
    assert_eq!(lines[2]["reason"], "pi-3 is down");
    assert_eq!((&lines[3]["run"]["id"], &lines[3]["run"]["counts"]["failed"]), (&17.into(), &2.into()));
}

#[test]
fn as_json_and_live_each_piece_is_a_line() {
    let fake = running(&["pi-1"], vec![output(0, Stream::Stdout, 0, b"hi\n")], vec![well(0, "pi-1")]);
    let lines = fake.run(&["exec", "--json", "--live", "--on", "pi-1", "--", "thing"]).json_lines();
    assert_eq!(lines[0]["run"]["id"], 17);
    assert_eq!(lines[1], serde_json::json!({"output": {"index": 0, "stream": "stdout", "offset": 0, "bytes": "aGkK"}}));
    assert_eq!(lines[2]["answers"][0]["state"], "succeeded");
    assert_eq!(lines[3]["run"]["state"], "succeeded");
}

#[test]
fn everything_asked_for_arrives_in_the_request_and_stdin_only_where_it_is_wanted() {
    let fake = running(&["all"], vec![], vec![well(0, "pi-1")]);
    let spec = |stdin: &[u8]| RunSpec {
        what: RunWhat::Command(vec!["tee".into(), "--append".into(), "a b".into()]),
        on: ["pi-1", "pi-2", "manager"].map(|on| on.parse::<On>().unwrap()).into(),
        run_as: RunAs::Me,
        stdin: stdin.to_vec().into(),
        timeout_ms: Some(90_000),
        at_once: Some(2),
    };
    for (more, stdin) in [(&["--stdin"][..], &b"sent\0along"[..]), (&[], b"")] {
        let options = ["exec", "--on", "pi-[1-2],manager", "--on", "pi-1", "--timeout", "90s", "--at-once", "2"];
        let words = [&options[..], more, &["--", "tee", "--append", "a b"]].concat();
        let mut child = fake.command(&words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // Nobody reads it where it is not wanted.
        let _ = child.stdin.take().unwrap().write_all(b"sent\0along");
        assert!(child.wait().unwrap().success());
        let asked = fake.asked();
        assert_eq!(asked.iter().rev().find(|r| matches!(r, Request::Run(_))), Some(&Request::Run(spec(stdin))));
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anyone_is_asked() {
    let fake = running(&["all"], vec![], vec![]);
    let wrong = |words: &[&str]| {
        let ran = fake.run(&[&["exec"], words].concat());
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.stderr);
        ran.stderr
    };
    assert!(wrong(&["--on", "label=gpu", "--", "true"]).contains("nodes have no labels yet"));
    assert!(wrong(&["--", "true"]).contains("--on"));
    assert!(wrong(&["--on", "all"]).contains("COMMAND"));
    assert!(wrong(&["--on", "all", "uptime"]).contains("bramble exec --on all -- uptime"));
    assert!(wrong(&["--retry-failed", "--on", "all"]).contains("--on"));
    assert!(wrong(&["--group", "--live", "--on", "all", "--", "true"]).contains("--live"));
    assert_eq!(fake.asked(), []);
}

#[test]
fn what_failed_is_asked_for_again_by_number_or_as_the_newest() {
    for (words, run) in [(&["exec", "--retry-failed"][..], None), (&["exec", "--retry-failed", "12"], Some(JobId(12)))]
    {
        let fake = running(&["pi-2", "pi-3"], vec![], vec![well(0, "pi-2"), well(1, "pi-3")]);
        assert_eq!(fake.run(words).code, Some(0));
        assert_eq!(fake.asked()[0], Request::RunAgain { run });
    }
}

/// A manager whose run 17 says `started` and goes on until a stop is asked, or for ever.
fn lasting(gate: &Arc<Gate>, stops: bool) -> Fake {
    let gate = gate.clone();
    let ends = [answer(0, "pi-1", Some(Outcome::Stopped { reason: "by ana".into() }))];
    Fake::that(move |request| match request {
        Request::Run(_) => vec![Say::Reply(asked(&["pi-1"], &ends))],
        Request::RunFollow(_) => vec![
            Say::More(output(0, Stream::Stdout, 0, b"started\n")),
            Say::Await(gate.clone()),
            Say::More(output(0, Stream::Stdout, 8, b"stopping\n")),
            Say::More(More::Answers(ends.to_vec())),
            Say::Reply(Reply::End),
        ],
        Request::Stop { targets, .. } => {
            assert_eq!(*targets, [Target::Job(JobId(17))]);
            if stops {
                gate.open();
            }
            vec![Say::Reply(Reply::Done { tasks: 1 })]
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

fn interrupt(fake: &Fake, times: usize) -> Ran {
    let mut command = fake.command(&["exec", "--on", "pi-1", "--as", "me", "--", "sleep", "9"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    for n in 1..=times {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        if n < times {
            let stopped = |request: &Request| matches!(request, Request::Stop { .. });
            crate::common::until("the stop is asked", || fake.asked().iter().any(stopped).then_some(()));
        }
    }
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn ctrl_c_stops_it_everywhere_and_waits_for_the_answers() {
    let ran = interrupt(&lasting(&Gate::new(), true), 1);
    let said = "bramble: stopping run 17 everywhere; Ctrl-C again leaves at once\nbramble: pi-1: stopped: by ana\n";
    ran.says(130, "stopping\n", said);
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let ran = interrupt(&lasting(&Gate::new(), false), 2);
    let said = "bramble: stopping run 17 everywhere; Ctrl-C again leaves at once\n\
        bramble: run 17 is being stopped; see what came of it with: bramble script result 17\n";
    ran.says(130, "", said);
}

#[test]
fn a_manager_that_restarts_meanwhile_is_told_what_was_had_already() {
    let (times, ends) = (AtomicU32::new(0), [well(0, "pi-1"), well(1, "pi-2")]);
    let fake = Fake::that(move |request| match request {
        Request::Run(_) => vec![Say::Reply(asked(&["all"], &ends))],
        Request::RunFollow(_) if times.fetch_add(1, Ordering::SeqCst) == 0 => vec![
            Say::More(output(0, Stream::Stdout, 0, b"one\nha")),
            Say::More(More::Answers(vec![well(1, "pi-2")])),
            Say::Die,
        ],
        Request::RunFollow(_) => vec![
            Say::More(output(0, Stream::Stdout, 4, b"half\n")),
            Say::More(More::Answers(ends.to_vec())),
            Say::Reply(Reply::End),
        ],
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    });
    let mut command = fake.command(&["exec", "--on", "all", "--as", "me", "--", "thing"]);
    let ran = Ran::of(command.env("BRAMBLE_PATIENCE", "30s").output().unwrap());
    ran.says(0, "pi-1: one\npi-1: half\n", "bramble: the manager went away; waiting for it to come back\n");
    let had =
        vec![Had { index: 0, stdout: 6, stderr: 0, ended: false }, Had { index: 1, stdout: 0, stderr: 0, ended: true }];
    let again = RunFollow { run: JobId(17), output: WhichOutput::Live, had };
    assert_eq!(fake.asked().last(), Some(&Request::RunFollow(again)));
}

#[test]
fn a_manager_that_stays_away_leaves_the_way_back() {
    let fake = Fake::that(|request| match request {
        Request::Run(_) => vec![Say::Reply(asked(&["pi-1"], &[well(0, "pi-1")]))],
        _ => vec![Say::Die],
    });
    let ran = fake.run(&["exec", "--on", "pi-1", "--as", "me", "--", "thing"]);
    let said = format!(
        "bramble: the manager at {} went away; run 17 goes on, get back to it with: bramble script result 17 --follow, or stop it with: bramble stop 17\n",
        fake.address()
    );
    ran.says(125, "", &said);
}

#[test]
fn while_a_terminal_waits_it_is_told_who_is_missing_and_that_line_is_gone_at_the_end() {
    let (gate, ends) = (Gate::new(), [well(0, "pi-1"), well(1, "pi-2")]);
    let until = gate.clone();
    let fake = Fake::that(move |request| match request {
        Request::Run(_) => vec![Say::Reply(asked(&["all"], &ends))],
        Request::RunFollow(_) => vec![
            Say::More(More::Answers(vec![ends[0].clone()])),
            Say::Await(until.clone()),
            Say::More(More::Answers(ends.to_vec())),
            Say::Reply(Reply::End),
        ],
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    });
    let terminal = Terminal::of(fake.command(&["exec", "--on", "all", "--as", "me", "--", "thing"]), 80);
    terminal.until_shows("1 of 2 answered, waiting for pi-2");
    gate.open();
    terminal.until_shows("run 17: 2 succeeded");
    let screen = terminal.screen();
    assert_eq!(screen.trim(), "✓ pi-[1,2]  2 nodes, succeeded, printed nothing\nrun 17: 2 succeeded");
    assert_eq!(terminal.ends().1, Some(0));
}

fn dangerous() -> Fake {
    Fake::that(|request| match request {
        Request::Script { .. } => {
            let about = About { about: "Wipe the disk".into(), dangerous: true, ..About::default() };
            let script = ScriptView {
                owner: None,
                name: "wipe".parse().unwrap(),
                language: Language::Bash,
                about,
                size: 3,
                hash: "ab".repeat(32).parse().unwrap(),
                kept_at: None,
                versions: 1,
                granted: vec![],
            };
            vec![Say::Reply(Reply::Script { script: Box::new(script), text: String::new() })]
        }
        Request::Run(_) => vec![Say::Reply(asked(&["pi-1"], &[well(0, "pi-1")]))],
        Request::RunFollow(_) => vec![Say::More(More::Answers(vec![well(0, "pi-1")])), Say::Reply(Reply::End)],
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

#[test]
fn a_dangerous_script_asks_first_and_runs_unasked_only_with_yes() {
    let words = ["script", "run", "wipe", "--on", "pi-1", "--as", "me", "disk=/dev/sda"];
    let fake = dangerous();
    fake.run(&words).says(3, "", "bramble: nothing was run: there is no terminal to ask on; --yes does it unasked\n");
    assert!(!fake.asked().iter().any(|request| matches!(request, Request::Run(_))));
    fake.run(&[&words[..], &["--yes"]].concat()).says(0, "", "");
    let Some(Request::Run(spec)) = fake.asked().into_iter().find(|r| matches!(r, Request::Run(_))) else { panic!() };
    let params = [("disk".into(), "/dev/sda".into())].into();
    assert_eq!(spec.what, RunWhat::Script { script: "wipe".parse().unwrap(), params });

    let fake = dangerous();
    let terminal = Terminal::of(fake.command(&words), 100);
    terminal.until_shows("wipe is dangerous (Wipe the disk); run it on pi-1? [y/N] ");
    terminal.keys("<enter>");
    let (screen, code) = terminal.ends();
    assert!(screen.contains("nothing was run") && code == Some(3), "{screen}");
}

#[test]
fn a_parameter_that_is_none_or_given_twice_is_refused() {
    let fake = dangerous();
    let ran = fake.run(&["script", "run", "x", "--on", "all", "a=1", "a=2"]);
    ran.says(2, "", "bramble: the parameter a is given twice\n");
    assert!(fake.run(&["script", "run", "x", "--on", "all", "a"]).stderr.contains("NAME=VALUE"));
    assert_eq!(fake.asked(), []);
}

#[test]
fn runs_are_listed_with_what_they_were_and_how_it_went() {
    let ran = Fake::that(|_| {
        let mut one = run(&["pi-1", "pi-2"], vec![well(0, "pi-1"), ill(1, "pi-2")]);
        one.answers.clear();
        vec![Say::Reply(Reply::Runs { total: 1, runs: vec![one] })]
    })
    .run(&["script", "runs"]);
    let table = "RUN  STATE   ANSWERS          OWNER  AS  AGE  ON        WHAT\n 17  failed  2/2, 1 not well  ana    me   2d  pi-[1,2]  uptime\n";
    ran.says(0, table, "");
}

#[test]
fn a_result_has_all_answers_or_what_one_node_printed() {
    let printed = vec![output(0, Stream::Stdout, 0, b"hi\n"), output(1, Stream::Stderr, 0, b"oh\n")];
    let fake = running(&["all"], printed, vec![well(0, "pi-1"), ill(1, "pi-2")]);
    let whole = fake.run(&["script", "result", "17"]);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    for said in
        ["command  uptime", "1 succeeded, 1 failed", "pi-2  exit code 3\n-- stderr --\noh\n", "pi-1  succeeded\nhi\n"]
    {
        assert!(whole.stdout.contains(said), "{said}: {}", whole.stdout);
    }
    fake.run(&["script", "result", "17", "pi-9"]).says(5, "", "bramble: run 17 was not on pi-9; it was on all\n");
    assert_eq!(fake.run(&["script", "result", "17", "--json"]).json()["answers"][1]["code"], 3);
}
