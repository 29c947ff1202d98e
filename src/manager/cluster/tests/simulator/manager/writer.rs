//! From what a turn decided to what is told of it: kept for company, committed in groups, then released. A commit that
//! fails is an alarm: nothing is told until the disk was loaded again.

use protocol::agent::ToAgent;

use super::super::agenda::{MS, SECOND};
use super::super::agent::shown;
use super::super::net::{Frame, Way};
use super::super::people::Reply;
use super::super::world::{Happening, Sim};
use super::{COMPANY, Release, SLOWEST, Turn};
use crate::manager::cluster::{CallId, Cluster, LinkId, Told};

impl Sim {
    pub(super) fn pass_on(&mut self, batch: Vec<Turn>) {
        let may_wait = batch.iter().all(|turn| turn.releases.is_empty()) && batch.iter().any(Turn::writes);
        if may_wait {
            self.manager.held = batch;
            self.manager.holding += 1;
            let (epoch, held) = (self.manager.epoch, self.manager.holding);
            self.agenda.after(COMPANY, Happening::Held { epoch, held });
        } else if batch.iter().any(|turn| turn.writes() || !turn.releases.is_empty()) {
            self.give_to_the_writer(batch);
        }
    }

    pub fn held_due(&mut self, epoch: u32, held: u64) {
        let manager = &mut self.manager;
        if manager.epoch == epoch && manager.holding == held && !manager.held.is_empty() {
            let batch = std::mem::take(&mut manager.held);
            self.give_to_the_writer(batch);
        }
    }

    fn give_to_the_writer(&mut self, batch: Vec<Turn>) {
        self.manager.writing.push_back(batch);
        self.commit_soon();
    }

    fn commit_soon(&mut self) {
        if self.manager.committing {
            return;
        }
        self.manager.committing = true;
        let slow = if self.noise && self.dice.chance(1) { SLOWEST } else { self.plan.slow_disk };
        let delay = 100 + self.up_to(slow);
        let epoch = self.manager.epoch;
        self.agenda.after(delay, Happening::Commit { epoch });
    }

    /// Whatever has arrived is committed as one; then all of it is told, if nothing comes between.
    pub fn commit(&mut self, epoch: u32) {
        if self.manager.epoch != epoch || !self.manager.up {
            return;
        }
        self.manager.committing = false;
        let group: Vec<Turn> = self.manager.writing.drain(..).flatten().collect();
        if self.manager.failed {
            return self.untold(&group);
        }
        let writes = group.iter().any(Turn::writes);
        if self.noise && writes && self.dice.below(1000) < self.plan.failing_commits {
            self.say(|_| "A COMMIT FAILS".into());
            self.manager.failed = true;
            self.untold(&group);
            let delay = self.up_to(5 * MS);
            return self.agenda.after(delay, Happening::Alarm { epoch });
        }
        let crash = self.noise && self.dice.below(1000) < self.plan.crashing_commits;
        if crash && self.dice.chance(30) {
            return self.manager_dies();
        }
        let mut releases = vec![];
        for turn in group {
            releases.extend(self.keep(turn));
        }
        self.promises.reduces.none_waits_in_vain(&self.manager.disk);
        let told = if crash { self.dice.below(releases.len() + 1) } else { releases.len() };
        for release in releases.into_iter().take(told) {
            self.release(release);
        }
        if crash {
            self.say(|_| format!("it told {told} of what it had kept"));
            return self.manager_dies();
        }
        if !self.manager.writing.is_empty() {
            self.commit_soon();
        }
        self.idle_check();
    }

    fn keep(&mut self, turn: Turn) -> Vec<Release> {
        let now = self.now();
        let events: Vec<_> = turn.events.iter().map(|event| event.what.clone()).collect();
        for change in turn.changes {
            self.promises.change(&self.manager.disk, &change, &events, now);
            self.manager.disk.keep(change);
        }
        self.promises.ends.are_all_told();
        self.promises.runs.turn_is_over(&self.manager.disk, &events);
        for event in &turn.events {
            self.promises.event(&event.what);
            self.manager.disk.event(event);
        }
        for release in &turn.releases {
            if let Release::Tell(call, told) = release
                && let Some(call) = self.people.calls.get(call)
            {
                self.promises.told(&self.manager.disk, &call.caller, &call.ask, told);
            }
            if let Release::Tell(call, Told::Kept) = release
                && let Some(bringing) = self.bringing.get(call)
            {
                self.promises.told_kept(&self.manager.disk, bringing.attempt);
            }
        }
        turn.releases
    }

    fn release(&mut self, release: Release) {
        match release {
            Release::Tell(call, told) => self.reply(call, Reply::Told(told)),
            Release::Send(link, order) => {
                if let ToAgent::Ack { attempts } = &order {
                    self.promises.acked(&self.manager.disk, attempts);
                }
                if let ToAgent::Start(order) = &order
                    && order.run.is_some()
                {
                    self.promises.runs.sent(order.attempt);
                }
                self.say(|sim| format!("  to {}: {}", sim.whose(link.0), shown(&order)));
                self.write(link.0, Way::Down, Frame::Order(order));
            }
            Release::Cut(link) => self.cut(link),
            Release::Deliver(row) => self.deliver(row.no),
            Release::Delivered(no) => self.carrier.forget(no),
            Release::OwnRun(run) => self.own_run(&run),
            Release::EndOwnRun { attempt, reason } => self.end_own_run(attempt, reason),
        }
    }

    /// What was dropped untold says so itself.
    pub(super) fn untold(&mut self, group: &[Turn]) {
        for release in group.iter().flat_map(|turn| &turn.releases) {
            match release {
                Release::Tell(call, _) => self.reply(*call, Reply::Unavailable),
                Release::Cut(link) => self.cut(*link),
                Release::Send(..)
                | Release::Deliver(_)
                | Release::Delivered(_)
                | Release::OwnRun(_)
                | Release::EndOwnRun { .. } => {}
            }
        }
    }

    pub(super) fn reply(&mut self, call: CallId, reply: Reply) {
        if let Some(call) = self.people.calls.get_mut(&call) {
            call.replied = true;
        }
        let delay = 50 + self.up_to(self.plan.slow_net);
        self.agenda.after(delay, Happening::Answered(call, reply));
    }

    pub(super) fn cut(&mut self, link: LinkId) {
        let id = link.0;
        if self.conns.get(&id).is_some_and(|conn| conn.manager_open) {
            self.manager_lost(id, "the manager ended the link");
            self.write(id, Way::Down, Frame::Fin);
        }
    }

    /// Memory is ahead of the disk: nobody is told anything until both agree again.
    pub fn alarm(&mut self, epoch: u32) {
        if self.manager.epoch != epoch || !self.manager.up {
            return;
        }
        self.manager.reloading = true;
        let links = std::mem::take(&mut self.manager.links);
        links.into_keys().for_each(|link| self.cut(link));
        let calls = std::mem::take(&mut self.manager.calls);
        calls.into_iter().for_each(|call| self.reply(call, Reply::Unavailable));
        let manager = &mut self.manager;
        manager.held.clear();
        let unwritten: Vec<Turn> = manager.writing.drain(..).flatten().collect();
        self.untold(&unwritten);
        self.reload(epoch, 100 * MS);
    }

    pub fn reload(&mut self, epoch: u32, pause: u64) {
        if self.manager.epoch != epoch || !self.manager.up {
            return;
        }
        if self.noise && self.dice.chance(30) {
            let waiting = std::mem::take(&mut self.manager.inbox);
            waiting.into_iter().for_each(|input| self.refuse(input));
            return self.agenda.after(pause, Happening::Reload { epoch, pause: (pause * 2).min(30 * SECOND) });
        }
        let (now, oldest_link) = (self.now(), LinkId(self.number()));
        let manager = &mut self.manager;
        manager.oldest_link = oldest_link;
        (manager.failed, manager.reloading, manager.loaded) = (false, false, now);
        manager.core = Cluster::new(manager.config.clone(), manager.disk.image(), manager.clock(now));
        manager.wake = None;
        self.say(|_| "the manager loads the disk again".into());
        self.wake_when_due(false);
        self.carry_on();
        if !self.manager.inbox.is_empty() {
            self.turn_soon();
        }
    }
}
