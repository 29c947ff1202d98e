//! `bramble logs`.

use protocol::api::{LogQuery, More, Refusal, Reply, Request};
use protocol::id::TaskId;
use protocol::job::{Stream, TaskState};
use serde_json::json;

use crate::fake::{Fake, Say};
use crate::sample::{printed, task};

/// A manager where every log reads the same, and job 17 has so many tasks.
fn printing(tasks: u32) -> Fake {
    Fake::that(move |request| match request {
        Request::Tasks(_) => {
            let first = (tasks > 0).then(|| task(TaskId::new(17, 5), TaskState::Running));
            vec![Say::Reply(Reply::Tasks { total: tasks, tasks: first.into_iter().collect() })]
        }
        _ => vec![
            Say::More(printed(Stream::Stdout, b"out\xff\x1b[1m\n")),
            Say::More(More::LogNote { text: "the first 3 bytes were dropped: more than the limit was printed".into() }),
            Say::More(printed(Stream::Stderr, b"err")),
            Say::Reply(Reply::End),
        ],
    })
}

fn asked(target: &str, follow: bool, stream: Option<Stream>) -> Request {
    Request::Logs(LogQuery { target: target.parse().unwrap(), follow, stream })
}

#[test]
fn bytes_are_passed_on_as_they_were_printed() {
    let output = printing(1).command(&["logs", "17.3"]).output().unwrap();
    assert_eq!(output.stdout, b"out\xff\x1b[1m\n");
    let errors = "bramble: the first 3 bytes were dropped: more than the limit was printed\nerr";
    assert_eq!((String::from_utf8(output.stderr).unwrap().as_str(), output.status.code()), (errors, Some(0)));
}

#[test]
fn what_was_asked_for_by_name_goes_to_stdout() {
    let fake = Fake::that(|_| vec![Say::More(printed(Stream::Stderr, b"err\n")), Say::Reply(Reply::End)]);
    fake.run(&["logs", "17.3#2", "--stderr", "-f"]).says(0, "err\n", "");
    assert_eq!(fake.asked(), [asked("17.3#2", true, Some(Stream::Stderr))]);
}

#[test]
fn as_json_each_piece_is_a_line() {
    let ran = printing(1).run(&["logs", "17.3", "--json"]);
    let lines = ran.json_lines();
    assert_eq!(lines[0], json!({"log": {"stream": "stdout", "offset": 0, "bytes": "b3V0/xtbMW0K"}}));
    assert_eq!(lines[1]["log_note"]["text"], "the first 3 bytes were dropped: more than the limit was printed");
    assert_eq!((lines.len(), ran.stderr.as_str()), (3, ""));
}

#[test]
fn a_job_of_one_task_needs_no_index() {
    let fake = printing(1);
    assert_eq!(fake.command(&["logs", "17"]).output().unwrap().status.code(), Some(0));
    assert_eq!(fake.asked().last(), Some(&asked("17.5", false, None)));
}

#[test]
fn a_job_of_many_tasks_asks_for_one() {
    let ran = printing(100).run(&["logs", "17"]);
    ran.says(2, "", "bramble: job 17 has 100 tasks; name one, as in: bramble logs 17.5\n");
}

#[test]
fn a_log_that_breaks_off_is_no_end() {
    let fake = Fake::that(|_| vec![Say::More(printed(Stream::Stdout, b"half")), Say::Die]);
    let ran = fake.run(&["logs", "17.0", "-f"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), "half"));
    assert!(ran.stderr.contains("went away"), "{}", ran.stderr);
}

#[test]
fn a_log_one_may_not_read_is_refused() {
    let fake = Fake::that(|_| vec![Say::Refuse(Refusal::refused("job 17 belongs to ben"))]);
    fake.run(&["logs", "17.0"]).says(3, "", "bramble: job 17 belongs to ben\n");
}

#[test]
fn a_reader_who_has_enough_is_no_error() {
    let fake = Fake::that(|_| (0..64).map(|_| Say::More(printed(Stream::Stdout, &[b'x'; 65536]))).collect());
    let mut command = fake.command(&["logs", "17.0"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut some = [0; 10];
    std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}
