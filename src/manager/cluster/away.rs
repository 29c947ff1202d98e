//! What a person has missed: which jobs of theirs ended while no console of theirs was open.

use protocol::api::{Away, Reply};
use protocol::job::Counts;
use protocol::name::PersonName;

use super::Cluster;
use super::lists::Room;
use super::port::Caller;
use super::turn::Turn;

/// As many are named, the newest.
const MOST: usize = 100;

impl Cluster {
    /// The first console of theirs was opened, or the last one closed.
    pub(super) fn seen(&mut self, person: &PersonName, turn: &mut Turn<'_>) {
        let ix = self.people.intern(person);
        self.people.seen(ix, turn);
    }

    pub(super) fn away(&self, caller: &Caller) -> Reply {
        let mut away = Away { since: None, ended: Counts::default(), jobs: vec![] };
        let known = self.people.find(&caller.person).and_then(|ix| Some((ix, self.people.seen_at(ix)?)));
        let Some((owner, since)) = known else { return Reply::Away(away) };
        away.since = Some(since);
        let newest = self.jobs.newest_ended().filter_map(|id| Some((id, self.jobs.get(id)?)));
        let missed = newest.take_while(|(_, job)| job.ended_at().is_some_and(|at| at >= since));
        let mut room = Room::default();
        for (id, job) in missed.filter(|(_, job)| job.owner == owner) {
            *away.ended.of(job.counts.state()) += 1;
            if away.jobs.len() < MOST && room.takes(job.recipe.command().bytes()) {
                away.jobs.push(self.view_of_job(id, job));
            }
        }
        Reply::Away(away)
    }
}
