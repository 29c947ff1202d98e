//! The grid as it is seen, and how much of it changes.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use protocol::api::{Changes, NodeMetrics, NodeView};
use protocol::node::{Metrics, NodeState, Throttle};
use protocol::unit::{Bytes, Celsius, Percent};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::console::event::{Event, Told};
use crate::console::sample::{drawn, fresh, meet, picture, press, screen, state};
use crate::console::state::nodes::NodesView;
use crate::console::state::{Now, State};
use crate::console::theme::Depth;

/// The left pane alone, or the whole screen where there is one pane at a time.
fn pane(state: &State) -> String {
    let (screen, wide) = (screen(state), state.size.width >= 100 && state.size.height >= 30);
    let width = usize::from(state.size.width * state.settings.nodes_width / 100);
    let rows = screen.lines().skip(if wide { 1 } else { 2 });
    let rows: Vec<String> = rows.map(|row| row.chars().take(if wide { width } else { 200 }).collect()).collect();
    rows[..rows.len() - 1].join("\n")
}

/// Few nodes, in every state there is.
fn shelf() -> Vec<NodeView> {
    let mut nodes = picture(6, 0).nodes;
    nodes[1].facts.simulated = true;
    nodes[2].draining = true;
    nodes[2].revoked = true;
    nodes[3].shared_uid = true;
    let metrics = nodes[4].metrics.as_mut().unwrap();
    metrics.throttle = Some(Throttle { throttled_since_boot: true, ..Default::default() });
    // A board without a thermometer, which has just begun to tell.
    nodes[5].metrics = Some(Metrics { cpu: Percent::new(3.0), ..Default::default() });
    nodes[6].state = NodeState::Reachable;
    nodes[6].metrics = None;
    nodes
}

fn shelf_state(size: (u16, u16)) -> State {
    let mut picture = picture(6, 0);
    picture.nodes = shelf();
    state(size, picture)
}

fn viewed(size: (u16, u16), workers: u32, view: NodesView) -> State {
    let mut state = state(size, picture(workers, 9));
    state.nodes.view = Some(view);
    state.settle(state.now);
    state
}

#[test]
fn cards_say_what_is_known_and_nothing_else() {
    assert_snapshot!("cards_160x50", pane(&shelf_state((160, 50))));
    assert_snapshot!("cards_80x24", pane(&shelf_state((80, 24))));
    assert_snapshot!("cards_120x40", pane(&state((120, 40), picture(16, 9))));
    assert_snapshot!("cards_40x12", pane(&viewed((40, 12), 3, NodesView::Cards)));
}

#[test]
fn lines_have_the_columns_that_fit() {
    assert_snapshot!("lines_160x50", pane(&viewed((160, 50), 40, NodesView::Lines)));
    assert_snapshot!("lines_120x40", pane(&viewed((120, 40), 40, NodesView::Lines)));
    assert_snapshot!("lines_40x12", pane(&viewed((40, 12), 16, NodesView::Lines)));
    let mut wide = shelf_state((160, 20));
    wide.nodes.view = Some(NodesView::Lines);
    press(&mut wide, "scp<Esc>");
    assert_snapshot!("lines_160x20", pane(&wide));
}

#[test]
fn a_map_tells_about_the_node_under_the_cursor() {
    let mut state = viewed((120, 40), 40, NodesView::Heat);
    press(&mut state, "jl");
    assert_snapshot!("heat_120x40", pane(&state));
    assert_snapshot!("heat_80x24", pane(&viewed((80, 24), 300, NodesView::Heat)));
}

#[test]
fn a_terminal_without_unicode_has_everything_in_ascii() {
    for view in VIEWS {
        let mut state = fresh((160, 50), "mono", Depth::Mono, true);
        let mut picture = picture(6, 0);
        picture.nodes = shelf();
        state.nodes.view = Some(view);
        meet(&mut state, picture);
        assert!(pane(&state).is_ascii(), "{}", pane(&state));
        if view == NodesView::Cards {
            assert_snapshot!("cards_ascii", pane(&state));
        }
    }
}

/// Cells that a reader without colour can tell from plain text.
fn lit(buffer: &Buffer, modifier: Modifier) -> String {
    buffer.content.iter().filter(|cell| cell.modifier.contains(modifier)).map(|cell| cell.symbol()).collect()
}

#[test]
fn without_colour_the_cursor_is_seen_in_every_view() {
    for view in VIEWS {
        let mut state = fresh((120, 40), "default", Depth::Mono, false);
        state.nodes.view = Some(view);
        meet(&mut state, picture(20, 0));
        press(&mut state, "l");
        let here = state.nodes.current(&state.picture.nodes).unwrap().name.to_string();
        let buffer = drawn(&state);
        assert!(lit(&buffer, Modifier::REVERSED).contains(&here), "{view:?}");
        assert!(buffer.content.iter().all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)));
    }
}

#[test]
fn no_size_is_too_small() {
    for view in VIEWS {
        let mut state = viewed((100, 40), 30, view);
        for width in (0..=100).step_by(4).chain([1, 2, 3, 29, 31, 99]) {
            for height in [0, 1, 2, 3, 5, 8, 9, 12, 24, 40] {
                state.size = (width, height).into();
                state.settle(state.now);
                let area = ratatui::layout::Rect::new(0, 0, width, height);
                let mut buffer = Buffer::empty(area);
                super::draw(&state, area, &mut buffer);
                drawn(&state);
            }
        }
    }
}

/// What a tick of metrics tells; `by` is how far every number goes, in hundredths of what is plausible.
fn tick(state: &State, by: impl Fn(usize) -> f32) -> Event {
    let news = |(at, node): (usize, &NodeView)| {
        let (old, by) = (node.metrics.clone()?, by(at));
        let moved = |bytes: Option<Bytes>| bytes.map(|bytes| Bytes((bytes.0 as f32 * (1.0 + by / 10.0)) as u64));
        let metrics = Metrics {
            cpu: old.cpu.and_then(|cpu| Percent::new(cpu.value() + by * 1.9)),
            memory_used: old.memory_used.map(|used| Bytes(used.0.saturating_add_signed((by * 15e6) as i64))),
            temperature: old.temperature.and_then(|degrees| Celsius::new(degrees.value() + by * 0.9)),
            net_in: moved(old.net_in),
            net_out: moved(old.net_out),
            ..old
        };
        let (name, role) = (node.name.clone(), node.role);
        let (running_cpus, running, finished) = (node.running_cpus, node.running, node.finished);
        Some(NodeMetrics { name, role, metrics, running_cpus, running, finished })
    };
    let metrics = state.picture.nodes.iter().enumerate().filter_map(news).collect();
    Event::Told(Told::Changes(Box::new(Changes { at: state.picture.at, metrics, ..Default::default() })))
}

/// Cells and bytes to the terminal for this event, a second after the one before.
fn cost(state: &mut State, event: Event) -> (usize, usize) {
    let before = drawn(state);
    let now = Now { mono: state.now.mono + Duration::from_secs(1), ..state.now };
    state.update(event, now);
    state.settle(now);
    let after = drawn(state);
    let changed = before.diff(&after);
    let cells = changed.len();
    let mut sent = vec![];
    CrosstermBackend::new(&mut sent).draw(changed.into_iter()).unwrap();
    (cells, sent.len())
}

const VIEWS: [NodesView; 3] = [NodesView::Cards, NodesView::Lines, NodesView::Heat];

#[test]
fn a_tick_of_noise_changes_nothing_that_is_seen() {
    for view in VIEWS {
        let mut state = viewed((120, 40), 16, view);
        // Around where it began, never farther.
        for swing in [1.0, -1.0, -1.0, 1.0, 0.5, -0.5] {
            let event = tick(&state, |at| if at % 2 == 0 { swing } else { -swing });
            let (cells, bytes) = cost(&mut state, event);
            assert_eq!(cells, 0, "{view:?}: {bytes} bytes");
        }
    }
}

#[test]
fn a_tick_in_which_everything_moves_is_less_than_a_kilobyte() {
    for view in VIEWS {
        let mut state = viewed((120, 40), 16, view);
        let costs: Vec<(usize, usize)> = (0..6)
            .map(|round| {
                let event = tick(&state, |at| if (at + round / 2) % 2 == 0 { 3.0 } else { -3.0 });
                cost(&mut state, event)
            })
            .collect();
        println!("{view:?}: cells and bytes of six ticks {costs:?}");
        assert!(costs.iter().any(|(cells, _)| *cells > 0), "what moves is seen");
        assert!(costs.iter().all(|(_, bytes)| *bytes < 1024), "{view:?}: {costs:?}");
    }
}

#[test]
fn ten_thousand_nodes_are_drawn_as_quickly_as_those_that_are_seen() {
    let mut state = state((120, 40), picture(10_000, 9));
    let event = tick(&state, |_| 1.0);
    state.update(event, state.now);
    state.now.mono += Duration::from_secs(5);
    let best = |mut act: Box<dyn FnMut() + '_>| {
        let once = |act: &mut dyn FnMut()| {
            let began = Instant::now();
            act();
            began.elapsed()
        };
        (0..5).map(|_| once(&mut act)).min().unwrap()
    };
    let settle = best(Box::new(|| drop(state.settle(state.now))));
    let draw = best(Box::new(|| drop(drawn(&state))));
    println!("10,000 nodes, not optimised: settle {settle:?}, draw {draw:?}");
    assert!(settle < Duration::from_millis(400) && draw < Duration::from_millis(400), "{settle:?} {draw:?}");
}

#[test]
fn nodes_stand_in_the_order_in_which_people_count_the_manager_first() {
    let mut picture = picture(12, 0);
    for (number, node) in picture.nodes.iter_mut().enumerate().skip(1) {
        node.name = format!("pi-{number}").parse().unwrap();
    }
    picture.nodes.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
    let state = state((120, 40), picture);
    let names = (0..13).map(|item| state.nodes.get(&state.picture.nodes, item).unwrap().name.to_string());
    let names: Vec<String> = names.collect();
    assert_eq!(names[..4], ["shelf", "pi-1", "pi-2", "pi-3"]);
    assert_eq!(names[10..], ["pi-10", "pi-11", "pi-12"]);
}

#[test]
fn the_cursor_stays_on_its_node_when_the_order_changes() {
    let mut state = state((120, 40), picture(16, 0));
    press(&mut state, "jl");
    let here = |state: &State| state.nodes.current(&state.picture.nodes).unwrap().name.to_string();
    let name = here(&state);
    for keys in ["s", "s", "S", "s", "vj", "k"] {
        press(&mut state, keys);
    }
    press(&mut state, "/pi<Enter>");
    assert_eq!(here(&state), name);
}

#[test]
fn what_is_not_known_comes_last_in_either_direction() {
    let mut state = shelf_state((120, 40));
    let last =
        |state: &State| state.nodes.get(&state.picture.nodes, 6).unwrap().metrics.as_ref().map(|m| m.temperature);
    press(&mut state, "ssss");
    assert_eq!(state.nodes.sort.word(), "heat");
    assert!(last(&state).flatten().is_none());
    press(&mut state, "S");
    assert!(last(&state).flatten().is_none());
}

#[test]
fn marks_are_seen_counted_and_gone_with_their_node() {
    let mut state = state((120, 40), picture(5, 0));
    press(&mut state, "l  ");
    assert!(screen(&state).contains("2 marked"));
    assert_eq!(screen(&state).matches('▌').count() - bars(&state), 2);
    let gone = Changes { gone_nodes: vec!["pi-1".parse().unwrap()], ..Default::default() };
    state.update(Event::Told(Told::Changes(Box::new(gone))), state.now);
    state.settle(state.now);
    assert!(screen(&state).contains("1 marked"));
}

/// Half cells at the end of a bar look like a mark.
fn bars(state: &State) -> usize {
    screen(state).matches("█▌").count() + screen(state).matches("▌░").count() - screen(state).matches("█▌░").count()
}
