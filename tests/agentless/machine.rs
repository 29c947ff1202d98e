//! A machine with an sshd and people of its own: in a namespace where /etc/passwd, /etc/sudoers, /root and /home are other
//! files than here.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{signal_pid, until};
use rustix::process::Signal;

/// Of everybody there who has one, `raspberry`.
const SHADOW: &str =
    "$6$brambletest$t3O8d/eGWHvadC/FYE4iWf4vSw7U9u.TL7xFhT6bmH.vL/oCGaMUjxuOYCamYpbnJXVyLs63v3lF4cFPeNQTH/";
pub const PASSWORD: &str = "raspberry";

/// `pi` may use sudo, `po` with a password only, `loud` prints before anything else, `none` has no shell.
const PEOPLE: &[(&str, u32, &str)] = &[
    ("root", 0, "/bin/bash"),
    ("pi", 2001, "/bin/sh"),
    ("po", 2002, "/bin/bash"),
    ("loud", 2003, "/bin/bash"),
    ("none", 2004, "/usr/sbin/nologin"),
];
const BASHRC: &str = "echo Welcome to this machine\necho It is warm >&2\nprintf 'no newline at the end'\n";

pub struct Machine {
    daemon: Child,
    pub host: String,
    pub port: u16,
    pub folder: tempfile::TempDir,
}

/// Why this cannot be tested here.
pub fn missing() -> bool {
    let there =
        ["/usr/sbin/sshd", "/usr/bin/sudo", "/usr/bin/unshare"].iter().all(|program| Path::new(program).exists());
    if !there || !rustix::process::geteuid().is_root() {
        eprintln!("not tested here: it needs root, openssh-server, sudo and util-linux");
        return true;
    }
    false
}

impl Machine {
    pub fn start() -> Machine {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::at("127.0.0.1", port, &[], "")
    }

    pub fn with(more: &str) -> Machine {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::at("127.0.0.1", port, &[], more)
    }

    /// `before`: words before the command that starts it. `more`: lines of its configuration.
    pub fn at(host: &str, port: u16, before: &[&str], more: &str) -> Machine {
        let folder = crate::common::folder();
        let here = folder.path();
        furnish(here);
        write_config(here, host, port, more);
        // Debian makes this one when its own daemon starts.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let daemon = start(here, before);
        let machine = Machine { daemon, host: host.into(), port, folder };
        until("a machine", || TcpStream::connect((host, port)).is_ok().then_some(()));
        machine
    }

    pub fn place(&self, user: &str) -> String {
        format!("{user}@{}:{}", self.host, self.port)
    }

    pub fn host_key(&self) -> String {
        fingerprint(&self.folder.path().join("host"))
    }

    /// Another host key, as after a new installation.
    pub fn change_host_key(&mut self) {
        self.end();
        let key = self.folder.path().join("host");
        std::fs::remove_file(&key).unwrap();
        std::fs::remove_file(key.with_extension("pub")).unwrap();
        make_key(&key);
        self.daemon = start(self.folder.path(), &[]);
        until("the machine is back", || TcpStream::connect((&*self.host, self.port)).is_ok().then_some(()));
    }

    pub fn home(&self, user: &str) -> PathBuf {
        self.folder.path().join("home").join(user)
    }

    fn end(&mut self) {
        signal_pid(self.daemon.id() as i32, Signal::KILL);
        let _ = self.daemon.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

fn furnish(here: &Path) {
    let line = |(name, uid, shell): &(&str, u32, &str)| {
        let home = if *uid == 0 { "/root".to_owned() } else { format!("/home/{name}") };
        format!("{name}:x:{uid}:{uid}::{home}:{shell}\n")
    };
    let sshd = "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n";
    let passwd: String = PEOPLE.iter().map(line).collect();
    std::fs::write(here.join("passwd"), passwd + sshd).unwrap();
    let shadow: String = PEOPLE.iter().map(|(name, ..)| format!("{name}:{SHADOW}:19000:0:99999:7:::\n")).collect();
    std::fs::write(here.join("shadow"), shadow + "sshd:*:19000::::::\n").unwrap();
    let sudoers = "Defaults use_pty\nroot ALL=(ALL:ALL) ALL\npi ALL=(ALL) NOPASSWD: ALL\nloud ALL=(ALL) NOPASSWD: ALL\npo ALL=(ALL) ALL\n";
    std::fs::write(here.join("sudoers"), sudoers).unwrap();
    std::fs::set_permissions(here.join("sudoers"), PermissionsExt::from_mode(0o440)).unwrap();
    for (name, uid, _) in PEOPLE {
        let home = here.join("home").join(name);
        std::fs::create_dir_all(&home).unwrap();
        if *name == "loud" {
            std::fs::write(home.join(".bashrc"), BASHRC).unwrap();
        }
        chown(&home, Some(*uid), Some(*uid)).unwrap();
    }
    make_key(&here.join("host"));
    std::fs::write(here.join("banner"), "This is a machine. Behave.\n").unwrap();
}

fn write_config(here: &Path, host: &str, port: u16, more: &str) {
    let lines = [
        more.to_owned(),
        format!("Port {port}"),
        format!("ListenAddress {host}"),
        format!("HostKey {}", here.join("host").display()),
        format!("Banner {}", here.join("banner").display()),
        "UsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication yes".into(),
        "MaxStartups 100:30:200\nPrintMotd yes".into(),
    ];
    std::fs::write(here.join("config"), lines.join("\n")).unwrap();
}

fn start(here: &Path, before: &[&str]) -> Child {
    let mounts =
        ["passwd", "shadow", "sudoers"].map(|file| format!("mount --bind {0}/{file} /etc/{file}", here.display()));
    let script = format!(
        "set -e; {}; mount --bind {home}/root /root; mount --bind {home} /home; exec /usr/sbin/sshd -D -e -f {config}",
        mounts.join("; "),
        home = here.join("home").display(),
        config = here.join("config").display(),
    );
    let log = std::fs::File::options().create(true).append(true).open(here.join("log")).unwrap();
    let words = [before, &["unshare", "--mount", "--propagation", "private", "sh", "-c", &script]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}

fn fingerprint(key: &Path) -> String {
    let said = Command::new("ssh-keygen").args(["-l", "-f"]).arg(key).output().unwrap();
    String::from_utf8(said.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}
