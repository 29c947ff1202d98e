//! The cluster core: everything that happens is decided here, and nowhere else.
//!
//! `handle(input, now) -> effects`, and `next_wakeup()`. Pure: no I/O, no clock, no randomness, no async. It knows
//! people, nodes, jobs, tasks, attempts, files, leases and placement. What it decides becomes true for others only
//! after the store has committed it.
//!
//! Where to look: `port` is what goes in and comes out, `change` what is kept. A request enters by `requests`
//! (`submit`, `stop`, `retry`, `admin`, `waiting`, `output`, `lists`, `why`, `away`, `files`, `secrets`, `collect`, `forget`); an agent by
//! `links` and `hello`, then `reports` and `leave`. `ends` is how an attempt is over, `placement` what goes where, `recall`
//! and `reserve` its two exceptions; `trim` and `aging` are what goes by itself;
//! `outbox` is who is told of an end (a `notice`). Below them lie the tables (`jobs` and their
//! `tally`, `nodes`, `people`, `shelves`, `supplies`, `results`) and the indexes (`queue`, `orders`, `openings`).

mod admin;
mod aging;
mod away;
mod change;
mod collect;
mod compact;
mod config;
mod ends;
mod files;
mod forget;
mod full;
mod hello;
mod ids;
mod interpreters;
mod jobs;
mod joining;
mod leases;
mod leave;
mod lengths;
mod links;
mod lists;
mod load;
mod nodes;
mod notice;
mod openings;
mod orders;
mod outbox;
mod output;
mod people;
mod placement;
mod port;
mod queue;
mod reach;
mod recall;
mod recipe;
mod reduce;
mod reports;
mod requests;
mod reserve;
mod results;
mod retry;
mod rows;
mod runs;
mod sane;
mod scripts;
mod secrets;
mod shelves;
mod stop;
mod submit;
mod supplies;
mod tally;
mod targets;
mod task;
mod taskset;
#[cfg(test)]
mod tests;
mod timers;
mod trim;
mod turn;
mod valve;
mod views;
mod waiting;
mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::event::What;

pub use change::{
    Age, AnswerRow, AttemptRow, Change, Collected, FileRow, GrantRow, Image, JobRow, KeyPrint, NodeRow, NoticeRow,
    PersonRow, ResultRow, RunRow, ScriptRow, SecretHash, SecretRow, TaskRow, TextRow, TokenRow,
};
pub use config::ClusterConfig;
pub use files::Upload;
pub use port::{CallId, Caller, Effect, Input, LinkId, Mono, Now, OwnRun, Place, Told, Touched};
pub use scripts::Text;

use ids::{ClassIx, NodeIx};
use timers::Timer;
use turn::Turn;

/// The state of a whole bramble. One owner, one thread.
pub struct Cluster {
    config: ClusterConfig,
    people: people::People,
    nodes: nodes::Nodes,
    jobs: jobs::Jobs,
    queue: queue::Queue,
    openings: openings::Openings,
    agenda: Agenda,
    timers: timers::Timers,
    joining: joining::Joining,
    waits: waiting::Waits,
    lookers: output::Lookers,
    files: shelves::Shelves,
    supplies: supplies::Supplies,
    results: results::Results,
    outbox: outbox::Outbox,
    secrets: secrets::Secrets,
    runs: runs::Runs,
    scripts: scripts::Scripts,
    last_event: u64,
    ignored: u64,
    no_env: Arc<BTreeMap<String, String>>,
}

/// What this turn has made possible and is still to be looked at.
#[derive(Debug, Default)]
struct Agenda {
    /// Nodes that may take more than before.
    rooms: BTreeSet<NodeIx>,
    /// Classes that have new tasks.
    fresh: BTreeSet<ClassIx>,
    /// More waits on some node than its turn to run explains: idle nodes may call it back.
    pull: bool,
    /// A job has ended: older ones may be too many now.
    trim: bool,
    /// There are more results, or more of them that may go.
    room: bool,
    /// Results have become older.
    age: bool,
}

impl Cluster {
    /// Continues from what the store holds. All nodes are down until their hello; those with live attempts get a
    /// whole lease from now.
    pub fn new(config: ClusterConfig, image: Image, now: Now) -> Self {
        load::load(config, image, now)
    }

    pub fn handle(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        let mut turn = Turn::new(now, self.last_event, effects);
        self.lose_own_runs(&mut turn);
        // What is due is done before what comes after it.
        while let Some(timer) = self.timers.pop_due(now.mono) {
            self.due(timer, &mut turn);
        }
        // What has ended is told as it was then, whatever becomes of it with this input.
        self.tell_ends(&mut turn);
        self.take(input, &mut turn);
        self.settle(&mut turn);
        self.begin_answers(&mut turn);
        self.tell_ends(&mut turn);
        if self.agenda.age {
            self.age_results(&mut turn);
        } else if self.agenda.room {
            self.make_room(&mut turn);
        }
        if self.agenda.trim {
            self.trim(&mut turn);
        }
        self.last_event = turn.finish();
    }

    /// When to call `handle` with [`Input::Woken`], should nothing else come first.
    pub fn next_wakeup(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// Reports so far that made no sense and changed nothing.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn take(&mut self, input: Input, turn: &mut Turn<'_>) {
        match input {
            Input::Started => {
                turn.publish(What::ManagerStarted { version: self.config.version.clone() });
            }
            Input::Request { call, caller, request } => self.request(call, &caller, request, turn),
            Input::Gone { call } => {
                self.waits.forget(call);
                self.lookers.forget(call);
                self.runs.forget_call(call);
            }
            Input::WatchRun { call, caller, run, after } => self.watch_run(call, &caller, run, after, turn),
            Input::NodeOf { call, attempt } => {
                let node = self.node_of(attempt);
                turn.tell(call, node.map_or_else(Told::Refused, Told::Node));
            }
            Input::FindOutput { call, caller, target, unlike } => self.find_output(call, &caller, target, unlike, turn),
            Input::PlanPut { call, caller, name, size } => {
                let room = self.plan_put(&caller, &name, size);
                turn.tell(call, room.map_or_else(Told::Refused, Told::Room));
            }
            Input::KeepFile { call, caller, upload } => {
                let kept = self.keep_file(&caller, upload, turn);
                turn.answer(call, kept);
            }
            Input::FindGiven { call, node, attempt, hash } => {
                let found = self.find_given(&node, attempt, &hash);
                turn.tell(call, found.map_or_else(Told::Refused, Told::Given));
            }
            Input::PlanResult { call, node, attempt } => {
                let planned = self.plan_result(&node, attempt, turn);
                turn.tell(call, planned.unwrap_or_else(Told::Refused));
            }
            Input::Unwanted { call, mut halves } => {
                halves.retain(|(node, attempt)| !self.will_bring(node, *attempt));
                turn.tell(call, Told::Unwanted(halves));
            }
            Input::KeepResult { call, node, attempt, left, hash } => {
                let kept = self.keep_result(&node, attempt, left, hash, turn);
                turn.tell(call, kept.map_or_else(Told::Refused, |()| Told::Kept));
            }
            Input::MakeToken { call, caller, hash, role, ttl_ms } => {
                self.make_token(call, &caller, hash, role, ttl_ms, turn);
            }
            Input::Join { call, key, hash, name, role, address } => {
                let wish = joining::Wish { key, hash, name, role, address };
                self.join(call, wish, turn);
            }
            Input::Linked { link, node, key, address, hello } => self.linked(link, &node, &key, address, *hello, turn),
            Input::Report { link, report } => self.report(link, report, turn),
            Input::Unlinked { link, reason } => self.unlinked(link, reason, turn),
            Input::Lied { node, what, reason } => self.lied(&node, what, reason, turn),
            Input::Seen { person } => self.seen(&person, turn),
            Input::Own { name, facts, metrics } => self.own(name, facts, metrics, turn),
            Input::Delivered { no, outcome } => self.delivered(no, outcome, turn),
            Input::KeepScript { call, caller, name, over, text } => {
                let kept = self.keep_script(&caller, name, over, &text, turn);
                turn.answer(call, kept);
            }
            Input::AddNode { call, caller, name, way } => {
                let added = self.add_way(&caller, name, way, turn);
                turn.answer(call, added);
            }
            Input::Answers { node, answers } => self.answers(&node, answers, turn),
            Input::OwnRunStarted { attempt, at } => self.own_run_started(attempt, at, turn),
            Input::OwnRunEnded(finished) => self.own_run_ended(finished, turn),
            Input::Woken => {}
        }
    }

    fn due(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Lease(node) => self.lease_due(node, turn),
            Timer::Patience(class) => self.patience_due(class, turn),
            Timer::Files(node) => self.files_due(node),
            Timer::Tokens => self.tokens_due(turn),
            Timer::Trim => self.agenda.trim = true,
            Timer::PartOfHour => self.part_of_hour_due(turn),
            Timer::Results => self.agenda.age = true,
            Timer::Runs => self.expect_nobody(),
        }
    }
}
