//! The unix socket. Everyone may connect; who may do what is decided by who it is.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use link::FrameWriter;
use protocol::api::{Answer, Body, Refusal};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Door;
use super::caller::identify;
use super::connection;

/// Connections open at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 1024;
/// Of these for one user: everyone on the machine may knock, tasks too, and none of them may keep out the others.
const MOST_FOR_ONE: usize = 256;

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

/// How many connections each user has: one for each clone that lives.
#[derive(Default)]
struct Seats(HashMap<u32, Arc<()>>);

impl Seats {
    fn take(&mut self, uid: u32) -> Option<Arc<()>> {
        self.0.retain(|_, seat| Arc::strong_count(seat) > 1);
        let seat = self.0.entry(uid).or_default();
        (Arc::strong_count(seat) <= MOST_FOR_ONE).then(|| seat.clone())
    }
}

fn turn_away(stream: UnixStream, uid: u32) {
    let many = format!("uid {uid} has {MOST_FOR_ONE} connections to the manager already; close some first");
    let answer = Answer { id: 0, body: Body::Error(Refusal::refused(many)) };
    // A word that does not fit is not said.
    let _ = FrameWriter::new(stream).send(&answer).now_or_never();
}

/// Serves callers until the door is closed and all of them have been told so.
pub async fn serve(listener: UnixListener, door: Arc<Door>) {
    let mut connections = JoinSet::new();
    let mut seats = Seats::default();
    loop {
        let room = connections.len() < MOST_CONNECTIONS;
        let accepted = tokio::select! {
            accepted = listener.accept(), if room => accepted,
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
        let Some(seat) = seats.take(peer.uid()) else {
            turn_away(stream, peer.uid());
            continue;
        };
        let door = door.clone();
        connections.spawn(async move {
            // The system's list of users may be far away.
            let caller = tokio::task::block_in_place(|| identify(&peer, &door.config));
            let (read, write) = stream.into_split();
            connection::serve(&door, caller, read, write).await;
            drop(seat);
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
        let mut seats = Seats::default();
        let taken: Vec<_> = (0..MOST_FOR_ONE + 10).map_while(|_| seats.take(1000)).collect();
        assert_eq!(taken.len(), MOST_FOR_ONE);
        assert!(seats.take(1000).is_none());
        assert!(seats.take(0).is_some());
        drop(taken);
        assert!(seats.take(1000).is_some(), "they are free again");
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
