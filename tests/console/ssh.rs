//! Through a real sshd, as a person comes in from another machine.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::screen::Terminal;
use crate::common::{BRAMBLE, Demo, daemons, folder, until};
use crate::desk::{job, lit};
use rustix::process::Signal;

/// OpenSSH's daemon on a port of its own, with keys made for one test.
struct Door {
    daemon: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Door {
    fn open() -> Door {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| {
            let path = folder.path().join(name);
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
            assert!(made.unwrap().success());
            path
        };
        let host = key("host");
        key("person");
        let allowed = folder.path().join("allowed");
        std::fs::copy(folder.path().join("person.pub"), &allowed).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("config");
        let lines = [
            format!("Port {port}"),
            "ListenAddress 127.0.0.1".into(),
            format!("HostKey {}", host.display()),
            format!("AuthorizedKeysFile {}", allowed.display()),
            "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no".into(),
        ];
        std::fs::write(&config, lines.join("\n")).unwrap();
        // Debian makes this one when its own daemon starts.
        std::fs::create_dir_all("/run/sshd").unwrap();
        std::fs::set_permissions("/run/sshd", PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        let daemon = command.arg("-D").arg("-f").arg(&config).stderr(Stdio::null()).spawn().unwrap();
        until("a door", || TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()));
        Door { daemon, port, folder }
    }

    /// A console on the far side. Nothing is forwarded but what TERM says.
    fn console(&self, home: &Path, socket: &Path) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-t", "-F", "/dev/null", "-p", &self.port.to_string(), "-i"]).arg(self.folder.path().join("person"));
        for option in ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"] {
            ssh.args(["-o", option]);
        }
        let there = format!("HOME={} {BRAMBLE} --manager unix://{} console", home.display(), socket.display());
        ssh.args(["root@127.0.0.1", &there]).env("LANG", "C.UTF-8").env("COLORTERM", "truecolor");
        ssh
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
fn a_person_comes_in_by_ssh_reads_and_leaves_and_a_broken_line_ends_the_console() {
    if !Path::new("/usr/sbin/sshd").exists() || !test_support::has_program("ssh") {
        test_support::leave_out!("there is no sshd here; install openssh-server and openssh-client");
    }
    if !rustix::process::geteuid().is_root() {
        test_support::leave_out!("an sshd that lets somebody in needs root");
    }
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    job(&demo, "succeeded", &["--name", "letter", "--", "echo", "dear reader"]);
    job(&demo, "succeeded", &["--name", "other", "--", "echo", "something else"]);
    let door = Door::open();

    let terminal = Terminal::sized(door.console(home.path(), &demo.socket()), 120, 34);
    terminal.until_shows("* 2 up");
    terminal.keys("2");
    terminal.until("the newest job under the cursor", |screen| lit(screen, "other"));
    terminal.keys("j");
    terminal.until("the older job under the cursor", |screen| lit(screen, "letter"));
    terminal.keys("<enter>");
    terminal.until_shows("dear reader");
    terminal.resize(90, 28);
    terminal.until("its footer at the bottom", crate::desk::fits);
    terminal.keys("qQ");
    let (raw, code) = terminal.ends();
    assert_eq!(code, Some(0));
    assert!(raw.is_ascii(), "no LANG was forwarded, so nobody promised UTF-8");
    assert!(!raw.contains("\x1b[38;2;"), "no COLORTERM was forwarded, so nobody promised all colours");

    let consoles = || daemons(&demo.socket(), "console").len();
    assert_eq!(consoles(), 0);
    let mut terminal = Terminal::sized(door.console(home.path(), &demo.socket()), 120, 34);
    terminal.until_shows("* 2 up");
    terminal.keys("2");
    terminal.until("the newest job under the cursor", |screen| lit(screen, "other"));
    assert_ne!(consoles(), 0);
    terminal.signal(Signal::KILL);
    terminal.ends_within(crate::common::PATIENCE);
    until("the end of the console on the far side", || (consoles() == 0).then_some(()));
}
