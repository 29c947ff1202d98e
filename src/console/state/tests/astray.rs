//! What comes late, twice, out of order, or from another manager than the one that was asked.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use protocol::api::{Changes, Hello, JobView, LogChunk, Picture, Reply, Request};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::Stream;

use super::home;
use crate::client::ClientError;
use crate::console::event::{Effect, Event, Left, Purpose, Told};
use crate::console::sample::{self, picture, press, screen};
use crate::console::state::State;
use crate::console::state::log::Log;
use crate::console::state::page::Page;
use crate::console::theme::Depth;

fn tell(state: &mut State, told: Told) {
    state.update(Event::Told(told), state.now);
}

fn told_and_settled(state: &mut State, told: Told) -> Vec<Effect> {
    tell(state, told);
    state.settle(state.now)
}

fn meet_another(state: &mut State, picture: Picture) {
    let hello = Hello { host_key: "SHA256:another".into(), ..sample::hello() };
    tell(state, Told::Hello(hello));
    tell(state, Told::Picture(Box::new(picture)));
}

fn asked(effects: &[Effect], of: fn(&Purpose) -> bool) -> Option<Purpose> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(purpose, _) if of(purpose) => Some(purpose.clone()),
        _ => None,
    })
}

fn newer(state: &State, id: u32) -> JobView {
    JobView { id: JobId(id), ..state.picture.jobs[0].clone() }
}

/// One key, before anything that was told has been settled.
fn key(state: &mut State, code: KeyCode) -> Vec<Effect> {
    state.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)), state.now)
}

#[test]
fn a_list_that_was_left_while_it_was_asked_for_is_asked_for_again() {
    let mut state = home();
    let tasks = |purpose: &Purpose| matches!(purpose, Purpose::Tasks { .. });
    let effects = press(&mut state, "j<Enter>");
    let purpose = asked(&effects, tasks).unwrap();
    press(&mut state, "[");
    state.update(Event::Answered(purpose, Err(ClientError::NoneHere)), state.now);
    let effects = press(&mut state, "]");
    assert!(asked(&effects, tasks).is_some(), "{effects:?}");
}

#[test]
fn a_key_means_the_job_that_was_seen_when_a_newer_one_comes_at_the_same_moment() {
    let mut state = home();
    press(&mut state, "2jk");
    let seen = state.work.current(&state.picture.jobs).and_then(|row| row.target()).unwrap();
    let jobs = vec![newer(&state, 99)];
    tell(&mut state, Told::Changes(Box::new(Changes { jobs, ..Default::default() })));
    let effects = key(&mut state, KeyCode::Char('r'));
    let [Effect::Ask(_, Request::Retry { targets })] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*targets, [seen]);
}

#[test]
fn a_key_in_the_moment_jobs_go_finds_those_that_are_left() {
    let mut state = home();
    press(&mut state, "2:unfold-all");
    let gone_jobs = state.picture.jobs.iter().skip(1).map(|job| job.id).collect();
    tell(&mut state, Told::Changes(Box::new(Changes { gone_jobs, ..Default::default() })));
    key(&mut state, KeyCode::Enter);
    assert!(state.overlay.is_none());
}

#[test]
fn nothing_that_was_meant_for_one_manager_is_done_to_another() {
    let mut state = home();
    press(&mut state, "j 2 ");
    assert_eq!((state.nodes.marks.len(), state.work.marks.len()), (1, 1));
    press(&mut state, "x");
    assert!(state.overlay.is_some());
    meet_another(&mut state, picture(6, 9));
    state.settle(state.now);
    assert!(state.overlay.is_none(), "a question about the old one is not asked any more");
    assert!(state.nodes.marks.is_empty() && state.work.marks.is_empty());
    press(&mut state, ":retry<Space>3<Enter>");
    meet_another(&mut state, picture(6, 9));
    tell(&mut state, Told::Hello(sample::hello()));
    assert!(state.repeat.is_none());
}

#[test]
fn a_deed_of_the_manager_before_cannot_be_undone_at_the_next() {
    let mut state = home();
    let effects = press(&mut state, "jd");
    let purpose = asked(&effects, |purpose| matches!(purpose, Purpose::Deed(_))).unwrap();
    meet_another(&mut state, picture(6, 9));
    state.settle(state.now);
    assert!(screen(&state).contains("nobody knows"), "what became of it is not passed over: {}", screen(&state));
    state.update(Event::Answered(purpose, Ok(Reply::Done { tasks: 1 })), state.now);
    assert!(state.undo.is_none());
}

#[test]
fn an_answer_of_the_manager_before_is_not_taken_for_one_of_the_next() {
    let mut state = home();
    let history = |purpose: &Purpose| matches!(purpose, Purpose::History { .. });
    let before = asked(&press(&mut state, "j<Enter>"), history).unwrap();
    meet_another(&mut state, picture(6, 9));
    state.settle(state.now);
    let after = asked(&press(&mut state, "j<Enter>"), history).unwrap();
    assert_ne!(before, after);
}

#[test]
fn tasks_of_the_manager_before_are_not_shown_below_jobs_of_the_next() {
    let mut state = home();
    let effects = press(&mut state, "2<Right>");
    sample::answer(&mut state, effects);
    let job = state.picture.jobs[0].id;
    assert!(state.work.first_known_task(job).is_some());
    meet_another(&mut state, picture(6, 9));
    state.settle(state.now);
    assert!(state.work.first_known_task(job).is_none());
}

#[test]
fn an_answer_to_a_filter_of_before_does_not_stay() {
    let mut state = home();
    let tasks = |purpose: &Purpose| matches!(purpose, Purpose::Tasks { .. });
    let before = asked(&press(&mut state, "2<Right>"), tasks).unwrap();
    let effects = press(&mut state, "/state:failed<Enter>");
    let after = asked(&effects, tasks).unwrap();
    assert_ne!(before, after, "answers may overtake each other");
}

#[test]
fn too_long_a_paste_is_cut_and_holds_nobody_up() {
    let mut state = home();
    press(&mut state, "/");
    state.update(Event::Paste("ü".repeat(9000)), state.now);
    assert_eq!(state.nodes.filter.text().chars().count(), 4096);
}

#[test]
fn what_is_copied_is_what_is_seen() {
    let mut state = home();
    let mut events = sample::events();
    events[0].no = 1_000_000;
    events[0].what =
        protocol::event::What::StopAsked { target: Target::Job(JobId(3)), reason: "x\nrm -rf ~\n\u{1b}[2J".into() };
    told_and_settled(&mut state, Told::Past(events));
    let effects = press(&mut state, "3y");
    let [Effect::Copy(text)] = &effects[..] else { panic!("{effects:?}") };
    assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
}

#[test]
fn logs_of_pages_far_away_are_not_kept_and_come_again() {
    let mut state = home();
    for index in 0..8 {
        let mut effects = state.open_task(TaskId::new(9, index));
        effects.extend(state.settle(state.now));
        sample::answer(&mut state, effects);
    }
    let kept = |state: &State| {
        let logs = state.pages.trail().iter().map(|page| matches!(page, Page::Task(page) if !page.log.is_empty()));
        logs.collect::<Vec<bool>>()
    };
    assert_eq!(kept(&state), [false, false, false, false, false, false, true, true, true]);
    let effects = press(&mut state, "[[[[");
    assert_eq!(kept(&state).last(), Some(&false));
    sample::answer(&mut state, effects);
    assert_eq!(kept(&state).last(), Some(&true));
}

#[test]
fn a_console_that_only_looks_installs_nothing() {
    let mut state = sample::fresh((120, 40), "default", Depth::Sixteen, false);
    tell(&mut state, Told::Lost { why: "no manager runs here".into(), pause: Duration::from_secs(5) });
    assert!(press(&mut state, "j<Enter>").contains(&Effect::Leave(Left::Install)));
    state.read_only = true;
    assert_eq!(press(&mut state, "<Enter>"), []);
}

#[test]
fn what_could_not_be_sent_stays_marked() {
    let mut state = home();
    press(&mut state, "2 x");
    tell(&mut state, Told::Lost { why: "it went away".into(), pause: Duration::from_secs(5) });
    assert_eq!(press(&mut state, "<Tab><Enter>"), []);
    assert!(screen(&state).contains("nothing was sent"), "{}", screen(&state));
    assert_eq!(state.work.marks.len(), 1);
}

#[test]
fn a_log_told_from_beyond_all_numbers_stops_nothing() {
    let mut log = Log::default();
    for offset in [u64::MAX, 0] {
        log.add(&LogChunk { stream: Stream::Stdout, offset, bytes: b"one\n".to_vec().into() });
    }
    assert_eq!(log.len(), 1);
}
