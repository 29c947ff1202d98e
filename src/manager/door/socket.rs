//! The unix socket. Everyone may connect; who may do what is decided by who it is.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Door;
use super::caller::identify;
use super::connection;

/// Connections open at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("another manager answers at {}; stop it first, or give this one its own `run` folder", .0.display())]
    Taken(PathBuf),
    #[error("the socket {} cannot be made: {source}", path.display())]
    Bind { path: PathBuf, source: io::Error },
    #[error("the path {} is too long for a socket (108 bytes at most); choose a shorter `run` folder", .0.display())]
    TooLong(PathBuf),
}

pub async fn listen(path: &Path) -> Result<UnixListener, DoorError> {
    let failed = |source| DoorError::Bind { path: path.into(), source };
    if path.as_os_str().len() > 107 {
        return Err(DoorError::TooLong(path.into()));
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(DoorError::Taken(path.into()));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
    Ok(listener)
}

/// Serves callers until the door is closed and all of them have been told so.
pub async fn serve(listener: UnixListener, door: Arc<Door>) {
    let mut connections = JoinSet::new();
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
        let caller = match stream.peer_cred() {
            Ok(peer) => identify(&peer, &door.config),
            Err(error) => {
                tracing::warn!("a caller without credentials was let go: {error}");
                continue;
            }
        };
        let door = door.clone();
        connections.spawn(async move {
            let (read, write) = stream.into_split();
            connection::serve(&door, caller, read, write).await;
        });
    }
    while connections.join_next().await.is_some() {}
}
