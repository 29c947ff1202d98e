//! The screens as they are, so that a change to one is seen in review. `INSTA_UPDATE=always` writes them anew.

use std::time::Duration;

use insta::assert_snapshot;
use ratatui::layout::Rect;

use crate::console::event::{Event, Told};
use crate::console::panes::looked::painted;
use crate::console::sample::{self, picture, press, screen};
use crate::console::state::State;
use crate::console::theme::Depth;

/// A name, and what is done before one looks.
type Scene = (&'static str, fn(&mut State));

const SCENES: [Scene; 14] = [
    ("home", |_| {}),
    ("zoomed", |state| drop(press(state, "1z"))),
    ("events", |state| drop(press(state, "3z"))),
    ("palette", |state| drop(press(state, ":st"))),
    ("palette-argument", |state| drop(press(state, ":drain pi"))),
    ("help", |state| drop(press(state, "?"))),
    ("help-found", |state| drop(press(state, "?log"))),
    ("dialog", |state| drop(press(state, "2x"))),
    ("dialog-reboot", |state| drop(press(state, "1jR"))),
    ("dialog-remove", |state| drop(press(state, "1j  X"))),
    ("dialog-revoke", |state| drop(press(state, "1jK<Tab>"))),
    ("filter", |state| drop(press(state, "2/state:f"))),
    ("toasts", |state| drop(press(state, "yd="))),
    ("lost", lose),
];

fn lose(state: &mut State) {
    let why = "the manager at unix:///run/bramble/manager.sock went away".to_owned();
    state.update(Event::Told(Told::Lost { why, pause: Duration::from_secs(4) }), sample::now());
    state.settle(sample::now());
}

fn scene(size: (u16, u16), theme: &str, depth: Depth, set: fn(&mut State)) -> State {
    let mut state = sample::fresh(size, theme, depth, false);
    sample::meet(&mut state, picture(6, 9));
    set(&mut state);
    state
}

#[test]
fn every_scene_at_each_usual_size() {
    for (name, set) in SCENES {
        for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12)] {
            let shown = screen(&scene((width, height), "default", Depth::Sixteen, set));
            assert_snapshot!(format!("{name}-{width}x{height}"), shown);
        }
    }
}

#[test]
fn every_scene_in_colour_and_without() {
    for (name, set) in SCENES {
        for (look, theme, depth) in [("colour", "default", Depth::Sixteen), ("mono", "mono", Depth::Mono)] {
            for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12)] {
                let state = scene((width, height), theme, depth, set);
                let shown = painted(&state, Rect::new(0, 0, width, height));
                assert_snapshot!(format!("{name}-{look}-{width}x{height}"), shown);
            }
        }
    }
}

#[test]
fn every_scene_in_ascii() {
    for (name, set) in SCENES {
        let mut state = sample::fresh((120, 40), "default", Depth::Mono, true);
        sample::meet(&mut state, picture(6, 9));
        set(&mut state);
        let shown = screen(&state);
        assert!(shown.is_ascii(), "{name}: {shown}");
        if name == "home" {
            assert_snapshot!("home-ascii", shown);
        }
    }
}

#[test]
fn the_first_screen() {
    for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12)] {
        let mut state = sample::fresh((width, height), "default", Depth::Sixteen, false);
        if width == 80 {
            assert_snapshot!("first-reaching", screen(&state));
        }
        let why = "no manager runs here; start one with `bramble manager`, or try `bramble demo`".to_owned();
        state.update(Event::Told(Told::Lost { why, pause: Duration::from_secs(1) }), sample::now());
        state.settle(sample::now());
        assert_snapshot!(format!("first-{width}x{height}"), screen(&state));
    }
}
