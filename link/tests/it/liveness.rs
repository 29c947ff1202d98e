//! Telling the dead from the silent and from the slow.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Host, dial, noise, until, within};

const KEEPALIVE: Duration = Duration::from_millis(100);
const BORNE: usize = 2;
const LIMIT: Duration = Duration::from_millis(300);

/// A cable between two machines, which can be pulled.
#[derive(Clone, Default)]
struct Cable {
    pulled: Arc<AtomicBool>,
    to_server: Arc<AtomicUsize>,
    to_client: Arc<AtomicUsize>,
}

impl Cable {
    async fn to(&self, host: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let cable = self.clone();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(host).await.unwrap();
            let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
            tokio::join!(
                cable.carry(client_read, server_write, &cable.to_server),
                cable.carry(server_read, client_write, &cable.to_client)
            );
        });
        here
    }

    async fn carry(
        &self,
        mut from: impl tokio::io::AsyncRead + Unpin,
        mut to: impl tokio::io::AsyncWrite + Unpin,
        carried: &AtomicUsize,
    ) {
        let mut packet = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut packet).await {
            if self.pulled.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            carried.fetch_add(1, Ordering::SeqCst);
            if to.write_all(&packet[..length]).await.is_err() {
                return;
            }
        }
    }

    /// Waits until so many packets more have gone each way.
    async fn more(&self, packets: usize, way: &Arc<AtomicUsize>) {
        let goal = way.load(Ordering::SeqCst) + packets;
        until("keepalives have gone over the cable", async || way.load(Ordering::SeqCst) >= goal).await;
    }
}

async fn host() -> Host {
    Host::with(|config| (config.keepalive, config.keepalive_max) = (KEEPALIVE, BORNE)).await
}

#[tokio::test]
async fn a_dead_peer_is_found_on_both_sides_in_the_time_agreed() {
    let mut host = host().await;
    let cable = Cable::default();
    let mut way = host.known();
    way.address = cable.to(host.address).await.to_string();
    (way.keepalive, way.keepalive_max) = (KEEPALIVE, BORNE);
    let connection = dial(&way).await.unwrap();
    let (mut near, mut far) = host.stream_of(&connection).await;
    cable.more(3, &cable.to_server).await;

    let pulled = Instant::now();
    cable.pulled.store(true, Ordering::SeqCst);
    let (at_near, at_far) = within(async { tokio::join!(near.read_u8(), far.read_u8()) }).await;
    assert!(at_near.is_err() && at_far.is_err());
    let after = pulled.elapsed();
    assert!(after >= LIMIT - KEEPALIVE - Duration::from_millis(50), "too hasty: {after:?}");
    until("the connection knows", async || connection.is_closed()).await;
}

#[tokio::test]
async fn a_dead_peer_is_found_also_by_one_who_is_busy_writing_to_it() {
    let mut host = host().await;
    let cable = Cable::default();
    let mut way = host.known();
    way.address = cable.to(host.address).await.to_string();
    (way.keepalive, way.keepalive_max) = (KEEPALIVE, BORNE);
    let connection = dial(&way).await.unwrap();
    let (near, far) = host.stream_of(&connection).await;
    let flood = async |mut stream: link::Stream| {
        let chunk = noise(8, 1 << 16);
        while stream.write_all(&chunk).await.is_ok() {}
    };
    let draining = async |mut stream: link::Stream| {
        let mut heard = vec![0; 1 << 16];
        while matches!(stream.read(&mut heard).await, Ok(1..)) {}
    };
    let pull = async {
        cable.more(50, &cable.to_server).await;
        cable.pulled.store(true, Ordering::SeqCst);
    };
    within(async { tokio::join!(flood(near), draining(far), pull) }).await;
}

#[tokio::test]
async fn who_has_nothing_to_say_is_asked_and_lives() {
    let mut host = host().await;
    for client_asks in [true, false] {
        let cable = Cable::default();
        let mut way = host.known();
        way.address = cable.to(host.address).await.to_string();
        way.keepalive = if client_asks { KEEPALIVE } else { Duration::ZERO };
        let connection = dial(&way).await.unwrap();
        let (mut near, mut far) = host.stream_of(&connection).await;
        // Many times longer than it would take to be given up.
        cable.more(12, &cable.to_server).await;
        cable.more(12, &cable.to_client).await;
        near.write_all(b"hello").await.unwrap();
        within(far.read_exact(&mut [0; 5])).await.unwrap();
        connection.close().await;
    }
}

#[tokio::test]
async fn a_reader_that_stalls_for_long_is_slow_not_dead() {
    let words = noise(9, 8 << 20);
    for server_stalls in [true, false] {
        let mut host = host().await;
        let cable = Cable::default();
        let mut way = host.known();
        way.address = cable.to(host.address).await.to_string();
        (way.keepalive, way.keepalive_max) = (KEEPALIVE, BORNE);
        let connection = dial(&way).await.unwrap();
        let (near, far) = host.stream_of(&connection).await;
        let (mut talker, mut listener) = if server_stalls { (near, far) } else { (far, near) };
        let copy = words.clone();
        let talking = tokio::spawn(async move {
            talker.write_all(&copy).await.unwrap();
            talker.shutdown().await.unwrap();
            talker
        });
        // The signs of life of the one who does not read.
        let signs = if server_stalls { &cable.to_client } else { &cable.to_server };
        let begun = Instant::now();
        until("it has stalled for long", async || begun.elapsed() > 4 * LIMIT).await;
        cable.more(3, signs).await;
        let mut heard = Vec::new();
        within(listener.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == words, "nothing was lost");
        within(talking).await.unwrap();
    }
}

#[tokio::test]
async fn a_stalled_reader_is_not_dead_either_to_one_who_is_stuck_writing_to_it() {
    let mut host = host().await;
    let mut way = host.known();
    (way.keepalive, way.keepalive_max) = (KEEPALIVE, BORNE);
    let connection = dial(&way).await.unwrap();
    // So many windows that not only they are full, but the socket too.
    let words = noise(10, 400_000);
    let (mut talkers, mut listeners) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let (near, far) = host.stream_of(&connection).await;
        talkers.push(near);
        listeners.push(far);
    }
    let mut talking = tokio::task::JoinSet::new();
    for mut talker in talkers {
        let words = words.clone();
        talking.spawn(async move { talker.write_all(&words).await });
    }
    let begun = Instant::now();
    until("it has stalled for long", async || begun.elapsed() > 4 * LIMIT).await;
    for mut listener in listeners {
        let words = words.clone();
        talking.spawn(async move {
            let mut heard = vec![0; words.len()];
            listener.read_exact(&mut heard).await?;
            assert!(heard == words);
            Ok(())
        });
    }
    while let Some(done) = within(talking.join_next()).await {
        done.unwrap().unwrap();
    }
}
