//! Who may ask for a run, of what, and on which nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::agent::{RunOrder, RunScript};
use protocol::api::{Refusal, Reply, Right};
use protocol::event::What;
use protocol::file::ContentHash;
use protocol::id::JobId;
use protocol::job::TaskState;
use protocol::node::Role;
use protocol::run::{MOST_NODES, MOST_STDIN, On, RunAs, RunKept, RunSpec, RunWhat, Whence};
use protocol::script::{MayRunOn, ScriptRef};

use super::super::Cluster;
use super::super::change::{Change, RunRow};
use super::super::port::Caller;
use super::super::scripts::{self, Found};
use super::super::turn::Turn;
use super::super::{lengths, sane};
use super::{Answer, Orders, Run};

/// The most bytes of a command, as an order carries it.
const MOST_COMMAND: usize = 1 << 20;

impl Cluster {
    pub(in super::super) fn run(
        &mut self,
        caller: &Caller,
        spec: RunSpec,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let whences = self.whences(&spec.on)?;
        let found = match &spec.what {
            RunWhat::Command(_) => None,
            RunWhat::Script { script, .. } => Some(self.find_script(caller, script)?),
        };
        self.begin_run(caller, spec, whences, found, None, turn)
    }

    /// The same again where it did not go well.
    pub(in super::super) fn run_again(
        &mut self,
        caller: &Caller,
        run: Option<JobId>,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let of_caller = |run: &&Run| run.row.owner == caller.person;
        let id = match run {
            Some(id) => id,
            None => match self.runs.all.values().rfind(of_caller) {
                Some(run) => run.row.id,
                None => return Err(Refusal::not_found("you have not run anything on nodes yet")),
            },
        };
        let before = self.known_run(caller, id)?;
        if !before.over() {
            let wait = format!("run {id} has not ended; wait for it, or stop it with: bramble stop {id}");
            return Err(Refusal::refused(wait));
        }
        let ill = before.answers.iter().filter(|answer| answer.state != TaskState::Succeeded);
        let whences: BTreeSet<Whence> = ill.map(|answer| answer.whence.clone()).collect();
        if whences.is_empty() {
            return Err(Refusal::refused(format!("run {id} went well everywhere, so there is nothing to do again")));
        }
        let row = before.row.clone();
        let kept = &row.spec;
        let spec = RunSpec {
            what: kept.what.clone(),
            on: whences.iter().map(|whence| whence.node().map_or(On::Manager, |name| On::Node(name.clone()))).collect(),
            run_as: kept.run_as,
            stdin: row.stdin.clone(),
            timeout_ms: kept.timeout_ms,
            at_once: kept.at_once,
        };
        // A node may have gone since.
        self.whences(&spec.on)?;
        let found = match (&spec.what, &row.text) {
            (RunWhat::Script { script, .. }, Some(hash)) => Some(self.found_again(caller, script, hash)?),
            _ => None,
        };
        self.begin_run(caller, spec, whences, found, Some(id), turn)
    }

    fn found_again(&self, caller: &Caller, script: &ScriptRef, hash: &ContentHash) -> Result<Found, Refusal> {
        let found = self.find_script(caller, script)?;
        if found.text.hash != *hash {
            return Err(Refusal::refused(format!(
                "script {script} has changed since, so this would not be the same again; run it anew on the nodes that are meant"
            )));
        }
        Ok(found)
    }

    fn begin_run(
        &mut self,
        caller: &Caller,
        spec: RunSpec,
        whences: BTreeSet<Whence>,
        found: Option<Found>,
        again: Option<JobId>,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        check(&spec)?;
        may(caller, &spec, &whences, found.as_ref())?;
        let kept = kept(spec.what, &spec.on, found.as_ref())?;
        let kept = RunKept { run_as: spec.run_as, timeout_ms: spec.timeout_ms, at_once: spec.at_once, again, ..kept };
        let Some(id) = self.jobs.next_id() else {
            return Err(Refusal::refused("all numbers for jobs and runs there are have been given"));
        };
        self.jobs.given(id);
        let owner = self.people.intern(&caller.person);
        self.people.serial(owner, turn);
        let text = found.as_ref().map(|found| found.text.hash);
        if let Some(found) = &found {
            self.hold_text(found, turn);
        }
        let (owner, asked_at, stdin) = (caller.person.clone(), turn.now.wall, spec.stdin);
        let row = Arc::new(RunRow { id, owner, asked_at, spec: kept, text, stdin });
        let orders = orders(&row, found.map(|found| found.text.text.clone()));
        let answers: Vec<Answer> = whences.into_iter().map(Answer::new).collect();
        turn.persist(Change::Run(row.clone()));
        let (what, nodes) = (in_words(&row.spec.what), answers.len() as u32);
        let run_as = row.spec.run_as;
        turn.publish_of(Some(caller.person.clone()), What::RunAsked { run: id, what, nodes, run_as });
        self.runs.add(Run::new(row, Some(orders), answers));
        self.persist_answers(id, turn);
        // What cannot be asked is told with the first answer, and not waited for.
        self.end_unreachable(id, turn);
        self.begin_answers(turn);
        self.trim_runs(turn);
        self.show_run(caller, id)
    }

    fn whences(&self, on: &[On]) -> Result<BTreeSet<Whence>, Refusal> {
        if on.is_empty() {
            return Err(Refusal::usage("name at least one node, as in --on pi-1,pi-2, or --on all"));
        }
        let mut whences = BTreeSet::new();
        for one in on {
            match one {
                On::Manager => drop(whences.insert(Whence::Manager)),
                On::Node(name) if self.nodes.find(name).is_none() => {
                    if self.nodes.own.as_ref().is_none_or(|own| own.name != *name) {
                        return Err(self.unknown(name));
                    }
                    whences.insert(Whence::Manager);
                }
                On::Node(name) => {
                    let role = self.nodes.find(name).and_then(|ix| self.nodes.get(ix)).map(|node| node.role);
                    if role == Some(Role::Cooler) {
                        return Err(Refusal::refused(format!("{name} is a cooler, and nobody can run anything there")));
                    }
                    whences.insert(Whence::Node(name.clone()));
                }
                On::All => {
                    let workers = self.nodes.iter().filter(|(_, node)| node.role == Role::Worker && !node.revoked);
                    let before = whences.len();
                    whences.extend(workers.map(|(ix, _)| Whence::Node(self.nodes.name(ix).clone())));
                    if whences.len() == before && on.len() == 1 {
                        return Err(Refusal::refused("there are no workers yet"));
                    }
                }
            }
        }
        if whences.len() > MOST_NODES {
            return Err(Refusal::usage(format!("one run is on at most {MOST_NODES} nodes")));
        }
        Ok(whences)
    }
}

fn check(spec: &RunSpec) -> Result<(), Refusal> {
    if let RunWhat::Command(words) = &spec.what {
        if words.first().is_none_or(|word| word.is_empty()) {
            return Err(Refusal::usage("the command is empty"));
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(Refusal::usage("the command has a zero byte, which no program can be given"));
        }
        let length: usize = words.iter().map(|word| lengths::written(word)).sum();
        if length > MOST_COMMAND {
            let most = MOST_COMMAND >> 20;
            return Err(Refusal::usage(format!("the command is {length} bytes long, and may have {most} MiB")));
        }
    }
    if spec.stdin.0.len() > MOST_STDIN {
        let (length, most) = (spec.stdin.0.len(), MOST_STDIN >> 20);
        return Err(Refusal::usage(format!(
            "{length} bytes are too many for a standard input, which may have {most} MiB"
        )));
    }
    if spec.timeout_ms == Some(0) || spec.at_once == Some(0) {
        return Err(Refusal::usage("a time limit, and how many run at once, are at least 1"));
    }
    Ok(())
}

fn may(caller: &Caller, spec: &RunSpec, whences: &BTreeSet<Whence>, found: Option<&Found>) -> Result<(), Refusal> {
    let admin = caller.right == Right::Admin;
    if whences.contains(&Whence::Manager) && !admin {
        let only = format!("{} is no admin here, and only admins may run anything on the manager", caller.person);
        return Err(Refusal::refused(only));
    }
    if spec.run_as == RunAs::Root && !admin && !found.is_some_and(|found| found.as_root) {
        let person = &caller.person;
        return Err(Refusal::refused(match found {
            None => format!("{person} is no admin here, and only admins may run commands as root; run it with --as me"),
            Some(_) => format!(
                "{person} may not run this version of the script as root: an admin can allow it (bramble script grant), or run it with --as me"
            ),
        }));
    }
    let on_manager = whences.contains(&Whence::Manager);
    let on_nodes = whences.iter().any(|whence| whence.node().is_some());
    match found.map(|found| found.text.about.on) {
        Some(MayRunOn::Manager) if on_nodes => Err(Refusal::usage("this script is for the manager only: --on manager")),
        Some(MayRunOn::Workers) if on_manager => {
            Err(Refusal::usage("this script is for workers only, not for the manager"))
        }
        _ => Ok(()),
    }
}

/// With all parameters, those that were not given too.
fn kept(what: RunWhat, on: &[On], found: Option<&Found>) -> Result<RunKept, Refusal> {
    let what = match (what, found) {
        (RunWhat::Script { script, params }, Some(found)) => {
            RunWhat::Script { script, params: scripts::params(found, params)? }
        }
        (what, _) => what,
    };
    let language = found.map(|found| found.text.language);
    let on = on.to_vec();
    Ok(RunKept { what, language, on, run_as: RunAs::Me, timeout_ms: None, at_once: None, again: None })
}

/// What the orders of all answers have in common.
pub(super) fn orders(row: &RunRow, text: Option<Arc<str>>) -> Orders {
    let (command, env, script) = match &row.spec.what {
        RunWhat::Command(words) => (words.as_slice().into(), BTreeMap::new(), None),
        RunWhat::Script { script, params } => {
            let language = row.spec.language.unwrap_or(protocol::script::Language::Bash);
            let (name, text) = (script.name.clone(), text.unwrap_or_default().to_string());
            ([].into(), params.clone(), Some(RunScript { name, language, text }))
        }
    };
    let run = RunOrder {
        root: row.spec.run_as == RunAs::Root,
        script,
        stdin: row.stdin.clone(),
        timeout_ms: row.spec.timeout_ms,
    };
    Orders { command, env: Arc::new(env), run: Arc::new(run) }
}

/// As it was typed, nearly.
fn in_words(what: &RunWhat) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    let shown =
        |word: &String| if !word.is_empty() && word.chars().all(plain) { word.clone() } else { format!("{word:?}") };
    let words: Vec<String> = match what {
        RunWhat::Command(words) => words.iter().map(shown).collect(),
        RunWhat::Script { script, params } => {
            let params = params.iter().map(|(key, value)| shown(&format!("{key}={value}")));
            [format!("script {script}")].into_iter().chain(params).collect()
        }
    };
    sane::line(&words.join(" "))
}
