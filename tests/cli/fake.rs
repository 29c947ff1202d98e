//! A manager that says what a test tells it to, and the real program asking it.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use protocol::api::{Answer, Body, Call, More, Refusal, Reply, Request};
use protocol::frame;
use tempfile::TempDir;

/// What the manager does about a request, in order.
pub enum Say {
    Reply(Reply),
    More(More),
    Refuse(Refusal),
    /// A frame with this body, whatever it is.
    Frame(serde_json::Value),
    /// These bytes, which need not be a frame.
    Raw(&'static [u8]),
    /// And these, which follow an answer that says so.
    Bytes(Vec<u8>),
    /// Until the test says so.
    Await(Arc<Gate>),
    /// Lets the test, or whoever else awaits it, go on.
    Open(Arc<Gate>),
    /// Is dead from here on, for everyone who is connected.
    Die,
}

/// Opened once; whoever waits goes on.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    changed: std::sync::Condvar,
}

impl Gate {
    pub fn new() -> Arc<Gate> {
        Arc::default()
    }

    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub fn wait(&self) {
        drop(self.changed.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }
}

type Script = dyn Fn(&Request) -> Vec<Say> + Send + Sync;

pub struct Fake {
    folder: TempDir,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// A manager that answers each request as `script` says.
    pub fn that(script: impl Fn(&Request) -> Vec<Say> + Send + Sync + 'static) -> Fake {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("m.sock")).unwrap();
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let all = Arc::<Mutex<Vec<UnixStream>>>::default();
        let script: Arc<Script> = Arc::new(script);
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                all.lock().unwrap().push(stream.try_clone().unwrap());
                let (script, heard, all) = (script.clone(), heard.clone(), all.clone());
                std::thread::spawn(move || serve(stream, &script, &heard, &all));
            }
        });
        Fake { folder, asked }
    }

    /// A manager that gives everyone the same answer.
    pub fn replying(reply: Reply) -> Fake {
        Fake::that(move |_| vec![Say::Reply(reply.clone())])
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("m.sock").display())
    }

    /// Everything asked so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = bramble(args);
        command.env("BRAMBLE_MANAGER", self.address());
        command
    }

    /// The program, run to its end in a pipe.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }
}

/// The program, in an environment that is the same everywhere.
pub fn bramble(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bramble"));
    command
        .args(args)
        .env_clear()
        .env("TZ", "UTC")
        .env("HOME", "/nonexistent")
        .env("BRAMBLE_PATIENCE", "0s")
        .stdin(Stdio::null());
    command
}

#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub fn says(&self, code: i32, stdout: &str, stderr: &str) {
        assert_eq!((self.code, self.stdout.as_str(), self.stderr.as_str()), (Some(code), stdout, stderr));
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "one line of JSON: {:?}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Calls are answered side by side, as a manager does; the order of one call's pieces is kept.
fn serve(mut stream: UnixStream, script: &Arc<Script>, heard: &Mutex<Vec<Request>>, all: &Arc<Mutex<Vec<UnixStream>>>) {
    let writer = Arc::new(Mutex::new(stream.try_clone().unwrap()));
    let mut arrived = BytesMut::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(json) = frame::split(&mut arrived).unwrap() {
            let call: Call = frame::parse(&json).unwrap();
            heard.lock().unwrap().push(call.request.clone());
            let (script, writer, all) = (script.clone(), writer.clone(), all.clone());
            let hello = matches!(call.request, Request::Hello { .. });
            let answering = std::thread::spawn(move || {
                for say in script(&call.request) {
                    answer(call.id, say, &writer, &all);
                }
            });
            // Who says hello expects that answer first.
            if hello {
                answering.join().unwrap();
            }
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => arrived.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
}

fn answer(id: u64, say: Say, writer: &Mutex<UnixStream>, all: &Mutex<Vec<UnixStream>>) {
    let mut out = BytesMut::new();
    let encoded = |body, out: &mut BytesMut| frame::encode(&Answer { id, body }, out).unwrap();
    match say {
        Say::Reply(reply) => encoded(Body::Reply(reply), &mut out),
        Say::More(more) => encoded(Body::More(more), &mut out),
        Say::Refuse(refusal) => encoded(Body::Error(refusal), &mut out),
        Say::Frame(body) => frame::encode(&body, &mut out).unwrap(),
        Say::Raw(bytes) => out.extend_from_slice(bytes),
        Say::Bytes(bytes) => out.extend_from_slice(&bytes),
        Say::Await(gate) => gate.wait(),
        Say::Open(gate) => gate.open(),
        Say::Die => {
            for stream in all.lock().unwrap().iter() {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
    // The client may be gone, which is its right.
    let _ = writer.lock().unwrap().write_all(&out);
}
