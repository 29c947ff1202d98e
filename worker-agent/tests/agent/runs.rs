//! A node's part of a run: at once, as whom it is asked for, and nothing of it left.

use std::collections::BTreeMap;

use protocol::agent::{Follow, FromAgent, Order, Output, RunOrder, RunScript, ToAgent};
use protocol::job::{NotStarted, Outcome};
use protocol::script::Language;

use crate::manager::Manager;
use crate::worker::Worker;
use crate::{TASK_UID, finished_of, id, start, started_of, until};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.bytes.as_ref().expect("inline").0).into_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn plain() -> RunOrder {
    RunOrder { root: false, script: None, stdin: Default::default(), timeout_ms: None }
}

fn run(attempt: &str, shell: &str, run: RunOrder) -> Order {
    Order { run: Some(run.into()), ..crate::order(attempt, shell) }
}

/// A script of the library, with these parameters and arguments.
fn script(attempt: &str, language: Language, text: &str, params: &[(&str, &str)], words: &[&str]) -> Order {
    let name = "node-report".parse().unwrap();
    let script = RunScript { name, language, text: text.into() };
    let env: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Order { command: command.into(), env: env.into(), ..run(attempt, "", RunOrder { script: Some(script), ..plain() }) }
}

#[tokio::test]
async fn a_run_starts_beside_full_slots_in_an_environment_of_its_own_and_leaves_no_result() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    assert!(control.hello.takes_runs);
    for attempt in ["1.0#1", "1.1#1"] {
        control.say(start(attempt, "exec sleep 1000")).await;
        control.hears("the slots are full", started_of(attempt)).await;
    }
    let shell = "env | sort; pwd; stat -c %a .; id -u; sed -n 's/NoNewPrivs:.//p' /proc/self/status; cat; \
                 echo kept > out/file; echo trouble >&2; exit 3";
    control.say(ToAgent::Start(run("17.3#1", shell, plain()))).await;
    let finished = control.finished("17.3#1").await;
    assert_eq!((finished.outcome, text(&finished.stderr).as_str()), (Outcome::Exited(3), "trouble\n"));
    assert_eq!(finished.result_lost, None);
    assert!(!manager.has_bulk(), "what is in out/ is nobody's result");
    let said = text(&finished.stdout);
    let home = worker.place.work("17.3#1").display().to_string();
    let uid = if is_root() { TASK_UID } else { rustix::process::geteuid().as_raw() };
    let (home_is, uid) = (format!("HOME={home}"), uid.to_string());
    for line in ["BRAMBLE_RUN=17", "BRAMBLE_NODE=pi-1", "LANG=C.UTF-8", &home_is, &home, "700", &uid, "1"] {
        assert!(said.lines().any(|said| said == line), "{line:?} in {said}");
    }
    for not in ["BRAMBLE_JOB", "BRAMBLE_TASK", "BRAMBLE_OUT", "CARGO"] {
        assert!(!said.contains(not), "{not} in {said}");
    }
    control.say(ToAgent::Ack { attempts: vec![id("17.3#1")] }).await;
    let all = ["1.0#1", "1.1#1"].map(id).to_vec();
    control.say(ToAgent::Discard { attempts: all }).await;
    worker.is_clean().await;
}

#[tokio::test]
async fn what_root_is_asked_for_runs_as_root_at_home_and_never_by_mistake() {
    if !is_root() {
        test_support::leave_out!("running something as root needs root");
    }
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let shell = "env | sort; pwd; id -u; umask; sed -n 's/NoNewPrivs:.//p' /proc/self/status";
    control.say(ToAgent::Start(run("17.0#1", shell, RunOrder { root: true, ..plain() }))).await;
    let finished = control.finish("17.0#1").await;
    let said = text(&finished.stdout);
    let home = if std::path::Path::new("/root").is_dir() { "/root" } else { "/" };
    let home_is = format!("HOME={home}");
    for line in [home, &home_is, "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "BRAMBLE_RUN=17", "0022", "0"] {
        assert!(said.lines().any(|said| said == line), "{line:?} in {said}");
    }
    assert!(said.lines().any(|line| line.starts_with("PATH=") && line.contains("/usr/sbin")), "{said}");
    assert!(said.lines().rev().take(3).all(|line| line == "0" || line == "0022"), "root, and free: {said}");

    control.say(ToAgent::Start(Order { uid: 0, ..run("17.1#1", "id", plain()) })).await;
    let refused = control.finish("17.1#1").await;
    assert!(
        matches!(&refused.outcome, Outcome::NotStarted { kind: NotStarted::Fault, message } if message.contains("as root")),
        "{refused:?}"
    );
    worker.is_clean().await;
}

#[tokio::test]
async fn an_agent_that_is_not_root_says_so_and_runs_the_rest_as_itself() {
    if !is_root() {
        test_support::leave_out!("starting a worker under another name needs root");
    }
    const SOMEBODY: u32 = 1_900_000_042;
    let mut manager = Manager::new().await;
    let (_worker, mut control) = Worker::joined_as(&mut manager, SOMEBODY).await;
    assert!(control.hello.shared_uid && control.hello.takes_runs);
    control.say(ToAgent::Start(run("17.0#1", "id -u", RunOrder { root: true, ..plain() }))).await;
    let refused = control.finish("17.0#1").await;
    let Outcome::NotStarted { message, .. } = &refused.outcome else { panic!("{refused:?}") };
    assert!(message.contains("its agent is not root"), "{message}");
    control.say(ToAgent::Start(run("17.1#1", "id -u", plain()))).await;
    assert_eq!(text(&control.finish("17.1#1").await.stdout), format!("{SOMEBODY}\n"));
}

#[tokio::test]
async fn a_script_is_given_its_parameters_as_they_are_and_cannot_be_changed_by_who_runs_it() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let nasty = "a b'$(touch /tmp/x)\n\"; rm -rf -- *";
    let bash = "printf '%s|' \"$range\" \"$@\"; basename -- \"$0\"; if [ \"$UID\" != 0 ]; then (: >> \"$0\") 2>/dev/null; fi; \
                test ! -w \"$0\" -o \"$UID\" = 0 && echo safe";
    control.say(ToAgent::Start(script("17.0#1", Language::Bash, bash, &[("range", nasty)], &["-n", "", nasty]))).await;
    let finished = control.finish("17.0#1").await;
    let safe = if is_root() { "safe\n" } else { "" };
    assert!(text(&finished.stdout).starts_with(&format!("{nasty}|-n||{nasty}|node-report.sh\n{safe}")), "{finished:?}");

    let python =
        "import os, sys\nprint(os.environ['range'], sys.argv[1:], os.path.basename(sys.argv[0]))\nsys.exit(4)\n";
    control.say(ToAgent::Start(script("17.1#1", Language::Python, python, &[("range", "7")], &["-c", "x"]))).await;
    let finished = control.finish("17.1#1").await;
    assert_eq!(finished.outcome, Outcome::Exited(4), "{finished:?}");
    assert_eq!(text(&finished.stdout), "7 ['-c', 'x'] node-report.py\n");

    let nowhere = script("17.2#1", Language::Python, python, &[("PATH", "/nowhere")], &[]);
    control.say(ToAgent::Start(nowhere)).await;
    let missing = control.finish("17.2#1").await;
    let Outcome::NotStarted { kind: NotStarted::NotFound, message } = &missing.outcome else { panic!("{missing:?}") };
    assert!(message.contains("python3"), "{message}");
    worker.is_clean().await;
}

#[tokio::test]
async fn its_input_arrives_whole_and_a_program_that_does_not_read_it_holds_up_nobody() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let bytes: Vec<u8> = (0..protocol::run::MOST_STDIN).map(|n| (n % 251) as u8).collect();
    let given = || RunOrder { stdin: bytes.clone().into(), ..plain() };
    control.say(ToAgent::Start(run("17.0#1", "cksum", given()))).await;
    let finished = control.finish("17.0#1").await;
    let said = text(&finished.stdout);
    std::fs::write(worker.place.state().join("copy"), &bytes).unwrap();
    let copy = std::fs::File::open(worker.place.state().join("copy")).unwrap();
    let expected = std::process::Command::new("cksum").stdin(copy).output().unwrap().stdout;
    assert_eq!(said.as_bytes(), expected);
    control.say(ToAgent::Start(run("17.1#1", "exit 6", given()))).await;
    assert_eq!(control.finish("17.1#1").await.outcome, Outcome::Exited(6));
    worker.is_clean().await;
}

#[tokio::test]
async fn an_agent_killed_in_the_middle_of_runs_loses_none_and_their_time_goes_on() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let go = worker.place.state().join("go");
    let patient = format!("echo begun; until [ -e {} ]; do sleep 0.01; done; echo kept > out/x; exit 7", go.display());
    control.say(ToAgent::Start(run("17.0#1", &patient, plain()))).await;
    let short = RunOrder { timeout_ms: Some(700), ..plain() };
    control.say(ToAgent::Start(run("17.1#1", "exec sleep 1000", short))).await;
    for attempt in ["17.0#1", "17.1#1"] {
        control.hears("it runs", started_of(attempt)).await;
    }
    worker.kill_agent().await;
    let mut control = manager.linked().await;
    let held: Vec<_> = control.hello.held.iter().map(|held| held.attempt).collect();
    assert_eq!(held, [id("17.0#1"), id("17.1#1")]);
    // Sent once more, they are not run once more; and a task for the whole node starts beside them.
    control.say(ToAgent::Start(run("17.0#1", &patient, plain()))).await;
    control.say(ToAgent::Start(Order { cpus: 2, ..crate::order("2.0#1", "true") })).await;
    control.finish("2.0#1").await;
    assert_eq!(control.finish("17.1#1").await.outcome, Outcome::TimedOut { limit_ms: 700 });
    std::fs::write(&go, "").unwrap();
    let finished = control.finish("17.0#1").await;
    assert_eq!((finished.outcome, text(&finished.stdout).as_str()), (Outcome::Exited(7), "begun\n"));
    assert!(!manager.has_bulk(), "also after that it leaves no result");
    worker.is_clean().await;
}

#[tokio::test]
async fn a_run_is_stopped_with_all_that_it_started_and_what_it_left_running_ends_with_it() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let root = RunOrder { root: is_root(), ..plain() };
    control.say(ToAgent::Start(run("17.0#1", "setsid sleep 1000 & sleep 1000", root.clone()))).await;
    control.hears("it runs", started_of("17.0#1")).await;
    control.say(ToAgent::Stop { attempt: id("17.0#1"), reason: "by ana".into() }).await;
    assert_eq!(control.finish("17.0#1").await.outcome, Outcome::Stopped { reason: "by ana".into() });
    control.say(ToAgent::Start(run("17.1#1", "setsid sleep 1000 & kill -9 $$", root))).await;
    assert_eq!(control.finish("17.1#1").await.outcome, Outcome::Signaled(9));
    worker.is_clean().await;
}

#[tokio::test]
async fn a_run_may_upgrade_the_worker_that_runs_it_and_its_end_is_told_exactly() {
    if !is_root() {
        test_support::leave_out!("upgrading a worker as its root needs root");
    }
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let upgrade = worker.place.verb("upgrade");
    let program = upgrade.get_program().to_str().unwrap().to_owned();
    let words: Vec<&str> = upgrade.get_args().map(|word| word.to_str().unwrap()).collect();
    let shell = format!("{program} {} {program} >/dev/null && echo upgraded; exit 5", words.join(" "));
    control.say(ToAgent::Start(run("17.0#1", &shell, RunOrder { root: true, ..plain() }))).await;
    control.closes().await;
    let mut control = manager.linked().await;
    let finished = control.finish("17.0#1").await;
    assert_eq!((finished.outcome, text(&finished.stdout).as_str()), (Outcome::Exited(5), "upgraded\n"));
    worker.is_clean().await;
}

#[tokio::test]
async fn more_runs_than_start_at_once_all_have_their_turn() {
    const RUNS: usize = 40;
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let go = worker.place.state().join("go");
    for index in 0..RUNS {
        let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
        control.say(ToAgent::Start(run(&format!("17.{index}#1"), &wait, plain()))).await;
    }
    let under_way = || worker.tasks().len();
    until("as many as may run at once", || under_way() == 16).await;
    std::fs::write(&go, "").unwrap();
    for _ in 0..RUNS {
        let FromAgent::Finished(finished) = control.hears("an end", |m| matches!(m, FromAgent::Finished(_))).await
        else {
            unreachable!()
        };
        assert_eq!(finished.outcome, Outcome::Exited(0));
        control.say(ToAgent::Ack { attempts: vec![finished.attempt] }).await;
    }
    worker.is_clean().await;
}

#[tokio::test]
async fn what_a_run_prints_is_followed_live_and_a_flood_without_line_ends_stays_within_its_limit() {
    let mut manager = Manager::new().await;
    let (worker, control) = Worker::joined(&mut manager).await;
    drop(control);
    let welcome = protocol::agent::Welcome { output_limit: 100_000, ..crate::welcome() };
    let mut control = manager.linked_with(welcome).await;
    let go = worker.place.state().join("go");
    let shell = format!(
        "printf '\\377\\033[2J'; until [ -e {} ]; do sleep 0.01; done; head -c 30000000 /dev/zero | tr '\\0' x",
        go.display()
    );
    control.say(ToAgent::Start(run("17.0#1", &shell, plain()))).await;
    // As managers do: what has not begun is not followed.
    control.hears("its start", started_of("17.0#1")).await;
    let (attempt, follow) = (id("17.0#1"), true);
    control.say(ToAgent::Follow(Follow { id: 1, attempt, stdout_from: 0, stderr_from: 0, follow })).await;
    let (_, mut live) = manager.bulk().await;
    assert_eq!(live.read_to(5).await, (0, b"\xff\x1b[2J".to_vec()));
    drop(live);
    std::fs::write(&go, "").unwrap();
    let (attempt, _, dropped, bytes) = manager.take_put().await;
    assert_eq!((attempt, dropped, bytes.len()), (id("17.0#1"), 30_000_005 - 100_000, 100_000));
    assert_eq!(control.finish("17.0#1").await.stdout.length, 30_000_005);
    worker.is_clean().await;
}

#[tokio::test]
async fn an_order_of_tomorrow_is_answered_and_costs_nothing_that_runs() {
    let mut manager = Manager::new().await;
    let (_worker, control) = Worker::joined(&mut manager).await;
    let mut json = serde_json::to_value(ToAgent::Start(script("17.0#1", Language::Bash, "", &[], &[]))).unwrap();
    json["start"]["run"]["script"]["language"] = "befunge".into();
    let json = json.to_string();
    let frame = [&(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat();
    let mut control = control.say_raw(&frame).await;
    let said = control.next().await;
    assert!(matches!(&said, FromAgent::NotUnderstood { name } if name == "start"), "{said:?}");
    control.say(ToAgent::Start(run("17.1#1", "true", plain()))).await;
    assert!(matches!(control.hears("the next", finished_of("17.1#1")).await, FromAgent::Finished(_)));
}
