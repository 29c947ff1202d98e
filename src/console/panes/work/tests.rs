//! The pane as it is seen.

use std::time::Instant;

use protocol::job::{Counts, TaskState};

use crate::console::panes::looked::{painted, seen};
use crate::console::sample::{self, answer, fresh, meet, picture, press};
use crate::console::state::layout::Layout;
use crate::console::state::{Pane, State};
use crate::console::theme::Depth;

fn shown(size: (u16, u16), keys: &str) -> State {
    let mut state = sample::state(size, picture(16, 18));
    let effects = press(&mut state, &format!("2z{keys}"));
    answer(&mut state, effects);
    state
}

fn pane(state: &State) -> String {
    seen(state, Layout::of(state).pane(Pane::Work).unwrap())
}

#[test]
fn the_columns_fit_the_width() {
    for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12)] {
        let state = shown((width, height), "<Right>");
        insta::assert_snapshot!(format!("work_{width}x{height}"), pane(&state));
    }
}

#[test]
fn states_are_told_apart_with_and_without_colours() {
    for (name, depth) in [("colour", Depth::Sixteen), ("mono", Depth::Mono)] {
        let mut state =
            fresh((80, 24), if depth == Depth::Mono { "mono" } else { "default" }, depth, depth == Depth::Mono);
        meet(&mut state, picture(16, 9));
        press(&mut state, "2z");
        insta::assert_snapshot!(format!("work_{name}"), painted(&state, Layout::of(&state).pane(Pane::Work).unwrap()));
    }
}

#[test]
fn a_filter_narrows_jobs_and_their_tasks() {
    insta::assert_snapshot!("work_failed", pane(&shown((80, 24), "<Right>/state:failed<Enter>")));
    insta::assert_snapshot!("work_on_node", pane(&shown((100, 24), "/node:pi-02 state:running<Enter>")));
    insta::assert_snapshot!("work_on_nodes", pane(&shown((80, 24), "/node:pi-0<Enter>")));
    insta::assert_snapshot!("work_words", pane(&shown((80, 24), "/sweep !owner:ana<Enter>")));
}

#[test]
fn work_beyond_the_picture_is_told_at_the_end_of_the_list() {
    let mut more = picture(16, 18);
    more.work.succeeded += 1200;
    let mut state = sample::state((80, 24), more);
    press(&mut state, "2z");
    assert!(!pane(&state).contains("older jobs") || state.work.len() < 20);
    press(&mut state, "G");
    assert!(pane(&state).contains("1200 tasks of older jobs: bramble job"), "{}", pane(&state));
}

#[test]
fn a_hundred_thousand_tasks_and_thousands_of_jobs_stay_quick() {
    let mut many = picture(16, 3000);
    many.jobs[0].counts = Counts { running: 40, queued: 99_960, ..Default::default() };
    many.jobs[0].state = TaskState::Running;
    let mut state = sample::state((120, 50), many);
    press(&mut state, "2z<Right>");
    let began = Instant::now();
    for _ in 0..50 {
        press(&mut state, "G<PageUp><PageUp>gg<PageDown>");
        sample::drawn(&state);
    }
    let each = began.elapsed() / 250;
    println!("a key among 103,000 rows takes {each:?}");
    press(&mut state, "s<Down>s<Down>");
    let began = Instant::now();
    (0..50).for_each(|_| drop(press(&mut state, "<Down>")));
    println!("sorted, it takes {:?}", began.elapsed() / 50);
    assert!(each.as_millis() < 100, "{each:?} for a key");
}
