//! Carries notices to where they are to be told. Each has a lane: the mail server is one, and so is each host of a URL, and of
//! a lane one is under way at a time, so that whoever is slow holds up only itself. What fails for now is tried again
//! after growing pauses, for a day.
//!
//! What came of a notice is remembered until the core has written it down: should it have to load its state again, it is
//! told so once more, and nobody gets a second mail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use protocol::name::PersonName;
use protocol::notify::Notify;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::super::cluster::NoticeRow;
use super::super::config::Config;
use super::super::heart::Heart;
use super::mail::Mail;
use super::quote::Source;
use super::roots::Roots;
use super::web::{self, Web};
use super::words::Words;
use super::{Errand, Sent};

/// How many URLs are told at once, and how many of them for one person: who names hosts that hang holds up only their own.
const MOST: usize = 8;
const MOST_OF_ONE: usize = 4;

/// How long is waited for whom.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Before the second try, the third, and so on; after the last of them it is given up.
    pub pauses: Vec<Duration>,
    /// For one try.
    pub each: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let growing = [10, 60, 300, 1800].into_iter();
        let pauses = growing.chain([3600; 23]).map(Duration::from_secs).collect();
        Self { pauses, each: Duration::from_secs(30) }
    }
}

pub struct Carrier {
    heart: Heart,
    ways: Arc<Ways>,
    patience: Patience,
    all: BTreeMap<u64, Entry>,
    running: JoinSet<Sent>,
    under_way: HashMap<tokio::task::Id, UnderWay>,
}

struct Entry {
    row: Arc<NoticeRow>,
    tries: usize,
    state: State,
}

enum State {
    Due(Instant),
    UnderWay,
    Over(Result<(), String>),
}

struct UnderWay {
    no: u64,
    lane: Lane,
    owner: PersonName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Lane {
    Mail,
    Web(String),
}

struct Ways {
    source: Source,
    mail: Option<Mail>,
    web: Web,
    each: Duration,
}

impl Carrier {
    pub fn new(heart: Heart, config: &Config, source: Source, patience: Patience) -> Self {
        let roots = Arc::new(Roots::new(config.notify.ca.clone()));
        let mail = config.mail.clone().map(|mail| Mail::new(mail, roots.clone()));
        let web = Web::new(config.notify.plain_http, patience.each, roots);
        let ways = Arc::new(Ways { source, mail, web, each: patience.each });
        Self { heart, ways, patience, all: BTreeMap::new(), running: JoinSet::new(), under_way: HashMap::new() }
    }

    /// Until whoever has errands is gone.
    pub async fn run(mut self, mut errands: mpsc::UnboundedReceiver<Errand>) {
        loop {
            let next = self.begin();
            tokio::select! {
                errand = errands.recv() => match errand {
                    Some(errand) => self.take(errand).await,
                    None => return,
                },
                Some(ended) = self.running.join_next_with_id() => self.ended(ended).await,
                () = sleep_until(next) => {}
            }
        }
    }

    async fn take(&mut self, errand: Errand) {
        match errand {
            Errand::Deliver(row) => self.add(row),
            Errand::Delivered(no) => drop(self.all.remove(&no)),
            Errand::All(rows) => {
                let owed: BTreeMap<u64, Arc<NoticeRow>> = rows.into_iter().map(|row| (row.no, row)).collect();
                self.all.retain(|no, _| owed.contains_key(no));
                let over = self.all.iter().filter_map(|(no, entry)| match &entry.state {
                    State::Over(outcome) => Some((*no, outcome.clone())),
                    State::Due(_) | State::UnderWay => None,
                });
                for (no, outcome) in over.collect::<Vec<_>>() {
                    self.heart.delivered(no, outcome).await;
                }
                owed.into_values().for_each(|row| self.add(row));
            }
        }
    }

    fn add(&mut self, row: Arc<NoticeRow>) {
        let due = State::Due(Instant::now());
        self.all.entry(row.no).or_insert(Entry { row, tries: 0, state: due });
    }

    /// Begins what is due and has a way that is free, what waits longest first. Returns when the next is due.
    fn begin(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let mut due: Vec<(Instant, u64)> = self.all.iter().filter_map(|(no, entry)| entry.due(*no)).collect();
        due.sort_unstable();
        for (at, no) in due {
            if at > now {
                return Some(at);
            }
            let Some(entry) = self.all.get_mut(&no) else { continue };
            let lane = Lane::of(&entry.row.notice.to);
            if is_free(self.under_way.values(), &lane, &entry.row.notice.end.owner) {
                entry.state = State::UnderWay;
                let owner = entry.row.notice.end.owner.clone();
                let started = self.running.spawn(deliver(self.ways.clone(), entry.row.clone()));
                self.under_way.insert(started.id(), UnderWay { no, lane, owner });
            }
        }
        None
    }

    async fn ended(&mut self, ended: Result<(tokio::task::Id, Sent), JoinError>) {
        let (id, sent) = match ended {
            Ok(ended) => ended,
            Err(failed) => (failed.id(), Sent::NotNow(format!("a fault of Bramble's own: {failed}"))),
        };
        let Some(UnderWay { no, .. }) = self.under_way.remove(&id) else { return };
        let Some(entry) = self.all.get_mut(&no) else { return };
        let outcome = match sent {
            Sent::Told => Ok(()),
            Sent::Never(why) => Err(why),
            Sent::NotNow(why) => match self.patience.pauses.get(entry.tries) {
                Some(pause) => {
                    let (job, to) = (entry.row.notice.end.job, entry.row.notice.to.shown());
                    tracing::warn!("the end of job {job} is not told to {to} yet: {why}; next try in {pause:?}");
                    entry.tries += 1;
                    entry.state = State::Due(Instant::now() + *pause);
                    return;
                }
                None => Err(format!("{why}; tried {} times", entry.tries + 1)),
            },
        };
        entry.state = State::Over(outcome.clone());
        self.heart.delivered(no, outcome).await;
    }
}

impl Entry {
    fn due(&self, no: u64) -> Option<(Instant, u64)> {
        match self.state {
            State::Due(at) => Some((at, no)),
            State::UnderWay | State::Over(_) => None,
        }
    }
}

impl Lane {
    fn of(to: &Notify) -> Self {
        match to {
            Notify::Mail(_) => Lane::Mail,
            Notify::Web(url) => Lane::Web(web::host(url).unwrap_or_default()),
        }
    }
}

fn is_free<'a>(under_way: impl Iterator<Item = &'a UnderWay> + Clone, lane: &Lane, owner: &PersonName) -> bool {
    if under_way.clone().any(|other| other.lane == *lane) {
        return false;
    }
    let urls = under_way.filter(|other| other.lane != Lane::Mail);
    let of_one = urls.clone().filter(|other| other.owner == *owner).count();
    *lane == Lane::Mail || urls.count() < MOST && of_one < MOST_OF_ONE
}

async fn deliver(ways: Arc<Ways>, row: Arc<NoticeRow>) -> Sent {
    let stderr = match row.notice.end.quoted() {
        Some((attempt, node)) => ways.source.last_lines(attempt, node).await,
        None => None,
    };
    let words = Words { row: &row, stderr };
    match &row.notice.to {
        Notify::Mail(address) => match &ways.mail {
            Some(mail) => {
                let sending = tokio::time::timeout(ways.each, mail.send(address, &words));
                sending.await.unwrap_or_else(|_| Sent::NotNow(mail.too_slow(ways.each)))
            }
            None => Sent::Never("this manager sends no mail any more".into()),
        },
        Notify::Web(url) => ways.web.post(url, &words).await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_many_hosts_that_hang_leaves_room_for_others() {
        let person = |name: &str| name.parse::<PersonName>().unwrap();
        let to_host = |host: usize| Lane::Web(format!("host-{host}"));
        let mut under_way: Vec<UnderWay> = vec![];
        let mut begin = |lane: Lane, owner: &str| {
            let free = is_free(under_way.iter(), &lane, &person(owner));
            if free {
                under_way.push(UnderWay { no: 0, lane, owner: person(owner) });
            }
            free
        };
        let anas = (0..20).filter(|host| begin(to_host(*host), "ana")).count();
        assert_eq!(anas, MOST_OF_ONE);
        assert!(!begin(to_host(0), "ben"), "one at a time to each host");
        let bens = (20..40).filter(|host| begin(to_host(*host), "ben")).count();
        assert_eq!(bens, MOST - MOST_OF_ONE);
        assert!(!begin(to_host(50), "eve"));
        assert!(begin(Lane::Mail, "ana"), "mail goes another way");
        assert!(!begin(Lane::Mail, "eve"));
    }

    #[test]
    fn it_is_tried_for_a_day() {
        let all: Duration = Patience::default().pauses.iter().sum();
        assert!((Duration::from_secs(23 * 3600)..=Duration::from_secs(25 * 3600)).contains(&all), "{all:?}");
    }
}
