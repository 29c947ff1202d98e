//! OpenSSH's own client at our door: it gets what is offered, and nothing else.

use std::process::Stdio;
use std::time::Duration;

use link::Key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::support::{Host, within};

struct Person {
    folder: tempfile::TempDir,
    host: Host,
}

impl Person {
    async fn known_to(host: Host) -> Person {
        let folder = tempfile::tempdir().unwrap();
        host.admit(&Key::load_or_create(&folder.path().join("key")).unwrap());
        Person { folder, host }
    }

    fn ssh(&self, options: &[&str], what: &[&str]) -> Child {
        let always = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
        Command::new("ssh")
            .args(["-F", "/dev/null", "-p", &self.host.address.port().to_string(), "-l", "worker"])
            .arg("-i")
            .arg(self.folder.path().join("key"))
            .args(always.iter().flat_map(|option| ["-o", option]))
            .args(options)
            .arg("127.0.0.1")
            .args(what)
            .env("LANG", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

/// Ends a test where there is no OpenSSH.
macro_rules! needs_openssh {
    () => {
        if !test_support::has_program("ssh") {
            test_support::leave_out!("there is no ssh here; install openssh-client");
        }
    };
}

#[tokio::test]
async fn there_is_no_shell_no_program_and_no_sftp() {
    needs_openssh!();
    let mut person = Person::known_to(Host::start().await).await;
    let asked: [(&[&str], &[&str]); 5] =
        [(&[], &[]), (&["-tt"], &[]), (&[], &["id"]), (&["-s"], &["sftp"]), (&["-A", "-X"], &["id"])];
    for (options, what) in asked {
        let output = within(person.ssh(options, what).wait_with_output()).await.unwrap();
        assert!(!output.status.success(), "{options:?} {what:?}");
        assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(person.host.incoming.try_recv().is_err(), "nothing was opened");
}

#[tokio::test]
async fn there_is_no_forwarding_either_way() {
    needs_openssh!();
    let person = Person::known_to(Host::start().await).await;
    let output = person.ssh(&["-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:1"], &[]).wait_with_output();
    let output = within(output).await.unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains("forwarding failed"), "{why}");
    // Forwards its own input and output to an address behind the server.
    let output = within(person.ssh(&["-W", "127.0.0.1:22"], &[]).wait_with_output()).await.unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains("forwarding failed"), "{why}");
}

#[tokio::test]
async fn a_subsystem_works_with_it_and_it_answers_our_keepalives() {
    needs_openssh!();
    let every = Duration::from_millis(100);
    let host = Host::with(|config| (config.keepalive, config.keepalive_max) = (every, 1)).await;
    let mut person = Person::known_to(host).await;
    let mut ssh = person.ssh(&["-o", "SendEnv=LANG", "-s"], &["echo"]);
    let mut far = person.host.next().await.stream;
    let mut stdin = ssh.stdin.take().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    within(far.read_exact(&mut [0; 5])).await.unwrap();
    // It says nothing by itself for far longer than is borne.
    assert!(tokio::time::timeout(10 * every, far.read(&mut [0; 1])).await.is_err(), "it was not cut off");
    far.write_all(b"still here").await.unwrap();
    drop((stdin, far));
    let output = within(ssh.wait_with_output()).await.unwrap();
    assert_eq!(output.stdout, b"still here");
}

#[tokio::test]
async fn who_offers_many_keys_does_not_wait_for_each() {
    needs_openssh!();
    let person = Person::known_to(Host::start().await).await;
    let others: Vec<_> = (0..3).map(|n| person.folder.path().join(format!("other{n}"))).collect();
    let mut options = Vec::new();
    for other in &others {
        Key::load_or_create(other).unwrap();
        options.extend(["-i", other.to_str().unwrap()]);
    }
    let begun = std::time::Instant::now();
    let output = within(person.ssh(&options, &["id"]).wait_with_output()).await.unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("Permission denied"));
    assert!(begun.elapsed() < Duration::from_secs(4));
}
