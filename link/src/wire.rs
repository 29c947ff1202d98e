//! The TCP socket under an SSH connection, made so that it can be cut from outside.
//!
//! russh runs each session in a task of its own that nothing stops: not dropping what it returned, not a time-out
//! around it. Only its socket failing does. So both sides wrap their socket in a [`Wire`] and keep its [`Line`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// russh reads each packet in two parts; the buffer makes that one system call, or one for many small packets.
const AHEAD: usize = 8 * 1024;

/// How long a closed wire waits for the other side to close too.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Wire {
    /// There until dropped.
    socket: Option<BufReader<TcpStream>>,
    line: Line,
    lingers: bool,
}

/// A grip on a wire, from outside of its session.
#[derive(Debug, Clone)]
pub(crate) struct Line(Arc<State>);

#[derive(Debug)]
struct State {
    cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    begun: Instant,
    /// When something last arrived, in milliseconds since it begun.
    heard: AtomicU64,
}

impl Wire {
    /// For the side that closes first: it lingers, because closing a socket with something unread in it makes the
    /// kernel throw away what was written last.
    pub(crate) fn lingering(socket: TcpStream) -> io::Result<(Wire, Line)> {
        let (mut wire, line) = Wire::new(socket)?;
        wire.lingers = true;
        Ok((wire, line))
    }

    pub(crate) fn new(socket: TcpStream) -> io::Result<(Wire, Line)> {
        socket.set_nodelay(true)?;
        let line = Line(Arc::new(State {
            cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            begun: Instant::now(),
            heard: AtomicU64::new(0),
        }));
        let socket = Some(BufReader::with_capacity(AHEAD, socket));
        Ok((Wire { socket, line: line.clone(), lingers: false }, line))
    }

    fn socket(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        self.socket.as_mut().ok_or_else(cut)
    }
}

impl Line {
    /// Fails the wire, now and for ever, for whoever reads or writes it.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    pub(crate) fn cut_on_drop(&self) -> CutOnDrop {
        CutOnDrop(Some(self.clone()))
    }

    /// When something last arrived.
    pub(crate) fn heard(&self) -> Instant {
        self.0.begun + Duration::from_millis(self.0.heard.load(Ordering::Relaxed))
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    fn hear(&self) {
        self.0.heard.store(self.0.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// `polled`, unless the line was cut. Registers first and looks then, so that no cut goes unseen.
    fn unless_cut<T>(
        &self,
        waker: &AtomicWaker,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            waker.register(cx.waker());
            if self.is_cut() {
                return Poll::Ready(Err(cut()));
            }
        }
        polled
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut")
}

#[derive(Debug)]
pub(crate) struct CutOnDrop(Option<Line>);

impl CutOnDrop {
    /// Leaves the wire as it is.
    pub(crate) fn forgo(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.cut();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.is_cut() {
            return Poll::Ready(Err(cut()));
        }
        let line = this.line.clone();
        let socket = this.socket()?;
        let from_socket = socket.buffer().is_empty();
        let polled = Pin::new(socket).poll_read(cx, buf);
        ready!(line.unless_cut(&line.0.reader, cx, polled))?;
        if from_socket {
            line.hear();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.line.is_cut() {
            return Poll::Ready(Err(cut()));
        }
        let polled = Pin::new(this.socket()?).poll_write(cx, buf);
        this.line.unless_cut(&this.line.0.writer, cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().socket()?).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().socket()?).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take().filter(|_| self.lingers && !self.line.is_cut()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, drain(socket.into_inner())));
        }
    }
}

async fn drain(mut socket: TcpStream) {
    let mut unread = [0; 1024];
    while matches!(socket.read(&mut unread).await, Ok(1..)) {}
}
