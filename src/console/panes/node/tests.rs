//! A node's page as it is seen, and what keys do on it.

use insta::assert_snapshot;
use protocol::api::{Changes, Request, Span};
use protocol::event::{Event as Happened, What};
use protocol::node::Throttle;
use protocol::time::UnixMillis;

use crate::console::event::{Effect, Event, Told};
use crate::console::sample::{AT, answer, drawn, fresh, meet, open_node, picture, press, screen, state};
use crate::console::state::State;
use crate::console::state::page::Page;
use crate::console::theme::Depth;

fn page(size: (u16, u16)) -> State {
    let mut picture = picture(3, 9);
    let node = &mut picture.nodes[2];
    node.draining = true;
    node.facts.simulated = true;
    node.facts.gpus = vec!["VideoCore VII".into()];
    let flags = Throttle { under_voltage: true, throttled_since_boot: true, ..Default::default() };
    node.metrics.as_mut().unwrap().throttle = Some(flags);
    let mut state = state(size, picture);
    open_node(&mut state, "pi-2");
    state
}

/// Without what others draw.
fn body(state: &State) -> String {
    let screen = screen(state);
    let rows: Vec<&str> = screen.lines().skip(1).collect();
    rows[..rows.len() - 1].join("\n")
}

#[test]
fn the_page_shows_everything_where_there_is_room() {
    assert_snapshot!("page_160x50", body(&page((160, 50))));
    assert_snapshot!("page_120x40", body(&page((120, 40))));
}

#[test]
fn on_a_small_screen_its_parts_are_gone_through() {
    let mut state = page((80, 24));
    assert_snapshot!("page_80x24", body(&state));
    press(&mut state, "<Tab>");
    assert_snapshot!("page_80x24_tasks", body(&state));
    let mut state = page((40, 12));
    assert_snapshot!("page_40x12", body(&state));
    press(&mut state, "<Tab>j");
    assert_snapshot!("page_40x12_graphs", body(&state));
    press(&mut state, "<Tab><Tab>");
    assert!(screen(&state).contains("pi-2 up"), "{}", screen(&state));
    press(&mut state, "<S-Tab><S-Tab><S-Tab>");
    assert!(screen(&state).contains("flags now"), "{}", screen(&state));
}

#[test]
fn facts_that_do_not_fit_can_be_read_to_their_end() {
    let mut state = page((40, 12));
    assert!(!screen(&state).contains("joined"));
    press(&mut state, "G");
    assert!(screen(&state).contains("joined"), "{}", screen(&state));
    press(&mut state, "kkgg");
    assert!(screen(&state).contains("flags now"));
}

#[test]
fn enter_opens_the_task_under_the_cursor() {
    let mut state = page((120, 40));
    press(&mut state, "jj<Enter>");
    let Page::Task(task) = state.pages.current() else { panic!("no task was opened") };
    assert_eq!(task.id.to_string(), "9.7");
}

#[test]
fn enter_on_an_event_opens_its_task_and_newer_events_do_not_move_the_cursor() {
    let mut state = page((120, 40));
    press(&mut state, "<Tab>j");
    let newer = Happened {
        no: 99,
        at: UnixMillis(AT.0 + 1),
        person: None,
        what: What::NodeDraining { node: "pi-2".parse().unwrap() },
    };
    let told = Changes { events: vec![newer], ..Default::default() };
    state.update(Event::Told(Told::Changes(Box::new(told))), state.now);
    state.settle(state.now);
    press(&mut state, "<Enter>");
    let Page::Task(task) = state.pages.current() else { panic!("no task was opened") };
    assert_eq!(task.id.to_string(), "5.0");
}

#[test]
fn the_span_is_asked_for_and_shown_when_it_comes() {
    let mut state = page((120, 40));
    let effects = press(&mut state, "v");
    let asked = |effect: &Effect| matches!(effect, Effect::Ask(_, Request::History { span: Span::Day, .. }));
    assert!(effects.iter().any(asked), "{effects:?}");
    assert!(screen(&state).contains("60m ago"), "what is known is shown until the answer comes");
    answer(&mut state, effects);
    assert!(screen(&state).contains("24h ago"), "{}", screen(&state));
}

#[test]
fn a_node_that_is_gone_is_said_to_be_gone() {
    let mut state = page((120, 40));
    let gone = Changes { gone_nodes: vec!["pi-2".parse().unwrap()], ..Default::default() };
    state.update(Event::Told(Told::Changes(Box::new(gone))), state.now);
    state.settle(state.now);
    let screen = screen(&state);
    assert!(screen.contains("not known any more") && screen.contains("9.1"), "{screen}");
}

#[test]
fn a_node_that_is_down_has_no_numbers_of_now() {
    let mut state = state((120, 40), picture(8, 9));
    open_node(&mut state, "pi-7");
    let screen = screen(&state);
    assert!(screen.contains("down, seen 12m ago") && !screen.contains("uptime"), "{screen}");
    assert!(screen.contains("memory      4.0 GiB "), "only what it has is told: {screen}");
}

#[test]
fn drain_and_remove_are_about_this_node() {
    let mut state = page((120, 40));
    press(&mut state, "X");
    assert!(screen(&state).contains("Remove pi-2?"), "{}", screen(&state));
    press(&mut state, "<Esc>");
    let effects = press(&mut state, "d");
    assert!(matches!(&effects[0], Effect::Ask(_, Request::Drain { node, on: true }) if node.as_str() == "pi-2"));
}

#[test]
fn a_terminal_without_unicode_has_its_graphs_in_ascii() {
    let mut state = fresh((120, 40), "mono", Depth::Mono, true);
    meet(&mut state, picture(3, 9));
    open_node(&mut state, "pi-2");
    let screen = screen(&state);
    let odd: Vec<&str> = screen.lines().filter(|row| !row.is_ascii() && !row.contains(['×', '·', '“'])).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(screen.contains("####"));
}

#[test]
fn no_size_is_too_small() {
    let mut state = page((100, 40));
    for width in (0..=100).step_by(10).chain([29, 30, 31, 69, 71, 99]) {
        for height in [0, 1, 2, 3, 5, 8, 9, 12, 24, 40] {
            state.size = (width, height).into();
            state.settle(state.now);
            press(&mut state, "<Tab>G");
            drawn(&state);
            let Page::Node(page) = state.pages.current() else { panic!("still here") };
            let area = ratatui::layout::Rect::new(0, 0, width, height);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            super::draw(&state, page, area, &mut buffer);
        }
    }
}
