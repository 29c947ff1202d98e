//! Real bashes, on this machine. By SSH the same goes over another wire: see `tests/agentless`.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use protocol::agent::{RunOrder, RunScript};
use protocol::bytes::Blob;
use protocol::job::{NotStarted, Outcome, Stream};
use protocol::run::Whence;
use protocol::script::Language;
use test_support::Dice;
use tokio::sync::watch;

use super::act::{Ended, Ending, act};
use super::spool::Spool;
use super::words;
use crate::manager::cluster::OwnRun;
use crate::manager::store::Outputs;
use crate::manager::tests::Manager;

fn own_run(command: &[&str]) -> OwnRun {
    let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    OwnRun {
        attempt: "17.3#1".parse().unwrap(),
        way: None,
        uid: 1_900_000_007,
        command: command.into(),
        env: Arc::default(),
        run: Arc::new(RunOrder { root: true, script: None, stdin: Blob::default(), timeout_ms: None }),
    }
}

fn script(language: Language, text: &str, env: &[(&str, &str)]) -> OwnRun {
    let env: BTreeMap<String, String> = env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let script = RunScript { name: "tidy".parse().unwrap(), language, text: text.into() };
    let run = RunOrder { root: true, script: Some(script), stdin: Blob::default(), timeout_ms: None };
    OwnRun { env: Arc::new(env), run: Arc::new(run), ..own_run(&[]) }
}

fn with(run: OwnRun, change: impl FnOnce(&mut RunOrder)) -> OwnRun {
    let mut order = (*run.run).clone();
    change(&mut order);
    OwnRun { run: Arc::new(order), ..run }
}

/// What it printed, and its end. Only root becomes others.
async fn done(run: &OwnRun, stop: watch::Receiver<Option<Ending>>) -> Option<(Ended, String, String)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let manager = Manager::start();
    let outputs = Outputs::new(manager.state.path());
    let spool = Spool::new(run.attempt, Whence::Manager, outputs, 64 << 20);
    let ended = act(run, &manager.ways(), &spool, stop).await;
    let text = async |stream| {
        let mut text = vec![];
        loop {
            let (at, more) = spool.tail().read(stream, text.len() as u64, 1 << 20).await.unwrap();
            assert_eq!(at, text.len() as u64);
            if more.is_empty() {
                return String::from_utf8_lossy(&text).into_owned();
            }
            text.extend(more);
        }
    };
    Some((ended, text(Stream::Stdout).await, text(Stream::Stderr).await))
}

async fn of(run: &OwnRun) -> Option<(Outcome, String, String)> {
    let (_stop, never) = watch::channel(None);
    let (ended, stdout, stderr) = done(run, never).await?;
    Some((ended.outcome, stdout, stderr))
}

/// What a bash makes of it that is told nothing else.
fn told(run: &OwnRun) -> Vec<u8> {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-s"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut bash = bash.spawn().unwrap();
    let mut stdin = bash.stdin.take().unwrap();
    let said = words::program_itself(run, &super::random(), None);
    let writing = std::thread::spawn(move || stdin.write_all(said.as_bytes()));
    let done = bash.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(done.status.success());
    done.stdout
}

const HOSTILE: &[&str] = &[
    "",
    " ",
    "-",
    "--",
    "-rf",
    "'",
    "''",
    "\"",
    "\\",
    "$(id)",
    "`id`",
    "; rm -rf /",
    "&& id",
    "| id",
    "> /etc/passwd",
    "*",
    "~",
    "~root",
    "!!",
    "a\nb",
    "\n",
    "\t",
    "\r\n",
    "#",
    "${HOME}",
    "$'x'",
    "\u{1b}[31m",
    "grüß dich",
    "日本",
    "\u{7f}",
    "{a,b}",
    "EOF_",
    "exit",
    "[ -e x ]",
    "=",
    "a=b",
    "%s%n",
    "\\n",
    "'\\''",
];

#[test]
fn hostile_words_arrive_byte_for_byte() {
    let mut dice = Dice::new(7);
    let mut command = vec!["/usr/bin/env".to_owned(), "printf".to_owned(), "%s\\0".to_owned()];
    let words: Vec<String> = (0..400)
        .map(|_| (0..dice.below(6)).map(|_| *dice.pick(HOSTILE)).collect::<String>())
        .chain(HOSTILE.iter().map(|&word| word.to_owned()))
        .chain(["é'".repeat(40_000)])
        .collect();
    command.extend(words.iter().cloned());
    let run = OwnRun { command: command.into(), ..own_run(&[]) };
    let arrived = told(&run);
    let arrived: Vec<&[u8]> = arrived.split(|&byte| byte == 0).collect();
    assert_eq!(arrived.len(), words.len() + 1);
    for (word, arrived) in words.iter().zip(arrived) {
        assert!(word.as_bytes() == arrived, "{word:?} arrived as {:?}", String::from_utf8_lossy(arrived));
    }
}

#[test]
fn hostile_parameters_and_words_of_a_script_arrive_byte_for_byte() {
    for language in [Language::Bash, Language::Python] {
        let text = match language {
            Language::Bash => "printf '%s\\0' \"$first\" \"$second\" \"$@\"",
            Language::Python => {
                "import os, sys\nfor one in [os.environb[b'first'], os.environb[b'second']] + [os.fsencode(a) for a in sys.argv[1:]]:\n    sys.stdout.buffer.write(one + b'\\0')\n"
            }
        };
        let large = "ü' ".repeat(10_000);
        for some in HOSTILE.windows(3).step_by(3) {
            let mut run = script(language, text, &[("first", some[0]), ("second", &large)]);
            run.command = [some[1].to_owned(), some[2].to_owned()].into();
            let expected = [some[0], &large, some[1], some[2]].map(|word| format!("{word}\0")).concat();
            assert!(told(&run) == expected.as_bytes(), "{some:?}");
        }
    }
}

#[test]
fn a_script_is_not_ended_by_what_is_in_it() {
    let text = "cat <<'EOF'\nexit 3\nEOF_b\nEOF\nprintf 'no newline at the end'";
    assert_eq!(told(&script(Language::Bash, text, &[])), b"exit 3\nEOF_b\nno newline at the end");
}

#[test]
fn what_cannot_be_said_is_said() {
    let zero = own_run(&["a\0b"]);
    assert!(words::unsayable(&zero).unwrap().contains("zero byte"));
    assert!(words::unsayable(&own_run(&[""])).is_some());
    let name = script(Language::Bash, "true", &[("a b; rm", "1")]);
    assert!(words::unsayable(&name).unwrap().contains("a b; rm"));
    assert_eq!(words::unsayable(&own_run(&["true"])), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_signals_and_streams_come_back_as_they_are() {
    let exits = own_run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let Some(ended) = of(&exits).await else { return };
    assert_eq!(ended, (Outcome::Exited(7), "out\n".into(), "err\n".into()));
    let (outcome, ..) = of(&own_run(&["sh", "-c", "kill -TERM $$"])).await.unwrap();
    assert_eq!(outcome, Outcome::Signaled(15));
    let (outcome, stdout, _) = of(&own_run(&["no-such-program"])).await.unwrap();
    assert!(matches!(outcome, Outcome::NotStarted { kind: NotStarted::NotFound, .. }), "{outcome:?}");
    assert_eq!(stdout, "");
    let (outcome, ..) = of(&own_run(&["/etc/passwd"])).await.unwrap();
    assert!(matches!(outcome, Outcome::NotStarted { kind: NotStarted::NotExecutable, .. }), "{outcome:?}");
    let (outcome, ..) = of(&own_run(&["/no/such"])).await.unwrap();
    assert!(matches!(outcome, Outcome::NotStarted { kind: NotStarted::NotFound, .. }), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_sent_it_reads_to_the_end() {
    let stdin = "line\n".repeat(100_000);
    let run = with(own_run(&["wc", "-c"]), |run| run.stdin = Blob(stdin.clone().into_bytes()));
    let Some((outcome, stdout, _)) = of(&run).await else { return };
    assert_eq!((outcome, stdout.trim()), (Outcome::Exited(0), "500000"));
    let run = script(Language::Bash, "read -r first; echo \"$greeting $first\"; wc -l", &[("greeting", "hello")]);
    let run = with(run, |run| run.stdin = Blob(stdin.clone().into_bytes()));
    let (outcome, stdout, _) = of(&run).await.unwrap();
    assert_eq!((outcome, stdout.as_str()), (Outcome::Exited(0), "hello line\n99999\n"));
    // Nobody reads it.
    let run = with(own_run(&["true"]), |run| run.stdin = Blob(vec![b'x'; 1 << 20]));
    assert_eq!(of(&run).await.unwrap().0, Outcome::Exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn root_has_its_home_and_somebody_else_has_no_rights() {
    let say = "id -u; id -g; id -G; pwd; echo $HOME; grep NoNewPrivs /proc/self/status; env | sort";
    let Some((outcome, stdout, stderr)) = of(&own_run(&["sh", "-c", say])).await else { return };
    assert_eq!(outcome, Outcome::Exited(0), "{stderr}");
    assert!(stdout.starts_with("0\n0\n0\n/root\n/root\n"), "{stdout}");
    assert!(stdout.contains("BRAMBLE_RUN=17\n") && !stdout.contains("CARGO"), "{stdout}");
    let me = with(own_run(&["sh", "-c", say]), |run| run.root = false);
    let (outcome, stdout, stderr) = of(&me).await.unwrap();
    assert_eq!(outcome, Outcome::Exited(0), "{stderr}");
    let uid = "1900000007\n";
    assert!(stdout.starts_with(&format!("{uid}{uid}{uid}/\n/\nNoNewPrivs:\t1\n")), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_comes_whole() {
    let Some((outcome, stdout, _)) = of(&own_run(&["sh", "-c", "seq 1 300000"])).await else { return };
    assert_eq!(outcome, Outcome::Exited(0));
    assert!(stdout == (1..=300_000).map(|n| format!("{n}\n")).collect::<String>());
}

/// A number that no other process here sleeps for.
fn marked(seconds: u32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line == format!("sleep\0{seconds}\0").as_bytes())
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let comes = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await; // why: the pause between two looks at a condition
        }
    };
    tokio::time::timeout(Duration::from_secs(30), comes).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_it_and_all_of_its_kind() {
    let text = "trap '' TERM; setsid sleep 86411 & sleep 86412 & echo on; sleep 86413; sleep 86414";
    let run = with(own_run(&["bash", "-c", text]), |run| run.timeout_ms = Some(1500));
    let Some((outcome, stdout, _)) = of(&run).await else { return };
    assert_eq!((outcome, stdout.as_str()), (Outcome::TimedOut { limit_ms: 1500 }, "on\n"));
    until("nothing of it is left", || (86411..=86414).all(|n| !marked(n))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_asked_first_and_then_done() {
    let (stop, stopped) = watch::channel(None);
    let asking = tokio::spawn(async move {
        until("it runs", || marked(86421) || !rustix::process::geteuid().is_root()).await;
        stop.send_replace(Some(Ending { reason: "stopped by ana".into(), at_once: false }));
        stop
    });
    let polite = own_run(&["bash", "-c", "trap 'echo going; exit 3' TERM; sleep 86421 & wait"]);
    let Some((ended, stdout, _)) = done(&polite, stopped).await else { return };
    asking.await.unwrap();
    assert_eq!(ended.outcome, Outcome::Stopped { reason: "stopped by ana".into() });
    assert_eq!(stdout, "going\n");
    until("nothing of it is left", || !marked(86421)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_leaves_behind_ends_with_it() {
    let Some((outcome, stdout, _)) = of(&own_run(&["sh", "-c", "sleep 86431 & echo over"])).await else { return };
    assert_eq!((outcome, stdout.as_str()), (Outcome::Exited(0), "over\n"));
    until("nothing of it is left", || !marked(86431)).await;
}
