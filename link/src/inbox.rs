//! What has arrived on the channels of one connection and was not read yet.
//!
//! russh would rather put each packet into a queue of its channel and wait while that is full: then the whole session
//! stands still, its writing, its answers and its time limits included. So packets are taken here as they come, no
//! queue of russh's is read, and where too much waits it is the [wire](crate::wire) that is held.

use std::collections::HashMap;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use russh::ChannelId;
use tokio::io::ReadBuf;
use tokio_util::sync::CancellationToken;

use crate::wire::Line;

/// So much may wait, in all channels of a connection together.
const FULL: usize = 512 * 1024;
/// The wire is released when it is down to this.
const RELIEVED: usize = FULL / 2;
/// A buffer that grew beyond this is given back when it is empty.
const KEPT: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Inboxes {
    mail: Mutex<Mail>,
    line: Line,
    session_end: CancellationToken,
}

#[derive(Debug, Default)]
struct Mail {
    channels: HashMap<ChannelId, Mailbox>,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Mailbox {
    bytes: BytesMut,
    /// The most that waited since the buffer was new.
    largest: usize,
    far_side: FarSide,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum FarSide {
    #[default]
    Open,
    /// It writes no more.
    Silent,
    /// It neither writes nor reads.
    Closed,
    /// The connection ended before the channel did.
    Lost,
}

/// The inbox of one channel, gone when dropped.
#[derive(Debug)]
pub(crate) struct Inbox {
    all: Arc<Inboxes>,
    channel: ChannelId,
}

impl Inboxes {
    pub(crate) fn new(line: Line) -> Arc<Inboxes> {
        Arc::new(Inboxes { mail: Mutex::default(), line, session_end: CancellationToken::new() })
    }

    /// For the session's handler, which is dropped with the session.
    pub(crate) fn lose_on_drop(self: &Arc<Self>) -> LoseOnDrop {
        LoseOnDrop(self.clone())
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    pub(crate) fn session_end(&self) -> &CancellationToken {
        &self.session_end
    }

    /// To be called before anything can arrive on the channel.
    pub(crate) fn add(self: &Arc<Self>, channel: ChannelId) -> Inbox {
        let mut mail = self.mail();
        let far_side = if self.session_end.is_cancelled() { FarSide::Lost } else { FarSide::Open };
        mail.channels.insert(channel, Mailbox { far_side, ..Mailbox::default() });
        Inbox { all: self.clone(), channel }
    }

    pub(crate) fn deliver(&self, channel: ChannelId, data: &[u8]) {
        let mut mail = self.mail();
        // What comes after its reader left is lost on purpose.
        let Some(mailbox) = mail.channels.get_mut(&channel) else { return };
        mailbox.bytes.extend_from_slice(data);
        mailbox.largest = mailbox.largest.max(mailbox.bytes.len());
        let reader = mailbox.reader.take();
        mail.waiting += data.len();
        if mail.waiting >= FULL {
            self.line.hold();
        }
        drop(mail);
        wake(reader);
    }

    /// The other side writes no more on this channel.
    pub(crate) fn eof(&self, channel: ChannelId) {
        self.turn(channel, FarSide::Silent);
    }

    pub(crate) fn close(&self, channel: ChannelId) {
        self.turn(channel, FarSide::Closed);
    }

    fn turn(&self, channel: ChannelId, far_side: FarSide) {
        let mut mail = self.mail();
        let Some(mailbox) = mail.channels.get_mut(&channel) else { return };
        if mailbox.far_side != FarSide::Closed {
            mailbox.far_side = far_side;
        }
        let (reader, writer) = (mailbox.reader.take(), mailbox.writer.take());
        drop(mail);
        wake(reader);
        wake(writer);
    }

    /// Takes note that so much is not waiting any more.
    fn relieve(&self, mail: &mut Mail, taken: usize) {
        let before = mail.waiting;
        mail.waiting -= taken;
        if before > RELIEVED && mail.waiting <= RELIEVED {
            self.line.release();
        }
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        // No code under the lock can fail halfway.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Inbox {
    /// An end without an error is one that the other side wanted.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut mail = self.all.mail();
        let Some(mailbox) = mail.channels.get_mut(&self.channel) else { return Poll::Ready(Ok(())) };
        let taken = mailbox.bytes.len().min(buf.remaining());
        if taken > 0 || buf.remaining() == 0 {
            buf.put_slice(&mailbox.bytes[..taken]);
            mailbox.bytes.advance(taken);
            if mailbox.bytes.is_empty() && mailbox.largest > KEPT {
                (mailbox.bytes, mailbox.largest) = (BytesMut::new(), 0);
            }
            self.all.relieve(&mut mail, taken);
            return Poll::Ready(Ok(()));
        }
        match mailbox.far_side {
            FarSide::Open => {
                mailbox.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            FarSide::Silent | FarSide::Closed => Poll::Ready(Ok(())),
            FarSide::Lost => Poll::Ready(Err(lost())),
        }
    }

    /// Whether there is somebody to write to. Wakes the task when there is not any more: russh would let a writer wait
    /// for ever for the window of a channel that is gone.
    pub(crate) fn may_write(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut mail = self.all.mail();
        let Some(mailbox) = mail.channels.get_mut(&self.channel) else { return Err(lost()) };
        match mailbox.far_side {
            FarSide::Open | FarSide::Silent => {
                mailbox.writer = Some(cx.waker().clone());
                Ok(())
            }
            FarSide::Closed => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the other side closed the stream")),
            FarSide::Lost => Err(lost()),
        }
    }
}

pub(crate) fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was lost")
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut mail = self.all.mail();
        if let Some(mailbox) = mail.channels.remove(&self.channel) {
            self.all.relieve(&mut mail, mailbox.bytes.len());
        }
    }
}

#[derive(Debug)]
pub(crate) struct LoseOnDrop(Arc<Inboxes>);

impl Deref for LoseOnDrop {
    type Target = Arc<Inboxes>;
    fn deref(&self) -> &Arc<Inboxes> {
        &self.0
    }
}

impl Drop for LoseOnDrop {
    fn drop(&mut self) {
        let mut mail = self.0.mail();
        self.0.session_end.cancel();
        let mut sleepers = Vec::new();
        for mailbox in mail.channels.values_mut() {
            mailbox.far_side = match mailbox.far_side {
                FarSide::Open | FarSide::Lost => FarSide::Lost,
                // All that it wanted to write has come.
                FarSide::Silent | FarSide::Closed => FarSide::Closed,
            };
            sleepers.extend(mailbox.reader.take().into_iter().chain(mailbox.writer.take()));
        }
        drop(mail);
        sleepers.into_iter().for_each(Waker::wake);
    }
}
