//! The keeper of one connection, from accepting it to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::server::{RunningSession, run_stream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::visitor::Visitor;
use super::{Admission, Door, Stranger};
use crate::inbox::Inboxes;
use crate::pulse::Pulse;
use crate::wire::Wire;

/// Whatever ends this function ends the connection.
pub(super) async fn visit(door: Arc<Door>, socket: TcpStream, peer: SocketAddr, stranger: Stranger) {
    let begun = Instant::now();
    let login_until = begun + door.config.guard.login;
    let Ok((wire, line)) = Wire::new(socket) else { return };
    let _cut = line.cut_on_drop();

    let (admitted, login) = oneshot::channel();
    let visitor = Visitor::new(door.clone(), peer, Inboxes::new(line.clone()).lose_on_drop(), admitted);
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
        let pulse = Pulse { every: door.config.keepalive, borne: door.config.keepalive_max };
        // russh's server cannot be told to send a keepalive. So this asks to cancel a forwarding that there is not,
        // to which every SSH client has to answer, with a no.
        let ask = || async { _ = handle.cancel_forward_tcpip(String::new(), 0).await };
        tokio::select! {
            () = end_of(&mut session, peer) => {}
            () = pulse.lost(&line, ask) => debug!(%peer, "cut off: not heard for too long"),
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
