//! What tasks leave in the folder for their results: all of it is with the manager before it hears of their ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use protocol::agent::{FromAgent, ToAgent, Welcome};
use protocol::job::Outcome;

use crate::manager::{Control, Manager};
use crate::worker::Worker;
use crate::{finished_of, id, start, started_of};

/// Leaves more than any buffer on the way holds.
const LARGE: &str = "i=0; while [ $i -lt 8 ]; do i=$((i+1)); head -c 1000000 /dev/urandom > out/$i; done";

fn unpacked(bytes: &[u8]) -> tempfile::TempDir {
    let into = tempfile::tempdir().unwrap();
    packing::unpack(bytes, into.path(), 1000).unwrap();
    into
}

fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// What the manager hears until the end of one attempt.
async fn heard_until(control: &mut Control, attempt: &str) -> Vec<FromAgent> {
    let mut heard = vec![];
    loop {
        let next = control.next().await;
        if finished_of(attempt)(&next) {
            return heard;
        }
        heard.push(next);
    }
}

#[tokio::test]
async fn what_a_task_leaves_is_kept_before_its_end_is_told() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    assert!(control.hello.gives_results);
    let script = "cd \"$BRAMBLE_OUT\" && mkdir -p sub/deeper && echo text > sub/file && echo run > tool && \
                  chmod 750 tool && ln -s sub/file link && ln -s /etc/passwd away && mkfifo pipe && exit 3";
    control.say(start("1.0#1", script)).await;
    let coming = manager.result().await;
    assert_eq!((coming.attempt, coming.left.entries, coming.left.left_out), (id("1.0#1"), 5, 2));
    // Others end meanwhile, and it does not.
    control.say(start("1.1#1", "true")).await;
    let heard = heard_until(&mut control, "1.1#1").await;
    assert!(!heard.iter().any(finished_of("1.0#1")), "{heard:?}");
    control.say(ToAgent::Ack { attempts: vec![id("1.1#1")] }).await;
    let bytes = coming.take().await;
    let finished = control.finished("1.0#1").await;
    assert_eq!((finished.outcome, finished.result_lost), (Outcome::Exited(3), None));
    assert!(worker.place.work("1.0#1").join("out/tool").exists(), "until its end is acknowledged");
    control.say(ToAgent::Ack { attempts: vec![id("1.0#1")] }).await;
    let folder = unpacked(&bytes);
    assert_eq!((text(folder.path(), "link"), text(folder.path(), "tool")), ("text\n".into(), "run\n".into()));
    assert_eq!(std::fs::metadata(folder.path().join("tool")).unwrap().permissions().mode() & 0o777, 0o750);
    assert!(folder.path().join("sub/deeper").is_dir());
    worker.is_clean().await;
}

#[tokio::test]
async fn who_leaves_nothing_sends_nothing_and_who_is_in_its_place_is_no_result() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    for (attempt, script) in [("2.0#1", "true"), ("2.1#1", "rmdir out"), ("2.2#1", "touch out/x; rm out/x; touch y")] {
        control.say(start(attempt, script)).await;
        assert_eq!(control.finish(attempt).await.result_lost, None);
    }
    for (attempt, script) in [("2.3#1", "rmdir out; ln -s /etc out"), ("2.4#1", "rmdir out; echo text > out")] {
        control.say(start(attempt, script)).await;
        let finished = control.finish(attempt).await;
        assert_eq!(finished.outcome, Outcome::Exited(0));
        assert_eq!(finished.result_lost.as_deref(), Some("out is not a folder any more"));
    }
    assert!(!manager.has_bulk());
    worker.is_clean().await;
}

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_was_and_from_the_beginning_where_that_is_of_another() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("3.0#1", LARGE)).await;
    let coming = manager.result().await;
    let (left, tag) = (coming.left, coming.tag);
    assert_eq!(left.entries, 8);
    let mut taking = coming.ready(&[]).await;
    let part = taking.some(3_000_000).await;
    drop(taking);
    // It is not taken for now; then what was here is not what it was; then the disk is full in the middle.
    let coming = manager.result().await;
    assert_eq!((coming.left, coming.tag), (left, tag));
    coming.refuse("no room for now", false).await;
    let mut taking = manager.result().await.ready_at(3_000_000, b"something else").await;
    assert_eq!(taking.from, 0);
    assert!(taking.some(3_000_000).await == part);
    taking.refuse("no room any more").await;
    let mut taking = manager.result().await.ready(&part).await;
    assert_eq!(taking.from, 3_000_000);
    let part = taking.some(5_000_000).await;
    drop(taking);
    let taking = manager.result().await.ready(&part).await;
    assert_eq!(taking.from, 5_000_000);
    let bytes = taking.rest().await;
    assert_eq!(std::fs::metadata(unpacked(&bytes).path().join("8")).unwrap().len(), 1_000_000);
    assert_eq!(control.finish("3.0#1").await.result_lost, None);
    worker.is_clean().await;
}

#[tokio::test]
async fn what_is_here_already_is_not_sent_and_what_is_never_taken_is_told() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("4.0#1", "echo text > out/file")).await;
    manager.result().await.has_it().await;
    assert_eq!(control.finish("4.0#1").await.result_lost, None);
    control.say(start("4.1#1", "echo text > out/file; exit 5")).await;
    manager.result().await.refuse("ana has no room left", true).await;
    let finished = control.finish("4.1#1").await;
    assert_eq!((finished.outcome, finished.result_lost.as_deref()), (Outcome::Exited(5), Some("ana has no room left")));
    assert!(!manager.has_bulk());
    worker.is_clean().await;
}

#[tokio::test]
async fn a_manager_that_takes_no_results_hears_of_ends_as_ever() {
    let mut manager = Manager::new().await;
    let (worker, control) = Worker::joined(&mut manager).await;
    drop(control);
    let mut control = manager.linked_with(Welcome { takes_results: false, ..crate::welcome() }).await;
    control.say(start("5.0#1", "echo text > out/file")).await;
    assert_eq!(control.finish("5.0#1").await.result_lost, None);
    assert!(!manager.has_bulk());
    worker.is_clean().await;
}

#[tokio::test]
async fn a_killed_agent_leaves_it_to_the_next() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("6.0#1", LARGE)).await;
    let coming = manager.result().await;
    let (left, tag) = (coming.left, coming.tag);
    let mut taking = coming.ready(&[]).await;
    let part = taking.some(2_000_000).await;
    worker.kill_agent().await;
    taking.closes().await;
    let mut control = manager.linked().await;
    assert_eq!(control.hello.held.len(), 1);
    let coming = manager.result().await;
    assert_eq!((coming.left, coming.tag), (left, tag), "it is the same");
    let taking = coming.ready(&part).await;
    assert_eq!(taking.from, 2_000_000);
    unpacked(&taking.rest().await);
    // Kept, and the news of its end is lost with this agent too.
    control.finished("6.0#1").await;
    worker.kill_agent().await;
    let mut control = manager.linked().await;
    manager.result().await.has_it().await;
    assert_eq!(control.finish("6.0#1").await.result_lost, None);
    worker.is_clean().await;
}

#[tokio::test]
async fn a_result_that_is_stuck_holds_up_nobody() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("7.0#1", LARGE)).await;
    let mut stuck = manager.result().await.ready(&[]).await;
    control.say(start("7.1#1", "head -c 1000000 /dev/zero; echo text > out/file")).await;
    manager.take_put().await;
    manager.result().await.take().await;
    control.finish("7.1#1").await;
    control.say(start("7.2#1", "true")).await;
    control.finish("7.2#1").await;
    // One that waits in front of another.
    control.say(start("7.3#1", LARGE)).await;
    let unwilling = manager.result().await;
    assert_eq!(unwilling.attempt, id("7.3#1"));
    unwilling.refuse("no room for now", false).await;
    stuck.some(4_000_000).await;
    stuck.rest().await;
    control.finish("7.0#1").await;
    manager.result().await.take().await;
    control.finish("7.3#1").await;
    worker.is_clean().await;
}

#[tokio::test]
async fn a_lost_link_ends_no_result_and_whoever_is_forgotten_has_none() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("8.0#1", LARGE)).await;
    let mut taking = manager.result().await.ready(&[]).await;
    taking.some(1_000_000).await;
    drop(control);
    let mut control = manager.linked().await;
    taking.rest().await;
    control.finish("8.0#1").await;
    assert!(!manager.has_bulk(), "it is not sent twice");

    control.say(start("8.1#1", LARGE)).await;
    let taking = manager.result().await.ready(&[]).await;
    control.say(ToAgent::Discard { attempts: vec![id("8.1#1")] }).await;
    taking.closes().await;
    worker.is_clean().await;
}

#[tokio::test]
async fn what_does_not_hold_still_is_lost_with_its_reason() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("9.0#1", LARGE)).await;
    let file = worker.place.work("9.0#1").join("out/8");
    for number in 0..3 {
        let taking = manager.result().await.ready(&[]).await;
        std::fs::write(&file, vec![number; 1000]).unwrap();
        taking.closes().await;
    }
    let finished = control.finish("9.0#1").await;
    assert_eq!(finished.outcome, Outcome::Exited(0));
    assert_eq!(finished.result_lost.as_deref(), Some("out changed while it was read, 3 times in a row"));
    worker.is_clean().await;
}

#[tokio::test]
async fn a_task_that_is_stopped_leaves_what_it_has_so_far() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    control.say(start("10.0#1", "echo half > out/file; exec sleep 1000")).await;
    control.hears("it runs", started_of("10.0#1")).await;
    let file = worker.place.work("10.0#1").join("out/file");
    crate::until("half is there", || std::fs::read_to_string(&file).is_ok_and(|text| text == "half\n")).await;
    control.say(ToAgent::Stop { attempt: id("10.0#1"), reason: "by ana".into() }).await;
    let folder = unpacked(&manager.result().await.take().await);
    assert_eq!(text(folder.path(), "file"), "half\n");
    control.finish("10.0#1").await;
    worker.is_clean().await;
}
