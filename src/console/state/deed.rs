//! Something asked of the manager on a person's behalf: what is sent, the headless command that does the same, what
//! to say when it is done, and how it can be undone.

use std::collections::HashMap;

use protocol::api::{Reply, Request};

use super::State;
use super::toast::Kind;
use crate::client::ClientError;
use crate::console::event::{Effect, Purpose};

#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    pub requests: Vec<Request>,
    /// As it would be typed into a shell.
    pub command: String,
    /// Said when all is done: `pi-2 takes no new work`.
    pub done: String,
    pub undo: Option<Box<Deed>>,
}

/// Deeds whose answers are still to come.
#[derive(Debug, Default)]
pub struct Deeds {
    last: u64,
    under_way: HashMap<u64, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    deed: Deed,
    left: usize,
    wrong: Vec<String>,
    tasks: Option<u32>,
}

impl State {
    /// Sends it; nothing is queued in secret while the manager is away.
    pub fn do_deed(&mut self, deed: Deed) -> Result<Vec<Effect>, String> {
        if !self.link.live() {
            return Err("the manager is away: nothing was sent; try again when it is back".into());
        }
        self.deeds.last += 1;
        let no = self.deeds.last;
        self.last_command = Some(deed.command.clone());
        let effects = deed.requests.iter().map(|request| Effect::Ask(Purpose::Deed(no), request.clone())).collect();
        let left = deed.requests.len();
        self.deeds.under_way.insert(no, UnderWay { deed, left, wrong: vec![], tasks: None });
        Ok(effects)
    }

    /// Their answers will not be heard.
    pub(super) fn forget_deeds(&mut self) {
        for (_, under_way) in std::mem::take(&mut self.deeds.under_way) {
            let command = under_way.deed.command;
            let why = format!("nobody knows whether this was done, its manager was left meanwhile: {command}");
            self.toasts.say(Kind::Bad, why, self.now);
        }
    }

    pub(super) fn deed_answered(&mut self, no: u64, answer: Result<Reply, ClientError>) -> Vec<Effect> {
        let Some(under_way) = self.deeds.under_way.get_mut(&no) else { return vec![] };
        under_way.left = under_way.left.saturating_sub(1);
        let mut submitted = None;
        match answer {
            Ok(Reply::Done { tasks }) => *under_way.tasks.get_or_insert(0) += tasks,
            Ok(Reply::Submitted { job, .. }) => submitted = Some(job),
            Ok(_) => {}
            Err(error) => {
                let said = error.to_string();
                if !under_way.wrong.contains(&said) {
                    under_way.wrong.push(said);
                }
            }
        }
        if let Some(job) = submitted {
            self.work.show(job);
        }
        if under_way.left > 0 {
            return vec![];
        }
        let Some(done) = self.deeds.under_way.remove(&no) else { return vec![] };
        for wrong in &done.wrong {
            self.toasts.say(Kind::Bad, wrong.clone(), self.now);
        }
        if done.wrong.len() < done.deed.requests.len() {
            let what = match (submitted, done.tasks) {
                (Some(job), _) => format!("job {job} submitted", job = job.0),
                (None, Some(0)) => format!("{}: there was nothing to do", done.deed.done),
                _ => done.deed.done.clone(),
            };
            self.undo = done.deed.undo.map(|deed| *deed);
            let undo = self.undo.as_ref().and_then(|_| self.key_of("undo"));
            let hint = undo.map(|key| format!(" · {key} undoes it")).unwrap_or_default();
            if done.wrong.is_empty() {
                self.toasts.say(Kind::Good, format!("{what}{hint}"), self.now);
            }
        }
        vec![]
    }
}
