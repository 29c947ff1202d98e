//! Two who are allowed to talk, talking.

use link::{FrameReader, FrameWriter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Host, dial, within};

#[tokio::test]
async fn megabytes_go_both_ways_at_once() {
    let host = Host::start().await;
    let way = host.known();
    let _echo = host.echo();
    let connection = dial(&way).await.unwrap();
    let (mut read, mut write) = tokio::io::split(connection.open("echo").await.unwrap());
    let sent: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        write.write_all(&copy).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut back = Vec::new();
    within(read.read_to_end(&mut back)).await.unwrap();
    assert!(back == sent, "what comes back is what was sent");
    within(writing).await.unwrap();
}

#[tokio::test]
async fn a_stream_keeps_its_connection_alive_and_carries_frames() {
    let mut host = Host::start().await;
    let way = host.known();
    let stream = dial(&way).await.unwrap().open("other").await.unwrap();
    let theirs = host.next().await;
    assert_eq!((theirs.user.as_str(), theirs.subsystem.as_str()), ("worker", "other"));
    assert_eq!(theirs.key, way.key.fingerprint());
    assert_eq!(theirs.peer.ip(), host.address.ip());

    let (read, write) = tokio::io::split(stream);
    let (their_read, their_write) = tokio::io::split(theirs.stream);
    let (mut read, mut write) = (FrameReader::new(read), FrameWriter::new(write));
    let (mut their_read, mut their_write) = (FrameReader::new(their_read), FrameWriter::new(their_write));
    for round in 0..50u64 {
        write.send(&round).await.unwrap();
        assert_eq!(within(their_read.next::<u64>()).await.unwrap(), Some(round));
        their_write.send(&format!("seen {round}")).await.unwrap();
        assert_eq!(within(read.next::<String>()).await.unwrap(), Some(format!("seen {round}")));
    }
    drop((read, write));
    assert_eq!(within(their_read.next::<u64>()).await.unwrap(), None, "a closed channel is a clean end");
}
