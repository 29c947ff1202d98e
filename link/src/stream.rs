//! One channel of a connection, as a stream of bytes.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::client::Handle;
use crate::wire::Line;

/// One channel of a connection, which it keeps alive. Dropping it closes the channel, after what was written.
///
/// Reading ends cleanly only where the other side shut its half down or closed the channel; a lost connection is an
/// error. It must always be read (see the crate's two rules).
pub struct Stream {
    read: ChannelReadHalf,
    /// What is left of the packet that was read last.
    rest: Bytes,
    other_side: OtherSide,
    write: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    shut_down: bool,
    /// russh leaves a writer that waits for the window waiting when its session ends; this wakes it.
    session_end: Pin<Box<WaitForCancellationFutureOwned>>,
    /// There until dropped.
    end: Option<End>,
    line: Line,
}

#[derive(Clone, Copy, PartialEq)]
enum OtherSide {
    Talks,
    HasEnded,
}

/// What closing needs, and what lives as long as the channel.
pub(crate) enum End {
    Client { half: ChannelWriteHalf<russh::client::Msg>, session: Arc<Handle> },
    Server { half: ChannelWriteHalf<russh::server::Msg>, session: russh::server::Handle, _slot: OwnedSemaphorePermit },
}

impl Stream {
    pub(crate) fn of_client(
        channel: Channel<russh::client::Msg>,
        session: Arc<Handle>,
        session_end: CancellationToken,
        line: Line,
    ) -> Stream {
        let (read, half) = channel.split();
        let write = Box::pin(half.make_writer());
        Stream::new(read, write, End::Client { half, session }, session_end, line)
    }

    pub(crate) fn of_server(
        channel: Channel<russh::server::Msg>,
        session: russh::server::Handle,
        slot: OwnedSemaphorePermit,
        session_end: CancellationToken,
        line: Line,
    ) -> Stream {
        let (read, half) = channel.split();
        let write = Box::pin(half.make_writer());
        Stream::new(read, write, End::Server { half, session, _slot: slot }, session_end, line)
    }

    fn new(
        read: ChannelReadHalf,
        write: Pin<Box<dyn AsyncWrite + Send + Sync>>,
        end: End,
        session_end: CancellationToken,
        line: Line,
    ) -> Stream {
        Stream {
            read,
            rest: Bytes::new(),
            other_side: OtherSide::Talks,
            write,
            shut_down: false,
            session_end: Box::pin(session_end.cancelled_owned()),
            end: Some(end),
            line,
        }
    }

    /// Ends the whole connection, after what was written. Whoever does not take it within `patience` is cut off.
    pub async fn hang_up(mut self, reason: &str, patience: Duration) {
        let saying_so = async {
            let (why, language) = (Disconnect::ByApplication, String::new());
            match self.end.as_ref() {
                Some(End::Client { session, .. }) => session.disconnect(why, reason, "").await.is_ok(),
                Some(End::Server { session, .. }) => session.disconnect(why, reason.to_owned(), language).await.is_ok(),
                None => false,
            }
        };
        let said = tokio::time::timeout(patience, saying_so).await.unwrap_or(false);
        if !said || tokio::time::timeout(patience, self.session_end.as_mut()).await.is_err() {
            self.line.cut();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        // Everything that waits goes into one read, so that small packets do not cost a wake-up each.
        while buf.remaining() > 0 {
            if !this.rest.is_empty() {
                let taken = this.rest.len().min(buf.remaining());
                buf.put_slice(&this.rest[..taken]);
                this.rest.advance(taken);
                continue;
            }
            if this.other_side == OtherSide::HasEnded {
                break;
            }
            let read_something = buf.filled().len() > before;
            match pin!(this.read.wait()).poll(cx) {
                Poll::Ready(Some(ChannelMsg::Data { data })) => this.rest = data,
                Poll::Ready(Some(ChannelMsg::Eof | ChannelMsg::Close)) => this.other_side = OtherSide::HasEnded,
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) | Poll::Pending if read_something => break,
                Poll::Ready(None) => return Poll::Ready(Err(lost())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let this = self.get_mut();
        if this.shut_down {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "this half of the stream is shut down")));
        }
        match this.write.as_mut().poll_write(cx, buf) {
            Poll::Ready(Err(_)) => Poll::Ready(Err(lost())),
            Poll::Pending if this.session_end.as_mut().poll(cx).is_ready() => Poll::Ready(Err(lost())),
            polled => polled,
        }
    }

    /// There is nothing to wait for: what was written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shut_down {
            return Poll::Ready(Ok(()));
        }
        let polled = this.write.as_mut().poll_shutdown(cx);
        this.shut_down = polled.is_ready();
        polled.map_err(|_| lost())
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was lost")
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some(end) = self.end.take() else { return };
        let mut closing = Box::pin(async move {
            // An error means that the session is gone, and the channel with it.
            let _ = match &end {
                End::Client { half, .. } => half.close().await,
                End::Server { half, .. } => half.close().await,
            };
            drop(end);
        });
        if closing.as_mut().now_or_never().is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(closing);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}
