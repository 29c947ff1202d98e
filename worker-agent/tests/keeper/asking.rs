//! The control socket: what people and scripts ask a worker on its own machine.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;

use protocol::keeper::{Kept, ToKeeper};
use serde_json::json;

use super::worker::*;

#[test]
fn status_and_tasks_are_told_to_people_and_to_scripts() {
    let mut worker = Worker::start();
    worker.say(&ToKeeper::Status(json!({"manager": "pi-0:2222", "link": "up", "error": null})));
    worker.shell(attempt(0), "exit 2");
    worker.outcome(attempt(0));
    worker.shell(attempt(1), "echo $$; exec sleep 1000");
    let pid: i32 = worker.lines(attempt(1), 1)[0].parse().unwrap();

    let status = worker.status();
    assert_eq!((status.keeper_pid, status.agent_pid), (worker.keeper_pid(), Some(worker.agent_pid())));
    assert_eq!((status.running, status.unacked, status.agent_restarts), (1, 1, 0));
    assert_eq!(status.agent["manager"], "pi-0:2222");
    let said = text(&worker.command(&["status"]).output().unwrap());
    assert!(said.contains("1 running, 1 ended") && said.contains("manager  pi-0:2222"), "{said}");

    let output = worker.command(&["tasks", "--json"]).output().unwrap();
    let tasks: Vec<Kept> = serde_json::from_slice(&output.stdout).unwrap();
    let running = tasks.iter().find(|kept| kept.ended.is_none()).unwrap();
    assert_eq!((running.attempt, running.pid), (attempt(1), Some(pid)));
    let said = text(&worker.command(&["tasks"]).output().unwrap());
    assert!(said.contains("1.0#1") && said.contains("exit code 2") && said.contains(&pid.to_string()), "{said}");
}

#[test]
fn where_no_worker_runs_the_verbs_say_how_to_start_one() {
    let worker = Worker::prepare(Mode::Usual);
    for verb in ["status", "tasks"] {
        let output = worker.command(&[verb]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output);
        for words in ["no worker runs here", "`bramble worker-agent run`", "`worker-agent run`", "--state"] {
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn the_socket_is_for_root_and_the_workers_own_user() {
    let worker = Worker::start();
    let socket = worker.file("run/keeper.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    if !is_root() {
        test_support::leave_out!("being somebody else needs root");
    }
    // Even where the mode would let everybody in.
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    let mut stream = std::process::Command::new("true");
    // SAFETY: system calls only; the descriptor is the child's own.
    unsafe {
        let path = socket.clone();
        stream.uid(65534).pre_exec(move || {
            let mut stream = UnixStream::connect(&path)?;
            let _ = stream.write_all(b"\0\0\0\x08\"status\"");
            let mut answer = vec![];
            let _ = stream.read_to_end(&mut answer);
            if answer.is_empty() { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
        });
    }
    assert!(stream.status().unwrap().success());
}

#[test]
fn clients_that_say_nothing_or_nonsense_or_never_listen_hold_up_nobody() {
    let mut worker = Worker::start();
    let connect = || UnixStream::connect(worker.file("run/keeper.sock")).unwrap();
    let mut dumb = vec![];
    for _ in 0..40 {
        dumb.push(connect());
    }
    for nonsense in
        [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{{", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x0b{\"dance\":1}", b"\0"]
    {
        let mut client = connect();
        client.write_all(nonsense).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = vec![];
        // An answer or a closed door, but no silence.
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        match client.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    for _ in 0..40 {
        let mut deaf = connect();
        // The door may close on whoever is too many.
        let _ = deaf.write_all(b"\0\0\0\x07\"tasks\"");
        dumb.push(deaf);
    }
    worker.shell(attempt(0), "exit 6");
    assert_eq!(worker.outcome(attempt(0)), protocol::job::Outcome::Exited(6));
    assert_eq!(worker.status().unacked, 1);
}
