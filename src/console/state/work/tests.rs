//! Keys and news go in, rows come out.

use protocol::api::{Changes, JobView};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Counts, TaskState};

use crate::console::event::{Effect, Event, Purpose, Told};
use crate::console::sample::{self, answer, picture, press};
use crate::console::state::State;

fn shown(keys: &str) -> State {
    let mut state = sample::state((120, 40), picture(16, 18));
    let effects = press(&mut state, &format!("2{keys}"));
    answer(&mut state, effects);
    state
}

fn under_cursor(state: &State) -> Target {
    state.work.current(&state.picture.jobs).and_then(|row| row.target()).unwrap()
}

fn tell(state: &mut State, changes: Changes) {
    let now = state.now;
    state.update(Event::Told(Told::Changes(Box::new(changes))), now);
    let effects = state.settle(now);
    answer(state, effects);
}

fn newer(state: &State, id: u32) -> JobView {
    JobView { id: JobId(id), ..state.picture.jobs[0].clone() }
}

#[test]
fn the_cursor_stays_on_its_job_and_the_job_on_its_line() {
    let mut state = shown("GGkk");
    let (at, line) = (under_cursor(&state), state.work.scroll.cursor - state.work.scroll.top);
    let scrolled = state.work.scroll.top > 0;
    let news = (19..25).map(|id| newer(&state, id)).collect();
    tell(&mut state, Changes { jobs: news, ..Default::default() });
    assert_eq!(under_cursor(&state), at);
    assert!(!scrolled || state.work.scroll.cursor - state.work.scroll.top == line);
    let gone = state.picture.jobs.iter().map(|job| job.id).filter(|id| Target::Job(*id) == at).collect();
    tell(&mut state, Changes { gone_jobs: gone, ..Default::default() });
    let next = under_cursor(&state);
    let news = vec![newer(&state, 30)];
    tell(&mut state, Changes { jobs: news, ..Default::default() });
    assert_eq!(under_cursor(&state), next, "what came into the place of a forgotten one is kept as well");
}

#[test]
fn the_cursor_stays_on_its_task_when_others_leave_the_list() {
    let mut state = shown("/state:running<Enter>gg<Right>jjj");
    let at = under_cursor(&state);
    assert_eq!(at, Target::Task(TaskId::new(18, 41)), "the third that runs");
    let mut job = state.picture.jobs[0].clone();
    // The recorded manager lists ended tasks first: two more succeeded, so two fewer run.
    job.counts = Counts { running: job.counts.running - 2, succeeded: job.counts.succeeded + 2, ..job.counts };
    tell(&mut state, Changes { jobs: vec![job], ..Default::default() });
    state.now.mono += std::time::Duration::from_secs(1);
    let effects = state.settle(state.now);
    answer(&mut state, effects);
    assert_eq!(under_cursor(&state), at);
}

#[test]
fn jumps_through_a_hundred_thousand_tasks_keep_the_cursor_where_it_went() {
    let mut state = shown("");
    let mut job = newer(&state, 19);
    job.counts = Counts { running: 40, queued: 99_960, ..Default::default() };
    tell(&mut state, Changes { jobs: vec![job], ..Default::default() });
    press(&mut state, "gg<Right>");
    assert_eq!(state.work.len(), 100_000 + state.work.jobs());
    press(&mut state, "jjj");
    state.work.go_to(99_000, &state.picture.jobs.clone());
    let effects = state.settle(state.now);
    assert_eq!(under_cursor(&state), Target::Task(TaskId::new(19, 98_999)), "known before it was told");
    let pages: Vec<u32> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ask(Purpose::Tasks { page, .. }, _) => Some(*page),
            _ => None,
        })
        .collect();
    assert!(pages.contains(&494) && pages.len() <= 2, "only what is seen is asked for: {pages:?}");
    answer(&mut state, effects);
    assert_eq!(under_cursor(&state), Target::Task(TaskId::new(19, 98_999)));
    assert_eq!(state.work.scroll.cursor, 99_000);
}

#[test]
fn a_state_in_the_filter_narrows_tasks_too_and_so_does_its_opposite() {
    let rows = |keys: &str| shown(keys).work.len();
    assert_eq!(rows("gg<Right>/state:failed sweep<Enter>"), 2 + 2, "two jobs, and the two failed tasks of one");
    let state = shown("gg<Right>/!state:queued sweep<Enter>");
    assert_eq!(state.work.len(), 0, "all of them have tasks that wait");
    let state = shown("gg<Right>/state:run !state:failed<Enter>");
    assert!(state.work.jobs() > 0);
}

#[test]
fn a_node_in_the_filter_shows_the_tasks_that_are_there() {
    let mut state = sample::state((120, 40), picture(3, 9));
    let effects = press(&mut state, "2/node:pi-2 state:running owner:ana<Enter>");
    answer(&mut state, effects);
    let rows: Vec<TaskId> = (0..state.work.len())
        .filter_map(|row| match state.work.get(&state.picture.jobs, row)?.target()? {
            Target::Task(id) => Some(id),
            _ => None,
        })
        .collect();
    let owners = |id: &TaskId| state.picture.jobs.iter().any(|job| job.id == id.job && job.owner.as_str() == "ana");
    assert!(!rows.is_empty() && rows.len() == state.work.len() && rows.iter().all(owners), "{rows:?}");
    let effects = press(&mut state, "<Enter>");
    assert!(state.pages.current().is_task(rows[0]));
    drop(effects);
    press(&mut state, "q<Esc>");
    assert!(state.work.nodes().is_none() && state.work.jobs() == 9, "without the filter there are jobs again");
}

#[test]
fn why_is_told_over_the_list_and_may_be_copied() {
    let mut state = shown("");
    let effects = press(&mut state, "w");
    answer(&mut state, effects);
    assert_eq!(state.last_command.as_deref(), Some("bramble why 18"));
    let screen = sample::screen(&state);
    assert!(screen.contains("waits for a free CPU") && screen.contains("full: 4 of 4 busy"), "{screen}");
    let effects = press(&mut state, "<Tab><Enter>");
    assert!(matches!(&effects[..], [Effect::Copy(command)] if command.starts_with("bramble why 18.")), "{effects:?}");
    assert!(state.pages.current().is_home());
}

#[test]
fn a_job_of_one_task_opens_it_and_has_nothing_to_unfold() {
    let mut state = shown("ggj");
    press(&mut state, "<Right>+");
    assert!(!state.work.is_unfolded(JobId(17)));
    press(&mut state, "<Enter>");
    assert!(state.pages.current().is_task(TaskId::new(17, 0)));
}

#[test]
fn every_order_is_the_same_twice_and_turns_round() {
    let mut state = shown("");
    for column in super::WorkColumn::ALL {
        state.work.sort = column;
        state.work.refresh(&state.picture.jobs);
        let one = state.work.order.clone();
        state.work.refresh(&state.picture.jobs);
        assert_eq!(state.work.order, one);
        state.work.reverse = true;
        state.work.refresh(&state.picture.jobs);
        assert!(state.work.order.iter().eq(one.iter().rev()));
        state.work.reverse = false;
    }
    state.work.sort = super::WorkColumn::State;
    state.work.refresh(&state.picture.jobs);
    let first = state.picture.jobs[state.work.order[0]].state;
    assert_eq!(first, TaskState::Running, "what goes on comes first");
}
