//! Who comes in, and who is told nothing.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use link::{DialError, Key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Host, dial, until, within};

#[tokio::test]
async fn a_wrong_host_is_found_out_before_anything_is_said_to_it() {
    let host = Host::start().await;
    let mut way = host.known();
    way.host_key = Key::generate().fingerprint();
    let why = dial(&way).await.err().unwrap();
    let DialError::WrongHost { expected, found, .. } = &why else { panic!("{why}") };
    assert_eq!((expected, found), (&way.host_key, &host.host_key));
    let why = why.to_string();
    assert!(why.contains("nothing was told to it") && why.contains(host.host_key.as_str()), "{why}");
    assert_eq!(host.book.asked.load(Ordering::SeqCst), 0, "the host saw no attempt to log in");
}

#[tokio::test]
async fn a_key_that_is_not_known_or_under_another_name_is_rejected() {
    let host = Host::start().await;
    for way in [host.unknown("worker"), { link::Dial { user: "root".to_owned(), ..host.known() } }] {
        let why = dial(&way).await.err().unwrap();
        assert!(matches!(&why, DialError::Rejected { user, .. } if *user == way.user), "{why}");
        assert!(why.to_string().contains("does not admit this key"), "{why}");
    }
}

#[tokio::test]
async fn a_stranger_opens_one_channel_and_never_a_second() {
    let mut host = Host::start().await;
    let connection = dial(&host.unknown("join")).await.unwrap();
    let (mut near, mut far) = host.stream_of(&connection).await;
    near.write_all(b"token").await.unwrap();
    let mut heard = [0; 5];
    within(far.read_exact(&mut heard)).await.unwrap();
    let why = connection.open("other").await.unwrap_err().to_string();
    assert!(why.contains("opens no further channel"), "{why}");
    drop((near, far));
    let why = connection.open("other").await.unwrap_err().to_string();
    assert!(why.contains("opens no further channel"), "{why}");
}

#[tokio::test]
async fn a_stranger_keeps_its_place_and_its_deadline_while_it_talks() {
    let mut host = Host::with(|config| {
        config.guard.login = Duration::from_millis(600);
        config.guard.strangers = 1;
    })
    .await;
    let begun = Instant::now();
    let connection = dial(&host.unknown("join")).await.unwrap();
    let (mut near, mut far) = host.stream_of(&connection).await;
    let way = host.known();
    assert!(dial(&way).await.is_err(), "the only place is taken");
    let talking = async {
        let mut heard = [0; 64];
        while near.write_all(b"still here").await.is_ok() && matches!(far.read(&mut heard).await, Ok(1..)) {}
    };
    within(talking).await;
    assert!(begun.elapsed() >= Duration::from_millis(600), "it had all its time");
    until("the place is free again", async || dial(&way).await.is_ok()).await;
}

#[tokio::test]
async fn a_strangers_deadline_holds_also_where_nobody_reads_what_it_sends() {
    let mut host = Host::with(|config| config.guard.login = Duration::from_millis(600)).await;
    let connection = dial(&host.unknown("join")).await.unwrap();
    let (mut near, _unread) = host.stream_of(&connection).await;
    let chunk = [7; 32 * 1024];
    let flooding = async { while near.write_all(&chunk).await.is_ok() {} };
    within(flooding).await;
    until("the connection has ended", async || connection.is_closed()).await;
}

#[tokio::test]
async fn who_is_known_gives_the_strangers_place_back_and_has_no_deadline() {
    let mut host = Host::with(|config| {
        config.guard.login = Duration::from_millis(300);
        config.guard.strangers = 1;
    })
    .await;
    let begun = Instant::now();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(host.stream().await);
    }
    until("the time for log-in is long over", async || begun.elapsed() > Duration::from_millis(600)).await;
    for (near, far) in &mut all {
        near.write_all(b"hello").await.unwrap();
        within(far.read_exact(&mut [0; 5])).await.unwrap();
    }
}

#[tokio::test]
async fn one_address_has_only_so_many_places() {
    let host = Host::with(|config| config.guard.strangers_per_address = 2).await;
    let (first, _second) = (dial(&host.unknown("join")).await.unwrap(), dial(&host.unknown("join")).await.unwrap());
    let why = dial(&host.unknown("join")).await.err().unwrap();
    assert!(why.to_string().contains("before the log-in; it may be busy"), "{why}");
    first.close().await;
    until("a place is free again", async || dial(&host.unknown("join")).await.is_ok()).await;
}

#[tokio::test]
async fn who_finds_no_place_waits_until_one_is_free() {
    let host = Host::with(|config| {
        config.guard.strangers_per_address = 1;
        config.guard.patience = Duration::from_secs(3600);
    })
    .await;
    let first = dial(&host.unknown("join")).await.unwrap();
    let ways = [host.known(), host.known(), host.known()];
    let all = async { tokio::join!(dial(&ways[0]), dial(&ways[1]), dial(&ways[2])) };
    let mut all = Box::pin(all);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut all).await;
    assert!(early.is_err(), "the only place is taken");
    first.close().await;
    let (one, two, three) = within(all).await;
    assert!(one.is_ok() && two.is_ok() && three.is_ok(), "each has its turn");
}

#[tokio::test]
async fn who_waits_in_vain_is_turned_away_when_its_patience_is_over() {
    let patience = Duration::from_millis(300);
    let host = Host::with(|config| (config.guard.strangers, config.guard.patience) = (1, patience)).await;
    let _first = dial(&host.unknown("join")).await.unwrap();
    let begun = Instant::now();
    let why = dial(&host.known()).await.err().unwrap().to_string();
    assert!(why.contains("before the log-in; it may be busy"), "{why}");
    assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn one_key_has_only_so_many_connections_and_leaves_the_others_theirs() {
    let host = Host::with(|config| config.guard.connections_per_key = 2).await;
    let way = host.known();
    let (first, _second) = (dial(&way).await.unwrap(), dial(&way).await.unwrap());
    let why = dial(&way).await.err().unwrap();
    assert!(matches!(why, DialError::Ssh { .. }), "that would say that the key is revoked: {why}");
    dial(&host.known()).await.unwrap();
    first.close().await;
    until("a place is free again", async || dial(&way).await.is_ok()).await;
}

#[tokio::test]
async fn a_key_revoked_after_log_in_opens_nothing_more() {
    let mut host = Host::start().await;
    let connection = dial(&host.known()).await.unwrap();
    host.stream_of(&connection).await;
    host.revoke_all();
    assert!(within(connection.open("other")).await.is_err());
    until("the connection has ended", async || connection.is_closed()).await;
    assert!(host.incoming.try_recv().is_err());
}

#[tokio::test]
async fn who_cannot_be_reached_or_does_not_answer_or_speaks_otherwise_is_said_so() {
    let host = Host::start().await;
    let mut way = host.known();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    way.address = listener.local_addr().unwrap().to_string();

    way.timeout = Duration::from_millis(200);
    let why = dial(&way).await.err().unwrap();
    assert!(matches!(why, DialError::TimedOut { .. }), "{why}");
    let (mut silent, _) = within(listener.accept()).await.unwrap();
    let told = within(async {
        let mut told = Vec::new();
        silent.read_to_end(&mut told).await.map(|_| told)
    });
    let told = told.await.unwrap_or_default();
    assert!(told.len() < 100, "the caller hung up, having said only what it speaks");

    way.timeout = Duration::from_secs(10);
    let answering = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(&b"HTTP/1.1 400 Bad Request\r\n".repeat(40)).await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
        listener
    });
    let why = dial(&way).await.err().unwrap().to_string();
    assert!(why.contains("does not speak SSH"), "{why}");

    drop(within(answering).await.unwrap());
    let why = dial(&way).await.err().unwrap();
    assert!(matches!(&why, DialError::Unreachable { source, .. } if source.kind() == ErrorKind::ConnectionRefused));
    way.address = "no port".to_owned();
    let why = dial(&way).await.err().unwrap();
    assert!(matches!(why, DialError::Unreachable { .. }), "{why}");
}
