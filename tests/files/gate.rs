//! A gate before the manager's socket, which lets so many bytes through and then holds what comes, until it is opened: so
//! the middle of a transfer is no matter of luck.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use crate::common::PATIENCE;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToManager,
    FromManager,
}

pub struct Gate {
    pub socket: PathBuf,
    held: Arc<Held>,
}

struct Held {
    way: Way,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Bytes that may still pass; all, where it is open.
    left: Option<usize>,
}

impl Gate {
    /// Beside the manager's socket.
    pub fn before(manager: &Path, way: Way, bytes: usize) -> Self {
        let socket = manager.with_file_name("gate.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let held = Arc::new(Held { way, state: Mutex::new(State { left: Some(bytes) }), changed: Condvar::new() });
        let (gate, manager) = (held.clone(), manager.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // Without a manager behind it, the caller is let go.
                let (Ok(client), Ok(manager)) = (client, UnixStream::connect(&manager)) else { continue };
                for (way, from, to) in [(Way::ToManager, &client, &manager), (Way::FromManager, &manager, &client)] {
                    let (from, to, gate) = (from.try_clone().unwrap(), to.try_clone().unwrap(), gate.clone());
                    std::thread::spawn(move || {
                        // Whichever side ends, both do.
                        let _ = gate.pass(way, &from, &to);
                        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
        Self { socket, held }
    }

    /// Until so much has passed.
    pub fn wait(&self) {
        let state = self.held.state.lock().unwrap();
        let all_here = |state: &mut State| state.left != Some(0);
        let waited = self.held.changed.wait_timeout_while(state, PATIENCE, all_here).unwrap().1;
        assert!(!waited.timed_out(), "so much never came");
    }

    pub fn open(&self) {
        self.held.state.lock().unwrap().left = None;
        self.held.changed.notify_all();
    }
}

impl Held {
    fn pass(&self, way: Way, mut from: &UnixStream, mut to: &UnixStream) -> io::Result<()> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let room = if way == self.way { self.room() } else { None };
            let room = room.unwrap_or(piece.len()).min(piece.len());
            let read = from.read(&mut piece[..room])?;
            if read == 0 {
                return Ok(());
            }
            to.write_all(&piece[..read])?;
            if way == self.way {
                let mut state = self.state.lock().unwrap();
                state.left = state.left.map(|left| left.saturating_sub(read));
                self.changed.notify_all();
            }
        }
    }

    /// Waits while nothing may pass.
    fn room(&self) -> Option<usize> {
        let state = self.state.lock().unwrap();
        self.changed.wait_while(state, |state| state.left == Some(0)).unwrap().left
    }
}
