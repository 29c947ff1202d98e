//! What a screen begins with, of a thousand nodes and a hundred thousand tasks. The figures are printed:
//! `cargo nextest run --lib scale --no-capture`.

use std::hint::black_box;
use std::time::Duration;

use protocol::agent::FromAgent;
use protocol::api::{Changes, Picture};
use protocol::job::Counts;
use protocol::node::{Facts, Interpreter, Metrics, Throttle};
use protocol::unit::{Bytes, Celsius, Percent};
use rustix::time::{ClockId, clock_gettime};

use super::world::*;

const NODES: usize = 1000;
const TASKS: u32 = 100_000;

/// Of a Raspberry Pi as workers tell them.
fn facts(node: &str) -> Facts {
    let text = |text: &str| Some(text.to_owned());
    let interpreter =
        |name: &str| Interpreter { name: name.into(), path: format!("/usr/bin/{name}"), version: text("3.11.2") };
    Facts {
        hostname: text(node),
        model: text("Raspberry Pi 4 Model B Rev 1.5"),
        os: text("Debian GNU/Linux 12 (bookworm)"),
        kernel: text("6.6.31+rpt-rpi-v8"),
        arch: text("aarch64"),
        cpus: Some(4),
        cpu_model: text("Cortex-A72"),
        memory: Some(Bytes(3_978_000_000)),
        disk: Some(Bytes(62_000_000_000)),
        addresses: vec!["192.168.101.102".into(), "fe80::dea6:32ff:fe01:0203".into()],
        gpus: vec!["VideoCore VI".into()],
        interpreters: ["python3", "bash", "sh", "perl", "Rscript", "node"].map(interpreter).into(),
        boot_id: text("5d2b3a57-6a0b-4c4e-9a3f-0d8b6f1c2e11"),
        simulated: false,
    }
}

fn metrics() -> Metrics {
    Metrics {
        cpu: Percent::new(37.5),
        load_hundredths: Some(142),
        memory_used: Some(Bytes(1_234_567_890)),
        disk_used: Some(Bytes(12_345_678_901)),
        disk_full: false,
        net_in: Some(Bytes(123_456)),
        net_out: Some(Bytes(654_321)),
        temperature: Celsius::new(54.3),
        throttle: Some(Throttle::default()),
        gpu: None,
        uptime_minutes: Some(12_345),
    }
}

fn thousand() -> World {
    let mut world = World::new();
    for n in 0..NODES {
        let node = format!("rack-{n:04}");
        world.add(&node, 4);
        world.report(&node, FromAgent::Facts(Box::new(facts(&node))));
        world.report(&node, FromAgent::Metrics(metrics().since(&Metrics::default())));
    }
    // An array and many small jobs, more than a picture shows.
    world.submit(array(0, TASKS - 300 - 1));
    for _ in 0..300 {
        world.submit(array(0, 0));
    }
    world
}

/// The shortest of some, by what the processor gave this thread: what else this machine does is not measured.
fn shortest<T>(work: impl Fn() -> T) -> Duration {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let once = || {
        let begun = used();
        black_box(work());
        used() - begun
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

#[test]
fn a_thousand_nodes_and_a_hundred_thousand_tasks_are_shown_at_once() {
    let world = thousand();
    let core = &world.cluster;
    let picture = core.picture(200);
    assert_eq!((picture.nodes.len(), picture.jobs.len(), picture.work.total()), (NODES, 200, TASKS));
    let json = serde_json::to_vec(&picture).unwrap();
    let facts: usize = picture.nodes.iter().map(|node| serde_json::to_vec(&node.facts).unwrap().len()).sum();
    let jobs = serde_json::to_vec(&picture.jobs).unwrap().len();
    let made = shortest(|| core.picture(200));
    let written = shortest(|| serde_json::to_vec(&picture).unwrap());
    let read = shortest(|| serde_json::from_slice::<Picture>(&json).unwrap());
    let names: Vec<_> = core.node_names().collect();
    let news =
        || Changes { metrics: names.iter().filter_map(|n| core.node_metrics(n)).collect(), ..Changes::default() };
    let light = serde_json::to_vec(&news()).unwrap().len();
    let told = shortest(|| serde_json::to_vec(&news()).unwrap());
    let whole = || Changes { nodes: core.node_views(), ..Changes::default() };
    let heavy = serde_json::to_vec(&whole()).unwrap().len();
    let told_whole = shortest(|| serde_json::to_vec(&whole()).unwrap());
    let kib = |bytes: usize| bytes / 1024;
    println!("picture: {} KiB, of these facts {} KiB, jobs {} KiB", kib(json.len()), kib(facts), kib(jobs));
    println!("made in {made:?}, written in {written:?}, read in {read:?}");
    println!(
        "a second's news of all nodes: {} KiB in {told:?}; whole views: {} KiB in {told_whole:?}",
        kib(light),
        kib(heavy)
    );
    assert!(json.len() < protocol::frame::LONGEST / 2, "{} bytes", json.len());
    assert!(light * 2 < heavy, "{light} bytes of news, {heavy} of whole views");
    assert!(made + written + read < Duration::from_millis(500), "even as built for tests");
    assert_ne!(core.work(), Counts::default());
}
