//! A slow line: it passes bytes on, both ways, in their order, each as late as the others. Its weather may change while
//! it is in use.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A socket that leads to another one, late. It is gone with this value; lines through it last until an end closes.
pub struct Relay {
    folder: TempDir,
}

impl Relay {
    /// Waits at a socket of its own for callers of `to`.
    pub fn to(to: &Path, delay: Duration) -> Relay {
        let relay = Relay { folder: super::folder() };
        let listener = UnixListener::bind(relay.socket()).unwrap();
        let to = to.to_owned();
        // It ends with the test: there is no other way to call off an accept.
        std::thread::spawn(move || {
            for here in listener.incoming() {
                let Ok(here) = here else { return };
                // Where nobody listens, the caller finds its line closed.
                if let Ok(there) = UnixStream::connect(&to) {
                    line(here, there, delay);
                }
            }
        });
        relay
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("relay.sock")
    }
}

/// How one way of a line is at the moment. Whoever has a clone can change it.
#[derive(Clone, Default)]
pub struct Weather(Arc<Sky>);

#[derive(Default)]
struct Sky {
    late_us: AtomicU64,
    still: AtomicBool,
}

impl Weather {
    pub fn set_delay(&self, delay: Duration) {
        self.0.late_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Nothing arrives while it is still, and nothing is lost.
    pub fn set_still(&self, still: bool) {
        self.0.still.store(still, Ordering::Relaxed);
    }

    fn delay(&self) -> Duration {
        Duration::from_micros(self.0.late_us.load(Ordering::Relaxed))
    }

    fn is_still(&self) -> bool {
        self.0.still.load(Ordering::Relaxed)
    }
}

impl From<Duration> for Weather {
    fn from(delay: Duration) -> Self {
        let weather = Weather::default();
        weather.set_delay(delay);
        weather
    }
}

/// An end of a stream of bytes.
pub trait End: Read + Write + Send + Sized + 'static {
    fn twin(&self) -> io::Result<Self>;
    fn shut(&self, how: Shutdown) -> io::Result<()>;
}

impl End for UnixStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }
    fn shut(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

impl End for TcpStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }
    fn shut(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

/// Joins two ends by a slow line until one of them closes; nobody needs to wait for it.
pub fn line(here: UnixStream, there: UnixStream, delay: Duration) {
    join(here, there, delay.into(), delay.into()).unwrap();
}

/// The same for any two ends, with a weather for what `here` says and one for what it hears.
pub fn join<E: End>(here: E, there: E, out: Weather, back: Weather) -> io::Result<()> {
    let (from_here, from_there) = (here.twin()?, there.twin()?);
    one_way(from_here, there, out);
    one_way(from_there, here, back);
    Ok(())
}

fn one_way<E: End>(mut from: E, mut to: E, weather: Weather) {
    // An end is a piece without bytes: it travels as long as the others.
    let give = move |bytes: Vec<u8>| {
        let more = !bytes.is_empty() && to.write_all(&bytes).is_ok();
        if !more {
            // The other way may still have something to say.
            let _ = to.shut(Shutdown::Write);
        }
        more
    };
    let (late, _) = Late::to(weather, give);
    std::thread::spawn(move || {
        let mut chunk = [0; 16 * 1024];
        loop {
            let n = from.read(&mut chunk).unwrap_or(0);
            if !late.send(chunk[..n].to_vec()) || n == 0 {
                return;
            }
        }
    });
}

/// The entry of a one-way line on which everything takes the same time.
#[derive(Clone)]
pub struct Late {
    way: SyncSender<(Instant, Vec<u8>)>,
    weather: Weather,
}

/// Pieces on the way: when full, the line takes no more, as any line.
const ON_THE_WAY: usize = 1024;

impl Late {
    /// `give` says whether it wants more. Its thread ends with that, or when all entries are gone.
    pub fn to(
        weather: impl Into<Weather>,
        mut give: impl FnMut(Vec<u8>) -> bool + Send + 'static,
    ) -> (Late, JoinHandle<()>) {
        let weather = weather.into();
        let (way, arrive) = sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
        let sky = weather.clone();
        let gives = std::thread::spawn(move || {
            for (at, bytes) in arrive {
                std::thread::sleep(at.saturating_duration_since(Instant::now())); // why: to be late is what it is for
                while sky.is_still() {
                    std::thread::sleep(Duration::from_millis(5)); // why: so is to be still
                }
                if !give(bytes) {
                    return;
                }
            }
        });
        (Late { way, weather }, gives)
    }

    /// Whether there is still somebody at the other end.
    pub fn send(&self, bytes: Vec<u8>) -> bool {
        self.way.send((Instant::now() + self.weather.delay(), bytes)).is_ok()
    }
}
