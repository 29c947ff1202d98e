//! Between clone and exec. The child shares our memory and runs while we stand still, so nothing is copied; in return
//! it may only make system calls: no allocation, no lock, no panic.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::os::fd::RawFd;

use super::super::signals::reset;

/// What the child is to do, all of it laid out beforehand.
pub struct Orders {
    /// The program, by each path where it may be, until one works. Never empty.
    pub candidates: Vec<*const c_char>,
    /// Both end with a null pointer.
    pub words: Vec<*const c_char>,
    pub environment: Vec<*const c_char>,
    /// Becomes descriptor 0.
    pub input: RawFd,
    /// Become 1 and 2.
    pub outputs: [To; 2],
    /// Becomes descriptor 3; everything else is closed by the exec.
    pub third: Option<RawFd>,
    /// Null: ours.
    pub folder: *const c_char,
    pub uid: Option<u32>,
    /// The agent or a helper, not a task: ends with the keeper.
    pub own: bool,
    /// It never has more privileges than it begins with.
    pub confined: bool,
    /// Ours was changed, theirs is to be 0.
    pub reset_oom_score: bool,
    /// Signals somebody made us ignore: a task starts with none ignored.
    pub ignored: Vec<c_int>,
}

#[derive(Debug, Clone, Copy)]
pub enum To {
    Ours,
    Open(RawFd),
    /// Made where missing, written at its end.
    File(*const c_char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Step {
    Session,
    Output,
    Descriptors,
    OomScore,
    Uid,
    Privileges,
    Folder,
    Exec,
}

/// Which step failed, and with which errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub step: Step,
    pub errno: c_int,
    /// For [`Step::Exec`] the candidate that says most about why, for [`Step::Output`] which of the two.
    pub which: usize,
}

/// A stack and a place for the answer, used by one child after the other.
pub struct Nursery {
    stack: *mut c_void,
    /// In memory that is shared even where a `CLONE_VM` is emulated by a fork, as under qemu.
    answer: *mut Option<Failure>,
}

const GUARD: usize = 64 * 1024;
const STACK: usize = 64 * 1024;

impl Nursery {
    pub fn new() -> io::Result<Self> {
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let stack = map(GUARD + STACK, private)?;
        // SAFETY: the lower part of the mapping made above, which nobody uses yet.
        if unsafe { libc::mprotect(stack, GUARD, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let answer = map(size_of::<Option<Failure>>(), libc::MAP_SHARED | libc::MAP_ANONYMOUS)?.cast();
        Ok(Self { stack, answer })
    }

    /// Starts the child and returns its pid once it has become the program, or has failed to; then it is to be reaped.
    /// `cgroup`: born into it.
    pub fn start(&mut self, orders: &Orders, cgroup: Option<RawFd>) -> io::Result<(i32, Option<Failure>)> {
        // SAFETY: mapped by `new`, aligned to a page, and no child lives now that could write to it.
        unsafe { self.answer.write(None) };
        let errand = Errand { orders, answer: self.answer };
        let pid = self.clone(&raw const errand, cgroup)?;
        // SAFETY: as above; the child has become another program or has ended.
        let failure = unsafe { self.answer.read_volatile() };
        Ok((pid, failure))
    }

    fn clone(&mut self, errand: *const Errand, cgroup: Option<RawFd>) -> io::Result<i32> {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK;
        if let Some(cgroup) = cgroup {
            // SAFETY: the stack is mapped, and ours alone until the child is done with it.
            return unsafe { clone3::clone(flags, cgroup, self.stack.byte_add(GUARD), STACK, errand) };
        }
        // SAFETY: as above. libc's clone switches to the given stack, on every machine there is.
        let pid = unsafe {
            let top = self.stack.byte_add(GUARD + STACK);
            libc::clone(run, top, flags | libc::SIGCHLD, errand.cast_mut().cast())
        };
        if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
    }
}

fn map(length: usize, flags: c_int) -> io::Result<*mut c_void> {
    // SAFETY: a new anonymous mapping, wherever the kernel finds room.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at) }
}

struct Errand {
    orders: *const Orders,
    answer: *mut Option<Failure>,
}

extern "C" fn run(errand: *mut c_void) -> c_int {
    // SAFETY: `start` keeps the errand and its orders alive while the child shares its memory.
    unsafe {
        let errand = &*errand.cast::<Errand>();
        let failure = carry_out(&*errand.orders);
        errand.answer.write_volatile(Some(failure));
        libc::_exit(127)
    }
}

/// Returns only if it failed.
///
/// # Safety
/// To be called in the child alone; the pointers of the orders are valid.
unsafe fn carry_out(orders: &Orders) -> Failure {
    macro_rules! attempt {
        ($step:expr, $call:expr) => {
            if $call < 0 {
                return Failure { step: $step, errno: errno(), which: 0 };
            }
        };
    }
    // SAFETY: system calls on what the orders hold.
    unsafe {
        attempt!(Step::Session, libc::setsid());
        if orders.own {
            attempt!(Step::Session, libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
        }
        attempt!(Step::Descriptors, libc::dup2(orders.input, 0));
        // A task may open its own /dev/stdout again whatever its uid: nobody else can reach the folder.
        libc::umask(0);
        for (number, to) in [(1, orders.outputs[0]), (2, orders.outputs[1])] {
            let from = match to {
                To::Ours => continue,
                To::Open(fd) => fd,
                To::File(path) => {
                    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC | libc::O_NOFOLLOW;
                    libc::open(path, flags, 0o666)
                }
            };
            if from < 0 {
                return Failure { step: Step::Output, errno: errno(), which: number as usize - 1 };
            }
            attempt!(Step::Descriptors, libc::dup2(from, number));
        }
        libc::umask(0o022);
        if let Some(fd) = orders.third {
            // To itself, dup2 would leave it closed by the exec.
            if fd == 3 {
                attempt!(Step::Descriptors, libc::fcntl(3, libc::F_SETFD, 0));
            } else {
                attempt!(Step::Descriptors, libc::dup2(fd, 3));
            }
        }
        if orders.reset_oom_score {
            let fd = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            attempt!(Step::OomScore, fd);
            attempt!(Step::OomScore, libc::write(fd, c"0".as_ptr().cast(), 1));
        }
        if let Some(uid) = orders.uid {
            // Raw: libc's own would try to tell its threads, which this child does not have.
            attempt!(Step::Uid, libc::syscall(id::SETGROUPS, 0, std::ptr::null::<u32>()));
            attempt!(Step::Uid, libc::syscall(id::SETRESGID, uid, uid, uid));
            attempt!(Step::Uid, libc::syscall(id::SETRESUID, uid, uid, uid));
        }
        if orders.confined {
            attempt!(Step::Privileges, libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        }
        if !orders.folder.is_null() {
            attempt!(Step::Folder, libc::chdir(orders.folder));
        }
        for signal in &orders.ignored {
            reset(*signal);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        exec(orders)
    }
}

/// Tries every candidate, as a shell would: what is not there is passed over, what may not be run is remembered.
///
/// # Safety
/// As [`carry_out`].
unsafe fn exec(orders: &Orders) -> Failure {
    let mut failure = Failure { step: Step::Exec, errno: libc::ENOENT, which: 0 };
    for (which, path) in orders.candidates.iter().enumerate() {
        // SAFETY: the orders are whole; this returns only if it failed.
        unsafe { libc::execve(*path, orders.words.as_ptr(), orders.environment.as_ptr()) };
        match errno() {
            libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP => {}
            libc::EACCES => {
                if failure.errno != libc::EACCES {
                    failure = Failure { errno: libc::EACCES, which, ..failure };
                }
            }
            errno => return Failure { errno, which, ..failure },
        }
    }
    failure
}

fn errno() -> c_int {
    // SAFETY: always valid; in the child it is the keeper's own, which stands still.
    unsafe { *libc::__errno_location() }
}

mod id {
    #[cfg(not(any(target_arch = "arm", target_arch = "x86")))]
    pub use libc::{SYS_setgroups as SETGROUPS, SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID};
    // There the short names have 16 bits.
    #[cfg(any(target_arch = "arm", target_arch = "x86"))]
    pub use libc::{SYS_setgroups32 as SETGROUPS, SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID};
}

/// Only clone3 gives birth into a cgroup, and libc has no clone3 that switches stacks.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod clone3 {
    use super::*;

    /// libc's constant of this name is too narrow for its value (libc#3584).
    const CLONE_INTO_CGROUP: u64 = 1 << 33;

    /// # Safety
    /// The stack is mapped and unused; the errand lives until the child shares our memory no more (`CLONE_VFORK`).
    pub unsafe fn clone(
        flags: c_int,
        cgroup: RawFd,
        stack: *mut c_void,
        stack_size: usize,
        errand: *const Errand,
    ) -> io::Result<i32> {
        let arguments = libc::clone_args {
            flags: flags as u64 | CLONE_INTO_CGROUP,
            pidfd: 0,
            child_tid: 0,
            parent_tid: 0,
            exit_signal: libc::SIGCHLD as u64,
            stack: stack as u64,
            stack_size: stack_size as u64,
            tls: 0,
            set_tid: 0,
            set_tid_size: 0,
            cgroup: cgroup as u64,
        };
        // SAFETY: as promised by the caller.
        let result = unsafe { call(&raw const arguments, errand) };
        if result < 0 { Err(io::Error::from_raw_os_error(-result as i32)) } else { Ok(result as i32) }
    }

    /// The child wakes up on its own stack with nothing on it: it can only go forward, into `run`, which never returns.
    #[cfg(target_arch = "x86_64")]
    unsafe fn call(arguments: *const libc::clone_args, errand: *const Errand) -> isize {
        let result: isize;
        // SAFETY: in the parent this is one system call; the child leaves by `run`.
        unsafe {
            std::arch::asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "xor ebp, ebp",
                "mov rdi, r9",
                "call r8",
                "ud2",
                "2:",
                inlateout("rax") libc::SYS_clone3 as isize => result,
                in("rdi") arguments,
                in("rsi") size_of::<libc::clone_args>(),
                in("r8") run as *const c_void,
                in("r9") errand,
                lateout("rcx") _,
                lateout("r11") _,
            );
        }
        result
    }

    #[cfg(target_arch = "aarch64")]
    unsafe fn call(arguments: *const libc::clone_args, errand: *const Errand) -> isize {
        let result: isize;
        // SAFETY: in the parent this is one system call; the child leaves by `run`.
        unsafe {
            std::arch::asm!(
                "svc 0",
                "cbnz x0, 2f",
                "mov x29, xzr",
                "mov x0, x4",
                "blr x3",
                "brk 1",
                "2:",
                in("x8") libc::SYS_clone3,
                inlateout("x0") arguments as isize => result,
                in("x1") size_of::<libc::clone_args>(),
                in("x3") run as *const c_void,
                in("x4") errand,
            );
        }
        result
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod clone3 {
    use super::*;

    /// # Safety
    /// Does nothing.
    pub unsafe fn clone(_: c_int, _: RawFd, _: *mut c_void, _: usize, _: *const Errand) -> io::Result<i32> {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}
