//! Garbage, lengths that cannot be, and drips, at every socket and port: each is closed or bounded, and everyone else is
//! served meanwhile. What comes before the log-in at the SSH port is in `link/tests/it/attack.rs`, what comes at the
//! keeper's sockets in `worker-agent/tests/keeper`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use link::Connection;
use protocol::agent::{BULK, CONTROL, FromAgent, JOIN, JOIN_USER, ToAgent};
use protocol::api::{Body, Request};
use tokio::io::AsyncWriteExt;

use crate::common::{PATIENCE, folder, until};
use crate::fake::{Fake, runtime, stranger, within};
use crate::kit::{Manager, Raw, memory, slowest_answer};

/// The longest frame there may be, all but its last byte.
fn all_but_one() -> Vec<u8> {
    let mut frame = u32::try_from(protocol::frame::LONGEST).unwrap().to_be_bytes().to_vec();
    frame.resize(4 + protocol::frame::LONGEST - 1, b' ');
    frame
}

/// More than a noisy machine needs, less than anybody would wait for.
const USUAL: Duration = Duration::from_secs(2);

/// What the manager may grow by, whatever is said to it: the budget of a user or node, its buffers, and what SSH keeps.
const GROWTH: u64 = 64 * 1024;

#[test]
fn noise_at_the_unix_socket_is_answered_or_closed_and_costs_a_bounded_memory() {
    let here = folder();
    let manager = Manager::start(here.path());
    let before = memory(manager.child.id());
    let cases: &[(&[u8], &str)] = &[
        (&[0xff; 64], "a frame of 4294967295 bytes was announced; at most 4194304 are allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes was announced"),
        (b"SSH-2.0-OpenSSH_10\r\n", "bytes was announced"),
        (b"\0\0\0\x04nope", "a frame is not JSON"),
        (b"\0\0\0\x0d{\"dance\": {}}", "the message \"dance\" is not understood here"),
    ];
    for (noise, sentence) in cases {
        let mut caller = UnixStream::connect(&manager.socket).unwrap();
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        caller.write_all(noise).unwrap();
        caller.shutdown(std::net::Shutdown::Write).unwrap();
        let mut told = vec![];
        caller.read_to_end(&mut told).unwrap();
        let told = String::from_utf8_lossy(&told).replace("\\\"", "\"");
        assert!(told.contains(sentence), "{noise:?}: {told}");
    }
    // Begun, and never finished.
    let frame = all_but_one();
    let mut begun = vec![];
    for _ in 0..60 {
        let mut caller = UnixStream::connect(&manager.socket).unwrap();
        caller.set_write_timeout(Some(PATIENCE)).unwrap();
        // Some are closed in the middle of it.
        let _ = caller.write_all(&frame);
        begun.push(caller);
    }
    assert!(slowest_answer(&manager.socket, 50) < USUAL);
    let grown = memory(manager.child.id()).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} KiB for frames that never end");
    let told = begun.iter_mut().filter_map(|caller| {
        caller.set_nonblocking(true).unwrap();
        let mut told = vec![];
        let _ = caller.read_to_end(&mut told);
        String::from_utf8_lossy(&told).contains("messages wait here for their ends").then_some(())
    });
    assert!(told.count() >= 50, "those beyond the budget are told so");
    // The last byte of one that was within it: it was all there.
    drop(begun);
    assert!(matches!(Raw::reach(&manager.socket).unwrap().ask(Request::Nodes), Some(Body::Reply(_))));
    manager.ends();
}

#[test]
fn strangers_to_the_configuration_are_told_so_at_once_and_keep_nothing_open() {
    let here = folder();
    let manager = Manager::start(here.path());
    if !rustix::process::geteuid().is_root() {
        test_support::leave_out!("calling as another user needs root");
    }
    let before = memory(manager.child.id());
    let socket = manager.socket.clone();
    let told = std::thread::spawn(move || -> Vec<String> { (0..300).map(|_| as_nobody(&socket)).collect() });
    assert!(slowest_answer(&manager.socket, 50) < USUAL);
    for told in told.join().unwrap() {
        assert!(told.contains("is not one of this manager's people"), "{told}");
    }
    let grown = memory(manager.child.id()).saturating_sub(before);
    assert!(grown < GROWTH / 4, "{grown} KiB");
    manager.ends();
}

/// Connects as a user nobody knows, begins something large, and says what came back.
fn as_nobody(socket: &Path) -> String {
    let nobody = rustix::process::Uid::from_raw(65534);
    // This thread alone changes, the first time it comes here.
    let _ = rustix::thread::set_thread_uid(nobody);
    let mut caller = UnixStream::connect(socket).unwrap();
    caller.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = caller.write_all(&[0, 0x3f, 0xff, 0xff]);
    let mut told = vec![];
    // It ends without being asked to.
    let _ = caller.read_to_end(&mut told);
    String::from_utf8_lossy(&told).into_owned()
}

/// Opens a stream and leaves a frame unfinished in it. Says whether the manager closed it.
async fn begins(connection: &Connection, subsystem: &str, frame: &[u8]) -> Option<link::Stream> {
    let mut stream = connection.open(subsystem).await.ok()?;
    let writing = async { stream.write_all(frame).await.is_ok() && stream.flush().await.is_ok() };
    let written = tokio::time::timeout(Duration::from_secs(5), writing).await;
    written.unwrap_or(false).then_some(stream)
}

#[test]
fn frames_that_never_end_cost_a_bounded_memory_on_every_way_in_over_ssh() {
    let here = folder();
    let manager = Manager::start(here.path());
    let worker = manager.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let before = memory(manager.child.id());
    let frame = all_but_one();
    let runtime = runtime();
    let held = runtime.block_on(async {
        let mut held = vec![];
        // Strangers: each has one channel.
        let token = manager.token();
        for _ in 0..12 {
            let connection = link::dial(&stranger(&manager, &token, JOIN_USER)).await.unwrap();
            let stream = begins(&connection, JOIN, &frame).await;
            held.push((connection, stream));
        }
        // A node with a good key and bad manners.
        let liar = Fake::join(&manager, "liar").await;
        for subsystem in [CONTROL, BULK, CONTROL, BULK] {
            let connection = liar.dial().await;
            for _ in 0..8 {
                let stream = begins(&connection, subsystem, &frame).await;
                held.push((liar.dial().await, stream));
            }
            held.push((connection, None));
        }
        held
    });
    assert!(slowest_answer(&manager.socket, 50) < USUAL);
    let grown = memory(manager.child.id()).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} KiB for frames that never end");
    let began = Instant::now();
    let done = manager.verb(&["run", "--wait", "--node", "pi-1", "--", "true"]);
    assert!(done.status.success() && began.elapsed() < USUAL, "{:?}", began.elapsed());
    drop(held);
    // What is no frame at all ends the link with a sentence to who asks for it, and another link is as good as ever.
    runtime.block_on(async {
        let liar = Fake::join(&manager, "rude").await;
        let mut control = liar.link().await;
        control.says(&serde_json::json!({"dance": {"steps": [1, 2, 3]}})).await;
        let answer = control.hears().await;
        assert!(matches!(&answer, Some(ToAgent::NotUnderstood { name }) if name == "dance"), "{answer:?}");
        let mut raw = control.write.into_inner();
        raw.write_all(&[0xff; 16]).await.unwrap();
        raw.flush().await.unwrap();
        let end = within(control.read.next::<ToAgent>()).await;
        assert!(matches!(end, Ok(None) | Err(_)), "{end:?}");
    });
    let told = until("rude is down", || Some(manager.events()).filter(|told| told.contains("rude down")));
    assert!(told.contains("rude down: the link broke: a frame of 4294967295 bytes was announced"), "{told}");
    drop(worker);
    manager.ends();
}

#[test]
fn who_drips_into_a_first_frame_is_let_go_in_time() {
    let here = folder();
    let manager = Manager::start(here.path());
    let runtime = runtime();
    runtime.block_on(async {
        let liar = Fake::join(&manager, "drip").await;
        let hello = serde_json::to_vec(&FromAgent::Hello(Box::new(liar.hello()))).unwrap();
        let connection = liar.dial().await;
        let mut stream = connection.open(CONTROL).await.unwrap();
        stream.write_all(&u32::try_from(hello.len()).unwrap().to_be_bytes()).await.unwrap();
        let began = Instant::now();
        let mut rest = hello.iter();
        // A byte at a time would take minutes.
        for byte in rest.by_ref() {
            if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await; // why: the drip is the thing itself
            assert!(began.elapsed() < PATIENCE / 2, "it was let drip for {:?}", began.elapsed());
        }
        assert!(rest.len() > 0, "the whole hello was taken");
    });
    assert!(manager.log().contains("drip was let go: it said no hello in time"), "{}", manager.log());
    manager.ends();
}
