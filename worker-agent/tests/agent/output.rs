//! What tasks print: small, large, live and without end.

use std::time::Instant;

use protocol::agent::{BulkHello, Follow, FollowFrame, FromAgent, ToAgent, Welcome};
use protocol::job::{Outcome, Stream};

use crate::manager::{Control, Manager};
use crate::worker::Worker;
use crate::{id, start, started_of, until};

fn follow(id_: u64, attempt: &str, from: u64, follow: bool) -> ToAgent {
    ToAgent::Follow(Follow { id: id_, attempt: id(attempt), stdout_from: from, stderr_from: 0, follow })
}

#[tokio::test]
async fn large_output_goes_ahead_over_one_connection_and_again_where_it_was_not_taken() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; head -c 50000 /dev/zero | tr '\\0' y >&2; exit 5";
    control.say(start("5.0#1", script)).await;
    // The first try breaks in the middle.
    let (hello, broken) = manager.bulk().await;
    assert!(matches!(hello, BulkHello::Put { stream: Stream::Stdout, length: 3_000_000, dropped: 0, .. }), "{hello:?}");
    drop(broken);
    // The second is not taken, and said so before it is all there.
    let (_, unwilling) = manager.bulk().await;
    unwilling.refuse("no room for now").await;
    let (attempt, stream, _, bytes) = manager.take_put().await;
    assert_eq!((attempt, stream, bytes.len()), (id("5.0#1"), Stream::Stdout, 3_000_000));
    assert!(bytes.iter().all(|byte| *byte == b'x'));
    let (_, stream, _, bytes) = manager.take_put().await;
    assert_eq!((stream, bytes), (Stream::Stderr, vec![b'y'; 50_000]));
    let finished = control.finish("5.0#1").await;
    assert_eq!(finished.outcome, Outcome::Exited(5));
    for (output, length) in [(finished.stdout, 3_000_000), (finished.stderr, 50_000)] {
        assert_eq!((output.length, output.dropped, output.bytes), (length, 0, None));
    }
    worker.is_clean().await;
}

#[tokio::test]
async fn a_printed_line_is_seen_while_the_task_runs_and_slow_followers_hold_up_nobody() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let pipe = worker.place.state().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    rustix::fs::chmod(&pipe, 0o666.into()).unwrap();
    // Prints what the test writes into the pipe.
    control.say(start("6.0#1", &format!("exec cat {}", pipe.display()))).await;
    control.hears("it runs", started_of("6.0#1")).await;
    let mut lines = std::fs::File::options().write(true).open(&pipe).unwrap();
    let mut print = |line: &str| std::io::Write::write_all(&mut lines, line.as_bytes()).unwrap();

    // One who never reads, one who goes away, one who watches.
    control.say(follow(1, "6.0#1", 0, true)).await;
    let (_, slow) = manager.bulk().await;
    control.say(follow(2, "6.0#1", 0, true)).await;
    drop(manager.bulk().await);
    control.say(follow(3, "6.0#1", 2, true)).await;
    let (hello, mut live) = manager.bulk().await;
    assert_eq!(hello, BulkHello::Follow { id: 3 });
    print("0123456789");
    assert_eq!(live.read_to(8).await, (2, b"23456789".to_vec()));
    let mut times = vec![];
    for number in 0..200u64 {
        let begun = Instant::now();
        print(&format!("line {number:04}\n"));
        assert_eq!(live.read_to(10).await, (10 + number * 10, format!("line {number:04}\n").into_bytes()));
        times.push(begun.elapsed());
    }
    times.sort();
    eprintln!("a printed line is seen after {:?} (p50), {:?} (p95)", times[100], times[190]);

    // Without --follow: what is there now, and the end.
    control.say(follow(4, "6.0#1", 0, false)).await;
    let (_, mut glance) = manager.bulk().await;
    assert_eq!(glance.read_to(usize::MAX).await.1.len(), 10 + 200 * 10);

    // The rest of it, and its end, reach the one who watches; the one who never reads is no hindrance.
    drop(lines);
    assert_eq!(live.chunk().await, FollowFrame::End);
    assert_eq!(control.finish("6.0#1").await.stdout.length, 2010);
    worker.is_clean().await;
    drop(slow);
    control.say(follow(5, "6.0#1", 0, true)).await;
    let failed = control.next().await;
    assert!(
        matches!(&failed, FromAgent::FollowFailed { id: 5, reason } if reason.contains("is not on this node")),
        "{failed:?}"
    );
}

#[tokio::test]
async fn output_without_end_keeps_its_newest_part_and_knows_how_much_went() {
    const LIMIT: u64 = 100_000;
    let mut manager = Manager::new().await;
    let (worker, control) = Worker::joined(&mut manager).await;
    drop(control);
    let limited = Welcome { output_limit: LIMIT, ..crate::welcome() };
    let mut control: Control = manager.linked_with(limited.clone()).await;
    let flag = worker.place.state().join("go");
    let script =
        format!("seq 1 100000; until [ -e {} ]; do sleep 0.01; done; seq 100001 200000; echo last", flag.display());
    control.say(start("7.0#1", &script)).await;
    let file = worker.place.spool("7.0#1.out");
    let on_disk = || std::fs::metadata(&file).map_or(0, |meta| std::os::unix::fs::MetadataExt::blocks(&meta) * 512);
    let printed = || std::fs::metadata(&file).map_or(0, |meta| meta.len());
    let first_half: u64 = (1..=100_000u64).map(|n| n.to_string().len() as u64 + 1).sum();
    until("the first half is printed and trimmed", || printed() == first_half && on_disk() < LIMIT * 2).await;

    // A new agent, and a manager away, change nothing about that.
    worker.kill_agent().await;
    std::fs::write(&flag, "").unwrap();
    let mut control = manager.linked_with(limited).await;
    let all: Vec<u8> = (1..=200_000u64).flat_map(|n| format!("{n}\n").into_bytes()).chain(*b"last\n").collect();
    let (_, stream, dropped, bytes) = manager.take_put().await;
    assert_eq!((stream, dropped, bytes.len() as u64), (Stream::Stdout, all.len() as u64 - LIMIT, LIMIT));
    assert!(bytes == all[dropped as usize..], "the newest part, byte for byte");
    let finished = control.finished("7.0#1").await;
    assert_eq!((finished.stdout.length, finished.stdout.dropped), (all.len() as u64, all.len() as u64 - LIMIT));

    // Whoever looks now begins where something is left.
    control.say(follow(1, "7.0#1", 0, true)).await;
    let (_, mut late) = manager.bulk().await;
    let (offset, bytes) = late.read_to(usize::MAX).await;
    assert!(offset > 0 && bytes == all[offset as usize..]);
    control.say(ToAgent::Ack { attempts: vec![id("7.0#1")] }).await;
    worker.is_clean().await;
}
