//! `bramble result`, `job rm`, and `--collect`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use protocol::api::{AttemptView, More, Refusal, Reply, Request, TaskView, Waited};
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::{Counts, Stream, TaskState};
use protocol::result::{Left, ResultComing, ResultGet, ResultList, ResultQuery, ResultView};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::screen::Terminal;
use crate::fake::{Fake, Gate, Ran, Say};
use crate::sample::{days_ago, ended, printed, submitted, task};

/// A packed folder with a file and a folder in it.
fn packed(content: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plots")).unwrap();
    fs::write(folder.path().join("plots/a.svg"), content).unwrap();
    fs::write(folder.path().join("answer"), "42\n").unwrap();
    let measured = packing::measure(folder.path(), 100).unwrap();
    let mut bytes = vec![];
    packing::pack(folder.path(), 100, &measured, &mut bytes).unwrap();
    bytes
}

fn of(task: u32, attempt: u32) -> AttemptId {
    TaskId::new(17, task).attempt(attempt)
}

fn view(attempt: AttemptId, bytes: &[u8]) -> ResultView {
    ResultView {
        attempt,
        name: Some("night run".parse().unwrap()),
        owner: "ana".parse().unwrap(),
        left: Left { size: bytes.len() as u64, entries: 3, left_out: 0 },
        hash: ContentHash(*blake3::hash(bytes).as_bytes()),
        kept_at: days_ago(1),
        collected_at: None,
        hours_left: Some(700),
    }
}

fn done(index: u32, state: TaskState) -> TaskView {
    TaskView { code: Some(i32::from(state == TaskState::Failed)), ..task(TaskId::new(17, index), state) }
}

fn listed(results: Vec<ResultView>) -> Say {
    let size = results.iter().map(|view| view.left.size).sum();
    Say::Reply(Reply::Results(ResultList { total: results.len() as u32, results, size }))
}

/// What a download brings: an answer, and the bytes from a place on in chunks.
fn coming(view: &ResultView, get: &ResultGet, bytes: &[u8]) -> Vec<Say> {
    let mut chunks = vec![];
    for chunk in bytes[get.from as usize..].chunks(1000) {
        chunks.extend_from_slice(&(chunk.len() as u32).to_be_bytes());
        chunks.extend_from_slice(chunk);
    }
    chunks.extend_from_slice(&[0; 4]);
    let coming = ResultComing { result: view.clone(), offset: get.from };
    vec![Say::Reply(Reply::ResultComing(coming)), Say::Bytes(chunks)]
}

/// A job 17 whose task 0 has left this, whose task 1 has failed and left nothing, and whose task 2 goes on.
fn job_17(bytes: Vec<u8>, collected: bool) -> impl Fn(&Request) -> Vec<Say> + Send + Sync {
    move |request| {
        let kept = ResultView { collected_at: collected.then(|| days_ago(0)), ..view(of(0, 1), &bytes) };
        vec![match request {
            Request::Hello { .. } => Say::Reply(Reply::End),
            Request::Tasks(query) => {
                let all = [done(0, TaskState::Succeeded), done(1, TaskState::Failed), done(2, TaskState::Running)];
                let meant = |task: &TaskView| query.targets.iter().any(|target| target.covers(task.id));
                let tasks: Vec<TaskView> = all.into_iter().filter(meant).collect();
                Say::Reply(Reply::Tasks { total: tasks.len() as u32, tasks })
            }
            Request::Results(query) if query.targets.iter().any(|target| target.covers(kept.attempt.task)) => {
                listed(vec![kept])
            }
            Request::Results(_) => listed(vec![]),
            Request::Logs(query) => {
                let Target::Attempt(attempt) = query.target else { panic!("{query:?}") };
                let text = format!("{attempt} \u{1b}[1m\n");
                return vec![
                    Say::More(printed(Stream::Stdout, text.as_bytes())),
                    Say::More(printed(Stream::Stderr, b"oh\xff\n")),
                    Say::Reply(Reply::End),
                ];
            }
            Request::ResultGet(get) => return coming(&kept, get, &bytes),
            Request::ResultCollected { .. } => Say::Reply(Reply::End),
            _ => Say::Refuse(Refusal::usage("not in this test")),
        }]
    }
}

fn within(fake: &Fake, place: &Path, words: &[&str]) -> Command {
    let mut command = fake.command(words);
    command.current_dir(place);
    command
}

fn ran(fake: &Fake, place: &Path, words: &[&str]) -> Ran {
    Ran::of(within(fake, place, words).output().unwrap())
}

fn collected(fake: &Fake) -> usize {
    fake.asked().iter().filter(|asked| matches!(asked, Request::ResultCollected { .. })).count()
}

fn names(place: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(place).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(place: &TempDir, path: &str) -> String {
    fs::read_to_string(place.path().join(path)).unwrap()
}

#[test]
fn a_task_comes_home_as_a_folder_with_everything_of_it() {
    let (bytes, place) = (packed("<svg/>"), tempfile::tempdir().unwrap());
    let (size, hash) = (bytes.len(), view(of(0, 1), &bytes).hash);
    let fake = Fake::that(job_17(bytes, false));
    ran(&fake, place.path(), &["result", "get", "17.0"]).says(0, "./17.0: here, 3 files, 3.5 KiB\n", "");
    assert_eq!(names(place.path()), ["17.0"]);
    assert_eq!(names(&place.path().join("17.0")), ["out", "stderr", "stdout", "task.json"]);
    assert_eq!(text(&place, "17.0/stdout"), "17.0#1 \u{1b}[1m\n");
    assert_eq!(fs::read(place.path().join("17.0/stderr")).unwrap(), b"oh\xff\n");
    assert_eq!(
        (text(&place, "17.0/out/answer"), text(&place, "17.0/out/plots/a.svg")),
        ("42\n".into(), "<svg/>".into())
    );
    let task: Value = serde_json::from_str(&text(&place, "17.0/task.json")).unwrap();
    assert_eq!((&task["id"], &task["state"], &task["code"]), (&json!("17.0"), &json!("succeeded"), &json!(0)));
    assert_eq!(task["result"], json!({ "size": size, "entries": 3, "left_out": 0, "hash": hash.to_string() }));
    assert_eq!(fake.asked().last(), Some(&Request::ResultCollected { attempt: of(0, 1) }));
}

#[test]
fn what_has_not_ended_is_named_and_left_out_and_the_rest_comes() {
    let place = tempfile::tempdir().unwrap();
    let fake = Fake::that(job_17(packed("x"), false));
    let told = ran(&fake, place.path(), &["result", "get", "17", "-o", "runs/of/may"]);
    let here = "runs/of/may/17.0: here, 3 files, 3.5 KiB\n\
                runs/of/may/17.1: here, without out: it left nothing there, or what it left is kept no longer\n";
    told.says(6, here, "bramble: 17.2 has not ended yet; wait for it with: bramble wait 17.2\n");
    let runs = place.path().join("runs/of/may");
    assert_eq!(names(&runs), ["17.0", "17.1"]);
    assert_eq!(names(&runs.join("17.1")), ["stderr", "stdout", "task.json"]);
    let task: Value = serde_json::from_str(&fs::read_to_string(runs.join("17.1/task.json")).unwrap()).unwrap();
    assert_eq!((&task["result"], &task["code"]), (&Value::Null, &json!(1)));
    // Alone, it is all that was asked for.
    assert_eq!(ran(&fake, place.path(), &["result", "get", "17.2"]).code, Some(3));
    let none = ran(&fake, place.path(), &["result", "get", "17.7"]);
    none.says(5, "", "bramble: there is no 17.7; see what there is with: bramble job\n");
}

#[test]
fn as_json_there_is_one_element_for_each_task() {
    let place = tempfile::tempdir().unwrap();
    let told = ran(&Fake::that(job_17(packed("x"), false)), place.path(), &["result", "get", "17", "--json"]);
    let list = told.json();
    assert_eq!(
        (&list[0]["task"], &list[0]["path"], &list[0]["was_there"]),
        (&json!("17.0"), &json!("./17.0"), &json!(false))
    );
    assert_eq!((&list[0]["result"]["entries"], &list[1]["result"]), (&json!(3), &Value::Null));
    assert_eq!((&list[2]["task"], &list[2]["error"]["kind"]), (&json!("17.2"), &json!("refused")));
}

#[test]
fn a_folder_that_is_there_is_the_same_or_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let fake = Fake::that(job_17(packed("x"), false));
    let get = |fake: &Fake, more: &[&str]| ran(fake, place.path(), &[&["result", "get", "17.0"], more].concat());
    assert_eq!(get(&fake, &[]).code, Some(0));
    get(&fake, &[]).says(0, "./17.0: was there already\n", "");
    assert_eq!(collected(&fake), 2, "it was at home, which the manager did not know for certain");
    let other = Fake::that(job_17(packed("y"), false));
    let why = "bramble: ./17.0 is there already and is not what is kept now; name another place with -o, or --force\n";
    get(&other, &[]).says(3, "", why);
    assert_eq!(text(&place, "17.0/out/plots/a.svg"), "x");
    get(&other, &["--force"]).says(0, "./17.0: here, 3 files, 3.5 KiB\n", "");
    assert_eq!(text(&place, "17.0/out/plots/a.svg"), "y");
    assert_eq!(names(place.path()), ["17.0"]);
    // What a task never left is nobody's to write over.
    fs::remove_dir_all(place.path().join("17.0")).unwrap();
    fs::create_dir(place.path().join("17.0")).unwrap();
    fs::write(place.path().join("17.0/task.json"), "{\"mine\": true}").unwrap();
    let why = "bramble: ./17.0 is there already and is no folder of a task; name another place with -o\n";
    get(&fake, &["--force"]).says(3, "", why);
    assert_eq!(names(place.path()), ["17.0"]);
}

#[test]
fn what_is_known_as_collected_is_not_told_again() {
    let place = tempfile::tempdir().unwrap();
    let fake = Fake::that(job_17(packed("x"), true));
    for _ in 0..3 {
        assert_eq!(ran(&fake, place.path(), &["result", "get", "17.0"]).code, Some(0));
    }
    assert_eq!(collected(&fake), 1, "when it came, and not when it was there");
}

#[test]
fn what_came_damaged_is_not_kept_and_not_collected() {
    let place = tempfile::tempdir().unwrap();
    let (good, bad) = (packed("x"), packed("y"));
    let answers = job_17(good.clone(), false);
    let fake = Fake::that(move |request| match request {
        Request::ResultGet(get) => coming(&view(of(0, 1), &good), get, &bad),
        other => answers(other),
    });
    let told = ran(&fake, place.path(), &["result", "get", "17.0"]);
    assert_eq!(told.code, Some(3));
    assert!(told.stderr.starts_with("bramble: what came of the result of 17.0#1 is not what was kept"), "{told:?}");
    assert_eq!((names(place.path()), collected(&fake)), (vec![], 0));
}

#[test]
fn a_connection_that_breaks_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let bytes = packed(&"x".repeat(600_000));
    let (broken, answers) = (AtomicBool::new(false), job_17(bytes.clone(), false));
    let (from, asked) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (last, times) = (from.clone(), asked.clone());
    let fake = Fake::that(move |request| match request {
        Request::ResultGet(get) => {
            times.fetch_add(1, Ordering::SeqCst);
            last.store(get.from as u32, Ordering::SeqCst);
            let mut said = coming(&view(of(0, 1), &bytes), get, &bytes);
            if !broken.swap(true, Ordering::SeqCst) {
                let Some(Say::Bytes(chunks)) = said.last_mut() else { panic!("no bytes") };
                chunks.truncate(400_000);
                said.push(Say::Die);
            }
            said
        }
        other => answers(other),
    });
    let mut command = within(&fake, place.path(), &["result", "get", "17.0"]);
    let told = Ran::of(command.env("BRAMBLE_PATIENCE", "30s").output().unwrap());
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "./17.0: here, 3 files, 589 KiB\n"), "{told:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(from.load(Ordering::SeqCst) >= 256 * 1024, "what had come was asked for again");
    assert!(told.stderr.contains("trying again"), "{told:?}");
    assert_eq!(text(&place, "17.0/out/plots/a.svg").len(), 600_000);
    assert_eq!(names(place.path()), ["17.0"]);
}

#[test]
fn ctrl_c_leaves_nothing_half() {
    let place = tempfile::tempdir().unwrap();
    let bytes = packed(&"x".repeat(100_000));
    let (begun, never, answers) = (Gate::new(), Gate::new(), job_17(bytes.clone(), false));
    let (begins, ends) = (begun.clone(), never.clone());
    let fake = Fake::that(move |request| match request {
        Request::ResultGet(get) => {
            let mut said = coming(&view(of(0, 1), &bytes), get, &bytes);
            let Some(Say::Bytes(chunks)) = said.last_mut() else { panic!("no bytes") };
            let rest = chunks.split_off(50_200);
            said.extend([Say::Open(begins.clone()), Say::Await(ends.clone()), Say::Bytes(rest)]);
            said
        }
        other => answers(other),
    });
    let child = within(&fake, place.path(), &["result", "get", "17.0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    begun.wait();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let told = Ran::of(child.wait_with_output().unwrap());
    never.open();
    told.says(130, "", "");
    assert_eq!((names(place.path()), collected(&fake)), (vec![], 0));
}

#[test]
fn an_attempt_before_the_latest_has_a_folder_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let bytes = packed("first");
    let answers = job_17(bytes.clone(), false);
    let fake = Fake::that(move |request| match request {
        Request::Task { id } => {
            let attempt = |number, state, reason: &str| AttemptView {
                id: id.attempt(number),
                state,
                node: Some("pi-1".parse().unwrap()),
                started_at: Some(days_ago(1)),
                ended_at: Some(days_ago(1)),
                ran_ms: Some(5),
                code: Some(3),
                reason: reason.into(),
                late: None,
            };
            let attempts = vec![attempt(1, TaskState::Failed, "exit code 3"), attempt(2, TaskState::Running, "")];
            let task = TaskView { attempt: 2, ..done(0, TaskState::Running) };
            vec![Say::Reply(Reply::Task { task, attempts, results: vec![view(of(0, 1), &bytes)] })]
        }
        other => answers(other),
    });
    ran(&fake, place.path(), &["result", "get", "17.0#1"]).says(0, "./17.0#1: here, 3 files, 3.5 KiB\n", "");
    let task: Value = serde_json::from_str(&text(&place, "17.0#1/task.json")).unwrap();
    let told = (&task["attempt"], &task["state"], &task["code"], &task["node"], &task["reason"]);
    assert_eq!(told, (&json!(1), &json!("failed"), &json!(3), &json!("pi-1"), &json!("exit code 3")));
    let latest = ran(&fake, place.path(), &["result", "get", "17.0#2"]);
    latest.says(3, "", "bramble: 17.0 has not ended yet; wait for it with: bramble wait 17.0\n");
    let none = ran(&fake, place.path(), &["result", "get", "17.0#9"]);
    none.says(5, "", "bramble: there is no 17.0#9; the latest attempt is 17.0#2\n");
}

#[test]
fn what_was_dropped_of_the_output_is_said_and_written_down() {
    let place = tempfile::tempdir().unwrap();
    let answers = job_17(packed("x"), false);
    let fake = Fake::that(move |request| match request {
        Request::Logs(_) => vec![
            Say::More(More::LogNote { text: "the oldest 1.0 GiB are not here any more\u{1b}[2J".into() }),
            Say::More(printed(Stream::Stdout, b"end\n")),
            Say::Reply(Reply::End),
        ],
        other => answers(other),
    });
    let told = ran(&fake, place.path(), &["result", "get", "17.1"]);
    assert_eq!((told.code, text(&place, "17.1/stdout").as_str()), (Some(0), "end\n"));
    assert_eq!(told.stderr, "bramble: 17.1: the oldest 1.0 GiB are not here any more\\u{1b}[2J\n");
    let task: Value = serde_json::from_str(&text(&place, "17.1/task.json")).unwrap();
    assert_eq!(task["notes"], json!(["the oldest 1.0 GiB are not here any more\u{1b}[2J"]));
}

#[test]
fn results_are_listed_with_how_long_they_are_kept_yet() {
    let results = vec![
        view(of(3, 1), &packed("x")),
        ResultView { hours_left: Some(26), ..view(of(4, 2), &packed("x")) },
        ResultView { collected_at: Some(days_ago(0)), name: None, ..view(of(5, 1), &packed("x")) },
        ResultView { hours_left: None, owner: "bo".parse().unwrap(), ..view(of(6, 1), &packed("x")) },
    ];
    let fake = Fake::that(move |_| vec![listed(results.clone())]);
    let table = "\
ATTEMPT  NAME       OWNER    SIZE  FILES  KEPT  LEFT
17.3#1   night run  ana    3.5KiB      3    1d  29 d
17.4#2   night run  ana    3.5KiB      3    1d  26 h, then removed
17.5#1   -          ana    3.5KiB      3    1d  collected
17.6#1   night run  bo     3.5KiB      3    1d  its job goes on
";
    fake.run(&["result"]).says(0, table, "");
    fake.run(&["results", "ls", "17", "--waiting", "-n", "7"]).says(0, table, "");
    let query =
        ResultQuery { targets: vec![Target::Job(JobId(17))], waiting: true, limit: 7, ..ResultQuery::default() };
    assert_eq!(fake.asked().last(), Some(&Request::Results(query)));
    let told = fake.run(&["result", "--json"]).json();
    assert_eq!((&told["total"], &told["results"][1]["attempt"]), (&json!(4), &json!("17.4#2")));
    let (screen, code) = Terminal::of(fake.command(&["result", "--color", "never"]), 120).ends();
    let hint =
        "1 result, 3.5 KiB, is removed soon, the first in 26 h; bring home what you want: bramble result get 17\n";
    assert!(code == Some(0) && screen.ends_with(hint) && screen.contains("4 results, 14.0 KiB\n"), "{screen}");
}

#[test]
fn a_page_of_a_task_says_what_it_left() {
    let bytes = packed("x");
    let fake = Fake::that(move |_| {
        let results = vec![view(of(3, 1), &bytes)];
        vec![Say::Reply(Reply::Task { task: done(3, TaskState::Succeeded), attempts: vec![], results })]
    });
    let page = fake.run(&["task", "17.3"]).stdout;
    let line = "result     3 files, 3.5 KiB, kept for 29 d yet; get it with: bramble result get 17.3\n";
    assert!(page.ends_with(line), "{page}");
    assert_eq!(fake.run(&["task", "17.3", "--json"]).json()["results"][0]["attempt"], "17.3#1");
}

/// Knows three results of 17, and removes whatever it is asked to.
fn removing() -> Fake {
    let list = |total| Say::Reply(Reply::Results(ResultList { total, results: vec![], size: 3 << 20 }));
    Fake::that(move |request| {
        vec![match request {
            Request::Results(ResultQuery { waiting: true, .. }) => list(2),
            Request::Results(_) => list(3),
            Request::ResultRemove { .. } => Say::Reply(Reply::Removed { count: 3, size: 3 << 20 }),
            Request::JobRemove { jobs } if jobs == &[JobId(17)] => {
                Say::Reply(Reply::Removed { count: 1, size: 3 << 20 })
            }
            Request::JobRemove { .. } => Say::Refuse(Refusal::refused("job 18 has not ended")),
            _ => Say::Refuse(Refusal::usage("not in this test")),
        }]
    })
}

fn asked_to_remove(fake: &Fake) -> Vec<Request> {
    let removes = |asked: &Request| matches!(asked, Request::ResultRemove { .. } | Request::JobRemove { .. });
    fake.asked().into_iter().filter(removes).collect()
}

#[test]
fn removing_asks_a_person_and_takes_a_yes_from_a_script() {
    let fake = removing();
    let unasked = "bramble: nothing was removed: there is no terminal to ask on; --yes does it unasked\n";
    fake.run(&["result", "rm", "17"]).says(3, "", unasked);
    fake.run(&["job", "rm", "17"]).says(3, "", unasked);
    assert_eq!(asked_to_remove(&fake), []);
    fake.run(&["result", "rm", "17", "--yes"]).says(0, "17: removed 3 results, 3.0 MiB\n", "");
    assert_eq!(asked_to_remove(&fake), [Request::ResultRemove { targets: vec![Target::Job(JobId(17))] }]);
    let both = fake.run(&["job", "rm", "17", "18", "-y"]);
    both.says(6, "17: forgotten, 3.0 MiB freed\n", "bramble: job 18 has not ended\n");
    assert_eq!(
        fake.run(&["job", "rm", "17", "-y", "--json"]).json(),
        json!([{ "job": "17", "count": 1, "size": 3 << 20 }])
    );
}

#[test]
fn the_question_says_what_would_be_gone() {
    let fake = removing();
    let answered = |words: &[&str], question: &str, answer: &str| {
        let terminal = Terminal::of(fake.command(words), 120);
        terminal.until_shows(question);
        terminal.keys(answer);
        terminal.ends()
    };
    let question = "remove 3 results, 3.0 MiB, 2 of which nobody has got yet? [y/N]";
    let (screen, code) = answered(&["result", "rm", "17"], question, "<enter>");
    assert!(code == Some(3) && screen.ends_with("nothing was removed\n"), "{screen}");
    assert_eq!(asked_to_remove(&fake), []);
    let question = "forget job 17 with its output and 3 results, 3.0 MiB, 2 of which nobody has got yet? [y/N]";
    let (screen, code) = answered(&["job", "rm", "17"], question, "y<enter>");
    assert!(code == Some(0) && screen.ends_with("17: forgotten, 3.0 MiB freed\n"), "{screen}");
}

/// A job 17 of one task that fails, after having left this.
fn failing(bytes: Vec<u8>) -> Fake {
    let answers = job_17(bytes.clone(), false);
    Fake::that(move |request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Wait { .. } => vec![Say::Reply(ended(TaskState::Failed, Some(7), "exit code 7"))],
        Request::Tasks(_) => {
            vec![Say::Reply(Reply::Tasks { total: 1, tasks: vec![done(0, TaskState::Failed)] })]
        }
        Request::Logs(query) if query.follow => {
            vec![Say::More(printed(Stream::Stdout, b"half\n")), Say::Reply(Reply::End)]
        }
        other => answers(other),
    })
}

#[test]
fn run_brings_home_what_its_job_left_and_keeps_its_code() {
    let place = tempfile::tempdir().unwrap();
    let fake = failing(packed("x"));
    let told = ran(&fake, place.path(), &["run", "--wait", "--collect", "runs", "--", "thing"]);
    told.says(7, "half\n", "");
    assert_eq!(text(&place, "runs/17.0/out/answer"), "42\n");
    let told = ran(&fake, place.path(), &["run", "--wait", "--collect", "again", "--json", "--", "thing"]);
    let lines = told.json_lines();
    assert_eq!(lines[3]["collected"][0]["path"], "again/17.0", "{lines:?}");
    assert_eq!((lines.len(), told.code), (4, Some(7)));
    let alone = ran(&fake, place.path(), &["run", "--collect", "runs", "--", "thing"]);
    assert!(alone.code == Some(2) && alone.stderr.contains("--wait"), "{alone:?}");
    fs::write(place.path().join("job.toml"), "executable = \"thing\"\n").unwrap();
    let told = ran(&fake, place.path(), &["submit", "job.toml", "--wait", "--collect", "third"]);
    told.says(7, "half\n", "");
    assert_eq!(text(&place, "third/17.0/stdout"), "17.0#1 \u{1b}[1m\n");
}

#[test]
fn what_does_not_come_home_does_not_hide_how_the_job_ended() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("runs"), "a file").unwrap();
    let told = ran(&failing(packed("x")), place.path(), &["run", "--wait", "--collect", "runs", "--", "thing"]);
    assert!(told.code == Some(7) && told.stderr.contains("runs cannot be written"), "{told:?}");
}

#[test]
fn who_has_waited_is_told_what_there_is_to_bring_home() {
    let fake = Fake::that(|request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 3))],
        Request::Wait { .. } => {
            let counts = Counts { succeeded: 3, ..Counts::default() };
            vec![Say::Reply(Reply::Waited(Waited { counts, code: None, reason: String::new() }))]
        }
        Request::Results(ResultQuery { waiting: true, .. }) => {
            vec![Say::Reply(Reply::Results(ResultList { total: 3, results: vec![], size: 1 << 20 }))]
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    });
    let line = "17 left 3 results, 1.0 MiB: bramble result get 17\n";
    for words in [&["wait", "17"][..], &["run", "--wait", "--array", "0-2", "--", "thing"]] {
        let (screen, code) = Terminal::of(fake.command(words), 80).ends();
        assert!(code == Some(0) && screen.ends_with(line), "{screen}");
        // Nobody is there to read it.
        assert!(!fake.run(words).stderr.contains("left"));
    }
}
