//! What tasks are given: fetched once, placed, kept for the next, and never in anybody's way.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use protocol::agent::{Finished, FromAgent, Given, Order, ToAgent};
use protocol::file::{ContentHash, FileKind};
use protocol::job::{NotStarted, Outcome, Stream};

use crate::manager::Manager;
use crate::worker::Worker;
use crate::{id, order, start, started_of, until};

fn given(name: &str, kind: FileKind, bytes: &[u8]) -> Given {
    let hash = ContentHash(*blake3::hash(bytes).as_bytes());
    let name = name.parse().unwrap();
    Given { name, kind, size: bytes.len() as u64, hash, executable: false, writable: false }
}

fn file(name: &str, bytes: &[u8]) -> Given {
    given(name, FileKind::File, bytes)
}

fn start_with(attempt: &str, script: &str, files: Vec<Given>) -> ToAgent {
    ToAgent::Start(Order { files: files.into(), ..order(attempt, script) })
}

fn entry(given: &Given) -> String {
    format!("{}.{}", given.hash, given.kind)
}

fn part(given: &Given) -> String {
    format!("{}.part", entry(given))
}

fn said(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.stdout.bytes.as_ref().expect("inline").0).into_owned()
}

fn why(finished: &Finished) -> &str {
    match &finished.outcome {
        Outcome::NotStarted { kind: NotStarted::Fault | NotStarted::NoRoom, message } => message,
        other => panic!("it did not start: {other:?}"),
    }
}

/// Bytes that differ wherever one looks.
fn bytes(length: u32) -> Vec<u8> {
    (0..length / 4).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn packed() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir_all(source.join("sub")).unwrap();
    std::fs::write(source.join("sub/text"), "in the folder\n").unwrap();
    std::fs::write(source.join("tool"), "#!/bin/sh\necho the tool ran\n").unwrap();
    std::fs::set_permissions(source.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let measured = packing::measure(&source, 100).unwrap();
    let mut bytes = vec![];
    packing::pack(&source, 100, &measured, &mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn files_are_in_its_folder_when_it_starts_and_the_next_task_finds_them_here() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    assert!(control.hello.takes_files);
    let (data, prog, folder) = (b"some data\n".to_vec(), b"#!/bin/sh\necho the program ran\n".to_vec(), packed());
    let files = vec![
        file("data", &data),
        Given { writable: true, ..file("own", &data) },
        Given { executable: true, ..file("prog", &prog) },
        given("folder", FileKind::Folder, &folder),
        Given { writable: true, ..given("own folder", FileKind::Folder, &folder) },
    ];
    let script = "cat data own; ./prog; folder/tool; cat folder/sub/text; \
                  (echo more >> data) 2>/dev/null || echo data is only to be read; \
                  (echo more >> folder/sub/text) 2>/dev/null || echo so is the folder; \
                  echo more >> own; tail -n 1 own; \
                  echo changed > 'own folder/sub/text'; cat 'own folder/sub/text'; touch folder/new; \
                  chmod u+w data 2>/dev/null; (echo more >> data) 2>/dev/null; ls ../../cache 2>/dev/null | head -n 1; \
                  mv data elsewhere; rm -rf folder; exit 0";
    control.say(start_with("1.0#1", script, files.clone())).await;
    for _ in 0..3 {
        let asked = manager.asked().await;
        assert_eq!((asked.attempt, asked.from), (id("1.0#1"), 0));
        let wanted = [&data, &prog, &folder].into_iter().find(|one| file("x", one).hash == asked.hash).unwrap();
        asked.give(wanted).await;
    }
    let expected = "some data\nsome data\nthe program ran\nthe tool ran\nin the folder\ndata is only to be read\n\
                    so is the folder\nmore\nchanged\n";
    let first = control.finish("1.0#1").await;
    let root = rustix::process::geteuid().is_root();
    let first = said(&first);
    // Without root tasks are the agent's equals, and see what it keeps.
    assert!(if root { first == expected } else { first.starts_with(expected) }, "{first}");
    control.say(start_with("1.1#1", script, files)).await;
    assert_eq!(said(&control.finish("1.1#1").await), first, "nothing that the first did reaches the second");
    assert!(!manager.has_bulk(), "and nothing was fetched again");
    worker.is_clean().await;

    // A new agent still has them.
    worker.kill_agent().await;
    let mut control = manager.linked().await;
    control.say(start_with("1.2#1", "cat mine", vec![file("mine", &data)])).await;
    assert_eq!(said(&control.finish("1.2#1").await), "some data\n");
    assert!(!manager.has_bulk());
    worker.is_clean().await;
}

#[tokio::test]
async fn who_waits_for_files_holds_up_nobody_and_two_who_want_the_same_make_one_fetch() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let (first, second, third) = (bytes(400_000), bytes(200_000), bytes(100_000));
    control.say(start_with("2.0#1", "wc -c < a", vec![file("a", &first)])).await;
    control.say(start_with("2.1#1", "wc -c < b", vec![file("b", &first)])).await;
    control.say(start_with("2.2#1", "wc -c < c", vec![file("c", &second)])).await;
    control.say(start_with("2.3#1", "wc -c < d", vec![file("d", &third)])).await;
    // Each on a connection of its own, so that either may be here first.
    let mut both = [manager.asked().await, manager.asked().await];
    both.sort_by_key(|asked| asked.attempt);
    let [mut slow, next] = both;
    assert_eq!((slow.hash, next.hash), (file("a", &first).hash, file("c", &second).hash));
    slow.give_some(&first, 100_000).await;
    // Others run meanwhile, and what they print is not behind it.
    control.say(start("2.4#1", "head -c 1000000 /dev/zero")).await;
    let (_, stream, _, printed) = manager.take_put().await;
    assert_eq!((stream, printed.len()), (Stream::Stdout, 1_000_000));
    control.finish("2.4#1").await;
    assert!(!manager.has_bulk(), "two at a time are enough");
    next.give(&second).await;
    assert_eq!(said(&control.finish("2.2#1").await), "200000\n");
    manager.asked().await.give(&third).await;
    assert_eq!(said(&control.finish("2.3#1").await), "100000\n");
    drop(slow);
    let again = manager.asked().await;
    assert_eq!(again.from, 100_000);
    again.give(&first).await;
    // Both start at once, and either may end first.
    let mut ended = vec![];
    while ended.len() < 2 {
        let end = control.hears("both end", |message| matches!(message, FromAgent::Finished(_))).await;
        let FromAgent::Finished(finished) = end else { unreachable!() };
        assert_eq!(said(&finished), "400000\n");
        control.say(ToAgent::Ack { attempts: vec![finished.attempt] }).await;
        ended.push(finished.attempt);
    }
    ended.sort();
    assert_eq!(ended, [id("2.0#1"), id("2.1#1")]);
    assert!(!manager.has_bulk());
    worker.is_clean().await;
}

#[tokio::test]
async fn a_fetch_goes_on_where_it_broke_and_wrong_bytes_are_not_taken() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let data = bytes(1_000_000);
    let order = start_with("3.0#1", "wc -c < data; sha1sum < /dev/null > /dev/null", vec![file("data", &data)]);
    control.say(order.clone()).await;
    let mut asked = manager.asked().await;
    asked.give_some(&data, 300_000).await;
    drop(asked);
    // Broken where it is only refused for now, too.
    let asked = manager.asked().await;
    assert_eq!(asked.from, 300_000);
    asked.refuse("too many want something", false).await;

    // And where the whole agent ends.
    let mut asked = manager.asked().await;
    assert_eq!(asked.from, 300_000);
    asked.give_some(&data, 600_000).await;
    let part = worker.place.cache(&part(&file("data", &data)));
    until("it is here", || std::fs::metadata(&part).is_ok_and(|meta| meta.len() >= 600_000 - 64 * 1024)).await;
    let there = std::fs::metadata(&part).unwrap().len();
    worker.kill_agent().await;
    let mut control = manager.linked().await;
    assert!(control.hello.held.is_empty(), "it has not started");
    control.say(order).await;
    let asked = manager.asked().await;
    assert!((there..=600_000).contains(&asked.from), "{}", asked.from);

    // What comes now is not what it should be: all of it comes again.
    let mut wrong = data.clone();
    wrong[900_000] ^= 1;
    asked.give(&wrong).await;
    let asked = manager.asked().await;
    assert_eq!(asked.from, 0);
    asked.give(&data).await;
    assert_eq!(said(&control.finish("3.0#1").await), "1000000\n");
    assert!(!part.exists());
    worker.is_clean().await;
}

#[tokio::test]
async fn a_lost_link_ends_its_fetches_and_the_order_sent_again_goes_on_with_them() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let data = bytes(500_000);
    let order = start_with("4.0#1", "wc -c < data", vec![file("data", &data)]);
    control.say(order.clone()).await;
    let mut asked = manager.asked().await;
    asked.give_some(&data, 200_000).await;
    let part = worker.place.cache(&part(&file("data", &data)));
    until("some of it is here", || std::fs::metadata(&part).is_ok_and(|meta| meta.len() > 0)).await;
    drop(control);
    asked.closes().await;
    let mut control = manager.linked().await;
    assert!(!manager.has_bulk(), "nobody wants it until the order comes again");
    control.say(order).await;
    let asked = manager.asked().await;
    assert!(asked.from > 0 && asked.from <= 200_000, "{}", asked.from);
    asked.give(&data).await;
    assert_eq!(said(&control.finish("4.0#1").await), "500000\n");
    worker.is_clean().await;
}

#[tokio::test]
async fn what_cannot_be_had_ends_the_task_with_a_sentence() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let data = bytes(100_000);
    control.say(start_with("5.0#1", "true", vec![file("data", &data)])).await;
    control.say(start_with("5.1#1", "wc -c < data", vec![file("data", &data)])).await;
    let asked = manager.asked().await;
    assert_eq!(asked.attempt, id("5.0#1"));
    asked.refuse("ana removed it", true).await;
    let gone = control.finish("5.0#1").await;
    assert_eq!(
        why(&gone),
        "5.0#1 could not be started on this node: its file \"data\" could not be had: ana removed it"
    );
    // The other asks for itself.
    let asked = manager.asked().await;
    assert_eq!((asked.attempt, asked.from), (id("5.1#1"), 0));
    asked.give(&data).await;
    control.finish("5.1#1").await;

    // Wrong again and again.
    let other = bytes(2000);
    control.say(start_with("5.2#1", "true", vec![file("other", &other)])).await;
    for _ in 0..3 {
        manager.asked().await.give(&[0; 2000]).await;
    }
    let wrong = control.finish("5.2#1").await;
    assert!(why(&wrong).ends_with("its bytes are not those of that hash, 3 times in a row"), "{wrong:?}");
    // Not a folder, whoever says so.
    control.say(start_with("5.3#1", "true", vec![given("other", FileKind::Folder, &other)])).await;
    manager.asked().await.give(&other).await;
    let bad = control.finish("5.3#1").await;
    assert!(why(&bad).contains("the packed folder"), "{bad:?}");
    // Larger than any disk.
    let large = Given { size: 1 << 60, ..file("large", b"large") };
    control.say(start_with("5.4#1", "true", vec![large])).await;
    let full = control.finish("5.4#1").await;
    assert!(why(&full).contains("not enough room for it on the node's disk"), "{full:?}");
    assert!(matches!(full.outcome, Outcome::NotStarted { kind: NotStarted::NoRoom, .. }), "another node may have room");
    worker.is_clean().await;
    until("nothing of it is left", || names(&worker.place.cache("")) == [entry(&file("data", &data))]).await;
}

#[tokio::test]
async fn a_fetch_that_nobody_wants_any_more_ends() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let data = bytes(1_000_000);
    for attempt in ["6.0#1", "6.1#1", "6.2#1"] {
        control.say(start_with(attempt, "true", vec![file("data", &data)])).await;
    }
    let mut asked = manager.asked().await;
    asked.give_some(&data, 300_000).await;
    control.say(ToAgent::Stop { attempt: id("6.0#1"), reason: "by ana".into() }).await;
    let stopped = control.finish("6.0#1").await;
    assert_eq!((stopped.outcome, stopped.started_at), (Outcome::Stopped { reason: "by ana".into() }, None));
    control.say(ToAgent::Discard { attempts: vec![id("6.1#1")] }).await;
    control.say(ToAgent::Recall { attempt: id("6.2#1") }).await;
    let recalled = control.next().await;
    assert!(matches!(recalled, FromAgent::Recalled { attempt } if attempt == id("6.2#1")), "{recalled:?}");
    asked.closes().await;
    until("nothing of it is left", || names(&worker.place.cache("")).is_empty()).await;
    // Whoever wants it later has it fetched as ever.
    control.say(start_with("6.3#1", "wc -c < data", vec![file("data", &data)])).await;
    let asked = manager.asked().await;
    assert_eq!(asked.from, 0);
    asked.give(&data).await;
    assert_eq!(said(&control.finish("6.3#1").await), "1000000\n");
    worker.is_clean().await;
}

#[tokio::test]
async fn a_cache_that_is_too_large_gives_up_what_nobody_needs() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined_with(&mut manager, &["--cache-limit", "500kB"]).await;
    let contents = [bytes(300_000), bytes(200_000), bytes(400_000)];
    let files: Vec<Given> = contents.iter().map(|bytes| file("data", bytes)).collect();
    let go = worker.place.state().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.01; done; wc -c < data", go.display());
    control.say(start_with("7.0#1", &script, vec![files[0].clone()])).await;
    manager.asked().await.give(&contents[0]).await;
    control.hears("it runs", started_of("7.0#1")).await;
    // Another needs more than there is room for: what runs keeps what it has.
    control.say(start_with("7.1#1", "true", vec![files[1].clone()])).await;
    manager.asked().await.give(&contents[1]).await;
    control.finish("7.1#1").await;
    let has = |index: usize| worker.place.cache(&entry(&files[index])).exists();
    until("only one is left", || has(0) && !has(1)).await;
    control.say(start_with("7.2#1", "true", vec![files[2].clone()])).await;
    manager.asked().await.give(&contents[2]).await;
    control.finish("7.2#1").await;
    until("the last is gone too", || has(0) && !has(2)).await;
    std::fs::write(&go, "").unwrap();
    assert_eq!(said(&control.finish("7.0#1").await), "300000\n");
    // Nobody needs it, and there is room for it.
    control.say(start_with("7.3#1", "true", vec![files[0].clone()])).await;
    control.finish("7.3#1").await;
    assert!(has(0) && !manager.has_bulk());
    control.say(start_with("7.4#1", "true", vec![files[2].clone()])).await;
    manager.asked().await.give(&contents[2]).await;
    control.finish("7.4#1").await;
    assert!(!has(0) && has(2), "what was used before makes room");
    worker.is_clean().await;
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|found| found.unwrap().file_name().into_string().unwrap()).collect()
}
