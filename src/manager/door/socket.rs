//! The unix socket. Everyone may connect; who may do what is decided by who it is.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use link::Budget;
use protocol::api::{Answer, Body, Refusal};
use protocol::frame;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Door;
use super::caller::identify;
use super::connection;

/// Connections open at once, where there are descriptors for so many; one more is told so and let go.
const MOST_CONNECTIONS: usize = 1024;
/// Of these for one user: everyone on the machine may knock, tasks too, and none of them may keep out the others.
const MOST_FOR_ONE: usize = 256;
/// Beyond all of these for root and the manager's own user: whatever goes on here, somebody can look and act.
const FOR_ADMINS: usize = 32;
/// What one user may have half sent, over all connections: four of the longest frames.
const USER_BUDGET: usize = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("another manager answers at {}; stop it first, or give this one its own `run` folder", .0.display())]
    Taken(PathBuf),
    #[error("the socket {} cannot be made: {source}", path.display())]
    Bind { path: PathBuf, source: io::Error },
    #[error("the path {} is too long for a socket (108 bytes at most); choose a shorter `run` folder", .0.display())]
    TooLong(PathBuf),
}

/// The name of the door in the file system, taken away only where it is still ours.
#[derive(Debug)]
pub struct Plate {
    path: PathBuf,
    file: (u64, u64),
}

impl Plate {
    fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.into(), file: (found.dev(), found.ino()) })
    }

    pub fn remove(&self) {
        let ours = Self::of(&self.path).is_ok_and(|found| found.file == self.file);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("{} stays behind: {error}", self.path.display());
        }
    }
}

pub async fn listen(path: &Path) -> Result<(UnixListener, Plate), DoorError> {
    let failed = |source| DoorError::Bind { path: path.into(), source };
    if path.as_os_str().len() > 107 {
        return Err(DoorError::TooLong(path.into()));
    }
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        // So busy that its queue is full is not gone.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(failed(error)),
        _ => return Err(DoorError::Taken(path.into())),
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
    let plate = Plate::of(path).map_err(failed)?;
    Ok((listener, plate))
}

/// How many connections there are, and how many each user has: one for each clone that lives.
struct Seats {
    most: usize,
    taken: HashMap<u32, Arc<Seat>>,
}

struct Seat {
    budget: Budget,
}

impl Seats {
    fn new(most: usize) -> Self {
        Self { most, taken: HashMap::new() }
    }

    /// Of `all` connections that there are.
    fn take(&mut self, uid: u32, all: usize) -> Result<Arc<Seat>, Refusal> {
        let admin = uid == 0 || uid == rustix::process::geteuid().as_raw();
        let extra = if admin { FOR_ADMINS } else { 0 };
        self.taken.retain(|_, seat| Arc::strong_count(seat) > 1);
        let seat = self.taken.entry(uid).or_insert_with(|| Arc::new(Seat { budget: Budget::new(USER_BUDGET) }));
        if Arc::strong_count(seat) > MOST_FOR_ONE {
            let many = format!("uid {uid} has {MOST_FOR_ONE} connections to the manager already; close some first");
            return Err(Refusal::refused(many));
        }
        if all >= self.most + extra {
            let many =
                format!("{all} programs are connected to the manager, which is as many as it serves; try again later");
            return Err(Refusal::unavailable(many));
        }
        Ok(seat.clone())
    }
}

/// Half of all descriptors at most: links of nodes, the database and files need theirs.
fn most_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = limit.and_then(|limit| usize::try_from(limit / 2).ok()).unwrap_or(MOST_CONNECTIONS);
    half.min(MOST_CONNECTIONS)
}

/// Says why, and closes: nothing is read from, or kept for, who has no business here.
fn turn_away(stream: UnixStream, refusal: Refusal) {
    let mut answer = BytesMut::new();
    let encoded = frame::encode(&Answer { id: 0, body: Body::Error(refusal) }, &mut answer);
    // Not through tokio, which writes only once it has been told that there is room. There is: nothing was said yet.
    let said = stream.into_std().and_then(|mut stream| std::io::Write::write(&mut stream, &answer));
    if let (Err(error), _) | (_, Err(error)) = (encoded.map_err(io::Error::other), said) {
        tracing::debug!("a caller was turned away without a word: {error}");
    }
}

/// Serves callers until the door is closed and all of them have been told so.
pub async fn serve(listener: UnixListener, door: Arc<Door>) {
    let mut connections = JoinSet::new();
    let mut seats = Seats::new(most_connections());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = door.closing.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait for some to be given back rather than spin.
                tracing::warn!("a caller could not be let in: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let peer = match stream.peer_cred() {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!("a caller without credentials was let go: {error}");
                continue;
            }
        };
        let seat = match seats.take(peer.uid(), connections.len()) {
            Ok(seat) => seat,
            Err(refusal) => {
                turn_away(stream, refusal);
                continue;
            }
        };
        let door = door.clone();
        connections.spawn(async move {
            // The system's list of users may be far away.
            match tokio::task::block_in_place(|| identify(&peer, &door.config)) {
                Ok(caller) => {
                    let (read, write) = stream.into_split();
                    connection::serve(&door, caller, &seat.budget, read, write).await;
                }
                Err(refusal) => turn_away(stream, refusal),
            }
        });
    }
    while connections.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manager_too_busy_to_answer_keeps_its_socket() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join("manager.sock");
        // Nobody accepts, and its queue is full after two.
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen as listen_at, socket};
        let busy = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen_at(&busy, 1).unwrap();
        let mut callers = vec![];
        while let Ok(caller) = UnixStream::connect(&path).await {
            callers.push(caller);
        }
        let refused = listen(&path).await.map(|_| ()).unwrap_err();
        assert!(matches!(refused, DoorError::Taken(_)), "{refused}");
        assert!(path.exists());
    }

    #[test]
    fn nobody_can_take_all_seats() {
        let mut seats = Seats::new(600);
        let mut all = 0;
        let mut fill = |uid, seats: &mut Seats| -> Vec<Arc<Seat>> {
            let next = || seats.take(uid, all).ok().inspect(|_| all += 1);
            std::iter::from_fn(next).collect()
        };
        let taken = fill(1000, &mut seats);
        assert_eq!(taken.len(), MOST_FOR_ONE);
        let told = seats.take(1000, taken.len()).err().unwrap();
        assert!(told.message.contains("uid 1000 has 256 connections"), "{told:?}");
        let others = [fill(1001, &mut seats), fill(1002, &mut seats)].concat();
        assert_eq!(taken.len() + others.len(), 600, "no more than there are");
        let told = seats.take(1002, 600).err().unwrap();
        assert!(told.message.contains("600 programs are connected"), "{told:?}");
        assert_eq!(fill(0, &mut seats).len(), FOR_ADMINS, "whatever the others do");
        drop((taken, others));
        assert!(seats.take(1000, 0).is_ok(), "they are free again");
    }

    #[tokio::test]
    async fn only_our_own_socket_is_taken_away() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join("manager.sock");
        let (_listener, plate) = listen(&path).await.unwrap();
        std::fs::rename(&path, run.path().join("elsewhere")).unwrap();
        let (_other, others) = listen(&path).await.unwrap();
        plate.remove();
        assert!(path.exists());
        others.remove();
        assert!(!path.exists());
    }
}
