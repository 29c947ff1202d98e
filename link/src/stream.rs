//! One channel of a connection, as a stream of bytes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use russh::{Channel, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::client::Handle;
use crate::inbox::{Inbox, Inboxes, lost};

/// One channel of a connection, which it keeps alive. Dropping it closes the channel, after what was written.
///
/// Reading ends cleanly only where the other side wanted it; a lost connection is an error. Reading it must not wait
/// for writing to it: what is not read holds up all that comes on its connection (see the crate's two rules).
pub struct Stream {
    inbox: Inbox,
    write: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    shut_down: bool,
    /// There until dropped.
    end: Option<End>,
    inboxes: Arc<Inboxes>,
}

/// What closing needs, and what lives as long as the channel.
enum End {
    Client { half: ChannelWriteHalf<russh::client::Msg>, session: Arc<Handle> },
    Server { half: ChannelWriteHalf<russh::server::Msg>, session: russh::server::Handle, _slot: OwnedSemaphorePermit },
}

impl Stream {
    /// Also gives what tells whether the channel's subsystem is granted.
    pub(crate) fn of_client(
        channel: Channel<russh::client::Msg>,
        session: Arc<Handle>,
        inboxes: Arc<Inboxes>,
    ) -> (Stream, ChannelReadHalf) {
        let (read, half) = channel.split();
        let (inbox, write) = (inboxes.add(half.id()), Box::pin(half.make_writer()));
        let end = Some(End::Client { half, session });
        (Stream { inbox, write, shut_down: false, end, inboxes }, read)
    }

    pub(crate) fn of_server(
        half: ChannelWriteHalf<russh::server::Msg>,
        session: russh::server::Handle,
        slot: OwnedSemaphorePermit,
        inboxes: Arc<Inboxes>,
    ) -> Stream {
        let (inbox, write) = (inboxes.add(half.id()), Box::pin(half.make_writer()));
        let end = Some(End::Server { half, session, _slot: slot });
        Stream { inbox, write, shut_down: false, end, inboxes }
    }

    pub(crate) async fn request_subsystem(&self, name: &str) -> Result<(), russh::Error> {
        match &self.end {
            Some(End::Client { half, .. }) => half.request_subsystem(true, name).await,
            _ => Err(russh::Error::WrongChannel),
        }
    }

    /// Ends the whole connection, after what was written; who does not take that within `patience` is cut off.
    pub async fn hang_up(self, reason: &str, patience: Duration) {
        let _cut = self.inboxes.line().cut_on_drop();
        let ending = async {
            let why = Disconnect::ByApplication;
            let said = match &self.end {
                Some(End::Client { session, .. }) => session.disconnect(why, reason, "").await,
                Some(End::Server { session, .. }) => session.disconnect(why, reason.to_owned(), String::new()).await,
                None => return,
            };
            if said.is_ok() {
                self.inboxes.session_end().cancelled().await;
            }
        };
        let _ = tokio::time::timeout(patience, ending).await;
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inbox.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.shut_down {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "this half of the stream is shut down")));
        }
        self.inbox.may_write(cx)?;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.write.as_mut().poll_write(cx, buf).map_err(|_| lost())
    }

    /// There is nothing to wait for: what was written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shut_down {
            return Poll::Ready(Ok(()));
        }
        let polled = self.write.as_mut().poll_shutdown(cx).map_err(|_| lost());
        self.shut_down = polled.is_ready();
        polled
    }
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
