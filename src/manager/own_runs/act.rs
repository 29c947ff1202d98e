//! One run: the way to its machine, who it becomes there, its program, and its end.

use std::pin::Pin;
use std::time::Duration;

use link::{DialError, Shell};
use protocol::api::SshWay;
use protocol::job::{NotStarted, Outcome, Stream};
use protocol::name::NodeName;
use protocol::time::UnixMillis;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::gate::{Gate, Opened};
use super::line::{self, Hold, Line, Said, Stdin};
use super::spool::Spool;
use super::{Ways, words};
use crate::manager::cluster::OwnRun;
use crate::manager::reach::addresses;

/// For an answer where a machine that was named is.
const NAMING: Duration = Duration::from_secs(15);
/// From the log-in to the line that ends what it prints.
const OPENING: Duration = Duration::from_secs(30);
/// For what an ended program has left behind to close its streams, before it is ended too.
const LEFT_BEHIND: Duration = Duration::from_secs(1);
/// For a killed one to be gone.
const KILLED: Duration = Duration::from_secs(12);

/// Why it is to end, once it is.
pub type Stop = watch::Receiver<Option<Ending>>;

#[derive(Debug, Clone)]
pub struct Ending {
    pub reason: String,
    /// The manager itself ends: there is no time to ask.
    pub at_once: bool,
}

/// What became of it.
pub struct Ended {
    pub outcome: Outcome,
    pub started: Option<(UnixMillis, Instant)>,
}

pub async fn act(run: &OwnRun, ways: &Ways, spool: &Spool, mut stop: Stop) -> Ended {
    let never = |outcome| Ended { outcome, started: None };
    if let Some(why) = words::unsayable(run) {
        return never(not(NotStarted::Fault, why));
    }
    // A stop before anything has begun is no more than going away.
    let open = tokio::select! {
        reached = reach(run, ways) => reached,
        ending = asked(&mut stop) => Err(Outcome::Stopped { reason: ending.reason }),
    };
    match open {
        Err(outcome) => never(outcome),
        Ok(open) => open.run(run, ways, spool, stop).await,
    }
}

fn not(kind: NotStarted, message: String) -> Outcome {
    Outcome::NotStarted { kind, message }
}

async fn asked(stop: &mut Stop) -> Ending {
    loop {
        if let Some(ending) = stop.borrow_and_update().clone() {
            return ending;
        }
        if stop.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// A program that waits to be told what it is.
struct Open {
    line: Line,
    stdin: Stdin,
    hold: Hold,
    group: Option<u32>,
    /// What came after the line.
    first: [Vec<u8>; 2],
}

async fn reach(run: &OwnRun, ways: &Ways) -> Result<Open, Outcome> {
    let (line, stdin, hold) = match &run.way {
        None if !rustix::process::geteuid().is_root() => {
            return Err(not(NotStarted::Fault, "this manager is not run as root, so it runs nothing itself".into()));
        }
        None => {
            line::here().map_err(|error| not(NotStarted::Fault, format!("the manager cannot start bash: {error}")))?
        }
        Some((name, way)) => {
            let shell = enter(name, way, ways).await?;
            line::there(shell).await.map_err(|error| not_reached(name, way, ways, &error))?
        }
    };
    let whom = run.way.as_ref().map(|(name, way)| (name, way));
    match timeout(OPENING, open(run, whom, line, stdin, hold)).await {
        Ok(opened) => opened,
        Err(_) => {
            let place = place(whom);
            Err(not(NotStarted::Fault, format!("the log-in at {place} did not come to an end within {OPENING:?}")))
        }
    }
}

async fn enter(name: &NodeName, way: &SshWay, ways: &Ways) -> Result<Shell, Outcome> {
    let host_key = way.host_key.clone().into();
    let key = ways.key().map_err(|error| not(NotStarted::Fault, error))?;
    let host = match timeout(NAMING, addresses(&way.host, way.port)).await {
        Ok(Ok(found)) => found.first().map(|address| address.ip().to_string()),
        Ok(Err(_)) | Err(_) => None,
    };
    let Some(host) = host else {
        let message = format!("{name} is not reached by SSH: nobody knows the address of {}", way.host);
        return Err(not(NotStarted::NotReached, message));
    };
    Shell::enter(&ways.dial(&host, way.port, &way.user), &host_key, &key)
        .await
        .map_err(|error| not_reached(name, way, ways, &error))
}

fn not_reached(name: &NodeName, way: &SshWay, ways: &Ways, error: &DialError) -> Outcome {
    let SshWay { host, port, user, .. } = way;
    let again = if *port == 22 {
        format!("bramble node add {name} {user}@{host}")
    } else {
        format!("bramble node add {name} {user}@{host}:{port}")
    };
    let message = match error {
        DialError::WrongHost { expected, found, .. } => format!(
            "the host key of {name} is {found} and not {expected}, which was approved; nothing was told to it. \
             If that is right, approve the new one: {again}"
        ),
        DialError::Rejected { .. } => {
            let line = ways.key().map(|key| ways.line_of(&key)).unwrap_or_default();
            format!(
                "{name} does not let the manager in as {user}: {again}, or add this line to ~{user}/.ssh/authorized_keys there: {line}"
            )
        }
        other => format!("{name} is not reached by SSH: {other}"),
    };
    not(NotStarted::NotReached, message)
}

fn place(whom: Option<(&NodeName, &SshWay)>) -> String {
    whom.map_or_else(|| "the manager".to_owned(), |(name, _)| name.to_string())
}

async fn open(
    run: &OwnRun,
    whom: Option<(&NodeName, &SshWay)>,
    mut line: Line,
    mut stdin: Stdin,
    hold: Hold,
) -> Result<Open, Outcome> {
    let broke = |error: std::io::Error| {
        not(NotStarted::NotReached, format!("{} was lost before anything began there: {error}", place(whom)))
    };
    let mark = super::random();
    let opening = words::opening(run, &mark);
    let mut gates = [Gate::new(&mark), Gate::new(&mark)];
    let mut opened: [Option<Opened>; 2] = [None, None];
    let mut exited = None;
    let mut sending: Option<Pin<Box<_>>> = Some(Box::pin(async {
        let sent = stdin.write_all(opening.as_bytes()).await;
        // Should the log-in have ended without reading it, that is said by its end.
        sent.and(stdin.flush().await).is_ok()
    }));
    while opened.iter().any(Option::is_none) {
        let said = tokio::select! {
            said = line.next() => said.map_err(broke)?,
            _ = async { match sending.as_mut() { Some(sending) => sending.await, None => std::future::pending().await } } => {
                sending = None;
                continue;
            }
        };
        match said {
            Some(Said::Printed(stream, bytes)) => {
                let at = stream as usize;
                match &mut opened[at] {
                    Some(opened) => opened.rest.extend_from_slice(&bytes),
                    None => opened[at] = gates[at].put(&bytes),
                }
                if let Some(Opened { word, .. }) = &opened[Stream::Stdout as usize]
                    && !word.starts_with("ok ")
                {
                    return Err(no_program(run, whom, word));
                }
            }
            Some(Said::Exited(code)) => exited = Some(code),
            Some(Said::Signaled(_)) => {}
            None => return Err(ended_early(whom, &gates, exited)),
        }
    }
    drop(sending);
    let [out, err] = opened.map(Option::unwrap_or_default);
    let group = out.word.strip_prefix("ok ").and_then(|group| group.parse().ok()).filter(|group| *group > 1);
    Ok(Open { line, stdin, hold, group, first: [out.rest, err.rest] })
}

fn no_program(run: &OwnRun, whom: Option<(&NodeName, &SshWay)>, word: &str) -> Outcome {
    let (place, program) = (place(whom), words::program(run));
    match word {
        "not-found" => not(NotStarted::NotFound, format!("there is no program {program:?} on {place}")),
        "not-executable" => not(NotStarted::NotExecutable, format!("{program:?} on {place} cannot be executed")),
        "no-sudo" => not(NotStarted::Fault, no_sudo(whom, "there is no sudo there")),
        "no-setpriv" => not(
            NotStarted::Fault,
            format!("{place} has no setpriv, with which a program is run as somebody: install util-linux"),
        ),
        other => not(NotStarted::Fault, format!("the shell of {place} said something that makes no sense: {other:?}")),
    }
}

fn no_sudo(whom: Option<(&NodeName, &SshWay)>, why: &str) -> String {
    let Some((name, SshWay { user, .. })) = whom else {
        return format!("the manager may not become root: {why}");
    };
    format!(
        "{user} may not become root on {name} without being asked for a password ({why}): let it, with this line in \
         /etc/sudoers.d/bramble there: {user} ALL=(ALL) NOPASSWD: ALL; or add the node again with root as its user"
    )
}

fn ended_early(whom: Option<(&NodeName, &SshWay)>, gates: &[Gate; 2], exited: Option<i32>) -> Outcome {
    let place = place(whom);
    let [out, err] = gates;
    let last = err.last_line().or_else(|| out.last_line());
    let message = match last {
        Some(line) if err.has_said("sudo:") => no_sudo(whom, &line),
        Some(line) if exited == Some(127) => format!("the log-in at {place} has no bash: it said {line:?}"),
        Some(line) => format!("the log-in at {place} runs no commands: it said {line:?} and ended"),
        None => format!("the log-in at {place} runs no commands: it ended without a word"),
    };
    not(NotStarted::Fault, message)
}

impl Open {
    async fn run(mut self, run: &OwnRun, ways: &Ways, spool: &Spool, mut stop: Stop) -> Ended {
        let started = (UnixMillis::of(std::time::SystemTime::now()), Instant::now());
        ways.started(run.attempt, started.0).await;
        for (stream, first) in [Stream::Stdout, Stream::Stderr].into_iter().zip(std::mem::take(&mut self.first)) {
            if let Err(outcome) = keep(spool, stream, &first) {
                return self.give_up(started, outcome).await;
            }
        }
        let Open { mut line, mut stdin, hold, group, .. } = self;
        let program = words::program_itself(run, &super::random(), hold.mark());
        let mut sending = Some(Box::pin(async move {
            // A program that does not read its input, or has ended, is told no more.
            if stdin.write_all(program.as_bytes()).await.is_ok() && stdin.write_all(&run.run.stdin.0).await.is_ok() {
                let _ = stdin.shutdown().await;
            }
        }));
        let limit = run.run.timeout_ms;
        let mut deadline = limit.map(|ms| started.1 + Duration::from_millis(ms));
        let mut why = None;
        let mut ended: Option<Said> = None;
        let mut endings = Endings { hold, group, killed: false, under_way: tokio::task::JoinSet::new() };
        let mut patience = None;
        let outcome = loop {
            let running = why.is_none() && ended.is_none();
            tokio::select! {
                said = line.next() => match said {
                    Ok(Some(Said::Printed(stream, bytes))) => {
                        if let Err(outcome) = keep(spool, stream, &bytes) {
                            endings.signal(false);
                            break outcome;
                        }
                    }
                    Ok(Some(end)) => {
                        ended = Some(end);
                        sending = None;
                        patience = Some(Instant::now() + LEFT_BEHIND);
                        // What it has left behind ends with it, as on a node with an agent.
                        if matches!(line, Line::Here(_)) {
                            endings.signal(false);
                        }
                    }
                    Ok(None) => break of_end(ended, why, limit),
                    Err(_) if ended.is_some() => break of_end(ended, why, limit),
                    Err(error) => break broken(run, &error),
                },
                () = async { match sending.as_mut() { Some(sending) => sending.await, None => std::future::pending().await } } => {
                    sending = None;
                }
                ending = asked(&mut stop), if running => {
                    endings.signal(!ending.at_once);
                    patience = Some(Instant::now() + if ending.at_once { LEFT_BEHIND } else { ways.stop_grace });
                    why = Some(Why::Stopped(ending.reason));
                }
                () = at(deadline), if running => {
                    deadline = None;
                    endings.signal(true);
                    patience = Some(Instant::now() + ways.stop_grace);
                    why = Some(Why::Limit);
                }
                () = at(patience) => match (endings.killed, &ended) {
                    (false, _) => {
                        endings.signal(false);
                        patience = Some(Instant::now() + if ended.is_some() { LEFT_BEHIND } else { KILLED });
                    }
                    // Something of it holds its streams that could not be found. It goes on.
                    (true, Some(_)) => break of_end(ended, why, limit),
                    (true, None) => {
                        let reason = "it did not end when it was killed, and may still run there".to_owned();
                        break Outcome::Lost { reason, again: false };
                    }
                },
            }
        };
        let hold = endings.hold.clone();
        endings.finish().await;
        drop((line, sending));
        hold.leave().await;
        Ended { outcome, started: Some(started) }
    }

    async fn give_up(self, started: (UnixMillis, Instant), outcome: Outcome) -> Ended {
        self.hold.signal(false, self.group).await;
        Ended { outcome, started: Some(started) }
    }
}

enum Why {
    Stopped(String),
    Limit,
}

/// What is done to end it, beside listening to it.
struct Endings {
    hold: Hold,
    group: Option<u32>,
    killed: bool,
    under_way: tokio::task::JoinSet<()>,
}

impl Endings {
    fn signal(&mut self, term: bool) {
        let (hold, group) = (self.hold.clone(), self.group);
        self.killed |= !term;
        self.under_way.spawn(async move { hold.signal(term, group).await });
    }

    async fn finish(mut self) {
        while self.under_way.join_next().await.is_some() {}
    }
}

/// It has ended, or says no more.
fn of_end(ended: Option<Said>, why: Option<Why>, limit: Option<u64>) -> Outcome {
    let lost = |reason: &str| Outcome::Lost { reason: reason.to_owned(), again: false };
    match (why, ended) {
        (Some(Why::Stopped(reason)), _) => Outcome::Stopped { reason },
        (Some(Why::Limit), _) => Outcome::TimedOut { limit_ms: limit.unwrap_or_default() },
        (None, Some(Said::Exited(code))) => Outcome::Exited(code),
        (None, Some(Said::Signaled(Some(signal)))) => Outcome::Signaled(signal),
        (None, Some(_)) => lost("a signal ended it, and the SSH of its node has no name for that"),
        (None, None) => lost("its node did not say how it ended"),
    }
}

fn broken(run: &OwnRun, error: &std::io::Error) -> Outcome {
    let place = run.way.as_ref().map_or_else(|| "the manager".to_owned(), |(name, _)| name.to_string());
    let reason =
        format!("the connection to {place} broke while it ran ({error}); whether it goes on there is not known");
    Outcome::Lost { reason, again: false }
}

fn keep(spool: &Spool, stream: Stream, bytes: &[u8]) -> Result<(), Outcome> {
    let kept = tokio::task::block_in_place(|| spool.put(stream, bytes));
    let reason = |error| format!("what it printed could not be kept: {error}; it was ended");
    kept.map_err(|error| Outcome::Lost { reason: reason(error), again: false })
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
