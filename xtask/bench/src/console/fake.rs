//! A manager that only tells: it speaks the protocol on a socket, and what it shows is a recorded cluster.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use bramble::console::sample;
use bytes::BytesMut;
use protocol::api::{Answer, Body, Call, More, Refusal, Reply, Request};
use protocol::frame;

use super::load::Load;

pub struct Fake {
    socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    load: Load,
    /// The answer to a watch, made once: what is measured is not how quickly we make it.
    picture: BytesMut,
    watchers: Vec<(u64, UnixStream)>,
}

impl Fake {
    /// It listens until this program ends.
    pub fn start(socket: &Path, load: Load) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(socket).context("the fake manager has no socket")?;
        let mut picture = BytesMut::new();
        // Every watch is the first call of its connection.
        frame::encode(&Answer { id: 1, body: Body::More(More::Picture(load.picture())) }, &mut picture)?;
        let shared = Arc::new(Mutex::new(Shared { load, picture, watchers: vec![] }));
        let theirs = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = theirs.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Ok(Self { socket: socket.to_owned(), shared })
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// A second passes, and every watcher is told what changed.
    pub fn tick(&self) -> anyhow::Result<()> {
        let mut shared = lock(&self.shared);
        let changes = shared.load.tick();
        let mut gone = vec![];
        for (id, stream) in &mut shared.watchers {
            let mut told = BytesMut::new();
            frame::encode(&Answer { id: *id, body: Body::More(More::Changes(changes.clone())) }, &mut told)?;
            if stream.write_all(&told).is_err() {
                gone.push(*id);
            }
        }
        shared.watchers.retain(|(id, _)| !gone.contains(id));
        Ok(())
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until the other side hangs up.
fn serve(mut stream: UnixStream, shared: &Mutex<Shared>) {
    let (mut arrived, mut piece) = (BytesMut::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        arrived.extend_from_slice(&piece[..n]);
        while let Ok(Some(json)) = frame::split(&mut arrived) {
            let Ok(call) = frame::parse::<Call>(&json) else { return };
            if answer(call, &mut stream, shared).is_err() {
                return;
            }
        }
    }
}

fn answer(call: Call, stream: &mut UnixStream, shared: &Mutex<Shared>) -> anyhow::Result<()> {
    let Call { id, request } = call;
    let body = match request {
        Request::Watch => {
            let mut shared = lock(shared);
            stream.write_all(&shared.picture)?;
            shared.watchers.push((id, stream.try_clone()?));
            return Ok(());
        }
        Request::Events(_) => {
            tell(id, Body::More(More::Events(sample::events())), stream)?;
            Body::Reply(Reply::End)
        }
        Request::Hello { .. } => Body::Reply(Reply::Hello(sample::hello())),
        Request::Trends => Body::Reply(lock(shared).load.trends()),
        Request::Tasks(query) => Body::Reply(lock(shared).load.tasks(&query)),
        _ => Body::Error(Refusal::refused("this manager only tells")),
    };
    tell(id, body, stream)
}

fn tell(id: u64, body: Body, stream: &mut UnixStream) -> anyhow::Result<()> {
    let mut frame = BytesMut::new();
    frame::encode(&Answer { id, body }, &mut frame)?;
    Ok(stream.write_all(&frame)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::Door;

    #[test]
    fn it_greets_shows_its_picture_and_tells_what_a_tick_changes() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("m.sock");
        let fake = Fake::start(&socket, Load::new(16)).unwrap();
        let hello = Door::open(&socket).unwrap().call(Request::Hello { protocol: protocol::PROTOCOL }).unwrap();
        assert_eq!(hello, Reply::Hello(sample::hello()));
        let mut door = Door::open(&socket).unwrap();
        let mut pieces = door.stream(Request::Watch).unwrap();
        let Some(More::Picture(picture)) = pieces.next().unwrap() else { panic!("a picture comes first") };
        assert_eq!(picture.nodes.len(), 17);
        // Whoever has the picture is among the watchers as soon as the lock is free again.
        fake.tick().unwrap();
        let Some(More::Changes(changes)) = pieces.next().unwrap() else { panic!("then changes") };
        assert!(!changes.metrics.is_empty());
    }
}
