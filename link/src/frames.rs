//! Frames of [`protocol::frame`] over any stream: an SSH channel, a unix socket, a pipe of a test.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use protocol::frame::{self, FrameError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, FramedRead};

/// A buffer that grew beyond this for one large frame is given back after it.
const KEPT: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// After [`FrameError::Unknown`] and [`FrameError::NotJson`] reading may go on: only that frame is lost.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// What all readers that share it may hold of frames that have begun and are not whole: whoever begins many and
/// finishes none costs no more than this, for as long as they like.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Purse>);

#[derive(Debug)]
struct Purse {
    most: usize,
    held: AtomicUsize,
}

impl Budget {
    pub fn new(most: usize) -> Self {
        Budget(Arc::new(Purse { most, held: AtomicUsize::new(0) }))
    }
}

/// What one reader holds of a budget; given back when dropped.
#[derive(Debug)]
struct Share {
    budget: Budget,
    held: usize,
}

impl Share {
    /// So little is everybody's right.
    const FREE: usize = 8 * 1024;

    fn hold(&mut self, arrived: usize) -> io::Result<()> {
        let Purse { most, held } = &*self.budget.0;
        let now = arrived.saturating_sub(Self::FREE);
        if now > self.held {
            let more = now - self.held;
            if held.fetch_add(more, Ordering::Relaxed) + more > *most {
                held.fetch_sub(more, Ordering::Relaxed);
                let why = format!("more than {most} bytes of messages wait here for their ends; finish those first");
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
            }
        } else {
            held.fetch_sub(self.held - now, Ordering::Relaxed);
        }
        self.held = now;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub struct FrameReader<R> {
    inner: FramedRead<R, Frames>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(read: R) -> Self {
        Self { inner: FramedRead::new(read, Frames { share: None }) }
    }

    /// One of those that hold no more than this together.
    pub fn within(read: R, budget: &Budget) -> Self {
        let share = Some(Share { budget: budget.clone(), held: 0 });
        Self { inner: FramedRead::new(read, Frames { share }) }
    }

    /// The next message, or `None` where the other side ended cleanly between two frames. Cancel safe.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ReadError> {
        let Some(json) = self.inner.next().await.transpose()? else {
            return Ok(None);
        };
        let message = frame::parse(&json);
        let rest = self.inner.read_buffer_mut();
        if json.len() > KEPT && rest.len() <= KEPT {
            *rest = BytesMut::from(&rest[..]);
        }
        Ok(Some(message?))
    }

    /// Whether [`next`](Self::next) returns without waiting: a whole frame, or a hopeless one, is already here.
    pub fn buffered(&self) -> bool {
        let here = self.inner.read_buffer();
        here.first_chunk::<4>().is_some_and(|head| {
            let length = u32::from_be_bytes(*head) as usize;
            length > frame::LONGEST || here.len() >= 4 + length
        })
    }

    /// Gives the stream back, with what was read beyond the last frame.
    pub fn into_parts(mut self) -> (Bytes, R) {
        let ahead = self.inner.read_buffer_mut().split().freeze();
        (ahead, self.inner.into_inner())
    }

    /// What comes after the last frame, for who reads it in another way.
    pub fn into_rest(self) -> Rest<R> {
        let (ahead, read) = self.into_parts();
        AsyncReadExt::chain(io::Cursor::new(ahead), read)
    }
}

/// A stream of which a part was read ahead.
pub type Rest<R> = tokio::io::Chain<io::Cursor<Bytes>, R>;

#[derive(Debug)]
struct Frames {
    share: Option<Share>,
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = ReadError;

    fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Bytes>, ReadError> {
        let whole = frame::split(from)?;
        if let Some(share) = &mut self.share {
            share.hold(if whole.is_some() { 0 } else { from.len() })?;
        }
        Ok(whole)
    }

    fn decode_eof(&mut self, from: &mut BytesMut) -> Result<Option<Bytes>, ReadError> {
        match self.decode(from)? {
            None if !from.is_empty() => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the stream ended in the middle of a frame").into())
            }
            whole => Ok(whole),
        }
    }
}

/// Collects frames and writes them together: over SSH a write costs far more than a message.
#[derive(Debug)]
pub struct FrameWriter<W> {
    write: W,
    pending: BytesMut,
    /// The most that was pending since the buffer was new.
    largest: usize,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(write: W) -> Self {
        Self { write, pending: BytesMut::new(), largest: 0 }
    }

    /// Adds a frame to what the next [`flush`](Self::flush) writes. Nothing is added on an error.
    pub fn feed<T: Serialize>(&mut self, message: &T) -> Result<(), FrameError> {
        let fed = frame::encode(message, &mut self.pending);
        self.largest = self.largest.max(self.pending.len());
        fed
    }

    /// Bytes fed and not yet written.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Cancel safe: what was not written is written by the next flush.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.pending.has_remaining() {
            if self.write.write_buf(&mut self.pending).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        if self.largest > KEPT {
            (self.pending, self.largest) = (BytesMut::new(), 0);
        }
        self.write.flush().await
    }

    pub async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.feed(message).map_err(io::Error::other)?;
        self.flush().await
    }

    /// Gives the stream back; what was fed and not flushed is lost.
    pub fn into_inner(self) -> W {
        self.write
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Hello { number: u32 },
        Text(String),
    }

    fn bytes_of(words: &[Word]) -> BytesMut {
        let mut out = BytesMut::new();
        words.iter().for_each(|word| frame::encode(word, &mut out).unwrap());
        out
    }

    #[tokio::test]
    async fn what_is_fed_is_written_at_once_and_read_back_in_order() {
        let (near, far) = tokio::io::duplex(64);
        let mut write = FrameWriter::new(near);
        for number in 0..100 {
            write.feed(&Word::Hello { number }).unwrap();
        }
        assert!(write.pending() > 100);
        let writing = tokio::spawn(async move {
            write.flush().await.unwrap();
            assert_eq!(write.pending(), 0);
        });
        let mut read = FrameReader::new(far);
        for number in 0..100 {
            assert_eq!(read.next().await.unwrap(), Some(Word::Hello { number }));
        }
        writing.await.unwrap();
        assert_eq!(read.next::<Word>().await.unwrap(), None, "the writer is dropped: a clean end");
    }

    #[tokio::test]
    async fn an_unknown_message_is_skipped_and_reading_goes_on() {
        let mut all = BytesMut::new();
        frame::encode(&serde_json::json!({"dance": {"id": 3}}), &mut all).unwrap();
        all.extend_from_slice(&[0, 0, 0, 2, b'{', b'!']);
        all.extend_from_slice(&bytes_of(&[Word::Hello { number: 7 }]));
        let mut read = FrameReader::new(&all[..]);
        let unknown = read.next::<Word>().await.unwrap_err();
        assert!(matches!(&unknown, ReadError::Frame(FrameError::Unknown(what)) if what.name == "dance"), "{unknown}");
        assert!(matches!(read.next::<Word>().await, Err(ReadError::Frame(FrameError::NotJson(_)))));
        assert_eq!(read.next().await.unwrap(), Some(Word::Hello { number: 7 }));
    }

    #[tokio::test]
    async fn a_stream_cut_inside_a_frame_is_an_error_not_an_end() {
        let all = bytes_of(&[Word::Hello { number: 1 }, Word::Hello { number: 2 }]);
        for cut in 1..all.len() {
            let mut read = FrameReader::new(&all[..cut]);
            let first = all.len() / 2;
            if cut >= first {
                assert!(read.next::<Word>().await.unwrap().is_some());
            }
            if cut == first {
                assert!(read.next::<Word>().await.unwrap().is_none());
            } else {
                let why = read.next::<Word>().await.unwrap_err();
                assert!(matches!(&why, ReadError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof), "{cut}: {why}");
            }
        }
    }

    #[tokio::test]
    async fn a_monstrous_frame_ends_the_reading_with_one_sentence() {
        let lie = [0xffu8; 64];
        let mut read = FrameReader::new(&lie[..]);
        let why = read.next::<Word>().await.unwrap_err();
        assert!(matches!(why, ReadError::Frame(FrameError::TooLong(_))), "{why}");
    }

    #[tokio::test]
    async fn buffered_tells_whether_the_next_message_needs_no_waiting() {
        let all = bytes_of(&[Word::Hello { number: 1 }, Word::Hello { number: 2 }]);
        let mut read = FrameReader::new(&all[..all.len() - 1]);
        assert!(!read.buffered(), "nothing has been read yet");
        read.next::<Word>().await.unwrap();
        assert!(!read.buffered(), "the second frame lacks a byte");
        let mut read = FrameReader::new(&all[..]);
        read.next::<Word>().await.unwrap();
        assert!(read.buffered());
        read.next::<Word>().await.unwrap();
        assert!(!read.buffered());
    }

    #[tokio::test]
    async fn a_stream_may_go_on_as_raw_bytes_after_its_frames() {
        let mut all = bytes_of(&[Word::Hello { number: 1 }]);
        all.extend_from_slice(&[b'x'; 20_000]);
        let mut read = FrameReader::new(&all[..]);
        read.next::<Word>().await.unwrap();
        let (ahead, mut rest) = read.into_parts();
        assert!(!ahead.is_empty());
        let mut raw = ahead.to_vec();
        rest.read_to_end(&mut raw).await.unwrap();
        assert_eq!(raw, vec![b'x'; 20_000]);
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_loses_nothing() {
        let (mut near, far) = tokio::io::duplex(1024);
        let mut read = FrameReader::new(far);
        let all = bytes_of(&[Word::Hello { number: 5 }]);
        for byte in &all[..all.len() - 1] {
            near.write_all(&[*byte]).await.unwrap();
            tokio::select! {
                biased;
                _ = read.next::<Word>() => panic!("the frame is not whole yet"),
                () = tokio::task::yield_now() => {}
            }
        }
        near.write_all(&all[all.len() - 1..]).await.unwrap();
        assert_eq!(read.next().await.unwrap(), Some(Word::Hello { number: 5 }));
    }

    #[tokio::test]
    async fn frames_that_are_begun_and_never_finished_share_one_budget() {
        let budget = Budget::new(100_000);
        let mut begun = vec![];
        let mut refused = 0;
        for _ in 0..10 {
            let (mut near, far) = tokio::io::duplex(1 << 16);
            let mut read = FrameReader::within(far, &budget);
            near.write_all(&(1_u32 << 20).to_be_bytes()).await.unwrap();
            near.write_all(&[b'x'; 30_000]).await.unwrap();
            tokio::select! {
                biased;
                why = read.next::<Word>() => {
                    assert!(matches!(&why, Err(ReadError::Io(e)) if e.kind() == io::ErrorKind::QuotaExceeded), "{why:?}");
                    refused += 1;
                }
                () = async { for _ in 0..100 { tokio::task::yield_now().await } } => begun.push((near, read)),
            }
        }
        assert_eq!((begun.len(), refused), (4, 6));
        // Small ones pass all the same, and large ones when there is room again.
        let all = bytes_of(&[Word::Hello { number: 1 }]);
        assert!(FrameReader::within(&all[..], &budget).next::<Word>().await.unwrap().is_some());
        let large = bytes_of(&[Word::Text("x".repeat(90_000))]);
        assert!(FrameReader::within(&large[..], &budget).next::<Word>().await.is_err());
        drop(begun);
        let mut both = FrameReader::within(&large[..], &budget);
        assert!(both.next::<Word>().await.unwrap().is_some());
        assert_eq!(budget.0.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn large_frames_pass_and_their_buffers_are_given_back() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut write = FrameWriter::new(near);
        let large = Word::Text("x".repeat(frame::LONGEST - 100));
        let sending = tokio::spawn(async move {
            write.send(&large).await.unwrap();
            assert_eq!(write.pending.capacity(), 0);
            assert!(write.send(&Word::Text("x".repeat(frame::LONGEST))).await.is_err());
            write.send(&Word::Hello { number: 1 }).await.unwrap();
        });
        let mut read = FrameReader::new(far);
        assert!(matches!(read.next().await.unwrap(), Some(Word::Text(text)) if text.len() == frame::LONGEST - 100));
        assert!(read.inner.read_buffer().capacity() <= KEPT);
        assert_eq!(read.next().await.unwrap(), Some(Word::Hello { number: 1 }), "the too long one left no trace");
        sending.await.unwrap();
    }
}
