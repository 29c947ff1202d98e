//! OpenSSH's daemon on a port of its own, with keys of its own, for scp and rsync to copy through.

use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::peers::{provide, succeeds};
use crate::rig::{Ground, Process};

pub struct Openssh {
    _daemon: Process,
    port: u16,
    key: PathBuf,
}

impl Openssh {
    pub fn start(ground: &Ground) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("an sshd that lets somebody in needs root");
        }
        for (program, package) in [("sshd", "openssh-server"), ("scp", "openssh-client"), ("rsync", "rsync")] {
            provide(program, package)?;
        }
        let folder = ground.path().join("openssh");
        fs::create_dir(&folder).context("the folder of sshd cannot be made")?;
        let [host, key] = ["host", "person"].map(|name| folder.join(name));
        for path in [&host, &key] {
            succeeds(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path))?;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("no free port")?.port();
        let config = folder.join("config");
        let lines = [
            format!("Port {port}\nListenAddress 127.0.0.1\nHostKey {}", host.display()),
            format!("AuthorizedKeysFile {}.pub", key.display()),
            "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n".into(),
        ];
        fs::write(&config, lines.join("\n")).context("the configuration of sshd cannot be written")?;
        // Debian makes this one when its own daemon starts.
        let apart = Path::new("/run/sshd");
        fs::create_dir_all(apart).context("/run/sshd cannot be made")?;
        fs::set_permissions(apart, PermissionsExt::from_mode(0o755)).context("the mode of /run/sshd cannot be set")?;
        // It wants to be called by its whole path.
        let mut command = Command::new("/usr/sbin/sshd");
        command.arg("-D").arg("-e").arg("-f").arg(&config);
        let mut daemon = Process::start(command, folder.join("log"))?;
        daemon.wait_until("sshd answers", || Ok(TcpStream::connect(("127.0.0.1", port)).ok()))?;
        Ok(Self { _daemon: daemon, port, key })
    }

    fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = vec!["-F".into(), "/dev/null".into(), "-i".into(), self.key.clone().into()];
        for option in ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"] {
            options.extend(["-o".into(), option.into()]);
        }
        options
    }

    fn there(path: &Path) -> OsString {
        let mut there = OsString::from("root@127.0.0.1:");
        there.push(path);
        there
    }

    pub fn scp_to(&self, from: &Path, to: &Path) -> Command {
        self.scp(from.into(), Self::there(to))
    }

    pub fn scp_from(&self, from: &Path, to: &Path) -> Command {
        self.scp(Self::there(from), to.into())
    }

    pub fn rsync_to(&self, from: &Path, to: &Path) -> Command {
        self.rsync(from.into(), Self::there(to))
    }

    pub fn rsync_from(&self, from: &Path, to: &Path) -> Command {
        self.rsync(Self::there(from), to.into())
    }

    fn scp(&self, from: OsString, to: OsString) -> Command {
        let mut scp = Command::new("scp");
        scp.arg("-q").args(self.options()).arg("-P").arg(self.port.to_string()).arg(from).arg(to);
        scp
    }

    fn rsync(&self, from: OsString, to: OsString) -> Command {
        let mut ssh = OsString::from("ssh");
        for option in self.options().into_iter().chain(["-p".into(), self.port.to_string().into()]) {
            ssh.push(" ");
            ssh.push(option);
        }
        let mut rsync = Command::new("rsync");
        rsync.arg("--whole-file").arg("--rsh").arg(ssh).arg(from).arg(to);
        rsync
    }
}
