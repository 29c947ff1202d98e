//! The keeper of one connection, from accepting it to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::server::{Handle, RunningSession, run_stream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::debug;

use super::strangers::Stranger;
use super::visitor::Visitor;
use super::{Admission, Door};
use crate::wire::{Line, Wire};

/// Whatever ends this function ends the connection.
pub(super) async fn visit(door: Arc<Door>, socket: TcpStream, peer: SocketAddr, stranger: Stranger) {
    let begun = Instant::now();
    let login_until = begun + door.config.guard.login;
    let Ok((wire, line)) = Wire::new(socket) else { return };
    let _cut = line.cut_on_drop();

    let (admitted, login) = oneshot::channel();
    let visitor = Visitor::new(door.clone(), peer, line.clone(), admitted);
    let ident_until = begun + door.config.guard.ident;
    let mut session = match timeout_at(ident_until, run_stream(door.ssh.clone(), wire, visitor)).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return debug!(%peer, "ended before it said what it speaks: {error}"),
        Err(_) => return debug!(%peer, "cut off: it did not say in time what it speaks"),
    };

    let handle = session.handle();
    let admission = tokio::select! {
        Ok(admission) = login => admission,
        () = end_of(&mut session, peer) => return,
        () = sleep_until(login_until) => return debug!(%peer, "cut off: not logged in in time"),
    };
    if admission == Admission::Known {
        drop(stranger);
        tokio::select! {
            () = end_of(&mut session, peer) => {}
            () = silence(&door, &line) => debug!(%peer, "cut off: not heard for too long"),
            never = ask(&door, &line, handle) => match never {},
        }
    } else {
        tokio::select! {
            () = end_of(&mut session, peer) => {}
            () = sleep_until(login_until) => debug!(%peer, "cut off: a stranger's time is over"),
        }
        drop(stranger);
    }
}

async fn end_of(session: &mut RunningSession<Visitor>, peer: SocketAddr) {
    match session.await {
        Ok(()) => debug!(%peer, "ended"),
        Err(error) => debug!(%peer, "ended: {error}"),
    }
}

/// Returns when nothing was heard for `(keepalive_max + 1) × keepalive`.
async fn silence(door: &Door, line: &Line) {
    let keepalive = door.config.keepalive;
    let borne = keepalive * (door.config.keepalive_max as u32).saturating_add(1);
    if keepalive.is_zero() {
        return std::future::pending().await;
    }
    loop {
        let until = line.heard() + borne;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// Asks something whenever nothing was heard for a while; any answer will do.
///
/// russh's server sends keepalives either from the first moment on or never, and not on demand. So this asks to
/// cancel a forwarding that there is not: every SSH client has to answer that, with a no.
async fn ask(door: &Door, line: &Line, handle: Handle) -> std::convert::Infallible {
    const SHORTEST: Duration = Duration::from_millis(1);
    let keepalive = door.config.keepalive;
    if keepalive.is_zero() {
        return std::future::pending().await;
    }
    loop {
        let due = line.heard() + keepalive;
        if due <= Instant::now() {
            let _ = handle.cancel_forward_tcpip(String::new(), 0).await;
            sleep(keepalive.max(SHORTEST)).await;
        } else {
            sleep_until(due).await;
        }
    }
}
