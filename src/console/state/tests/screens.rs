//! The screens as they are, so that a change to one is seen in review. `INSTA_UPDATE=always` writes them anew.

use std::time::Duration;

use insta::assert_snapshot;

use super::home;
use crate::console::event::{Event, Told};
use crate::console::sample::{self, picture, press, screen, state};
use crate::console::theme::Depth;

#[test]
fn home_at_each_usual_size() {
    for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12)] {
        assert_snapshot!(format!("home-{width}x{height}"), screen(&state((width, height), picture(6, 9))));
    }
}

#[test]
fn home_in_ascii() {
    let mut state = sample::fresh((120, 40), "default", Depth::Mono, true);
    sample::meet(&mut state, picture(6, 9));
    let shown = screen(&state);
    assert!(shown.is_ascii(), "{shown}");
    assert_snapshot!("home-ascii", shown);
}

#[test]
fn overlays() {
    for (name, keys) in [
        ("palette", ":st"),
        ("palette-argument", ":drain pi"),
        ("help", "?"),
        ("dialog", "2x"),
        ("filter", "2/state:f"),
    ] {
        for (width, height) in [(120, 40), (80, 24), (40, 12)] {
            let mut state = state((width, height), picture(6, 9));
            press(&mut state, keys);
            assert_snapshot!(format!("{name}-{width}x{height}"), screen(&state));
        }
    }
}

#[test]
fn the_first_screen() {
    let mut state = sample::fresh((80, 24), "default", Depth::Sixteen, false);
    assert_snapshot!("first-reaching", screen(&state));
    let why = "no manager runs here; start one with `bramble manager`, try `bramble demo`, or name one with --manager";
    state.update(Event::Told(Told::Lost { why: why.into(), pause: Duration::from_secs(1) }), sample::now());
    state.settle(sample::now());
    assert_snapshot!("first-choices", screen(&state));
}

#[test]
fn a_lost_manager() {
    let mut state = home();
    let why = "the manager went away".to_owned();
    state.update(Event::Told(Told::Lost { why, pause: Duration::from_secs(4) }), sample::now());
    state.settle(sample::now());
    assert_snapshot!("lost", screen(&state));
}
