//! What the tasks of the load do, and what must come of each: both follow from the same few numbers.

use std::collections::BTreeMap;

use protocol::id::AttemptId;
use protocol::job::{Array, JobSpec};

use test_support::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A word and a code.
    Quick,
    /// Some lines over some time.
    Lines,
    /// More than a `finished` carries: 33 KiB to a quarter of a MiB.
    Bulk,
    /// More than a MiB.
    Huge,
    /// Ends itself by a signal.
    Signal,
    /// Runs until it is stopped.
    Endless,
    /// The same, and does not listen to SIGTERM.
    Stubborn,
    /// Fails once, succeeds when it is tried again.
    Flaky,
    /// There is no such program.
    Missing,
}

use Kind::*;

const MIX: &[(u64, Kind)] = &[
    (24, Quick),
    (30, Lines),
    (10, Bulk),
    (3, Huge),
    (6, Signal),
    (6, Endless),
    (2, Stubborn),
    (6, Flaky),
    (2, Missing),
];

/// Begins and ends in the ledger, which is outside of everything that Bramble knows of.
const SCRIPT: &str = r#"
say() { printf '%s %s %s\n' "$1" "$BRAMBLE_ATTEMPT" "$TAG" >>"$LEDGER"; }
me=$BRAMBLE_ATTEMPT
say begin
code=$(((BRAMBLE_INDEX + N) % 5))
case $KIND in
Quick | Flaky) echo "$me is here" ;;
Lines) i=0
    while [ $i -lt $((N % 17 + 1)) ]; do echo "$me line $i"; i=$((i + 1)); sleep 0.$((N % 4)); done
    echo "$me complains" >&2 ;;
Bulk | Huge) yes "$me first" | head -c $N; sleep 0.$((N % 9)); yes "$me second" | head -c $N ;;
Signal) echo "$me ends itself"; say end; kill -$N $$; sleep 60 ;;
Endless) echo "$me waits"; while :; do sleep 0.3; done ;;
Stubborn) trap '' TERM; echo "$me waits"; while :; do sleep 0.3; done ;;
esac
if [ $KIND = Flaky ]; then case $me in *'#1') code=3 ;; *) code=0 ;; esac; fi
say end
exit $code
"#;

/// One job of the load.
#[derive(Debug, Clone)]
pub struct Work {
    /// Its name: by this it is known, whoever gave it whatever number.
    pub tag: String,
    pub kind: Kind,
    pub n: u32,
    pub array: Option<(u32, u32)>,
}

/// What its definition says of an attempt that came to its own end.
#[derive(Debug, PartialEq, Eq)]
pub struct Predicted {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Work {
    pub fn any(dice: &mut Dice, tag: String) -> Work {
        let kind = dice.weighed(MIX);
        let n = match kind {
            Bulk => dice.roll(33 << 9..1 << 17),
            Huge => dice.roll(600 << 10..900 << 10),
            Signal => *dice.pick(&[1, 2, 6, 9, 15]),
            _ => dice.roll(0..1000),
        };
        let array = (dice.chance(15) && kind != Huge).then(|| {
            let first = dice.roll(0..5) as u32;
            (first, first + dice.roll(1..13) as u32)
        });
        Work { tag, kind, n: n as u32, array }
    }

    /// A single task that ends by itself, for somebody who waits for it.
    pub fn waited_for(dice: &mut Dice, tag: String) -> Work {
        loop {
            let work = Work { array: None, ..Work::any(dice, tag.clone()) };
            if !work.is_endless() && work.kind != Flaky {
                return work;
            }
        }
    }

    pub fn is_endless(&self) -> bool {
        matches!(self.kind, Endless | Stubborn)
    }

    /// Whether an attempt that came to its own end has said so in the ledger.
    pub fn is_entered(&self) -> bool {
        self.kind != Missing
    }

    pub fn indices(&self) -> std::ops::RangeInclusive<u32> {
        let (first, last) = self.array.unwrap_or((0, 0));
        first..=last
    }

    fn command(&self) -> Vec<String> {
        match self.kind {
            Missing => vec!["no-such-program-anywhere".into()],
            _ => vec!["sh".into(), "-c".into(), SCRIPT.into()],
        }
    }

    fn environment(&self, ledger: &str) -> BTreeMap<String, String> {
        let kind = format!("{:?}", self.kind);
        let all = [("TAG", &self.tag), ("KIND", &kind), ("N", &self.n.to_string()), ("LEDGER", &ledger.to_owned())]
            .map(|(key, value)| (key.to_owned(), value.clone()));
        all.into()
    }

    pub fn spec(&self, ledger: &str) -> JobSpec {
        let mut spec = JobSpec::of(self.command());
        spec.name = Some(self.tag.parse().unwrap());
        spec.env = self.environment(ledger);
        spec.array = self.array.map(|(first, last)| Array { first, last });
        spec
    }

    /// The words of a verb that submits it.
    pub fn words(&self, ledger: &str) -> Vec<String> {
        let mut words = vec!["--name".to_owned(), self.tag.clone()];
        for (key, value) in self.environment(ledger) {
            words.extend(["--env".into(), format!("{key}={value}")]);
        }
        if let Some((first, last)) = self.array {
            words.extend(["--array".into(), format!("{first}-{last}")]);
        }
        words.push("--".into());
        words.extend(self.command());
        words
    }

    pub fn predict(&self, me: AttemptId) -> Predicted {
        let (n, index) = (self.n as usize, me.task.index);
        let full = |line: String| line.into_bytes().into_iter().cycle().take(n).collect::<Vec<u8>>();
        let (mut stderr, mut code) = (String::new(), ((index + self.n) % 5) as i32);
        let stdout = match self.kind {
            Quick | Flaky => format!("{me} is here\n").into_bytes(),
            Lines => {
                stderr = format!("{me} complains\n");
                (0..n % 17 + 1).map(|line| format!("{me} line {line}\n")).collect::<String>().into_bytes()
            }
            Bulk | Huge => [full(format!("{me} first\n")), full(format!("{me} second\n"))].concat(),
            Signal => format!("{me} ends itself\n").into_bytes(),
            Endless | Stubborn => format!("{me} waits\n").into_bytes(),
            Missing => vec![],
        };
        match self.kind {
            Signal => code = 128 + self.n as i32,
            Flaky => code = if me.number == 1 { 3 } else { 0 },
            Missing => code = 127,
            _ => {}
        }
        Predicted { code, stdout, stderr: stderr.into_bytes() }
    }
}

/// The definition and the prediction are one thing written twice: here they are held together, by a shell alone.
#[test]
fn what_is_predicted_is_what_a_shell_makes_of_it() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    let ledger = tempfile::NamedTempFile::new().unwrap();
    let mut dice = Dice::of(1, "shell");
    for kind in [Quick, Lines, Bulk, Huge, Signal, Flaky] {
        for number in [1, 2] {
            let n = if kind == Signal { 9 } else { dice.roll(0..40) as u32 + if kind == Huge { 700_000 } else { 0 } };
            let work = Work { tag: "a".into(), kind, n, array: Some((4, 9)) };
            let me: AttemptId = format!("7.6#{number}").parse().unwrap();
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(SCRIPT).envs(work.environment(ledger.path().to_str().unwrap()));
            shell.env("BRAMBLE_ATTEMPT", me.to_string()).env("BRAMBLE_INDEX", "6").stdin(Stdio::null());
            let done = shell.output().unwrap();
            let code = done.status.code().unwrap_or_else(|| 128 + done.status.signal().unwrap());
            let came = Predicted { code, stdout: done.stdout, stderr: done.stderr };
            assert!(
                came == work.predict(me),
                "{kind:?} {n}: {} {:?}",
                came.code,
                String::from_utf8_lossy(&came.stderr)
            );
        }
    }
    let entered = std::fs::read_to_string(ledger.path()).unwrap();
    assert_eq!(entered.lines().filter(|line| line.starts_with("end 7.6#1 a")).count(), 6, "{entered}");
}
