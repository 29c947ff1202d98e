//! Two who are allowed to talk, talking.

use link::{Connection, Dial, FrameReader, FrameWriter, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Host, dial, noise, until, within};

#[test]
fn streams_and_connections_may_go_anywhere() {
    fn is_send<T: Send + Unpin>() {}
    fn is_shared<T: Send + Sync>() {}
    fn runs_anywhere<T: Send>(_: impl Fn(&'static Dial) -> T) {}
    is_send::<Stream>();
    is_shared::<Connection>();
    runs_anywhere(link::dial);
}

#[tokio::test]
async fn megabytes_go_both_ways_at_once() {
    let mut host = Host::start().await;
    let (near, far) = host.stream().await;
    let sent = noise(1, 8_000_000);
    let talk = async |stream, mine: &[u8]| {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut heard = Vec::new();
        let writing = async {
            write.write_all(mine).await?;
            write.shutdown().await
        };
        let (wrote, read) = tokio::join!(writing, read.read_to_end(&mut heard));
        wrote.unwrap();
        read.unwrap();
        heard
    };
    let other = noise(2, 7_000_000);
    let (at_near, at_far) = within(async { tokio::join!(talk(near, &sent), talk(far, &other)) }).await;
    assert!(at_far == sent && at_near == other, "what arrives is what was sent");
}

#[tokio::test]
async fn a_stream_keeps_its_connection_alive_and_carries_frames() {
    let mut host = Host::start().await;
    let way = host.known();
    let stream = dial(&way).await.unwrap().open("echo").await.unwrap();
    let theirs = host.next().await;
    assert_eq!((theirs.user.as_str(), theirs.subsystem.as_str()), ("worker", "echo"));
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

#[tokio::test]
async fn many_small_messages_arrive_in_order_through_a_reader_that_takes_its_time() {
    let mut host = Host::start().await;
    let (near, far) = host.stream().await;
    let mut write = FrameWriter::new(near);
    let writing = tokio::spawn(async move {
        for number in 0..50_000u64 {
            write.feed(&number).unwrap();
            if number % 7 == 0 {
                write.flush().await.unwrap();
            }
        }
        write.flush().await.unwrap();
    });
    let mut read = FrameReader::new(far);
    for number in 0..50_000u64 {
        if number % 1000 == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(within(read.next::<u64>()).await.unwrap(), Some(number));
    }
    assert_eq!(within(read.next::<u64>()).await.unwrap(), None);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_stalled_reader_does_not_stall_another_connection_nor_the_writing_on_its_own() {
    let mut host = Host::start().await;
    let connection = dial(&host.known()).await.unwrap();
    let (mut near, far) = host.stream_of(&connection).await;
    let mut sent = 0;
    let chunk = noise(3, 64 * 1024);
    // The far side does not read: sooner or later nothing more can be written.
    while let Ok(wrote) =
        tokio::time::timeout(std::time::Duration::from_millis(300), near.write(&chunk[sent % chunk.len()..])).await
    {
        sent += wrote.unwrap();
        assert!(sent < 64 << 20, "a reader that does not read must not cost so much memory");
    }
    let (mut other_near, mut other_far) = host.stream().await;
    other_near.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    within(other_far.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"hello");

    let (mut read_far, mut write_far) = tokio::io::split(far);
    write_far.write_all(b"still here").await.unwrap();
    let mut heard = [0; 10];
    within(near.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"still here");

    // And nothing is lost once it reads again.
    drop(near);
    let mut all = Vec::new();
    within(read_far.read_to_end(&mut all)).await.unwrap();
    assert!(all.len() >= sent && all.chunks(chunk.len()).all(|part| part == &chunk[..part.len()]));
}

#[tokio::test]
async fn an_unread_stream_that_is_dropped_releases_the_others_of_its_connection() {
    let mut host = Host::start().await;
    let connection = dial(&host.known()).await.unwrap();
    let (mut full_near, full_far) = host.stream_of(&connection).await;
    let (mut near, mut far) = host.stream_of(&connection).await;
    let filling = tokio::spawn(async move {
        let chunk = noise(4, 64 * 1024);
        while full_near.write_all(&chunk).await.is_ok() {}
    });
    let saying = tokio::spawn(async move {
        near.write_all(b"hello").await.unwrap();
        near
    });
    drop(full_far);
    let mut heard = [0; 5];
    within(far.read_exact(&mut heard)).await.unwrap();
    within(filling).await.unwrap();
    within(saying).await.unwrap();
}

#[tokio::test]
async fn a_connection_has_so_many_channels_at_once_and_a_closed_one_makes_place() {
    let mut host = Host::with(|config| config.guard.channels = 2).await;
    let connection = dial(&host.known()).await.unwrap();
    let first = host.stream_of(&connection).await;
    let _second = host.stream_of(&connection).await;
    let why = connection.open("other").await.unwrap_err().to_string();
    assert!(why.contains("opens no further channel"), "{why}");
    drop(first);
    until("the place is free again", async || connection.open("other").await.is_ok()).await;
}

#[tokio::test]
async fn only_the_named_subsystems_are_offered_and_asking_for_another_ends_nothing() {
    let mut host = Host::start().await;
    let connection = dial(&host.known()).await.unwrap();
    for absent in ["sftp", "shell", "", "echo ", "ECHO"] {
        let why = within(connection.open(absent)).await.unwrap_err().to_string();
        assert!(why.contains("does not offer"), "{why}");
    }
    host.stream_of(&connection).await;
}
