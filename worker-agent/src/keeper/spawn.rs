//! Starts programs without copying the keeper: no fork, no shell, no process in between.

mod child;
mod why;

use std::ffi::{CString, OsStr, OsString, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use protocol::job::NotStarted;

use super::signals::is_ignored;
use child::{Nursery, Orders, To};

/// A program to be started. It gets these descriptors, this environment, and nothing else of ours.
#[derive(Debug)]
pub struct Launch {
    pub command: Vec<OsString>,
    /// `KEY=VALUE`
    pub environment: Vec<OsString>,
    pub folder: Option<PathBuf>,
    /// With the gid of the same number and no groups. `None`: as we are.
    pub uid: Option<u32>,
    /// Nothing to read otherwise.
    pub input: Option<OwnedFd>,
    pub outputs: [Output; 2],
    /// What it gets as descriptor 3.
    pub third: Option<RawFd>,
    /// The agent or a helper of ours, which ends with the keeper; a task otherwise, which lives on.
    pub own: bool,
    /// Not a task either, but a person's own work as root: it keeps its privileges, and lives on.
    pub privileged: bool,
}

#[derive(Debug)]
pub enum Output {
    /// Where ours goes.
    Ours,
    Open(RawFd),
    /// Appended to, made where missing.
    File(PathBuf),
}

/// Why a program did not start, in the sentence a person reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: NotStarted,
    pub message: String,
}

impl Refusal {
    pub fn fault(message: impl Into<String>) -> Self {
        Self { kind: NotStarted::Fault, message: message.into() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NotSpawned {
    /// The system has no room for another process, or not in this cgroup.
    #[error("no new process can be made: {0}")]
    NoProcess(io::Error),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<NotSpawned> for Refusal {
    fn from(error: NotSpawned) -> Self {
        match error {
            NotSpawned::NoProcess(_) => Refusal::fault(error.to_string()),
            NotSpawned::Refused(refusal) => refusal,
        }
    }
}

pub struct Spawner {
    nursery: Nursery,
    null: OwnedFd,
    ignored: Vec<c_int>,
    reset_oom_score: bool,
}

impl Spawner {
    pub fn new() -> io::Result<Self> {
        close_all_on_exec()?;
        let null = std::fs::OpenOptions::new().read(true).open("/dev/null")?.into();
        let oom_score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        Ok(Self {
            nursery: Nursery::new()?,
            null,
            ignored: (1..=libc::SIGRTMAX()).filter(|signal| is_ignored(*signal)).collect(),
            reset_oom_score: oom_score.trim() != "0",
        })
    }

    /// Runs the program and returns its pid. An error leaves nothing behind but empty output files.
    pub fn spawn(&mut self, launch: &Launch, cgroup: Option<RawFd>) -> Result<i32, NotSpawned> {
        let strings = Strings::of(launch)?;
        let orders = strings.orders(launch, self);
        let (pid, failure) = self.nursery.start(&orders, cgroup).map_err(NotSpawned::NoProcess)?;
        let Some(failure) = failure else { return Ok(pid) };
        reap(pid);
        Err(why::refusal(launch, &strings.candidates, failure).into())
    }
}

/// The bytes the orders point to.
struct Strings {
    candidates: Vec<CString>,
    words: Vec<CString>,
    environment: Vec<CString>,
    folder: Option<CString>,
    outputs: [Option<CString>; 2],
}

impl Strings {
    fn of(launch: &Launch) -> Result<Self, Refusal> {
        let [first, second] = &launch.outputs;
        Ok(Self {
            candidates: candidates(launch)?,
            words: launch.command.iter().map(|word| c_string(word)).collect::<Result<_, _>>()?,
            environment: launch.environment.iter().map(|entry| c_string(entry)).collect::<Result<_, _>>()?,
            folder: launch.folder.as_ref().map(|folder| c_string(folder.as_os_str())).transpose()?,
            outputs: [output_path(first)?, output_path(second)?],
        })
    }

    fn orders(&self, launch: &Launch, spawner: &Spawner) -> Orders {
        let ended_by_null =
            |strings: &[CString]| strings.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect();
        let null_or = |string: &Option<CString>| string.as_ref().map_or(std::ptr::null(), |one| one.as_ptr());
        let output = |number: usize| match launch.outputs[number] {
            Output::Ours => To::Ours,
            Output::Open(fd) => To::Open(fd),
            Output::File(_) => To::File(null_or(&self.outputs[number])),
        };
        Orders {
            candidates: self.candidates.iter().map(|path| path.as_ptr()).collect::<Vec<*const c_char>>(),
            words: ended_by_null(&self.words),
            environment: ended_by_null(&self.environment),
            input: launch.input.as_ref().unwrap_or(&spawner.null).as_raw_fd(),
            outputs: [output(0), output(1)],
            third: launch.third,
            folder: null_or(&self.folder),
            uid: launch.uid,
            own: launch.own,
            confined: !(launch.own || launch.privileged),
            reset_oom_score: spawner.reset_oom_score && !launch.own,
            ignored: spawner.ignored.clone(),
        }
    }
}

fn output_path(output: &Output) -> Result<Option<CString>, Refusal> {
    match output {
        Output::File(path) => c_string(path.as_os_str()).map(Some),
        Output::Ours | Output::Open(_) => Ok(None),
    }
}

fn c_string(text: &OsStr) -> Result<CString, Refusal> {
    CString::new(text.as_bytes())
        .map_err(|_| Refusal::fault("the command or its environment has a zero byte, which no program can be given"))
}

/// The paths a command may mean: itself where it has a slash, else one in each folder of its own PATH.
fn candidates(launch: &Launch) -> Result<Vec<CString>, Refusal> {
    let name = launch.command.first().map(|word| word.as_bytes()).unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal { kind: NotStarted::NotFound, message: "the command is empty".into() });
    }
    if name.contains(&b'/') {
        return Ok(vec![c_string(OsStr::from_bytes(name))?]);
    }
    let path = launch.environment.iter().find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="));
    let path = path.unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
    let join = |folder: &[u8]| {
        let folder = if folder.is_empty() { b"." } else { folder };
        c_string(&OsString::from_vec([folder, b"/", name].concat()))
    };
    path.split(|byte| *byte == b':').map(join).collect()
}

/// Whatever was open when we were started must not reach a task; what we open ourselves never does.
fn close_all_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|number: &c_int| *number > 2) {
            // SAFETY: a descriptor only gets a flag.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

fn reap(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid);
    let _ = rustix::process::waitpid(pid, rustix::process::WaitOptions::empty());
}
