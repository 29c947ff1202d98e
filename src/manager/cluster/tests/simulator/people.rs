//! People and their programs: they ask, hear nothing, ask again, hang up. Machines that want to join are asked for
//! and ask in the same way.

use std::collections::BTreeMap;

use protocol::agent::{FromAgent, JoinReply};
use protocol::api::{self, RefusalKind, Request, SshWay};
use protocol::file::{ContentHash, FileKind, FileRef};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Array, Axis, JobFile, JobSpec};
use protocol::name::NodeName;
use protocol::node::Role;
use protocol::result::{INPUTS, Reduce};
use protocol::secret::{Hidden, JobSecret, SecretAs};

use super::super::words::{admin, hash, key, operator};
use super::agenda::{MS, SECOND};
use super::machine::LANGUAGES;
use super::world::{Happening, Sim};
use crate::manager::cluster::{CallId, Caller, Input, Place, Told, Upload};

pub const PEOPLE: [&str; 3] = ["ana", "bob", "eve"];
const NAMES: [&str; 3] = ["data", "set", "tool"];
const SECRETS: [&str; 2] = ["token", "key"];
/// Few, so that the same bytes have several names.
const CONTENTS: usize = 6;

#[derive(Default)]
pub struct People {
    pub calls: BTreeMap<CallId, Call>,
    /// Reports that are said once more, some time.
    pub echoes: Vec<(usize, FromAgent)>,
}

#[derive(Debug, Clone)]
pub struct Call {
    pub caller: Caller,
    pub ask: Ask,
    tries: u32,
    /// The connection is gone: no answer arrives any more.
    broken: bool,
    /// The manager has heard it.
    arrived: bool,
    /// An answer is on its way.
    pub replied: bool,
}

#[derive(Debug, Clone)]
pub enum Ask {
    Request(Request),
    Look { target: Target, unlike: Option<Place> },
    Keep(Upload),
    AddNode { node: NodeName, way: SshWay },
    // On the way of a machine into the cluster, in this order.
    Remove { machine: usize },
    Token { machine: usize, secret: String },
    Join { machine: usize, secret: String },
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly all of them are told")]
pub enum Reply {
    Told(Told),
    /// Whether it happened, nobody can say.
    Unavailable,
}

impl People {
    /// Those the manager has heard and not answered.
    pub fn without_answer(&self) -> Vec<CallId> {
        let waiting = self.calls.iter().filter(|(_, call)| call.arrived && !call.replied && !call.broken);
        waiting.map(|(id, _)| *id).collect()
    }
}

impl Sim {
    pub fn somebody_asks(&mut self) {
        if !self.noise {
            return;
        }
        let (caller, ask) = self.a_wish();
        if let Some(ask) = ask {
            self.ask(caller, ask, 0);
        }
        if self.plan.about_runs > 0 && self.dice.chance(5) {
            self.looked_for();
        }
        if !self.people.echoes.is_empty() && self.dice.chance(30) {
            let which = self.dice.below(self.people.echoes.len());
            let (at, report) = self.people.echoes.swap_remove(which);
            self.report(at, report);
        }
        if let Some(delay) = self.due(self.plan.asking) {
            self.agenda.after(delay, Happening::Somebody);
        }
    }

    fn a_wish(&mut self) -> (Caller, Option<Ask>) {
        let person = operator(PEOPLE[self.dice.below(3)]);
        if self.plan.given > 0 && self.dice.chance(self.plan.about_files) {
            let ask = self.about_files();
            return (person, Some(ask));
        }
        if self.plan.secret > 0 && self.dice.chance(self.plan.about_secrets) {
            let caller = if self.dice.chance(10) { admin() } else { person };
            return (caller, Some(self.about_secrets()));
        }
        if self.dice.chance(self.plan.about_results) {
            let caller = if self.dice.chance(30) { admin() } else { person };
            return (caller, self.about_results());
        }
        if self.dice.chance(self.plan.about_runs) {
            return self.about_runs(person);
        }
        let (tasks, nodes, looks) = (self.plan.about_tasks, self.plan.about_nodes, self.plan.looks);
        let which = self.dice.below(100);
        if which < tasks {
            let caller = if self.dice.chance(50) { admin() } else { person };
            (caller, self.about_tasks())
        } else if which < tasks + nodes {
            (admin(), self.about_nodes())
        } else if which < tasks + nodes + looks {
            (admin(), self.a_look())
        } else {
            let spec = self.a_job(&person);
            (person, Some(Ask::Request(Request::Submit(spec))))
        }
    }

    fn a_job(&mut self, person: &Caller) -> JobSpec {
        let mut spec = JobSpec::of(["true"]);
        if self.dice.chance(30) && self.plan.largest > 1 {
            let first = self.dice.below(5) as u32;
            spec.array = Some(Array { first, last: first + self.dice.below(self.plan.largest) as u32 });
        } else if self.dice.chance(self.plan.swept) {
            self.sweep(&mut spec);
        }
        if self.dice.chance(self.plan.reduced) {
            let command = ["cat", INPUTS].map(str::to_owned).into();
            spec.reduce = Some(Reduce { command, part: "out".parse().unwrap() });
        }
        // What can never run anywhere is asked for by nobody here.
        let own = |machine: &&super::machine::Machine| !machine.shared_uid;
        let largest = self.machines.iter().filter(own).map(|machine| machine.usual_slots).max();
        if self.dice.chance(self.plan.wide) {
            spec.cpus = 1 + self.dice.below(largest.unwrap_or(1) as usize) as u32;
        }
        if self.dice.chance(self.plan.pinned) {
            let machine = &self.machines[self.dice.below(self.machines.len())];
            spec.node = Some(machine.name.clone());
            spec.cpus = spec.cpus.min(machine.usual_slots);
        }
        if self.dice.chance(self.plan.told) {
            let places = (0..1 + self.dice.below(2)).map(|n| format!("mail:{}{n}@example.org", person.person));
            spec.notify = places.map(|place| place.parse().unwrap()).collect();
        }
        if self.dice.chance(10) {
            spec.env.insert("BY".into(), person.person.to_string());
        }
        if self.dice.chance(20) {
            spec.interpreters.insert(LANGUAGES[self.dice.below(LANGUAGES.len())].into());
        }
        if self.dice.chance(self.plan.secret) {
            self.give_secrets(&mut spec);
        }
        if self.dice.chance(self.plan.given) {
            spec.files.push(JobFile { writable: self.dice.chance(20), ..JobFile::of(self.some_file()) });
            if self.dice.chance(30) {
                let called = Some("other".parse().unwrap());
                spec.files.push(JobFile { called, ..JobFile::of(self.some_file()) });
            }
            let (first, last) = spec.maps().into_inner();
            for file in &mut spec.files {
                file.only = self.dice.chance(40).then(|| first + self.dice.below((last - first + 1) as usize) as u32);
            }
        }
        spec
    }

    fn give_secrets(&mut self, spec: &mut JobSpec) {
        for n in 0..1 + self.dice.below(2) {
            let name = format!("S{n}");
            let given = if self.dice.chance(50) { SecretAs::Env(name) } else { SecretAs::File(name.parse().unwrap()) };
            let secret = SECRETS[self.dice.below(SECRETS.len())].parse().unwrap();
            spec.secrets.push(JobSecret { secret, given });
        }
    }

    /// Each value is another; some are no text.
    fn about_secrets(&mut self) -> Ask {
        let name = SECRETS[self.dice.below(SECRETS.len())].parse().unwrap();
        let owner = self.dice.chance(20).then(|| PEOPLE[self.dice.below(3)].parse().unwrap());
        Ask::Request(match self.dice.below(10) {
            0..=2 => Request::SecretRemove { name, owner },
            3 => Request::Secrets { owner },
            _ => {
                let mut value = self.number().to_string().into_bytes();
                if self.dice.chance(15) {
                    value.push(0);
                }
                Request::SecretSet { name, value: Hidden::of(value) }
            }
        })
    }

    fn sweep(&mut self, spec: &mut JobSpec) {
        for name in ["a", "b"] {
            let values = (0..1 + self.dice.below(3)).map(|n| format!("{name}{n}")).collect();
            spec.sweep.push(Axis { name: name.into(), values });
        }
        spec.command = ["true", "{a}{b}"].map(str::to_owned).into();
        if self.dice.chance(30) {
            spec.env.insert("TRIES".into(), "{b}".into());
        }
    }

    /// One's own or somebody else's; it may not be there, or not be shared.
    fn some_file(&mut self) -> FileRef {
        let owner = self.dice.chance(40).then(|| PEOPLE[self.dice.below(3)].parse().unwrap());
        FileRef { owner, name: NAMES[self.dice.below(NAMES.len())].parse().unwrap() }
    }

    fn about_files(&mut self) -> Ask {
        let file = FileRef { owner: None, ..self.some_file() };
        match self.dice.below(10) {
            0 => Ask::Request(Request::FileRemove { file }),
            1 => Ask::Request(Request::FileRename { file, to: self.some_file().name }),
            2 | 3 => {
                let with = vec![PEOPLE[self.dice.below(3)].parse().unwrap()];
                Ask::Request(Request::FileShare { file, with, on: self.dice.chance(70) })
            }
            _ => {
                let content = self.dice.below(CONTENTS) as u8;
                Ask::Keep(Upload {
                    name: file.name,
                    kind: FileKind::File,
                    executable: self.dice.chance(20),
                    size: 10 + u64::from(content),
                    hash: ContentHash([content; 32]),
                    known: false,
                })
            }
        }
    }

    /// Of a job that somebody was told of, or that never was.
    pub fn some_target(&mut self) -> Option<Target> {
        if self.dice.chance(2) {
            return Some(Target::Job(JobId(self.dice.below(1000) as u32)));
        }
        let (job, row) = {
            let jobs = &self.manager.disk.jobs;
            // Mostly one of the newest.
            let back =
                if self.dice.chance(70) { self.dice.below(jobs.len().min(5)) } else { self.dice.below(jobs.len()) };
            jobs.iter().rev().nth(back)?
        };
        let (job, (first, last)) = (*job, row.spec.indices().into_inner());
        let index = first + self.dice.below((last - first + 1) as usize) as u32;
        Some(match self.dice.below(5) {
            0 => Target::Job(job),
            1 => Target::Range { job, first: index, last: index + 3 },
            2 => Target::Attempt(TaskId { job, index }.attempt(1 + self.dice.below(2) as u32)),
            _ => Target::Task(TaskId { job, index }),
        })
    }

    fn about_tasks(&mut self) -> Option<Ask> {
        let mut targets = vec![self.some_target()?];
        if self.dice.chance(10) {
            targets.extend(self.some_target());
        }
        Some(Ask::Request(match self.dice.below(6) {
            0 | 1 => Request::Stop { targets, reason: None },
            2 | 3 => Request::Retry { targets },
            _ => Request::Wait { targets },
        }))
    }

    fn about_nodes(&mut self) -> Option<Ask> {
        let node = self.machines[self.dice.below(self.machines.len())].name.clone();
        Some(Ask::Request(match self.dice.below(12) {
            0 => Request::RevokeNode { node },
            1 => Request::RemoveNode { node },
            2 => Request::Reboot { node },
            n => Request::Drain { node, on: n < 7 },
        }))
    }

    /// Questions change nothing and break nothing.
    fn a_look(&mut self) -> Option<Ask> {
        let target = self.some_target()?;
        let id = match target {
            Target::Task(id) => id,
            target => TaskId { job: target.job(), index: 0 },
        };
        Some(match self.dice.below(8) {
            0 => Ask::Request(Request::Why { id }),
            1 => Ask::Request(Request::Task { id }),
            2 => Ask::Request(Request::Tasks(Default::default())),
            3 => Ask::Request(Request::Jobs(Default::default())),
            4 => Ask::Request(Request::Nodes),
            _ => Ask::Look { target, unlike: None },
        })
    }

    pub fn ask(&mut self, caller: Caller, ask: Ask, tries: u32) {
        let id = CallId(self.number());
        self.say(|_| format!("{} asks {id:?}: {ask:?}", caller.person));
        self.people.calls.insert(id, Call { caller, ask, tries, broken: false, arrived: false, replied: false });
        let delay = 50 + self.up_to(self.plan.slow_net);
        self.agenda.after(delay, Happening::Asked(id));
        if self.noise && self.dice.chance(self.plan.hang_ups) {
            let delay = if self.dice.chance(50) { self.up_to(100 * MS) } else { self.up_to(20 * SECOND) };
            self.agenda.after(delay, Happening::HangsUp(id));
        }
    }

    /// The call reaches the manager, or nobody.
    pub fn asked(&mut self, id: CallId) {
        if !self.manager.up {
            return self.noticed(id);
        }
        let Some(call) = self.people.calls.get_mut(&id) else { return };
        call.arrived = true;
        let call_row = call.clone();
        let caller = call_row.caller;
        let of = |machine: usize| self.machines[machine].name.clone();
        let input = match call_row.ask {
            Ask::Request(request) => Input::Request { call: id, caller, request },
            Ask::Keep(upload) => Input::KeepFile { call: id, caller, upload },
            Ask::AddNode { node, way } => Input::AddNode { call: id, caller, name: node, way },
            Ask::Look { target, unlike } => Input::FindOutput { call: id, caller, target, unlike },
            Ask::Remove { machine } => {
                Input::Request { call: id, caller, request: Request::RemoveNode { node: of(machine) } }
            }
            Ask::Token { secret, .. } => {
                Input::MakeToken { call: id, caller, hash: hash(&secret), role: Role::Worker, ttl_ms: 600_000 }
            }
            Ask::Join { machine, secret } => {
                let name: NodeName = of(machine);
                let key = key(name.as_str());
                Input::Join { call: id, key, hash: hash(&secret), name, role: Role::Worker, address: None }
            }
        };
        self.put(input);
        if call_row.broken {
            self.put(Input::Gone { call: id });
            self.people.calls.remove(&id);
        }
    }

    /// Its connection breaks, or its program is ended: no answer will be heard.
    pub fn hangs_up(&mut self, id: CallId) {
        let Some(call) = self.people.calls.get_mut(&id).filter(|call| !call.broken) else { return };
        call.broken = true;
        let again = call.clone();
        // One that is still on its way arrives, and is heard of no more.
        if call.arrived {
            self.people.calls.remove(&id);
            self.put(Input::Gone { call: id });
        }
        self.once_more(again);
    }

    /// The manager is gone, and the program that asked notices.
    pub fn noticed(&mut self, id: CallId) {
        self.again(id);
    }

    /// Many ask once more: what became of the first time, they cannot know.
    fn again(&mut self, id: CallId) {
        if let Some(call) = self.people.calls.remove(&id).filter(|call| !call.broken) {
            self.once_more(call);
        }
    }

    fn once_more(&mut self, call: Call) {
        match call.ask {
            Ask::Remove { machine } | Ask::Token { machine, .. } => {
                self.agenda.after(SECOND, Happening::Joins { machine });
            }
            // The same question with the same token: it must get the same answer.
            Ask::Join { .. } if call.tries < 20 => self.ask(call.caller, call.ask, call.tries + 1),
            Ask::Join { machine, .. } => self.agenda.after(SECOND, Happening::Joins { machine }),
            ask if self.noise && call.tries < 3 && self.dice.chance(50) => self.ask(call.caller, ask, call.tries + 1),
            _ => {}
        }
    }

    pub fn answered(&mut self, id: CallId, reply: Reply) {
        if let Some(bringing) = self.bringing.remove(&id) {
            return self.hears_of_result(bringing, reply);
        }
        if !self.people.calls.contains_key(&id) {
            return;
        }
        self.say(|_| format!("{id:?} is told {reply:?}").chars().take(200).collect());
        let told = match reply {
            Reply::Told(Told::Refused(refusal)) if refusal.kind == RefusalKind::Unavailable => return self.again(id),
            Reply::Unavailable => return self.again(id),
            Reply::Told(told) => told,
        };
        let Some(call) = self.people.calls.remove(&id) else { return };
        match (call.ask, told) {
            // Who follows an output wants to know where it is next.
            (Ask::Look { target, .. }, Told::Place(place)) => {
                let over = matches!(place, Place::Kept { last: true, .. });
                if !over && self.noise && self.dice.chance(70) {
                    self.ask(call.caller, Ask::Look { target, unlike: Some(place) }, 0);
                }
            }
            (Ask::Remove { machine }, _) => self.ask_for_token(machine),
            (Ask::Token { machine, secret }, Told::Token { .. }) => {
                self.ask(admin(), Ask::Join { machine, secret }, 0);
            }
            (Ask::Join { machine, .. }, Told::Join(JoinReply::Joined { .. })) => {
                self.machines[machine].outcast = false;
                self.machines[machine].failures = 0;
                self.redial(machine);
            }
            (Ask::Token { machine, .. } | Ask::Join { machine, .. }, _) => {
                let delay = self.about(SECOND);
                self.agenda.after(delay, Happening::Joins { machine });
            }
            (Ask::Request(_), Told::Reply(api::Reply::Submitted { job, tasks })) => self.promises.promised(job, tasks),
            (Ask::Request(Request::Run(_) | Request::RunAgain { .. }), Told::Reply(api::Reply::Run(run))) => {
                self.promises.runs.promised(&run);
            }
            _ => {}
        }
    }

    /// A machine that is not (or not any more) welcome is brought back by an admin.
    pub fn joins(&mut self, at: usize) {
        let machine = &self.machines[at];
        let under_way = self.people.calls.values().any(|call| match call.ask {
            Ask::Remove { machine } | Ask::Token { machine, .. } | Ask::Join { machine, .. } => {
                machine == at && !call.broken
            }
            _ => false,
        });
        if !machine.outcast || under_way {
            return;
        }
        let revoked = self.manager.disk.nodes.get(&machine.name).is_some_and(|row| row.revoked);
        match revoked {
            true => self.ask(admin(), Ask::Remove { machine: at }, 0),
            false => self.ask_for_token(at),
        }
    }

    fn ask_for_token(&mut self, machine: usize) {
        let secret = format!("token-{}", self.number());
        self.ask(admin(), Ask::Token { machine, secret }, 0);
    }
}
