//! The lines between the workers and the manager: one relay for each worker, in whose hands the line is.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::relay::{Weather, join};

pub struct Relay {
    address: String,
    way: Arc<Way>,
}

struct Way {
    /// The demo's folder: where the manager listens is written there before it starts.
    state: PathBuf,
    cut: AtomicBool,
    out: Weather,
    back: Weather,
    /// Both ends of every line, open or not.
    ends: Mutex<Vec<[TcpStream; 2]>>,
}

impl Relay {
    pub fn start(state: &Path) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let way = Arc::new(Way {
            state: state.to_owned(),
            cut: AtomicBool::new(false),
            out: Weather::default(),
            back: Weather::default(),
            ends: Mutex::default(),
        });
        let serves = way.clone();
        // It ends with the test: there is no other way to call off an accept.
        std::thread::spawn(move || listener.incoming().flatten().for_each(|here| serves.connect(here)));
        Relay { address, way }
    }

    /// What the worker dials.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Every line breaks, and no new one comes about until it is healed.
    pub fn cut(&self) {
        self.way.cut.store(true, Ordering::SeqCst);
        for end in self.way.ends.lock().unwrap().drain(..).flatten() {
            // The other side may have closed it.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Nothing passes any more, and nobody is told. What is said meanwhile arrives later.
    pub fn hush(&self, what_it_says: bool, what_it_hears: bool) {
        self.way.out.set_still(what_it_says);
        self.way.back.set_still(what_it_hears);
    }

    pub fn delay(&self, delay: Duration) {
        self.way.out.set_delay(delay);
        self.way.back.set_delay(delay);
    }

    pub fn heal(&self) {
        self.hush(false, false);
        self.delay(Duration::ZERO);
        self.way.cut.store(false, Ordering::SeqCst);
    }
}

impl Way {
    fn connect(&self, here: TcpStream) {
        let mut ends = self.ends.lock().unwrap();
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        // Where nobody listens, the caller finds its line closed.
        let Some(there) = self.manager().and_then(|address| TcpStream::connect(address).ok()) else { return };
        let _ = (here.set_nodelay(true), there.set_nodelay(true));
        let (Ok(one), Ok(other)) = (here.try_clone(), there.try_clone()) else { return };
        if join(here, there, self.out.clone(), self.back.clone()).is_ok() {
            ends.retain(|[one, _]| one.peer_addr().is_ok());
            ends.push([one, other]);
        }
    }

    fn manager(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.state.join("manager.toml")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("ssh = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    }
}

#[test]
fn a_line_can_be_cut_hushed_and_healed() {
    use crate::common::{PATIENCE, folder};
    use std::io::{Read, Write};
    let here = folder();
    let manager = TcpListener::bind("127.0.0.1:0").unwrap();
    let written = format!("ssh = \"{}\"\n", manager.local_addr().unwrap());
    std::fs::write(here.path().join("manager.toml"), written).unwrap();
    let relay = Relay::start(here.path());
    let connect = || {
        let near = TcpStream::connect(relay.address()).unwrap();
        near.set_read_timeout(Some(PATIENCE)).unwrap();
        near
    };
    let mut near = connect();
    let (mut far, _) = manager.accept().unwrap();
    relay.hush(true, true);
    near.write_all(b"hello").unwrap();
    far.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut got = [0; 5];
    assert!(far.read_exact(&mut got).is_err(), "it was to be still");
    relay.heal();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
    relay.cut();
    assert_eq!(near.read(&mut got).unwrap_or(0), 0, "the line was to break");
    assert_eq!(connect().read(&mut got).unwrap_or(0), 0, "no new line was to come about");
    relay.heal();
    let mut again = connect();
    again.write_all(b"again").unwrap();
    manager.accept().unwrap().0.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"again");
}
