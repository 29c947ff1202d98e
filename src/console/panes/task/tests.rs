//! The page as it is seen.

use protocol::api::LogChunk;
use protocol::id::TaskId;
use protocol::job::Stream;

use crate::console::event::{Effect, Event, Printed, Purpose, Told};
use crate::console::panes::looked::{painted, seen};
use crate::console::sample::{self, answer, fresh, meet, picture, press};
use crate::console::state::State;
use crate::console::state::layout::Layout;
use crate::console::state::page::Page;
use crate::console::state::task::TaskPage;
use crate::console::theme::Depth;

fn open(state: &mut State, id: TaskId) {
    state.open_task(id);
    let effects = state.settle(state.now);
    answer(state, effects);
}

fn shown(size: (u16, u16), id: TaskId) -> State {
    let mut state = sample::state(size, picture(16, 9));
    open(&mut state, id);
    state
}

fn body(state: &State) -> String {
    seen(state, Layout::of(state).body)
}

fn page(state: &mut State) -> &mut TaskPage {
    match state.pages.current_mut() {
        Page::Task(page) => page,
        _ => panic!("a task's page is open"),
    }
}

/// Lost once, running now; and one that waits.
const TRIED_TWICE: TaskId = TaskId { job: protocol::id::JobId(9), index: 44 };
const FAILED: TaskId = TaskId { job: protocol::id::JobId(9), index: 38 };
const WAITING: TaskId = TaskId { job: protocol::id::JobId(9), index: 77 };

#[test]
fn the_page_fits_every_size() {
    for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12)] {
        insta::assert_snapshot!(format!("task_{width}x{height}"), body(&shown((width, height), TRIED_TWICE)));
    }
    insta::assert_snapshot!("task_failed", body(&shown((80, 24), FAILED)));
    insta::assert_snapshot!("task_waiting", body(&shown((80, 24), WAITING)));
}

#[test]
fn colours_are_those_the_terminal_has() {
    for (name, theme, depth) in
        [("true", "dark", Depth::True), ("sixteen", "default", Depth::Sixteen), ("mono", "mono", Depth::Mono)]
    {
        let mut state = fresh((80, 24), theme, depth, false);
        meet(&mut state, picture(16, 9));
        open(&mut state, FAILED);
        press(&mut state, "/loss<Enter>n");
        insta::assert_snapshot!(format!("task_{name}"), painted(&state, Layout::of(&state).body));
    }
}

#[test]
fn the_log_is_wrapped_scrolled_and_searched_by_keys() {
    let mut state = shown((60, 24), FAILED);
    press(&mut state, "gg/checkpoint<Enter>");
    assert!(body(&state).contains("/checkpoint 1 of 3"), "{}", body(&state));
    press(&mut state, "nn");
    assert!(body(&state).contains("/checkpoint 3 of 3"));
    press(&mut state, "W");
    assert!(body(&state).contains("removing what is"), "{}", body(&state));
    press(&mut state, "W");
    assert!(!body(&state).contains("removing what is"));
    press(&mut state, "<Right><Right><Right><Right><Right>");
    assert!(body(&state).contains("removing what is") && body(&state).contains("column "), "{}", body(&state));
    press(&mut state, "f");
    assert!(body(&state).contains("following") && body(&state).contains("saving 60%"));
}

#[test]
fn what_is_copied_is_the_found_line_else_what_is_seen() {
    let mut state = shown((80, 24), FAILED);
    press(&mut state, "gg");
    let effects = press(&mut state, "y");
    assert!(
        matches!(&effects[..], [Effect::Copy(text)] if text.starts_with("loading data set") && text.contains("\nstep   2")),
        "{effects:?}"
    );
    press(&mut state, "/step  30<Enter>");
    let effects = press(&mut state, "y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == "step  30  loss 0.058"), "{effects:?}");
    assert!(sample::screen(&state).contains("copied line 31 of the log"));
}

#[test]
fn after_the_link_broke_the_log_goes_on_where_it_was() {
    let mut state = shown((80, 24), FAILED);
    press(&mut state, "ggjjj");
    let before = (page(&mut state).log.len(), page(&mut state).log.seen());
    let why = "the manager went away".to_owned();
    let now = state.now;
    state.update(Event::Told(Told::Lost { why, pause: std::time::Duration::from_secs(1) }), now);
    assert!(state.settle(now).is_empty(), "nothing is asked of who is away");
    state.update(Event::Told(Told::Picture(Box::new(picture(16, 9)))), now);
    let effects = state.settle(now);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Follow(..))), "{effects:?}");
    answer(&mut state, effects);
    assert_eq!((page(&mut state).log.len(), page(&mut state).log.seen()), before);
}

#[test]
fn why_is_asked_again_while_it_waits_and_put_away_with_escape() {
    let mut state = shown((80, 24), WAITING);
    assert!(body(&state).contains("17 tasks are ahead") && body(&state).contains("draining"), "{}", body(&state));
    let now = crate::console::state::Now { mono: state.now.mono + std::time::Duration::from_secs(5), ..state.now };
    state.update(Event::Told(Told::Changes(Default::default())), now);
    let effects = state.settle(now);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask(Purpose::Task { .. }, _))), "{effects:?}");
    let mut state = shown((80, 24), FAILED);
    let effects = press(&mut state, "w");
    answer(&mut state, effects);
    assert!(body(&state).contains("failed: exit code 2"), "{}", body(&state));
    assert_eq!(state.last_command.as_deref(), Some("bramble why 9.38"));
    press(&mut state, "<Esc>");
    assert!(!body(&state).contains("failed: exit code 2") && !state.pages.current().is_home());
}

#[test]
fn another_attempt_has_another_log() {
    let mut state = shown((80, 24), TRIED_TWICE);
    let effects = press(&mut state, "a");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Follow(_, query) if query.target.to_string() == "9.44#1")),
        "{effects:?}"
    );
    answer(&mut state, effects);
    assert!(body(&state).contains("the log is of attempt #1"));
    press(&mut state, "a");
    assert!(!body(&state).contains("the log is of attempt"));
}

#[test]
fn no_size_no_key_and_no_output_makes_it_fail() {
    let mut seed = 7u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below.max(1)
    };
    let keys = [
        "j",
        "k",
        "h",
        "l",
        "gg",
        "G",
        "<PageDown>",
        "<PageUp>",
        "<C-d>",
        "<C-u>",
        "f",
        "W",
        "n",
        "N",
        "o",
        "a",
        "w",
        "y",
        "/a<Enter>",
        "/ü<Enter>",
        "<Esc>",
        "<Enter>",
        "<Space>",
        "s",
        "-",
        "+",
        "[",
        "]",
        "2",
        "z",
        "/node:pi<Enter>",
    ];
    let parts: [&[u8]; 9] = [
        b"text\n",
        b"\x1b[31m",
        b"\r",
        b"\t",
        "漢字é\u{301}👩‍👩‍👧".as_bytes(),
        b"\xff\xfe\0",
        b"\x1b]0;",
        b"\x08",
        b"aaaaaaaaaaaaaaaaaaaa",
    ];
    for round in 0..40 {
        let size = (random(101) as u16, random(41) as u16);
        let mut state = shown(size, [TRIED_TWICE, FAILED, WAITING][round % 3]);
        let mut offset = 1 << 20;
        for _ in 0..40 {
            let effects = press(&mut state, keys[random(keys.len())]);
            answer(&mut state, effects);
            if let Page::Task(page) = state.pages.current_mut() {
                let bytes: Vec<u8> = (0..random(20)).flat_map(|_| parts[random(parts.len())].to_vec()).collect();
                let stream = if random(2) == 0 { Stream::Stdout } else { Stream::Stderr };
                page.log.add(&LogChunk { stream, offset, bytes: bytes.clone().into() });
                offset += bytes.len() as u64;
            }
            if random(4) == 0 {
                let now = state.now;
                state.update(Event::Resize(random(101) as u16, random(41) as u16), now);
            }
            if random(8) == 0 {
                let now = state.now;
                state.update(Event::Printed(1, Printed::End), now);
            }
            state.settle(state.now);
            sample::drawn(&state);
        }
    }
}
