//! Those who come in only to stay. With one place for strangers, each attack is over when the next one can dial.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, dial, noise, until, within};

const IDENT: Duration = Duration::from_millis(200);
const LOGIN: Duration = Duration::from_millis(500);
/// What ends a test in time was not waiting for this.
const NEVER: Duration = Duration::from_secs(3600);
const HELLO: &[u8] = b"SSH-2.0-attacker\r\n";

async fn host() -> Host {
    host_with(IDENT, LOGIN).await
}

async fn host_with(ident: Duration, login: Duration) -> Host {
    Host::with(|config| {
        (config.guard.ident, config.guard.login) = (ident, login);
        (config.guard.strangers, config.guard.strangers_per_address) = (1, 1);
    })
    .await
}

/// A clear packet as before the key exchange.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (5 + payload.len()) % 8 + 8;
    let length = (1 + payload.len() + padding) as u32;
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// Whether the server ended it, reading what it said.
async fn is_ended(socket: &mut TcpStream) {
    let mut said = [0; 4096];
    within(async { while matches!(socket.read(&mut said).await, Ok(1..)) {} }).await;
}

/// The attacker says `words` and stays; says how long it was let to.
async fn stays_after(host: &Host, words: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(host.address).await.unwrap();
    // The server may be done with it before all is said.
    let _ = socket.write_all(words).await;
    is_ended(&mut socket).await;
    let stayed = begun.elapsed();
    let way = host.known();
    until("its place is free again", async || dial(&way).await.is_ok()).await;
    stayed
}

#[tokio::test]
async fn a_silent_socket_ends_when_the_time_to_say_hello_is_over() {
    let stayed = stays_after(&host_with(IDENT, NEVER).await, b"").await;
    assert!(stayed >= IDENT, "{stayed:?}");
}

#[tokio::test]
async fn who_only_says_hello_ends_when_the_time_to_log_in_is_over() {
    let stayed = stays_after(&host().await, HELLO).await;
    assert!(stayed >= LOGIN, "{stayed:?}");
}

#[tokio::test]
async fn an_endless_hello_ends_at_once_and_a_slow_one_in_time() {
    stays_after(&host_with(NEVER, NEVER).await, &[b'S'; 100_000]).await;

    let host = host_with(IDENT, NEVER).await;
    let mut socket = TcpStream::connect(host.address).await.unwrap();
    let begun = Instant::now();
    while socket.write_all(b"S").await.is_ok() && begun.elapsed() < 2 * IDENT {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_ended(&mut socket).await;
}

#[tokio::test]
async fn a_drip_of_ignored_packets_extends_nothing() {
    let host = host().await;
    let begun = Instant::now();
    let mut socket = TcpStream::connect(host.address).await.unwrap();
    socket.write_all(HELLO).await.unwrap();
    let ignore = packet(&[2, 0, 0, 0, 1, b'x']);
    let dripping = async {
        while socket.write_all(&ignore).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(dripping).await;
    let stayed = begun.elapsed();
    assert!(stayed >= LOGIN, "the drip itself is allowed: {stayed:?}");
    let way = host.known();
    until("its place is free again", async || dial(&way).await.is_ok()).await;
}

#[tokio::test]
async fn a_key_exchange_without_log_in_ends_also_where_it_goes_on_asking() {
    struct Trusting;
    impl russh::client::Handler for Trusting {
        type Error = russh::Error;
        async fn check_server_key(&mut self, _: &russh::keys::PublicKeyOrCertificate) -> Result<bool, russh::Error> {
            Ok(true)
        }
    }
    let host = host().await;
    let begun = Instant::now();
    let config = std::sync::Arc::new(russh::client::Config::default());
    let session = russh::client::connect(config, host.address, Trusting).await.unwrap();
    let way = host.known();
    assert!(dial(&way).await.is_err(), "the place is taken");
    until("it is cut off", async || {
        // Encrypted, and answered by the server: no silence, and yet no log-in.
        let _ = session.send_keepalive(true).await;
        session.is_closed()
    })
    .await;
    assert!(begun.elapsed() >= LOGIN);
    until("its place is free again", async || dial(&way).await.is_ok()).await;
}

#[tokio::test]
async fn lengths_that_cannot_be_are_ended() {
    let host = host().await;
    for length in [0, 1, 3, 5, 256 * 1024, 1 << 20, 1 << 31, u32::MAX - 1, u32::MAX] {
        let words = [HELLO, &length.to_be_bytes(), &[0; 64]].concat();
        stays_after(&host, &words).await;
    }
}

#[tokio::test]
async fn garbage_is_ended_whatever_it_is() {
    let host = host().await;
    for seed in 0..12 {
        let hello = if seed % 3 == 0 { b"" } else { HELLO };
        stays_after(&host, &[hello, &noise(seed, 3000 * seed as usize)].concat()).await;
    }
    // Packets that look right from outside.
    for seed in 12..24 {
        let mut payload = noise(seed, 40 + seed as usize);
        payload[0] = [20, 30, 21, 5, 50, 90, 94, 1, 2, 3, 4, 80][seed as usize - 12];
        stays_after(&host, &[HELLO, &packet(&payload)].concat()).await;
    }
}

#[tokio::test]
async fn a_crowd_of_silent_sockets_is_turned_away_and_costs_little() {
    let host = Host::with(|config| {
        config.guard.ident = IDENT;
        (config.guard.strangers, config.guard.strangers_per_address) = (20, 20);
    })
    .await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(TcpStream::connect(host.address).await.unwrap());
    }
    let mut turned_away = 0;
    for socket in &mut crowd {
        let mut said = Vec::new();
        let _ = within(socket.read_to_end(&mut said)).await;
        turned_away += usize::from(said.starts_with(b"Too many are logging in"));
    }
    assert_eq!(turned_away, 280);
    let way = host.known();
    until("the places are free again", async || dial(&way).await.is_ok()).await;
}

#[tokio::test]
async fn of_a_crowd_four_times_as_many_as_there_are_places_may_wait_and_no_more() {
    let host = Host::with(|config| {
        config.guard.patience = IDENT;
        (config.guard.strangers, config.guard.strangers_per_address) = (40, 5);
        config.guard.ident = NEVER;
        config.guard.login = NEVER;
    })
    .await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let socket = TcpStream::connect(host.address).await.unwrap();
        let begun = Instant::now();
        crowd.push(tokio::spawn(async move {
            let mut socket = socket;
            let mut said = [0; 200];
            let n = tokio::time::timeout(IDENT * 10, socket.read(&mut said)).await.map_or(0, |read| read.unwrap_or(0));
            (said[..n].starts_with(b"Too many are logging in"), begun.elapsed(), socket)
        }));
    }
    let (mut at_once, mut later, mut served) = (0, 0, vec![]);
    for one in crowd {
        match one.await.unwrap() {
            (true, after, _) if after < IDENT => at_once += 1,
            (true, ..) => later += 1,
            (false, _, socket) => served.push(socket),
        }
    }
    assert_eq!((served.len(), later, at_once), (5, 20, 75));
}
