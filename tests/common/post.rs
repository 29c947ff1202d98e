//! Who is told that a job has ended: a real mail server and real hosts of URLs, on loopback, with certificates of an own CA.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;

/// Debian's, whatever other Python is first in the PATH.
const PYTHON: &str = "/usr/bin/python3";
const SERVER: &str = include_str!("post.py");
/// Comes with the package that has the mail server.
const NEEDED: &str = "/usr/bin/aiosmtpd";
const PATIENCE: Duration = Duration::from_secs(60);

/// Why this cannot be tested here.
pub fn missing() -> Option<&'static str> {
    let there = Path::new(PYTHON).exists() && Path::new(NEEDED).exists();
    (!there).then_some("no mail server: install python3-aiosmtpd")
}

/// The names and passwords that the mail server knows.
pub const CREDENTIALS: &str = "ana\nsword fish\n";

/// A certificate for 127.0.0.1, and that of the CA which has signed it.
pub struct Certs {
    pub ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Certs {
    pub fn make(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            ca: write("ca.pem", ca.pem()),
            cert: write("cert.pem", cert.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}

pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    pub port: u16,
    arrived: Receiver<Value>,
}

impl Server {
    pub fn mail(mode: &str, certs: &Certs) -> Self {
        Self::mail_at(0, mode, certs)
    }

    pub fn mail_at(port: u16, mode: &str, certs: &Certs) -> Self {
        let (cert, key) = (certs.cert.to_str().unwrap(), certs.key.to_str().unwrap());
        Self::start(&["smtp", mode, &port.to_string(), cert, key])
    }

    /// With these answers, the last of them for all others too; `wait` is one that waits for [`Server::go`].
    pub fn https(certs: &Certs, answers: &[&str]) -> Self {
        let (cert, key) = (certs.cert.to_str().unwrap(), certs.key.to_str().unwrap());
        Self::start(&[&["http", "0", cert, key], answers].concat())
    }

    pub fn http(answers: &[&str]) -> Self {
        Self::start(&[&["http", "0", "-", "-"], answers].concat())
    }

    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(PYTHON);
        command.args(["-c", SERVER]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (to, arrived) = channel::<Value>();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test may be over.
                let _ = to.send(serde_json::from_str(&line).unwrap());
            }
        });
        let first = arrived.recv_timeout(PATIENCE).expect("the server says its port");
        let port = u16::try_from(first.as_u64().unwrap()).unwrap();
        Self { stdin: child.stdin.take(), child, port, arrived }
    }

    /// What arrives next.
    pub fn next(&self) -> Value {
        match self.arrived.recv_timeout(PATIENCE) {
            Ok(arrived) => arrived,
            Err(RecvTimeoutError::Timeout) => panic!("waited in vain for something to arrive"),
            Err(RecvTimeoutError::Disconnected) => panic!("the server has ended"),
        }
    }

    /// All that has arrived and was not looked at.
    pub fn rest(&self) -> Vec<Value> {
        self.arrived.try_iter().collect()
    }

    /// One answer that waits may go.
    pub fn go(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/hooks/T0KEN?x=1", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its stdin.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
