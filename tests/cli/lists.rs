//! `bramble node`, `job` and `task`: tables, sheets and JSON.

use protocol::api::{AttemptView, Away, JobQuery, NodeView, Refusal, Reply, Request, TaskQuery, TaskView};
use protocol::id::{JobId, TaskId};
use protocol::job::{Counts, TaskState};
use protocol::node::NodeState;
use serde_json::json;

use crate::common::screen::Terminal;
use crate::fake::{Fake, Say};
use crate::sample::{days_ago, job, node, task};

fn two_nodes() -> Reply {
    let down = NodeView {
        state: NodeState::Down,
        draining: true,
        metrics: None,
        running: 0,
        seen_at: Some(days_ago(3)),
        address: None,
        ..node("pi-2")
    };
    Reply::Nodes(vec![node("pi-1"), down])
}

#[test]
fn nodes_in_a_pipe_are_a_plain_table_with_every_column() {
    Fake::replying(two_nodes()).run(&["node"]).says(
        0,
        "\
NODE  STATE  ROLE    CPU  MEM  TEMP  TASKS  SEEN  ADDRESS   NOTES
pi-1  up     worker  12%  12%  51°C  1/4    -     10.0.0.7  -
pi-2  down   worker  -    -    -     0/4    3d    -         draining
",
        "",
    );
}

#[test]
fn every_way_to_ask_for_the_nodes_asks_the_same() {
    let fake = Fake::replying(two_nodes());
    let plain = fake.run(&["node"]);
    for words in [&["node", "ls"][..], &["nodes"], &["--color=never", "nodes", "list"]] {
        assert_eq!(fake.run(words), plain, "{words:?}");
    }
    assert!(fake.asked().iter().all(|request| *request == Request::Nodes));
}

#[test]
fn a_terminal_gets_glyphs_and_colour_unless_told_otherwise() {
    let fake = Fake::replying(two_nodes());
    let on = |words: &[&str], env: &[(&str, &str)]| {
        let mut command = fake.command(words);
        command.envs(env.iter().copied());
        Terminal::of(command, 120).ends().0
    };
    let colored = on(&["node"], &[]);
    assert!(colored.contains("● up") && colored.contains("\x1b["), "{colored:?}");
    for plain in [on(&["node"], &[("NO_COLOR", "1")]), on(&["node", "--color", "never"], &[])] {
        assert!(plain.contains("● up") && !plain.contains('\x1b'), "{plain:?}");
    }
    assert!(on(&["node", "--color", "always"], &[("NO_COLOR", "1")]).contains("\x1b["));
}

#[test]
fn nodes_as_json_are_what_the_manager_says() {
    let said = two_nodes();
    let ran = Fake::replying(said.clone()).run(&["node", "--json"]);
    assert_eq!(Reply::Nodes(serde_json::from_value(ran.json()).unwrap()), said);
}

#[test]
fn one_node_is_told_with_what_is_known_of_it() {
    let fake = Fake::replying(Reply::Node(Box::new(node("pi-1"))));
    let ran = fake.run(&["node", "pi-1"]);
    assert_eq!(fake.asked(), [Request::Node { name: "pi-1".parse().unwrap() }]);
    for line in ["node         pi-1", "model        Raspberry Pi 4 Model B Rev 1.5", "temperature  51.3 °C"] {
        assert!(ran.stdout.lines().any(|l| l == line), "no {line:?} in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("GPU"), "what is not known is left out: {}", ran.stdout);
    assert_eq!(fake.run(&["node", "pi-1", "--json"]).json()["name"], "pi-1");
}

#[test]
fn a_node_that_is_not_there_is_not_found() {
    let fake = Fake::that(|_| vec![Say::Refuse(Refusal::not_found("there is no node pi-9"))]);
    fake.run(&["node", "pi-9"]).says(5, "", "bramble: there is no node pi-9\n");
    let sentence = "{\"error\":{\"kind\":\"not_found\",\"message\":\"there is no node pi-9\"}}\n";
    fake.run(&["node", "pi-9", "--json"]).says(5, "", sentence);
}

#[test]
fn jobs_tell_how_far_they_are() {
    let mut sweep = job(18, TaskState::Succeeded, 40);
    sweep.counts = Counts { succeeded: 38, failed: 2, queued: 60, ..Counts::default() };
    sweep.state = sweep.counts.state();
    sweep.name = Some("night sweep".parse().unwrap());
    let jobs = vec![sweep, job(17, TaskState::Succeeded, 1)];
    Fake::replying(Reply::Jobs { total: 2, jobs }).run(&["job"]).says(
        0,
        "\
JOB  STATE      TASKS             OWNER  AGE  NAME         COMMAND
 18  running    40/100, 2 failed  ana     2d  night sweep  echo 'hello world'
 17  succeeded  1/1               ana     2d  -            echo 'hello world'
",
        "",
    );
}

#[test]
fn filters_of_jobs_are_the_managers_to_apply() {
    let fake = Fake::replying(Reply::Jobs { total: 0, jobs: vec![] });
    fake.run(&["job", "--active", "--owner", "ana", "-n", "5"]).says(
        0,
        "JOB  STATE  TASKS  OWNER  AGE  NAME  COMMAND\n",
        "",
    );
    let query = JobQuery { active: true, owner: Some("ana".parse().unwrap()), limit: 5, ..JobQuery::default() };
    assert_eq!(fake.asked(), [Request::Jobs(query)]);
}

#[test]
fn who_was_away_is_shown_what_ended_meanwhile() {
    let ended = Counts { succeeded: 1, ..Counts::default() };
    let away = Away { since: Some(days_ago(1)), ended, jobs: vec![job(17, TaskState::Succeeded, 1)] };
    let fake = Fake::replying(Reply::Away(away));
    let said = fake.run(&["job", "--missed"]);
    assert!(said.stdout.contains("17  succeeded"), "{said:?}");
    assert_eq!(fake.asked(), [Request::Away]);
    let never = Fake::replying(Reply::Away(Away { since: None, ended: Counts::default(), jobs: vec![] }));
    never.run(&["job", "--missed", "--json"]).says(0, "[]\n", "");
    assert_eq!(never.run(&["job", "--missed", "--active"]).code, Some(2));
}

#[test]
fn one_job_is_told_with_what_became_of_its_tasks() {
    let mut sweep = job(17, TaskState::Succeeded, 3);
    sweep.counts.failed = 1;
    sweep.state = sweep.counts.state();
    let failed = TaskView {
        node: Some("pi-1".parse().unwrap()),
        code: Some(3),
        ran_ms: Some(1234),
        ..task(TaskId::new(17, 2), TaskState::Failed)
    };
    let fake = Fake::that(move |request| {
        vec![Say::Reply(match request {
            Request::Jobs(_) => Reply::Jobs { total: 1, jobs: vec![sweep.clone()] },
            _ => Reply::Tasks { total: 1, tasks: vec![failed.clone()] },
        })]
    });
    let ran = fake.run(&["job", "17"]);
    assert!(ran.stdout.contains("state      failed\ntasks      3 succeeded, 1 failed\n"), "{}", ran.stdout);
    let table = "
TASK  STATE   NODE  CODE  RAN   AGE  OWNER  NAME  COMMAND
17.2  failed  pi-1  3     1.2s  2d   ana    -     echo 'hello world'
";
    assert!(ran.stdout.ends_with(table), "{}", ran.stdout);
    assert_eq!(fake.run(&["job", "17", "--json"]).json()["counts"]["failed"], 1);
}

#[test]
fn a_job_that_is_not_there_is_not_found() {
    let ran = Fake::replying(Reply::Jobs { total: 0, jobs: vec![] }).run(&["job", "99"]);
    ran.says(5, "", "bramble: there is no job 99; see what there is with: bramble job\n");
}

#[test]
fn filters_of_tasks_are_the_managers_to_apply() {
    let fake = Fake::replying(Reply::Tasks { total: 0, tasks: vec![] });
    let ran = fake.run(&["task", "17.0-9", "18", "--state", "failed,lost", "--node", "pi-3", "--limit", "7", "--json"]);
    ran.says(0, "[]\n", "");
    let query = TaskQuery {
        targets: vec!["17.0-9".parse().unwrap(), "18".parse().unwrap()],
        states: vec![TaskState::Failed, TaskState::Lost],
        node: Some("pi-3".parse().unwrap()),
        skip: 0,
        limit: 7,
    };
    assert_eq!(fake.asked(), [Request::Tasks(query)]);
}

/// A manager with so many queued tasks in job 17.
fn queue(total: u32) -> Fake {
    Fake::that(move |request| {
        let Request::Tasks(query) = request else { return vec![] };
        let window = query.skip..(query.skip + query.limit.min(1000)).min(total);
        let tasks = window.map(|index| task(TaskId::new(17, index), TaskState::Queued)).collect();
        vec![Say::Reply(Reply::Tasks { total, tasks })]
    })
}

#[test]
fn a_long_list_is_fetched_window_by_window() {
    let fake = queue(2500);
    let ran = fake.run(&["task", "--json"]);
    let tasks: Vec<TaskView> = serde_json::from_value(ran.json()).unwrap();
    assert!(tasks.iter().map(|task| task.id.index).eq(0..2500));
    let skips = fake.asked().into_iter().map(|request| match request {
        Request::Tasks(query) => query.skip,
        other => panic!("{other:?}"),
    });
    assert_eq!(skips.collect::<Vec<_>>(), [0, 1000, 2000]);
}

#[test]
fn a_terminal_is_given_a_screenful_and_told_of_the_rest() {
    let fake = queue(2500);
    let (screen, code) = Terminal::of(fake.command(&["task"]), 60).ends();
    assert_eq!(screen.lines().count(), 1 + 50 + 1);
    assert!(screen.ends_with("… and 2450 older tasks; see them with --all\n"), "{screen}");
    assert!(screen.lines().all(|line| strip(line).chars().count() <= 60), "{screen}");
    assert_eq!(code, Some(0));
}

#[test]
fn on_a_narrow_terminal_what_matters_least_gives_way() {
    let fake = queue(1);
    let shown = |columns| Terminal::of(fake.command(&["task", "--color", "never"]), columns).ends().0;
    assert_eq!(
        shown(60),
        "\
TASK  STATE     AGE  OWNER  COMMAND
17.0  ○ queued  2d   ana    echo 'hello world'
"
    );
    assert_eq!(
        shown(40),
        "\
TASK  STATE     AGE  COMMAND
17.0  ○ queued  2d   echo 'hello world'
"
    );
    assert_eq!(
        shown(32),
        "\
TASK  STATE     COMMAND
17.0  ○ queued  echo 'hell…
"
    );
}

#[test]
fn a_long_name_leaves_room_for_the_rest() {
    let fake = Fake::that(|_| {
        let mut long = job(17, TaskState::Running, 1);
        long.name = Some("x".repeat(128).parse().unwrap());
        vec![Say::Reply(Reply::Jobs { total: 1, jobs: vec![long] })]
    });
    let (screen, _) = Terminal::of(fake.command(&["job", "--color", "never"]), 80).ends();
    let name = format!("{}…", "x".repeat(31));
    assert_eq!(screen.lines().nth(1), Some(&*format!(" 17  ● running  0/1     2d  {name}  echo 'hello world'")));
    assert!(fake.run(&["job"]).stdout.contains(&"x".repeat(128)), "a pipe gets all of it");
}

/// Without colour.
fn strip(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_hostile_command_cannot_reach_the_terminal() {
    let mut hostile = task(TaskId::new(17, 0), TaskState::Running);
    hostile.command = vec!["\x1b]0;owned\x07".into(), "a\nb".into(), "\u{9b}31m".into()];
    hostile.reason = "\x1b[2J".into();
    let fake = Fake::that(move |request| {
        vec![Say::Reply(match request {
            Request::Task { .. } => Reply::Task { task: hostile.clone(), attempts: vec![], results: vec![] },
            _ => Reply::Tasks { total: 1, tasks: vec![hostile.clone()] },
        })]
    });
    for words in [&["task"][..], &["task", "17.0"], &["task", "17.0", "--json"]] {
        let shown = fake.run(words).stdout;
        assert!(!shown.contains(['\x1b', '\x07', '\u{9b}']), "{words:?}: {shown:?}");
    }
    assert!(fake.run(&["task"]).stdout.contains(r"'\u{1b}]0;owned\u{7}' 'a\nb' '\u{9b}31m'"));
}

#[test]
fn one_task_is_told_with_its_attempts() {
    let fake = Fake::that(|_| {
        let view = TaskView {
            attempt: 2,
            code: Some(0),
            ran_ms: Some(61_000),
            ..task(TaskId::new(17, 3), TaskState::Succeeded)
        };
        let attempt = |number, state, reason: &str| protocol::api::AttemptView {
            id: view.id.attempt(number),
            state,
            node: None,
            started_at: None,
            ended_at: None,
            ran_ms: None,
            code: None,
            reason: reason.into(),
            late: None,
        };
        let attempts = vec![attempt(1, TaskState::Lost, "pi-2 lost its power"), attempt(2, TaskState::Succeeded, "")];
        vec![Say::Reply(Reply::Task { task: view, attempts, results: vec![] })]
    });
    let ran = fake.run(&["task", "17.3"]);
    assert!(ran.stdout.contains("ran        1m 1s\n"), "{}", ran.stdout);
    let history = "
ATTEMPT  STATE      NODE  CODE  RAN  LATE  REASON
17.3#1   lost       -     -     -    -     pi-2 lost its power
17.3#2   succeeded  -     -     -    -     -
";
    assert!(ran.stdout.ends_with(history), "{}", ran.stdout);
    let json = fake.run(&["task", "17.3#1", "--json"]).json();
    assert_eq!((&json["task"]["id"], &json["attempts"][0]["id"]), (&json!("17.3"), &json!("17.3#1")));
    assert!(fake.asked().iter().all(|request| *request == Request::Task { id: TaskId { job: JobId(17), index: 3 } }));
}

#[test]
fn an_attempt_is_told_by_its_number_and_one_never_made_is_not_found() {
    let fake = Fake::that(|request| {
        let Request::Task { id } = request else { return vec![] };
        let try_of = |number, state, reason: &str| AttemptView {
            id: id.attempt(number),
            state,
            node: Some("pi-1".parse().unwrap()),
            started_at: None,
            ended_at: None,
            ran_ms: None,
            code: None,
            reason: reason.into(),
            late: None,
        };
        let shown = TaskView { attempt: 2, ..task(*id, TaskState::Succeeded) };
        let attempts = vec![try_of(1, TaskState::Failed, "killed by signal 9"), try_of(2, TaskState::Succeeded, "")];
        vec![Say::Reply(Reply::Task { task: shown, attempts, results: vec![] })]
    });
    let first = fake.run(&["task", "4.0#1"]).stdout;
    assert!(first.starts_with("attempt  4.0#1\n") && first.contains("killed by signal 9 (SIGKILL)"), "{first}");
    assert_eq!(fake.run(&["task", "4.0#1", "--json"]).json()["attempts"][0]["id"], "4.0#1");
    let why = "4.0#1 failed: killed by signal 9 (SIGKILL); see its task with: bramble why 4.0\n";
    fake.run(&["why", "4.0#1"]).says(0, why, "");
    for verb in ["task", "why"] {
        let sentence = "bramble: there is no 4.0#9; the latest attempt is 4.0#2\n";
        fake.run(&[verb, "4.0#9"]).says(5, "", sentence);
    }
}

#[test]
fn an_empty_list_on_a_terminal_is_one_sentence() {
    let shown = |reply, verb| Terminal::of(Fake::replying(reply).command(&[verb]), 80).ends().0;
    let nodes = shown(Reply::Nodes(vec![]), "node");
    assert_eq!(nodes, "no nodes yet; make a token for one with: bramble join-token\n");
    let jobs = shown(Reply::Jobs { total: 0, jobs: vec![] }, "job");
    assert_eq!(jobs, "no jobs; submit one with: bramble run -- hostname\n");
    assert_eq!(shown(Reply::Tasks { total: 0, tasks: vec![] }, "task"), "no such tasks\n");
}
