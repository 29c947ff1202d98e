//! Secrets: there while a task runs, for it alone; in no file of the node, and gone after it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use protocol::agent::{Finished, Order, ToAgent};
use protocol::job::{NotStarted, Outcome};
use protocol::secret::{Hidden, SecretAs, SecretGiven};

use crate::manager::Manager;
use crate::worker::Worker;
use crate::{TASK_UID, id, order, started_of, until};

const WORD: &str = "correct horse battery staple";

fn variable(name: &str, value: &[u8]) -> SecretGiven {
    SecretGiven { given: SecretAs::Env(name.into()), value: Hidden::of(value.to_vec()) }
}

fn file(name: &str, value: &[u8]) -> SecretGiven {
    SecretGiven { given: SecretAs::File(name.parse().unwrap()), value: Hidden::of(value.to_vec()) }
}

fn start_with(attempt: &str, script: &str, secrets: Vec<SecretGiven>) -> ToAgent {
    ToAgent::Start(Order { secrets: secrets.into(), ..order(attempt, script) })
}

fn said(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.stdout.bytes.as_ref().expect("inline").0).into_owned()
}

/// Tells where its secrets are, then waits until there is a file `go` in its folder.
fn waits(then: &str) -> String {
    format!("echo \"$BRAMBLE_SECRETS\" > told.new; mv told.new told; until [ -e go ]; do sleep 0.01; done; {then}")
}

/// Where the secrets of a task that [`waits`] are.
async fn place(worker: &Worker, attempt: &str) -> PathBuf {
    let told = worker.place.work(attempt).join("told");
    until("it tells where its secrets are", || told.exists()).await;
    PathBuf::from(std::fs::read_to_string(told).unwrap().trim())
}

fn go(worker: &Worker, attempt: &str) {
    std::fs::write(worker.place.work(attempt).join("go"), "").unwrap();
}

/// Files in here that have it.
fn having(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(having(&path, needle));
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(needle.len()).any(|part| part == needle) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_task_has_them_while_it_runs_and_nobody_else_ever() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    assert!(control.hello.takes_secrets);
    let hostile = format!("{WORD}\n'\"$(id)\\ ü\r\n");
    let binary: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    let script = waits(
        "printf %s \"$TOKEN\" | sha256sum; sha256sum < \"$BRAMBLE_SECRETS/two words\"; \
         cat \"$BRAMBLE_SECRETS/two words\" | wc -c; (echo x > \"$BRAMBLE_SECRETS/two words\") 2>/dev/null && echo changed; \
         ls \"$BRAMBLE_SECRETS\"",
    );
    let secrets = vec![variable("TOKEN", hostile.as_bytes()), file("two words", &binary), file("key", WORD.as_bytes())];
    control.say(start_with("1.0#1", &script, secrets)).await;
    control.hears("it starts", started_of("1.0#1")).await;
    let place = place(&worker, "1.0#1").await;
    let root = rustix::process::geteuid().is_root();
    let of = std::fs::metadata(place.join("key")).unwrap();
    assert_eq!(of.permissions().mode() & 0o7777, 0o400);
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(of.uid(), if root { TASK_UID } else { own });
    assert_eq!(std::fs::read(place.join("two words")).unwrap(), binary);
    let system = rustix::fs::statfs(&place).unwrap();
    assert_eq!(system.f_type as u64, 0x0102_1994, "{} is a tmpfs", place.display());
    let folder = std::fs::metadata(&place).unwrap();
    assert_eq!(folder.permissions().mode() & 0o007, 0, "closed to everybody else");
    assert_eq!(having(&worker.place.state(), WORD.as_bytes()), Vec::<PathBuf>::new());
    let status = worker.status().unwrap();
    for pid in [status.keeper_pid, status.agent_pid.unwrap()] {
        for what in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{what}")).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(WORD), "{what} of {pid}");
        }
    }
    let told = format!("{:?} {:?}", serde_json::to_string(&status), serde_json::to_string(&worker.tasks()));
    assert!(!told.contains(WORD), "{told}");
    go(&worker, "1.0#1");
    let finished = control.finished("1.0#1").await;
    assert!(!place.exists(), "gone before its end is told");
    let sum = |bytes: &[u8]| {
        use std::io::Write;
        let mut child = std::process::Command::new("sha256sum")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    // Without root a task is the agent's equal, and owns its file.
    let expected = format!("{}{}65536\nkey\ntwo words\n", sum(hostile.as_bytes()), sum(&binary));
    assert_eq!(said(&finished), expected);
    control.say(ToAgent::Ack { attempts: vec![id("1.0#1")] }).await;
    worker.is_clean().await;
    assert_eq!(having(&worker.place.state(), WORD.as_bytes()), Vec::<PathBuf>::new());
    let within = place.parent().unwrap();
    until("the place of all of them is given back", || !within.exists()).await;
}

#[tokio::test]
async fn a_new_agent_leaves_those_of_running_tasks_and_removes_the_rest() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let key = || vec![file("key", WORD.as_bytes())];
    control.say(start_with("2.0#1", &waits("cat \"$BRAMBLE_SECRETS/key\""), key())).await;
    control.say(start_with("2.1#1", &waits("exit 0"), key())).await;
    // Waits for a slot: it is in the agent's memory and nowhere else.
    control.say(start_with("2.2#1", "cat \"$BRAMBLE_SECRETS/key\"", key())).await;
    control.hears("one starts", started_of("2.0#1")).await;
    let (stays, goes) = (place(&worker, "2.0#1").await, place(&worker, "2.1#1").await);
    worker.agent_says("one waits", |agent| agent["waiting"] == 1).await;
    assert_eq!(having(&worker.place.state(), WORD.as_bytes()), Vec::<PathBuf>::new());
    // Left by an agent that was killed just before it handed the task over.
    let stray = stays.with_file_name("2.9#1");
    std::fs::create_dir(&stray).unwrap();
    std::fs::write(stray.join("key"), WORD).unwrap();
    worker.kill_agent().await;
    go(&worker, "2.1#1");
    let mut control = manager.linked().await;
    until("what nobody needs is gone", || !goes.exists() && !stray.exists()).await;
    assert!(stays.join("key").exists());
    go(&worker, "2.0#1");
    assert_eq!(said(&control.finish("2.0#1").await), WORD);
    assert!(!stays.exists());
    // Nobody knows of it any more, so it is sent once more.
    control.say(start_with("2.2#1", "cat \"$BRAMBLE_SECRETS/key\"", key())).await;
    assert_eq!(said(&control.finish("2.2#1").await), WORD);
    control.say(ToAgent::Ack { attempts: vec![id("2.1#1")] }).await;
    worker.is_clean().await;
    assert!(!stays.parent().unwrap().exists());
}

#[tokio::test]
async fn what_is_discarded_or_cannot_start_keeps_nothing() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start_with("3.0#1", &waits(""), vec![file("key", WORD.as_bytes())])).await;
    let place = place(&worker, "3.0#1").await;
    control.say(ToAgent::Discard { attempts: vec![id("3.0#1")] }).await;
    until("it is discarded with its secrets", || !place.exists()).await;
    let mut missing = order("3.1#1", "");
    missing.command = ["no-such-program".to_owned()].into();
    missing.secrets = vec![file("key", WORD.as_bytes()), variable("PATH", WORD.as_bytes())].into();
    control.say(ToAgent::Start(missing)).await;
    let why = format!("{:?}", control.finish("3.1#1").await.outcome);
    assert!(why.contains("NotFound") && !why.contains(WORD), "{why}");
    control.say(start_with("3.2#1", "true", vec![file("key", b"x"), variable("TOKEN", b"a\0b")])).await;
    match control.finish("3.2#1").await.outcome {
        Outcome::NotStarted { kind: NotStarted::Fault, message } => {
            assert!(message.ends_with("its secret TOKEN is no text, or has zero bytes"), "{message}");
        }
        other => panic!("it started: {other:?}"),
    }
    worker.is_clean().await;
    assert!(!place.parent().unwrap().exists());
}
