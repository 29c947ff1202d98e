//! Runs, asked for as the verbs ask, and all that is told of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Output, Stdio};

use bramble::client::{Client, ManagerAddress};
use protocol::api::{More, Reply, Request};
use protocol::bytes::Blob;
use protocol::id::{JobId, Target};
use protocol::job::{Outcome, Stream};
use protocol::run::{AnswerView, On, RunAs, RunFollow, RunSpec, RunWhat, WhichOutput};

use crate::common::{Demo, said, verb};

pub fn spec(on: &[&str], run_as: RunAs, command: &[&str]) -> RunSpec {
    RunSpec {
        what: RunWhat::Command(command.iter().map(|&word| word.to_owned()).collect()),
        on: on.iter().map(|on| on.parse::<On>().unwrap()).collect(),
        run_as,
        stdin: Blob::default(),
        timeout_ms: None,
        at_once: None,
    }
}

/// What one node answered.
#[derive(Debug, Clone)]
pub struct Told {
    pub answer: AnswerView,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Told {
    pub fn outcome(&self) -> &Outcome {
        self.answer.outcome.as_ref().unwrap()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    pub fn message(&self) -> String {
        match self.outcome() {
            Outcome::NotStarted { message, .. } => message.clone(),
            Outcome::Lost { reason, .. } | Outcome::Stopped { reason } => reason.clone(),
            other => panic!("{other:?}: {:?}", self.stderr()),
        }
    }
}

pub trait Asks {
    fn fed(&self, words: &[&str], input: &str) -> Output;
    fn add(&self, name: &str, place: &str);
    fn begin(&self, spec: RunSpec) -> JobId;
    /// Until all of it is told. `seen` is shown what has come so far each time something comes.
    fn follow(&self, run: JobId, seen: impl FnMut(&BTreeMap<String, Told>)) -> BTreeMap<String, Told>;
    fn stop(&self, run: JobId);

    fn run(&self, spec: RunSpec) -> BTreeMap<String, Told> {
        let run = self.begin(spec);
        self.follow(run, |_| {})
    }

    /// On one node, as root.
    fn on(&self, node: &str, command: &[&str]) -> Told {
        self.run(spec(&[node], RunAs::Root, command)).remove(node).unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn address(demo: &Demo) -> ManagerAddress {
    format!("unix://{}", demo.socket().display()).parse().unwrap()
}

impl Asks for Demo {
    fn fed(&self, words: &[&str], input: &str) -> Output {
        let mut command = verb(&self.socket(), words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What ends without reading is told no more.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn add(&self, name: &str, place: &str) {
        let added = self.fed(&["node", "add", name, place, "--yes", "--password-stdin"], super::machine::PASSWORD);
        assert!(added.status.success(), "{name} {place}: {}", said(&added));
    }

    fn begin(&self, spec: RunSpec) -> JobId {
        runtime().block_on(async {
            let client = Client::connect(&address(self)).await.unwrap();
            match client.call(Request::Run(spec)).await.unwrap() {
                Reply::Run(run) => run.id,
                other => panic!("{other:?}"),
            }
        })
    }

    fn follow(&self, run: JobId, mut seen: impl FnMut(&BTreeMap<String, Told>)) -> BTreeMap<String, Told> {
        runtime().block_on(async {
            let client = Client::connect(&address(self)).await.unwrap();
            let follow = RunFollow { run, output: WhichOutput::Live, had: vec![] };
            let mut flow = client.stream(Request::RunFollow(follow)).await.unwrap();
            let mut printed: BTreeMap<(u32, bool), Vec<u8>> = BTreeMap::new();
            let mut answers: BTreeMap<u32, AnswerView> = BTreeMap::new();
            let all = |printed: &BTreeMap<(u32, bool), Vec<u8>>, answers: &BTreeMap<u32, AnswerView>| {
                let all = answers.values().map(|answer| {
                    let of = |err| printed.get(&(answer.index, err)).cloned().unwrap_or_default();
                    (answer.node.to_string(), Told { answer: answer.clone(), stdout: of(false), stderr: of(true) })
                });
                all.collect::<BTreeMap<_, _>>()
            };
            while let Some(more) = flow.next().await.unwrap() {
                match more {
                    More::Answers(some) => answers.extend(some.into_iter().map(|answer| (answer.index, answer))),
                    More::Output(chunk) => {
                        let of = printed.entry((chunk.index, chunk.stream == Stream::Stderr)).or_default();
                        of.extend_from_slice(&chunk.bytes.0);
                    }
                    other => panic!("{other:?}"),
                }
                seen(&all(&printed, &answers));
            }
            all(&printed, &answers)
        })
    }

    fn stop(&self, run: JobId) {
        // Also from within what follows it.
        let stopping = async || {
            let client = Client::connect(&address(self)).await.unwrap();
            client.call(Request::Stop { targets: vec![Target::Job(run)], reason: None }).await.unwrap();
        };
        std::thread::scope(|scope| scope.spawn(|| runtime().block_on(stopping())).join().unwrap());
    }
}
