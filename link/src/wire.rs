//! The TCP socket under an SSH connection, made so that it can be held up and cut from outside.
//!
//! russh runs each session in a task of its own that nothing stops: not dropping what it returned, not a time-out
//! around it. Only its socket failing does. So both sides wrap their socket in a [`Wire`] and keep its [`Line`].

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// russh reads each packet in two parts; the buffer makes that one system call, or one for many small packets.
const AHEAD: usize = 8 * 1024;

/// How long a closed wire waits for the other side to close too.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Wire {
    socket: BufReader<Socket>,
    line: Line,
    lingers: bool,
}

/// A grip on a wire, from outside of its session.
#[derive(Debug, Clone)]
pub(crate) struct Line(Arc<State>);

#[derive(Debug)]
struct State {
    cut: AtomicBool,
    held: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    begun: Instant,
    /// When something last arrived, in milliseconds since it begun.
    heard: AtomicU64,
    /// Weak, so that the socket closes with its session.
    socket: Weak<TcpStream>,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> io::Result<(Wire, Line)> {
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let line = Line(Arc::new(State {
            cut: AtomicBool::new(false),
            held: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            begun: Instant::now(),
            heard: AtomicU64::new(0),
            socket: Arc::downgrade(&socket),
        }));
        let socket = BufReader::with_capacity(AHEAD, Socket(socket));
        Ok((Wire { socket, line: line.clone(), lingers: false }, line))
    }

    /// For the side that closes first: it lingers, because closing a socket with something unread in it makes the
    /// kernel throw away what was written last.
    pub(crate) fn lingering(socket: TcpStream) -> io::Result<(Wire, Line)> {
        let (mut wire, line) = Wire::new(socket)?;
        wire.lingers = true;
        Ok((wire, line))
    }
}

impl Line {
    /// Fails the wire, now and for ever, for whoever reads or writes it.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    pub(crate) fn cut_on_drop(&self) -> CutOnDrop {
        CutOnDrop(Some(self.clone()))
    }

    /// Nothing more is read from the wire until it is released.
    pub(crate) fn hold(&self) {
        self.0.held.store(true, Ordering::SeqCst);
    }

    pub(crate) fn release(&self) {
        self.0.held.store(false, Ordering::SeqCst);
        self.0.reader.wake();
    }

    pub(crate) fn is_held(&self) -> bool {
        self.0.held.load(Ordering::SeqCst)
    }

    /// When something last arrived.
    pub(crate) fn heard(&self) -> Instant {
        self.0.begun + Duration::from_millis(self.0.heard.load(Ordering::Relaxed))
    }

    /// Something has arrived now.
    pub(crate) fn hear(&self) {
        self.0.heard.store(self.0.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Bytes that have arrived and not been read, because the session is busy writing.
    pub(crate) fn unread(&self) -> u64 {
        self.0.socket.upgrade().and_then(|socket| rustix::io::ioctl_fionread(&*socket).ok()).unwrap_or(0)
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::SeqCst)
    }

    /// What stands in the way of reading: registers first and looks then, so that nothing goes unseen.
    fn may_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.reader.register(cx.waker());
        if self.is_cut() {
            Poll::Ready(Err(cut()))
        } else if self.is_held() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn may_write(&self, cx: &mut Context<'_>) -> io::Result<()> {
        self.0.writer.register(cx.waker());
        if self.is_cut() { Err(cut()) } else { Ok(()) }
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
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.line.may_read(cx))?;
        let from_socket = self.socket.buffer().is_empty();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if from_socket {
            self.line.hear();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.line.may_write(cx)?;
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.lingers || self.line.is_cut() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let socket = Socket(self.socket.get_ref().0.clone());
            runtime.spawn(tokio::time::timeout(LINGER, async {
                tokio::io::copy(&mut { socket }, &mut tokio::io::sink()).await
            }));
        }
    }
}

/// A socket that can also be looked at while its session uses it.
#[derive(Debug)]
struct Socket(Arc<TcpStream>);

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|n| buf.advance(n))),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Write).map_err(io::Error::from))
    }
}
