//! What the manager and the keeper say, and what the agent does about it.

use std::path::Path;
use std::process::{Command, Stdio};

use protocol::OLDEST_PROTOCOL;
use protocol::agent::{Follow, FromAgent, Order, ToAgent, Welcome};
use protocol::id::AttemptId;
use protocol::job::{NotStarted, Outcome};
use protocol::keeper::{FromKeeper, Spawn, ToKeeper};
use serde_json::json;

use super::desk::{Act, Discard, Forget};
use super::life::{Agent, Errand, wall};
use super::{environment, follow};

impl Agent {
    pub(super) fn manager_said(&mut self, message: ToAgent) {
        if !self.control.is_welcome() {
            match message {
                ToAgent::Welcome(welcome) => self.welcome(welcome),
                ToAgent::Bye { reason, stay_away } => self.bye(reason, stay_away),
                ToAgent::NotUnderstood { name } => self.not_understood(&name),
                _ => self.part("the manager gave orders before it answered our hello".into(), false),
            }
            return;
        }
        match message {
            ToAgent::Start(order) => self.take(order),
            ToAgent::Stop { attempt, reason } => self.stop(attempt, reason),
            ToAgent::Recall { attempt } => {
                if self.desk.recall(attempt) {
                    self.reports.say(FromAgent::Recalled { attempt });
                }
            }
            ToAgent::Ack { attempts } => {
                let forgotten = attempts.into_iter().filter_map(|attempt| Some((attempt, self.desk.ack(attempt)?)));
                let forgotten = forgotten.collect();
                self.forget(forgotten);
            }
            ToAgent::Discard { attempts } => self.discard(attempts),
            ToAgent::Follow(follow) => self.follow(follow),
            ToAgent::Reboot => self.reboot(),
            ToAgent::Bye { reason, stay_away } => self.bye(reason, stay_away),
            ToAgent::NotUnderstood { name } => self.not_understood(&name),
            ToAgent::Welcome(_) => tracing::warn!("the manager said welcome twice"),
        }
    }

    fn welcome(&mut self, welcome: Welcome) {
        if welcome.protocol < OLDEST_PROTOCOL {
            let reason = format!(
                "the manager ({}) speaks protocol {}, this agent ({}) needs at least {OLDEST_PROTOCOL}: update the manager",
                welcome.version,
                welcome.protocol,
                protocol::VERSION
            );
            self.part(reason, true);
            return;
        }
        self.stop_grace_ms = welcome.stop_grace_ms;
        let home = self.control.home_mut();
        home.output_limit = Some(welcome.output_limit);
        home.lease_ms = Some(welcome.lease_ms);
        home.name = welcome.node;
        self.remember_home();
        self.control.welcomed();
        self.cache.drop_old_parts();
        self.begin_pulse();
        tracing::info!("linked to the manager at {} as {}", self.control.home().address, self.control.home().name);
        self.results.welcomed(welcome.takes_results);
        self.reports.drop_ends();
        for attempt in self.desk.ended_ones() {
            self.reports.finished(attempt);
        }
    }

    fn bye(&mut self, reason: String, stay_away: bool) {
        self.part(format!("the manager let go of this node: {reason}"), stay_away);
    }

    fn part(&mut self, reason: String, lasting: bool) {
        self.control.part(reason, lasting);
        self.unlinked();
    }

    fn not_understood(&self, name: &str) {
        tracing::warn!("the manager does not understand {name:?}: it is of another version");
    }

    /// Hands an order that has its slots to the keeper.
    pub(super) fn begin(&mut self, order: Order) {
        if let Some(run) = &order.run {
            return self.begin_run(&order, run);
        }
        // The manager gives every person a uid; root is nobody's.
        if self.root && order.uid == 0 {
            self.not_started(order.attempt, "it was to run as root");
        } else if !order.files.is_empty() {
            self.place(order);
        } else if let Err(why) = self.begin_in_empty_folder(&order) {
            self.not_started(order.attempt, &why);
        }
    }

    pub(super) fn not_started(&mut self, attempt: AttemptId, why: &str) {
        let message = format!("{attempt} could not be started on this node: {why}");
        self.never_started(attempt, Outcome::NotStarted { kind: NotStarted::Fault, message });
    }

    pub(super) fn never_started(&mut self, attempt: AttemptId, outcome: Outcome) {
        self.secrets.remove(attempt);
        self.desk.failed(attempt, outcome, wall());
        self.look_at_disk();
        self.reports.finished(attempt);
        self.follow_early_ones(attempt);
    }

    fn begin_in_empty_folder(&mut self, order: &Order) -> Result<(), String> {
        let uid = self.root.then_some(order.uid);
        let home = self.spares.make(&self.config.layout, order.attempt, uid);
        self.spawn(order, &home.map_err(|error| format!("its folder cannot be made: {error}"))?)
    }

    pub(super) fn spawn(&mut self, order: &Order, home: &Path) -> Result<(), String> {
        let (attempt, uid) = (order.attempt, self.root.then_some(order.uid));
        let note = if order.cpus == 1 { serde_json::Value::Null } else { json!({ "cpus": order.cpus }) };
        let secrets = self.secrets.put(attempt, uid, &order.secrets)?;
        let env = environment::of(order, home, secrets.as_deref())?;

        let (cwd, stdin, limit) = (None, None, None);
        let spawn = Spawn { attempt, uid, command: order.command.to_vec(), env, cwd, stdin, root: false, limit, note };
        self.tell_keeper(&ToKeeper::Spawn(spawn)).map_err(|error| error.to_string())
    }

    fn stop(&mut self, attempt: AttemptId, reason: String) {
        match self.desk.stop(attempt, reason.clone(), wall()) {
            Act::Nothing => {}
            Act::Report => self.reports.finished(attempt),
            Act::Stop => self.stop_by_keeper(attempt, reason, self.stop_grace_ms),
            Act::Settle { came_true } => {
                if self.results.stop(&self.config.layout, attempt, came_true) {
                    self.reports.finished(attempt);
                }
            }
        }
    }

    fn stop_by_keeper(&mut self, attempt: AttemptId, reason: String, grace_ms: u64) {
        // A stop is small; the error was logged.
        let _ = self.tell_keeper(&ToKeeper::Stop { attempt, reason, grace_ms });
    }

    fn discard(&mut self, attempts: Vec<AttemptId>) {
        let mut forgotten = Vec::new();
        for attempt in attempts {
            match self.desk.discard(attempt) {
                Discard::Nothing => {}
                Discard::Kill => self.stop_by_keeper(attempt, "discarded".into(), 0),
                Discard::Forget(forget) => forgotten.push((attempt, forget)),
            }
        }
        self.forget(forgotten);
    }

    /// The journal is told first: whatever is left of files without an entry is swept by the next agent.
    pub(super) fn forget(&mut self, forgotten: Vec<(AttemptId, Forget)>) {
        let kept = forgotten.iter().filter(|(_, forget)| forget.keeper);
        let attempts: Vec<AttemptId> = kept.map(|(attempt, _)| *attempt).collect();
        if !attempts.is_empty() {
            let _ = self.tell_keeper(&ToKeeper::Forget { attempts });
        }
        for (attempt, _) in forgotten {
            self.bulk.forget(attempt);
            self.results.forget(attempt);
            self.secrets.remove(attempt);
            if self.spares.remove(&self.config.layout, attempt) {
                self.has_gone();
            }
        }
    }

    pub(super) fn keeper_said(&mut self, message: FromKeeper) {
        match message {
            FromKeeper::Started { attempt, at } => {
                if self.desk.started(attempt, at) {
                    self.reports.say(FromAgent::Started { attempt, at });
                    self.follow_early_ones(attempt);
                }
            }
            FromKeeper::Ended(ended) => {
                let attempt = ended.attempt;
                self.secrets.remove(attempt);
                if matches!(ended.outcome, Outcome::NotStarted { kind: NotStarted::Fault, .. }) {
                    self.look_at_disk();
                }
                if self.desk.ended(ended) {
                    self.reports.finished(attempt);
                    self.followers.ended(attempt);
                    self.follow_early_ones(attempt);
                } else {
                    self.forget(vec![(attempt, Forget { keeper: true })]);
                }
            }
            FromKeeper::Hello { .. } => tracing::warn!("the keeper greeted twice"),
            FromKeeper::NotUnderstood { .. } => {}
        }
    }

    pub(super) fn look_at_disk(&mut self) {
        if self.control.is_welcome()
            && let Some(news) = self.pulse.look_at_disk()
        {
            self.reports.say(news);
        }
    }

    fn follow(&mut self, follow: Follow) {
        let (id, attempt) = (follow.id, follow.attempt);
        if self.desk.is_starting(attempt) {
            self.early_follows.push(follow);
        } else if self.desk.prints(attempt) {
            self.begin_follow(follow);
        } else {
            let held = self.desk.holds(attempt);
            let reason = if held { "has not started yet" } else { "is not on this node" };
            self.reports.say(FromAgent::FollowFailed { id, reason: format!("{attempt} {reason}") });
        }
    }

    pub(super) fn follow_early_ones(&mut self, attempt: AttemptId) {
        if self.early_follows.is_empty() {
            return;
        }
        let (now, later) = std::mem::take(&mut self.early_follows).into_iter().partition(|f| f.attempt == attempt);
        self.early_follows = later;
        Vec::into_iter(now).for_each(|follow| self.begin_follow(follow));
    }

    fn begin_follow(&mut self, follow: Follow) {
        let id = follow.id;
        let ended = self.desk.end_of(follow.attempt).is_some();
        match self.followers.begin(&self.config.layout, follow, ended) {
            Ok(job) => {
                let (idle, dial, errands) = (self.bulk.take_idle(), self.control.dial(), self.errands.clone());
                tokio::spawn(async move {
                    let _ = errands.send(Errand::Followed(follow::serve(job, idle, dial).await)).await;
                });
            }
            Err(reason) => self.reports.say(FromAgent::FollowFailed { id, reason }),
        }
    }

    pub(super) fn followed(&mut self, done: follow::Done) {
        self.followers.over(&done);
        if let Some(connection) = done.connection {
            self.bulk.give_idle(connection);
        }
        if let Some(reason) = done.error {
            self.reports.say(FromAgent::FollowFailed { id: done.id, reason });
        }
    }

    fn reboot(&mut self) {
        if self.config.work.refuse_reboot {
            self.refuse("reboot", "this node was started with --refuse-reboot".into());
            return;
        }
        tracing::warn!("rebooting, as the manager ordered");
        let errands = self.errands.clone();
        tokio::task::spawn_blocking(move || {
            let ran = Command::new("systemctl").arg("reboot").stdin(Stdio::null()).output();
            let why = match ran {
                Ok(output) if output.status.success() => return,
                Ok(output) => format!("systemctl reboot failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
                Err(error) => format!("systemctl cannot be run: {error}"),
            };
            let _ = errands.blocking_send(Errand::NotRebooted(why));
        });
    }

    pub(super) fn refuse(&mut self, what: &str, reason: String) {
        self.reports.say(FromAgent::Refused { what: what.to_owned(), reason });
    }
}
