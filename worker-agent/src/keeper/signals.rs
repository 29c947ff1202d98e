//! Signals as something to read: none ever interrupts the keeper, or kills it between two steps.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

pub struct Signals(File);

/// What came since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Came {
    pub child: bool,
    pub end: bool,
}

impl Signals {
    pub fn block() -> io::Result<Self> {
        // SAFETY: plain system calls on memory of the right type.
        let fd = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
                // nohup means it.
                if signal == libc::SIGCHLD || !is_ignored(signal) {
                    libc::sigaddset(&raw mut set, signal);
                }
            }
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            // An ignored SIGCHLD would let ended tasks vanish without a word.
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else knows it.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn take(&mut self) -> Came {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut came = Came::default();
        let mut buffer = [0; SIZE * 8];
        while let Ok(length) = self.0.read(&mut buffer) {
            for one in buffer[..length].chunks_exact(SIZE) {
                // Its first field is the number.
                let number = one.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
                if number == libc::SIGCHLD as u32 {
                    came.child = true;
                } else {
                    came.end = true;
                }
            }
            if length < buffer.len() {
                break;
            }
        }
        came
    }
}

/// What the kernel knows of a signal. Larger than its own structure on any machine.
type Action = [usize; 16];
const MASK_SIZE: usize = 8;

/// Whether this process was told to ignore it, before main or by main. Raw, because libc does not speak of those it uses
/// itself, and whoever started us may have ignored them too.
pub fn is_ignored(signal: libc::c_int) -> bool {
    let mut action: Action = [0; 16];
    // SAFETY: only asks, and there is room for the answer, whose first word is the handler.
    unsafe {
        let none = std::ptr::null::<Action>();
        libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut action, MASK_SIZE) == 0
            && action[0] == libc::SIG_IGN
    }
}

/// Back to what it does by default. For a child before its exec: one system call.
pub fn reset(signal: libc::c_int) {
    let default: Action = [0; 16];
    // SAFETY: all zero is the default action, whatever its size.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, std::ptr::null_mut::<Action>(), MASK_SIZE);
    }
}
