//! What a person is told on coming back: which jobs of theirs ended meanwhile.

use protocol::api::{Away, JobView};
use protocol::job::TaskState;

use super::dialog::Dialog;
use super::link::Link;
use super::{Overlay, State, toast};
use crate::text;

/// As many are listed.
const MOST: usize = 8;

impl State {
    pub(super) fn missed(&mut self, away: &Away) {
        let Some(since) = away.since.filter(|_| away.ended.total() > 0) else { return };
        let many = text::count(away.ended.total(), "job");
        let sentence = format!("{many} of yours ended: {}.", text::tally(&away.ended));
        // Whoever was only cut off is in the middle of something else.
        if matches!(self.link, Link::Lost { .. }) || self.overlay.is_some() {
            self.toasts.say(toast::Kind::Plain, format!("meanwhile {sentence}"), self.now);
            return;
        }
        let since = text::local_in(since, &self.zone);
        let mut dialog = Dialog::tell("While you were away", vec![format!("Since {since}, {sentence}")], None);
        dialog.list = list(&away.jobs);
        let more = away.ended.total().saturating_sub(dialog.list.len() as u32);
        if more > 0 {
            dialog.list.push(format!("… and {more} more"));
        }
        self.overlay = Some(Overlay::Dialog(dialog));
    }
}

/// What went wrong first.
fn list(jobs: &[JobView]) -> Vec<String> {
    let (well, badly): (Vec<&JobView>, Vec<&JobView>) = jobs.iter().partition(|job| job.state == TaskState::Succeeded);
    let line = |job: &JobView| {
        let name = job.name.as_ref().map_or_else(|| text::command(&job.command), ToString::to_string);
        let tasks = if job.counts.total() == 1 { String::new() } else { format!(" ({})", text::tally(&job.counts)) };
        format!("{:>6}  {:<9}  {name}{tasks}", job.id, job.state)
    };
    badly.into_iter().chain(well).take(MOST).map(line).collect()
}
