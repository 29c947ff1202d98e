//! Where those wait for whom there is no place at the moment: when a manager is started again, all its nodes log in at
//! once, perhaps from behind one address. Who waits costs a socket and nothing else.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::Guard;
use super::places::{Place, Places};

/// So many times as many as there are places.
const CHAIRS: usize = 4;

pub(super) struct Room {
    chairs: Places<IpAddr>,
    patience: Duration,
    /// In the order in which they came, and so in which their patience ends.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    socket: TcpStream,
    peer: SocketAddr,
    until: Instant,
    _chair: Place<IpAddr>,
}

impl Room {
    pub(super) fn new(guard: &Guard) -> Self {
        let times = |places: usize| places.saturating_mul(CHAIRS);
        let chairs = Places::new(times(guard.strangers), times(guard.strangers_per_address));
        Room { chairs, patience: guard.patience, waiting: VecDeque::new() }
    }

    /// Gives it back where there is no chair either.
    pub(super) fn seat(&mut self, socket: TcpStream, peer: SocketAddr) -> Result<(), TcpStream> {
        let chair = if self.patience.is_zero() { None } else { self.chairs.take(peer.ip().to_canonical()) };
        let Some(_chair) = chair else { return Err(socket) };
        self.waiting.push_back(Waiting { socket, peer, until: Instant::now() + self.patience, _chair });
        Ok(())
    }

    /// The first who gets a place now.
    pub(super) fn call(&mut self, places: &Places<IpAddr>) -> Option<(TcpStream, SocketAddr, Place<IpAddr>)> {
        let mut taken = None;
        let at = self.waiting.iter().position(|waiting| {
            taken = places.take(waiting.peer.ip().to_canonical());
            taken.is_some()
        })?;
        let Waiting { socket, peer, .. } = self.waiting.remove(at)?;
        Some((socket, peer, taken?))
    }

    /// The next whose patience is over; waits for that.
    pub(super) async fn weary(&mut self) -> (TcpStream, SocketAddr) {
        match self.waiting.front() {
            Some(first) => sleep_until(first.until).await,
            None => std::future::pending().await,
        }
        match self.waiting.pop_front() {
            Some(Waiting { socket, peer, .. }) => (socket, peer),
            None => std::future::pending().await,
        }
    }
}
