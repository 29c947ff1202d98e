//! Followers that never read: they cost a bounded memory, hold up nobody, and get a fresh picture when they wake.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use protocol::api::{Body, EventQuery, LogQuery, More, Request};
use protocol::id::{JobId, Target};
use protocol::job::JobSpec;

use crate::common::{Demo, daemons, folder, until, verb};
use crate::kit::{Raw, memory, slowest_answer, submit};

/// What the manager may grow by for all of them together.
const GROWTH: u64 = 24 * 1024;

#[test]
fn followers_that_never_read_hold_up_nobody_and_cost_a_bounded_memory() {
    let here = folder();
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    let manager = u32::try_from(daemons(here.path(), "manager")[0]).unwrap();
    // Much to say: some megabytes a second to the log, an event for each of many tasks.
    let flag = here.path().join("flag");
    let loud = format!("while ! [ -e {} ]; do head -c 40000 /dev/zero | tr '\\0' x; sleep 0.02; done", flag.display());
    let loud = submit(&demo.socket(), JobSpec::of(["sh", "-c", &loud])).unwrap();
    until("it prints", || (!demo.verb(&["logs", &loud.to_string()]).stdout.is_empty()).then_some(()));
    let before = memory(manager);
    let mut deaf: Vec<Raw> = vec![];
    for _ in 0..5 {
        let target = Target::Job(JobId(loud));
        for request in [
            Request::Logs(LogQuery { target, stream: None, follow: true }),
            Request::Events(EventQuery { follow: true, ..EventQuery::default() }),
            Request::Watch,
        ] {
            let mut raw = Raw::reach(&demo.socket()).unwrap();
            raw.say(request);
            deaf.push(raw);
        }
    }
    // One who listens, beside them.
    let quiet = format!("while ! [ -e {} ]; do date +%s%N; sleep 0.05; done", flag.display());
    let quiet = submit(&demo.socket(), JobSpec::of(["sh", "-c", &quiet])).unwrap();
    let mut follower = verb(&demo.socket(), &["logs", "-f", &quiet.to_string()]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // When each line was printed, and when it was here.
    let (linked, first) = std::sync::mpsc::channel();
    let heard = std::thread::spawn(move || -> Vec<(u128, u128)> {
        let here = |line: std::io::Result<String>| (line.unwrap().parse().unwrap(), nanoseconds());
        // Only the first is waited for.
        lines.map(here).inspect(|_| linked.send(()).unwrap_or_default()).collect()
    });
    // Others are just being connected to that node.
    first.recv().unwrap();

    let (began, end) = (nanoseconds(), Instant::now() + Duration::from_secs(3));
    let (mut slowest, mut jobs) = (Duration::ZERO, 0);
    while Instant::now() < end {
        slowest = slowest.max(slowest_answer(&demo.socket(), 3));
        // Not so many that the node is busy with them afterwards.
        if jobs < 100 {
            let array = Some(protocol::job::Array { first: 0, last: 9 });
            submit(&demo.socket(), JobSpec { array, ..JobSpec::of(["true"]) }).unwrap();
            jobs += 1;
        }
    }
    let grown = memory(manager).saturating_sub(before);
    assert!(slowest < Duration::from_secs(2), "an answer came after {slowest:?}");
    assert!(grown < GROWTH, "{grown} KiB for those who never read");

    // Whoever wakes: a watch is brought up to date by a fresh picture or by changes, events miss none, a log says
    // what is not there any more.
    let last = submit(&demo.socket(), JobSpec::of(["true"])).unwrap();
    let mut watch = deaf.remove(2);
    let caught_up = |body: &Body| match body {
        Body::More(More::Picture(picture)) => picture.jobs.iter().any(|job| job.id.0 == last),
        Body::More(More::Changes(changes)) => changes.jobs.iter().any(|job| job.id.0 == last),
        _ => false,
    };
    until("the watch is up to date", || caught_up(&watch.next().unwrap()).then_some(()));
    let mut events = deaf.remove(1);
    let mut no = 0;
    until("the events have come", || match events.next().unwrap() {
        Body::More(More::Events(some)) => some.iter().find_map(|event| {
            assert!(no == 0 || event.no == no + 1, "{no} and then {}", event.no);
            no = event.no;
            matches!(&event.what, protocol::event::What::JobSubmitted { job, .. } if job.0 == last).then_some(())
        }),
        other => panic!("{other:?}"),
    });
    std::fs::write(&flag, "").unwrap();
    let mut log = deaf.remove(0);
    let mut reached = 0;
    until("the end of the log", || match log.next().unwrap() {
        Body::More(More::Log(chunk)) => {
            assert!(chunk.offset >= reached, "{} comes after {reached}", chunk.offset);
            reached = chunk.offset + chunk.bytes.0.len() as u64;
            None
        }
        Body::Reply(_) => Some(()),
        _ => None,
    });
    assert!(reached > 1_000_000, "{reached} bytes");
    follower.wait().unwrap();
    let delays = heard.join().unwrap().into_iter().filter(|(printed, _)| *printed > began);
    let delays: Vec<u64> = delays.map(|(printed, here)| u64::try_from(here.saturating_sub(printed)).unwrap()).collect();
    let latest = Duration::from_nanos(*delays.iter().max().unwrap());
    println!("{jobs} jobs beside; a line came after {latest:?} at most, an answer after {slowest:?}; {grown} KiB more");
    assert!(delays.len() > 10 && latest < Duration::from_secs(2), "{} lines, {latest:?}", delays.len());
    drop(deaf);
    until("its memory is its own again", || (memory(manager) < before + GROWTH).then_some(()));
    demo.quit();
}

fn nanoseconds() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}
