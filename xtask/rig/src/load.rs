//! People at work: some submit one job after the other, one looks at all tasks again and again. What they are told goes
//! into the ledger; that the manager is away now and then does not trouble them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, ensure};
use protocol::api::TaskView;
use protocol::id::JobId;

use crate::host::Host;
use crate::ledger::{Asked, Ledger};
use crate::until;
use test_support::Dice;

/// Where every attempt writes that it runs.
pub const RAN: &str = "/srv/ran";
/// Nobody asks for more while so much has not been seen to end.
const MOST_OPEN: usize = 24;
/// Says which attempt it is, on a line that begins with itself: of the last one a power cut may have left a part. Prints
/// its word, takes its time, ends with its code.
const TASK: &str = "printf '\\n%s\\n' $BRAMBLE_ATTEMPT >>/srv/ran; echo $0; sleep $1; exit $2";

pub struct Load {
    host: Host,
    ledger: Arc<Mutex<Ledger>>,
    over: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    people: Vec<JoinHandle<()>>,
}

impl Load {
    /// `longest`: of a task, in seconds. `node`: where they are to run.
    pub fn begin(host: &Host, seed: u64, people: u32, pause: (u64, u64), longest: u64, node: Option<&str>) -> Self {
        let ledger: Arc<Mutex<Ledger>> = Arc::default();
        let (over, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = vec![];
        for person in 0..people {
            let (host, ledger, over) = (host.clone(), ledger.clone(), over.clone());
            let (mut dice, node) = (Dice::of(seed, format!("person {person}")), node.map(str::to_owned));
            threads.push(std::thread::spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let asked = Asked { word: format!("word {person}-{number}"), code: dice.below(3) as i32 };
                    let nap = format!("0.{}", dice.below(10));
                    let nap = if dice.below(5) == 0 { dice.roll(0..longest + 1).to_string() } else { nap };
                    let command = ["sh", "-c", TASK, &asked.word, &nap, &asked.code.to_string()];
                    let options: Vec<&str> = node.as_deref().into_iter().flat_map(|node| ["--node", node]).collect();
                    if lock(&ledger).open() < MOST_OPEN
                        && let Ok(job) = host.submit(&options, &command)
                    {
                        lock(&ledger).acknowledged(job, asked);
                    }
                    // why: a person thinks between two jobs; without that the machines would drown in work.
                    std::thread::sleep(Duration::from_millis(dice.roll(pause.0..pause.1 + 1)));
                }
            }));
        }
        let (eyes, told, ended, count) = (host.clone(), ledger.clone(), over.clone(), looks.clone());
        threads.push(std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if let Ok(tasks) = eyes.tasks(&[]) {
                    lock(&told).shown(&tasks);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                // why: somebody who looks now and then.
                std::thread::sleep(Duration::from_secs(2));
            }
        }));
        Self { host: host.clone(), ledger, over, looks, people: threads }
    }

    /// Jobs acknowledged, ends shown, looks taken.
    pub fn told(&self) -> (usize, usize, u64) {
        let ledger = lock(&self.ledger);
        (ledger.jobs().count(), ledger.ended(), self.looks.load(Ordering::Relaxed))
    }

    /// Waits for so many more jobs to be acknowledged, and for one more look.
    pub fn goes_on(&self, jobs: usize, patience: Duration) -> Result<()> {
        let (before, _, looks) = self.told();
        until("people are served again", patience, || {
            let (now, _, looked) = self.told();
            ensure!(now >= before + jobs && looked > looks, "{} jobs, {} looks", now - before, looked - looks);
            Ok(())
        })
    }

    /// People go home; everything they asked for comes to its end, and is held against what they were told.
    /// Returns all tasks as they are then.
    pub fn settle(mut self, lost_after: Option<u32>, patience: Duration) -> Result<(usize, Vec<TaskView>)> {
        self.end();
        let tasks = until("all comes to rest", patience, || {
            let tasks = self.host.tasks(&[])?;
            let busy = tasks.iter().filter(|task| !task.state.ended()).count();
            ensure!(busy == 0, "{busy} of {} tasks have not ended", tasks.len());
            Ok(tasks)
        })?;
        let ledger = std::mem::take(&mut *lock(&self.ledger));
        let jobs: Vec<JobId> = ledger.jobs().map(|(job, _)| job).collect();
        let mut printed = BTreeMap::new();
        for job in &jobs {
            printed.insert(*job, self.host.say(&["logs", "--stdout", &format!("{job}.0")])?.text);
        }
        let faults = ledger.settle(&tasks, &printed, lost_after);
        let some = faults.iter().take(20).cloned().collect::<Vec<_>>().join("\n  ");
        ensure!(faults.is_empty(), "{} faults:\n  {some}", faults.len());
        Ok((jobs.len(), tasks))
    }

    fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.people.drain(..).for_each(|person| drop(person.join()));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
