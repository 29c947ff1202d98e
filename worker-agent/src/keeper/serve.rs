//! The keeper's one loop: sleep until something happens, then do all of it, then tell the agent.

use std::ffi::OsString;
use std::time::Duration;

use protocol::VERSION;
use protocol::id::AttemptId;
use protocol::keeper::{Control, ControlReply, FromKeeper, ToKeeper, WorkerStatus};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::Config;
use super::agent::{self, Agent};
use super::clock::Moment;
use super::control::{ClientId, Door};
use super::lock::Lock;
use super::signals::Signals;
use super::spawn::Spawner;
use super::tasks::{How, Tasks};
use super::upgrade::{Binary, Trial};
use crate::agent::GiveUp;
use crate::cli;

/// An upgrade waits so long for a task that is being stopped, and for the agent.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(60);
/// Ended attempts in one hello; the rest follow one by one, so that no frame is too long.
const MOST_IN_HELLO: usize = 4000;

pub struct Keeper {
    config: Config,
    lock: Lock,
    signals: Signals,
    door: Door,
    spawner: Spawner,
    tasks: Tasks,
    agent: Agent,
    trial: Option<Trial>,
    goal: Goal,
    told_ready: bool,
}

enum Goal {
    Keep,
    /// SIGTERM came: the tasks run on.
    End,
    /// Asked to leave nothing running: as soon as agent and tasks have ended.
    EndWhole,
    /// The agent gave up and there is nothing to keep.
    GiveUp,
    /// As soon as the agent has ended.
    Become {
        binary: Binary,
        client: ClientId,
    },
}

/// What poll found.
enum Ready {
    Signals,
    Hunger,
    Saved,
    Agent,
    Door,
    Client { id: ClientId, hung_up: bool },
    Foreign(AttemptId),
}

impl Keeper {
    pub fn new(
        config: Config,
        lock: Lock,
        signals: Signals,
        door: Door,
        spawner: Spawner,
        tasks: Tasks,
        agent: Agent,
    ) -> Self {
        let (trial, goal, told_ready) = (None, Goal::Keep, false);
        Self { config, lock, signals, door, spawner, tasks, agent, trial, goal, told_ready }
    }

    pub fn run(mut self) -> anyhow::Result<()> {
        // Children may have ended before anybody listened, during the exec of an upgrade for instance.
        self.reap();
        loop {
            self.do_what_is_due();
            self.tell_agent();
            if self.agent.pid().is_none() && !matches!(self.goal, Goal::Keep) && self.reach_goal() {
                break;
            }
            for ready in self.wait()? {
                match ready {
                    Ready::Signals => self.take_signals(),
                    Ready::Hunger => self.tasks.hunger_changed(),
                    Ready::Saved => self.tasks.saved(),
                    Ready::Foreign(attempt) => self.tasks.main_ended(attempt, How::Unknown),
                    Ready::Agent => self.hear_agent(),
                    Ready::Door => self.door.accept(),
                    Ready::Client { id, hung_up: true } => self.door.hung_up(id),
                    Ready::Client { id, .. } => {
                        if let Some(request) = self.door.serve(id) {
                            self.answer(id, request);
                        }
                    }
                }
            }
        }
        self.tasks.close();
        self.door.close();
        match self.goal {
            Goal::GiveUp => Err(GiveUp("the agent gave up, and there are no tasks to keep".into()).into()),
            _ => Ok(()),
        }
    }

    fn wait(&self) -> anyhow::Result<Vec<Ready>> {
        let mut what = vec![Ready::Signals];
        let mut fds = vec![PollFd::from_borrowed_fd(self.signals.fd(), PollFlags::IN)];
        let mut watch = |ready, fd, flags| {
            what.push(ready);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        if let Some(fd) = self.tasks.hunger() {
            watch(Ready::Hunger, fd, PollFlags::PRI);
        }
        if let Some(fd) = self.tasks.saving() {
            watch(Ready::Saved, fd, PollFlags::IN);
        }
        for (attempt, fd) in self.tasks.foreign() {
            watch(Ready::Foreign(attempt), fd, PollFlags::IN);
        }
        if let Some((fd, writing)) = self.agent.socket() {
            let writing = if writing { PollFlags::OUT } else { PollFlags::empty() };
            watch(Ready::Agent, fd, PollFlags::IN | writing);
        }
        if let Some(fd) = self.door.listener() {
            watch(Ready::Door, fd, PollFlags::IN);
        }
        for (id, fd, flags) in self.door.sockets() {
            watch(Ready::Client { id, hung_up: false }, fd, flags);
        }
        let timeout = self.due().map(|due| due - Moment::now()).map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = what.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        let ready = ready.map(|(ready, fd)| match ready {
            Ready::Client { id, .. } => {
                // A client that asks may have closed its side already; what it asked is read first.
                let gone = fd.revents().intersects(PollFlags::HUP | PollFlags::ERR);
                Ready::Client { id, hung_up: gone && !fd.revents().contains(PollFlags::IN) }
            }
            other => other,
        });
        Ok(ready.collect())
    }

    fn due(&self) -> Option<Moment> {
        let agent = match self.goal {
            Goal::Keep => self.agent.due(),
            // It is not to be started again, only to be ended.
            _ => self.agent.due().filter(|_| self.agent.pid().is_some()),
        };
        let trial = self.trial.as_ref().map(|trial| trial.until);
        [agent, trial, self.tasks.due(), self.door.due()].into_iter().flatten().min()
    }

    fn do_what_is_due(&mut self) {
        self.tasks.tick();
        self.door.drop_the_slow();
        self.agent.kill_when_due();
        if let Some(trial) = &mut self.trial
            && trial.until <= Moment::now()
        {
            // Its end is noticed like any other, and judged then.
            agent::signal(trial.pid, Signal::KILL);
            trial.until = Moment::now() + UPGRADE_PATIENCE;
        }
        if matches!(self.goal, Goal::Keep) && self.agent.pid().is_none() {
            self.start_agent();
        }
    }

    fn start_agent(&mut self) {
        if self.agent.due().is_some_and(|due| Moment::now() < due) {
            return;
        }
        // Journalled before it is told, and told once: all of it is in the hello.
        self.tasks.drop_news();
        let tasks = &self.tasks;
        let Some(pid) = self.agent.start(&mut self.spawner, || hello(tasks)) else { return };
        self.tasks.add_helper(pid);
        if !self.told_ready {
            self.told_ready = true;
            // Nobody to tell outside systemd.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            crate::memory::give_back();
        }
    }

    fn tell_agent(&mut self) {
        for message in self.tasks.take_news() {
            self.agent.send(&message);
        }
        self.agent.flush();
    }

    fn hear_agent(&mut self) {
        for message in self.agent.receive() {
            match message {
                ToKeeper::Spawn(order) => self.tasks.spawn(order, &mut self.spawner),
                ToKeeper::Stop { attempt, reason, grace_ms } => {
                    // What has ended by itself before keeps its own end.
                    self.reap();
                    self.tasks.stop(attempt, reason, Duration::from_millis(grace_ms));
                }
                ToKeeper::Forget { attempts } => self.tasks.forget(attempts),
                ToKeeper::Status(status) => self.agent.status = status,
            }
        }
    }

    fn take_signals(&mut self) {
        let came = self.signals.take();
        if came.child {
            self.reap();
        }
        if came.end {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            if !matches!(self.goal, Goal::EndWhole) {
                self.goal = Goal::End;
            }
            self.agent.end();
        }
    }

    fn reap(&mut self) {
        while let Some((pid, how)) = next_ended() {
            self.tasks.about_to_reap(pid);
            let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
            self.tasks.remove_helper(pid);
            if self.agent.pid() == Some(pid) {
                self.agent_ended(how);
            } else if let Some(trial) = self.trial.take_if(|trial| trial.pid == pid) {
                self.judge(trial, how);
            } else {
                self.tasks.reaped(pid, how);
            }
        }
    }

    fn agent_ended(&mut self, how: How) {
        let hopeless = how == How::Exited(cli::GAVE_UP.into());
        if hopeless && matches!(self.goal, Goal::Keep) && self.tasks.running() + self.tasks.unacked() == 0 {
            self.goal = Goal::GiveUp;
        }
        match self.goal {
            Goal::Keep => self.agent.died(how),
            _ => self.agent.ended(),
        }
    }

    fn answer(&mut self, client: ClientId, request: Control) {
        match request {
            Control::Status => self.door.answer(client, &ControlReply::Status(Box::new(self.status()))),
            Control::Tasks => self.door.answer(client, &ControlReply::Tasks(self.tasks.kept())),
            Control::Upgrade { path } => match self.try_out(client, &path) {
                Ok(()) => self.door.keep(client, UPGRADE_PATIENCE),
                Err(reason) => self.door.answer(client, &ControlReply::Refused { reason }),
            },
            Control::End { reason, grace_ms } => {
                // The agent goes first, so that it starts nothing more; the next one tells how the tasks ended.
                self.goal = Goal::EndWhole;
                self.agent.end();
                self.tasks.stop_all(&reason, Duration::from_millis(grace_ms));
                self.door.answer(client, &ControlReply::Ending);
            }
        }
    }

    fn status(&self) -> WorkerStatus {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        WorkerStatus {
            keeper_version: VERSION.into(),
            keeper_pid: std::process::id() as i32,
            agent_pid: self.agent.pid(),
            agent_restarts: self.agent.restarts,
            running: count(self.tasks.running()),
            unacked: count(self.tasks.unacked()),
            barren_cgroup: self.tasks.barren().map(str::to_owned),
            agent: self.agent.status.clone(),
        }
    }

    fn try_out(&mut self, client: ClientId, path: &str) -> Result<(), String> {
        if self.trial.is_some() || !matches!(self.goal, Goal::Keep) {
            return Err("this worker is being upgraded or is ending; ask again when that is done".into());
        }
        let trial = Trial::begin(path, client, &mut self.spawner)?;
        self.tasks.add_helper(trial.pid);
        self.trial = Some(trial);
        Ok(())
    }

    fn judge(&mut self, trial: Trial, how: How) {
        let client = trial.client;
        match trial.judge(how) {
            Ok(binary) if matches!(self.goal, Goal::Keep) => {
                tracing::info!("becoming {} ({})", binary.path.display(), binary.version);
                self.door.answer_and_keep(client, &ControlReply::Upgrading, UPGRADE_PATIENCE);
                self.goal = Goal::Become { binary, client };
                self.agent.end();
            }
            Ok(_) => self.door.answer(client, &ControlReply::Refused { reason: "this worker is ending".into() }),
            Err(reason) => self.door.answer(client, &ControlReply::Refused { reason }),
        }
    }

    /// The agent has ended. Whether this process is done.
    fn reach_goal(&mut self) -> bool {
        let (binary, client) = match &self.goal {
            Goal::Become { binary, client } => (binary, client),
            Goal::EndWhole => return self.tasks.running() == 0,
            _ => return true,
        };
        if self.tasks.someone_has_grace() {
            return false;
        }
        let (binary, client) = (binary.clone(), *client);
        self.tasks.flush();
        let token = cli::token_entry(&self.config.work);
        let error = binary.become_it(&self.run_words(), &self.lock, token);
        let reason = format!("{} cannot be run: {error}; the old worker goes on", binary.path.display());
        tracing::error!("{reason}");
        self.door.answer(client, &ControlReply::Refused { reason });
        self.goal = Goal::Keep;
        self.agent.start_now();
        false
    }

    fn run_words(&self) -> Vec<OsString> {
        let mut words = vec!["run".into()];
        words.extend(cli::work_arguments(&self.config.layout, &self.config.work));
        if let Some(program) = &self.config.agent_program {
            words.extend(["--agent-program".into(), program.clone()]);
        }
        words
    }
}

/// The first message to every agent, and what did not fit into it.
fn hello(tasks: &Tasks) -> Vec<FromKeeper> {
    let (mut ended, mut kept): (Vec<_>, Vec<_>) = tasks.kept().into_iter().partition(|one| one.ended.is_some());
    let more = ended.split_off(ended.len().min(MOST_IN_HELLO));
    kept.extend(ended);
    let (version, boot_id) = (VERSION.into(), tasks.boot_id().into());
    let hello = FromKeeper::Hello { version, boot_id, tasks: kept, takes_runs: true };
    let more = more.into_iter().filter_map(|one| one.ended).map(FromKeeper::Ended);
    [hello].into_iter().chain(more).collect()
}

/// The next child that has ended, left as it is.
fn next_ended() -> Option<(i32, How)> {
    // SAFETY: the kernel fills what is zeroed; where nothing ended, the pid stays 0.
    let (pid, code, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &raw mut info, options) != 0 {
            return None;
        }
        (info.si_pid(), info.si_code, info.si_status())
    };
    let how = if code == libc::CLD_EXITED { How::Exited(status) } else { How::Signaled(status) };
    (pid != 0).then_some((pid, how))
}
