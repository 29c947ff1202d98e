//! What a person is told on coming back.

use protocol::api::Away;
use protocol::job::{Counts, TaskState};
use protocol::time::UnixMillis;

use crate::console::event::{Event, Told};
use crate::console::sample::{self, press, screen};
use crate::console::state::{Overlay, State};

fn missed() -> Away {
    let mut jobs = sample::picture(6, 12).jobs;
    for (job, failed) in jobs.iter_mut().zip([false, true].into_iter().cycle()) {
        job.state = if failed { TaskState::Failed } else { TaskState::Succeeded };
        job.counts = Counts { succeeded: 9, failed: u32::from(failed), ..Counts::default() };
    }
    let ended = Counts { succeeded: 6, failed: 6, ..Counts::default() };
    Away { since: Some(UnixMillis(sample::AT.0 - 40_000_000)), ended, jobs }
}

fn tell(state: &mut State, away: Away) {
    state.update(Event::Told(Told::Away(away)), sample::now());
    state.settle(sample::now());
}

#[test]
fn it_is_told_before_anything_else_and_closed_with_a_key() {
    let mut state = sample::fresh((120, 40), "default", crate::console::theme::Depth::Sixteen, false);
    state.update(Event::Told(Told::Hello(sample::hello())), sample::now());
    tell(&mut state, missed());
    sample::meet(&mut state, sample::picture(6, 9));
    insta::assert_snapshot!("away", screen(&state));
    press(&mut state, "<Esc>");
    assert!(state.overlay.is_none());
}

#[test]
fn nobody_is_told_of_nothing() {
    let mut state = super::home();
    tell(&mut state, Away { ended: Counts::default(), jobs: vec![], ..missed() });
    tell(&mut state, Away { since: None, ..missed() });
    assert!(state.overlay.is_none() && state.toasts.iter().len() == 0);
}

#[test]
fn whoever_is_in_the_middle_of_something_is_told_beside_it() {
    let mut state = super::home();
    press(&mut state, "?");
    tell(&mut state, missed());
    assert!(matches!(state.overlay, Some(Overlay::Help(_))));
    assert!(state.toasts.iter().any(|toast| toast.text == "meanwhile 12 jobs of yours ended: 6 succeeded, 6 failed."));
}
