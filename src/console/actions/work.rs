//! What is done to jobs and tasks: in the list of work, and on a task's page.

use protocol::api::{Request, Right};
use protocol::id::Target;

use super::targets::{self, listed, spaced};
use super::{Acted, Action, Layer, Takes};
use crate::console::state::deed::Deed;
use crate::console::state::dialog::Dialog;
use crate::console::state::page::Page;
use crate::console::state::prompt::{Kind, Prompt};
use crate::console::state::work::Row;
use crate::console::state::{Overlay, State};
use crate::text;

const BOTH: &[Layer] = &[Layer::Work, Layer::Task];
const HERE: &[Layer] = &[Layer::Work];

pub const ACTIONS: &[Action] = &[
    Action::new("logs", HERE, "Show what a task prints", logs).hint(|_| "log").takes(Takes::Targets),
    Action::new("stop", BOTH, "Stop these jobs or tasks", stop)
        .hint(|_| "stop")
        .takes(Takes::Targets)
        .needs(Right::Operator)
        .dangerous(),
    Action::new("retry", BOTH, "Run these again, those that have ended", retry)
        .hint(|_| "run again")
        .takes(Takes::Targets)
        .needs(Right::Operator),
    Action::new("why", BOTH, "Say why it waits, or what became of it", why).hint(|_| "why").takes(Takes::Targets),
    Action::new("active", HERE, "Show only what has not ended, or everything", active).hint(|_| "active"),
    Action::new("unfold-all", HERE, "Unfold every job that is shown", unfold_all),
    Action::new("fold-all", HERE, "Fold every job", fold_all),
    Action::new("run", &[Layer::Global], "Run a command on a node: run COMMAND…", run)
        .takes(Takes::Command)
        .needs(Right::Operator),
];

fn logs(state: &mut State, words: &[String]) -> Acted {
    let target = targets::targets(state, words)?.into_iter().next();
    let task = match target {
        Some(Target::Task(task)) => task,
        Some(Target::Attempt(attempt)) => attempt.task,
        Some(Target::Job(id)) => match state.work.current(&state.picture.jobs) {
            Some(Row::Job { job, .. }) if job.id == id => state.first_task(job),
            _ => protocol::id::TaskId { job: id, index: 0 },
        },
        Some(Target::Range { job, first, .. }) => protocol::id::TaskId { job, index: first },
        None => return Ok(vec![]),
    };
    Ok(state.open_task(task))
}

fn stop(state: &mut State, words: &[String]) -> Acted {
    let targets = targets::targets(state, words)?;
    if targets.iter().all(|target| over(state, target)) {
        let have = if targets.len() == 1 { "has" } else { "have" };
        return Err(format!("{} {have} ended: there is nothing to stop", listed(&targets)));
    }
    let reason = state.me.as_ref().map(|me| format!("by {} in the console", me.person));
    let deed = Deed {
        requests: vec![Request::Stop { targets: targets.clone(), reason }],
        command: format!("bramble stop {}", spaced(&targets)),
        done: format!("stop of {} asked", listed(&targets)),
        undo: None,
    };
    let hit = match whole_jobs(state, &targets) {
        Some((0, 0)) | None => {
            "What runs is asked to end, and killed if that is not enough; what waits is never started.".to_owned()
        }
        Some((running, 0)) => format!("{} asked to end, and killed if that is not enough.", are(running)),
        Some((0, waiting)) => format!("{} never started.", are(waiting)),
        Some((running, waiting)) => {
            format!("{} asked to end, and killed if that is not enough; {} never started.", are(running), are(waiting))
        }
    };
    let text = vec![hit, "It can be run again from the beginning.".into()];
    let dialog = Dialog::ask(format!("Stop {}?", listed(&targets)), text, "Stop", deed);
    state.overlay = Some(Overlay::Dialog(dialog));
    Ok(vec![])
}

/// How many tasks of these jobs run and wait; `None` where single tasks are meant, or jobs that are not in the picture.
fn whole_jobs(state: &State, targets: &[Target]) -> Option<(u32, u32)> {
    targets.iter().try_fold((0u32, 0u32), |(running, waiting), target| {
        let Target::Job(id) = target else { return None };
        let counts = state.picture.jobs.iter().find(|job| job.id == *id)?.counts;
        let runs = counts.running.saturating_add(counts.starting);
        Some((running.saturating_add(runs), waiting.saturating_add(counts.queued)))
    })
}

fn are(tasks: u32) -> String {
    format!("{} {}", text::count(tasks, "task"), if tasks == 1 { "is" } else { "are" })
}

/// Whether nothing of its job is left to stop, as far as that is known.
fn over(state: &State, target: &Target) -> bool {
    let id = match target {
        Target::Job(id) => *id,
        Target::Range { job, .. } => *job,
        Target::Task(task) => task.job,
        Target::Attempt(attempt) => attempt.task.job,
    };
    let job = state.picture.jobs.iter().find(|job| job.id == id);
    job.is_some_and(|job| job.counts.total() > 0 && job.counts.ended() == job.counts.total())
}

fn retry(state: &mut State, words: &[String]) -> Acted {
    let targets = targets::targets(state, words)?;
    state.do_deed(Deed {
        requests: vec![Request::Retry { targets: targets.clone() }],
        command: format!("bramble retry {}", spaced(&targets)),
        done: format!("{} queued again", listed(&targets)),
        undo: None,
    })
}

fn why(state: &mut State, words: &[String]) -> Acted {
    let target = targets::targets(state, words)?.into_iter().next();
    if !state.link.live() {
        return Err("the manager is away: it cannot be asked now".into());
    }
    match (target, state.pages.current_mut()) {
        (Some(Target::Task(id)), Page::Task(page)) if page.id == id => {
            let effect = page.ask_why();
            state.last_command = Some(format!("bramble why {id}"));
            Ok(vec![effect])
        }
        (Some(target), _) => Ok(state.ask_why(target)),
        (None, _) => Ok(vec![]),
    }
}

fn active(state: &mut State, _: &[String]) -> Acted {
    state.work.active = !state.work.active;
    state.settings.work_active = state.work.active;
    Ok(state.keep())
}

fn unfold_all(state: &mut State, _: &[String]) -> Acted {
    let pages = &mut state.pages;
    state.work.unfold_all(&state.picture.jobs, || pages.number());
    Ok(vec![])
}

fn fold_all(state: &mut State, _: &[String]) -> Acted {
    state.work.fold_all(&state.picture.jobs);
    Ok(vec![])
}

fn run(state: &mut State, words: &[String]) -> Acted {
    if words.is_empty() {
        state.overlay = Some(Overlay::Prompt(Prompt::new(Kind::Palette, "run ")));
        return Ok(state.prompt_changed());
    }
    let spec = protocol::job::JobSpec::of(words.iter().map(String::as_str));
    spec.check().map_err(|error| error.to_string())?;
    state.do_deed(Deed {
        command: format!("bramble run -- {}", text::shell_line(words)),
        requests: vec![Request::Submit(spec)],
        done: "submitted".into(),
        undo: None,
    })
}
