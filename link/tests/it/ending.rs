//! How conversations end: said so, or by force, and never with something lost that was said before.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Host, PATIENCE, dial, noise, until, within};

#[tokio::test]
async fn what_was_written_before_closing_arrives_although_much_was_left_unread() {
    let mut host = Host::start().await;
    for graceful in [true, false] {
        let connection = dial(&host.known()).await.unwrap();
        let (mut near, far) = host.stream_of(&connection).await;
        let (mut far_read, mut far_write) = tokio::io::split(far);
        far_write.write_all(&[1; 200_000]).await.unwrap();
        let last_words = noise(5, 3_000_000);
        let words = last_words.clone();
        let saying = tokio::spawn(async move {
            near.write_all(&words).await.unwrap();
            if graceful {
                near.shutdown().await.unwrap();
                connection.close().await;
            }
        });
        let mut heard = Vec::new();
        within(far_read.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == last_words, "{} of {} bytes arrived", heard.len(), last_words.len());
        within(saying).await.unwrap();
    }
}

#[tokio::test]
async fn half_a_stream_may_end_while_the_other_goes_on() {
    let mut host = Host::start().await;
    let (mut near, mut far) = host.stream().await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut heard = String::new();
    within(far.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "question");
    assert_eq!(near.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    far.write_all(b"answer").await.unwrap();
    drop(far);
    heard.clear();
    within(near.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "answer");
}

#[tokio::test]
async fn a_server_that_stops_ends_all_its_connections() {
    for abort in [true, false] {
        let mut host = Host::start().await;
        let connection = dial(&host.known()).await.unwrap();
        let (mut near, mut far) = host.stream_of(&connection).await;
        if abort {
            host.serving.abort();
        } else {
            host.incoming.close();
            within(&mut host.serving).await.unwrap().unwrap();
        }
        let lost = within(near.read(&mut [0; 10])).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::ConnectionReset, "a lost connection is no clean end");
        assert!(within(far.read(&mut [0; 10])).await.is_err());
        until("the connection knows", async || connection.is_closed()).await;
        assert!(connection.open("other").await.is_err());
    }
}

#[tokio::test]
async fn a_writer_that_waits_is_told_when_its_connection_or_the_other_end_is_gone() {
    let mut host = Host::start().await;
    for gone in ["server", "stream"] {
        if gone == "server" && host.serving.is_finished() {
            host = Host::start().await;
        }
        let (mut near, far) = host.stream().await;
        let writing = tokio::spawn(async move {
            let chunk = noise(6, 1 << 20);
            loop {
                if let Err(error) = near.write_all(&chunk).await {
                    return error.kind();
                }
            }
        });
        if gone == "stream" {
            drop(far);
            assert_eq!(within(writing).await.unwrap(), ErrorKind::BrokenPipe);
        } else {
            host.serving.abort();
            assert_eq!(within(writing).await.unwrap(), ErrorKind::ConnectionReset);
            drop(far);
            host = Host::start().await;
        }
    }
}

#[tokio::test]
async fn hanging_up_ends_the_connection_from_either_side_after_what_was_said() {
    let mut host = Host::start().await;
    for server_hangs_up in [true, false] {
        let connection = dial(&host.known()).await.unwrap();
        let (near, far) = host.stream_of(&connection).await;
        let (mut leaver, mut left) = if server_hangs_up { (far, near) } else { (near, far) };
        let words = noise(7, 100_000);
        leaver.write_all(&words).await.unwrap();
        leaver.shutdown().await.unwrap();
        let leaving = tokio::spawn(leaver.hang_up("enough", PATIENCE));
        let mut heard = Vec::new();
        within(left.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == words);
        within(leaving).await.unwrap();
        until("the connection has ended", async || connection.is_closed()).await;
    }
}

#[tokio::test]
async fn who_does_not_take_the_hanging_up_is_cut_off() {
    let mut host = Host::start().await;
    let connection = dial(&host.known()).await.unwrap();
    let (_near, far) = host.stream_of(&connection).await;
    // No patience at all, as towards one who stopped listening.
    within(far.hang_up("enough", Duration::ZERO)).await;
    until("the connection has ended", async || connection.is_closed()).await;
}
