//! One data set for many tasks: it comes to each node once, whatever breaks meanwhile, and through little memory.
//!
//! `BRAMBLE_SET_MIB=5120 cargo nextest run -p bramble --test files one_data_set` is the same with five gigabytes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::{said, until};
use crate::kit::Worker;
use crate::memory::{MOST, peak, peak_until_the_end};
use crate::place::{Place, noise};

const NODES: [&str; 3] = ["pi-1", "pi-2", "pi-3"];
const TASKS: u32 = 60;

fn mebibytes() -> u64 {
    std::env::var("BRAMBLE_SET_MIB").ok().map_or(128, |text| text.parse().expect("a number of MiB"))
}

/// The line of one node: what passes on it to the node is counted, and all of it can break at once.
struct Link {
    address: String,
    passed: Arc<AtomicU64>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Link {
    fn to(manager: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (passed, ends) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (manager, counts, opened) = (manager.to_owned(), passed.clone(), ends.clone());
        // It ends with the test: there is no other way to call off an accept.
        std::thread::spawn(move || {
            for node in listener.incoming().flatten() {
                // Where nobody listens, the node finds its line closed.
                let Ok(manager) = TcpStream::connect(&manager) else { continue };
                let twin = |end: &TcpStream| end.try_clone().unwrap();
                opened.lock().unwrap().extend([twin(&node), twin(&manager)]);
                pass(twin(&node), twin(&manager), Arc::default());
                pass(manager, node, counts.clone());
            }
        });
        Self { address, passed, ends }
    }

    fn breaks(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            // One side may have closed it.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            count.fetch_add(read as u64, Ordering::Relaxed);
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                // The other way may still have something to say.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    });
}

fn worker_behind(place: &Place, name: &str, link: &Link) -> Worker {
    place.manager().worker_at(name, &place.here.path().join(name), &link.address)
}

fn agent_of(worker: &Worker) -> u32 {
    until("its agent is there", || worker.status()["agent_pid"].as_u64()) as u32
}

/// Bytes of the set that a node has of what is on its way.
fn part(worker: &Worker) -> u64 {
    let cached = std::fs::read_dir(worker.state.join("cache")).into_iter().flatten().flatten();
    let parts = cached.filter(|found| found.file_name().to_string_lossy().ends_with(".part"));
    parts.filter_map(|found| found.metadata().ok()).map(|meta| meta.len()).sum()
}

#[test]
fn one_data_set_comes_to_each_node_once_whatever_breaks_meanwhile() {
    let size = mebibytes() << 20;
    let mut place = Place::with("keepalive = \"1s\"\n[files]\nquota = \"100 GiB\"\n");
    let block = noise("set", 1 << 20);
    let mut file = File::create(place.path("set")).unwrap();
    for number in 0..mebibytes() {
        // No two blocks are the same.
        file.write_all(&number.to_le_bytes()).unwrap();
        file.write_all(&block[8..]).unwrap();
    }
    let mut peaks = vec![("file put", peak_until_the_end(place.command(&["put", "set"]).spawn().unwrap()))];

    let links = NODES.map(|_| Link::to(&place.manager().ssh));
    let workers: Vec<Worker> = NODES.iter().zip(&links).map(|(name, link)| worker_behind(&place, name, link)).collect();
    for name in NODES {
        until("it is up", || place.manager().is_up(name).then_some(()));
    }
    let before = links.each_ref().map(|link| link.passed.load(Ordering::Relaxed));
    let last = format!("0-{}", TASKS - 1);
    let job = ["run", "--array", &last, "--file", "set", "--", "sh", "-c", "tail -c 1000000 set | cksum"];
    let submitted = place.manager().verb(&job);
    assert!(submitted.status.success(), "{}", said(&submitted));

    until("some of it is at the first", || (part(&workers[0]) > size / 10).then_some(()));
    links[0].breaks();
    until("more of it is at the second", || (part(&workers[1]) > size / 4).then_some(()));
    peaks.push(("the first manager", peak(place.pid()).unwrap()));
    place.kill_and_keep_the_port();
    place.start();
    let done = place.manager().verb(&["wait", "1"]);
    assert!(done.status.success(), "{}", said(&done));

    let counts = place.manager().json(&["job", "1", "--json"])["counts"]["succeeded"].clone();
    assert_eq!(counts, TASKS);
    let sums: Vec<Vec<u8>> =
        (0..TASKS).map(|index| place.manager().verb(&["logs", &format!("1.{index}")]).stdout).collect();
    assert!(!sums[0].is_empty() && sums.iter().all(|sum| *sum == sums[0]), "they have not read the same");
    for ((name, link), before) in NODES.iter().zip(&links).zip(before) {
        let passed = link.passed.load(Ordering::Relaxed) - before;
        // Each byte once, what was under way when the line broke twice, and what everything else says.
        let most = size + size / 50 + (16 << 20);
        assert!((size..most).contains(&passed), "{passed} bytes came to {name}, of a set of {size}");
    }
    peaks.push(("the second manager", peak(place.pid()).unwrap()));
    for worker in &workers {
        peaks.push(("a keeper", peak(worker.child.id()).unwrap()));
        peaks.push(("an agent", peak(agent_of(worker)).unwrap()));
    }
    println!("peaks in KiB, with a set of {} MiB: {peaks:?}", mebibytes());
    assert!(peaks.iter().all(|(_, peak)| *peak < MOST), "{peaks:?}");
}
