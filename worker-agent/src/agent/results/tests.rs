//! Which results go, in which order, and what becomes of those that do not.

use super::*;
use crate::agent::folder;

fn id(text: &str) -> AttemptId {
    text.parse().unwrap()
}

fn place() -> (tempfile::TempDir, Layout, Results) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
    folder::prepare(&layout).unwrap();
    let mut results = Results::default();
    results.welcomed(true);
    (dir, layout, results)
}

fn next(results: &mut Results, layout: &Layout) -> Option<Job> {
    results.next(layout, false, || None)
}

fn refused(for_good: bool) -> Result<(), SendError> {
    Err(SendError::Refused { reason: "no room".into(), for_good })
}

/// As if all of them had waited long enough.
fn be_due(results: &mut Results) {
    results.queue.iter_mut().for_each(|waiting| waiting.not_before = None);
}

#[test]
fn only_what_has_something_in_it_has_to_go_ahead_and_only_where_somebody_takes_it() {
    let (_dir, layout, mut results) = place();
    let attempt = id("1.0#1");
    assert_eq!(results.settled(&layout, attempt), Some(Settled::Well), "no folder");
    folder::make(&layout, attempt, None).unwrap();
    assert_eq!(results.settled(&layout, attempt), Some(Settled::Well), "nothing in it");
    std::fs::write(layout.out(attempt).join("file"), "").unwrap();
    assert_eq!(results.settled(&layout, attempt), None);
    results.welcomed(false);
    assert_eq!(results.settled(&layout, attempt), Some(Settled::Well), "nobody wants it");
    results.enqueue(attempt);
    assert!(next(&mut results, &layout).is_none());
    results.welcomed(true);
    std::fs::remove_dir_all(layout.out(attempt)).unwrap();
    std::os::unix::fs::symlink("/etc", layout.out(attempt)).unwrap();
    let lost = results.settled(&layout, attempt).and_then(Settled::lost);
    assert_eq!(lost.unwrap(), "out is not a folder any more");
}

/// Has left something.
fn left(layout: &Layout, attempt: &str) -> AttemptId {
    let attempt = id(attempt);
    folder::make(layout, attempt, None).unwrap();
    std::fs::write(layout.out(attempt).join("file"), "").unwrap();
    attempt
}

#[test]
fn small_results_pass_large_ones_however_many_there_are() {
    let (_dir, layout, mut results) = place();
    for index in 0..6 {
        results.enqueue(id(&format!("1.{index}#1")));
    }
    let begun = |results: &mut Results| next(results, &layout).map(|job| (job.attempt.to_string(), job.most));
    for (attempt, most) in [("1.0#1", None), ("1.1#1", None), ("1.2#1", Some(SMALL)), ("1.3#1", Some(SMALL))] {
        assert_eq!(begun(&mut results), Some((attempt.to_owned(), most)));
    }
    assert_eq!(begun(&mut results), None, "no more threads than that");
    assert!(!results.done(id("1.2#1"), Err(SendError::Large)), "there is no place for it yet");
    assert_eq!(begun(&mut results), Some(("1.4#1".into(), Some(SMALL))), "a small one passes it");
    assert!(results.done(id("1.4#1"), Ok(())));
    assert!(results.done(id("1.0#1"), Ok(())));
    assert_eq!(begun(&mut results), Some(("1.2#1".into(), None)), "it kept its place");
    assert!(!results.done(id("1.2#1"), refused(false)));
    be_due(&mut results);
    assert_eq!(begun(&mut results), Some(("1.5#1".into(), None)));
    assert_eq!(begun(&mut results), None, "what is known to be large is not looked at again");
}

#[test]
fn a_stop_ends_the_waiting_for_a_manager_that_does_not_take_it() {
    let (_dir, layout, mut results) = place();
    let lost = |results: &Results, attempt| results.settled(&layout, attempt).and_then(Settled::lost);
    let sentence = "its task was stopped before the manager could keep it (no room)";
    // It has been refused.
    let refused_once = left(&layout, "1.0#1");
    results.enqueue(refused_once);
    next(&mut results, &layout).unwrap();
    assert!(!results.done(refused_once, refused(false)));
    assert!(results.stop(&layout, refused_once, true));
    assert_eq!(lost(&results, refused_once).unwrap(), sentence);
    assert!(results.queue.is_empty());
    assert!(!results.stop(&layout, refused_once, true), "told once");
    // It is tried again just now.
    let tried_again = left(&layout, "1.1#1");
    results.enqueue(tried_again);
    next(&mut results, &layout).unwrap();
    assert!(!results.done(tried_again, refused(false)));
    be_due(&mut results);
    let mut job = next(&mut results, &layout).unwrap();
    assert!(results.stop(&layout, tried_again, false));
    assert!(job.wanted.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    results.done(tried_again, Err(SendError::Cancelled));
    assert_eq!(lost(&results, tried_again).unwrap(), sentence);
}

#[test]
fn a_result_that_is_on_its_way_outlives_a_stop_and_is_tried_no_more_than_once() {
    let (_dir, layout, mut results) = place();
    let lost = |results: &Results, attempt| results.settled(&layout, attempt).and_then(Settled::lost);
    let [well, late, stopped] = ["1.0#1", "1.1#1", "1.2#1"].map(|attempt| left(&layout, attempt));
    // Before anybody knows that there is something to bring.
    assert!(!results.stop(&layout, late, false));
    for attempt in [well, late, stopped] {
        results.enqueue(attempt);
        next(&mut results, &layout).unwrap();
    }
    assert!(!results.stop(&layout, well, false));
    assert!(results.done(well, Ok(())));
    assert_eq!(results.settled(&layout, well), Some(Settled::Well));
    assert!(!results.done(late, Err(SendError::Broken("cut".into()))), "that is nobody's no");
    be_due(&mut results);
    next(&mut results, &layout).unwrap();
    assert!(results.done(late, refused(false)));
    assert!(lost(&results, late).unwrap().starts_with("its task was stopped before"));
    // Said again after a new link: what a stopped task left is as welcome as any.
    assert!(!results.stop(&layout, stopped, true));
    assert!(!results.done(stopped, refused(false)));
    assert_eq!(results.settled(&layout, stopped), None);
    results.forget(well);
    results.forget(late);
    assert!(results.last_try.is_empty());
}

#[test]
fn one_that_is_not_taken_holds_up_no_other() {
    let (_dir, layout, mut results) = place();
    for attempt in ["1.0#1", "1.1#1", "1.3#1", "1.4#1", "1.2#1", "1.0#1"] {
        results.enqueue(id(attempt));
    }
    let jobs = [next(&mut results, &layout).unwrap(), next(&mut results, &layout).unwrap()];
    assert_eq!(jobs.each_ref().map(|job| job.attempt), [id("1.0#1"), id("1.1#1")]);
    for _ in ["1.3#1", "1.4#1"] {
        next(&mut results, &layout).unwrap();
    }
    assert!(next(&mut results, &layout).is_none());
    results.enqueue(id("1.0#1"));
    assert_eq!(results.queue.len(), 1, "it is on its way");
    assert!(!results.done(id("1.0#1"), refused(false)));
    assert_eq!(next(&mut results, &layout).unwrap().attempt, id("1.2#1"));
    assert!(results.done(id("1.1#1"), Ok(())));
    assert!(next(&mut results, &layout).is_none(), "it waits for its time");
    assert!(results.wants_ticks());
    be_due(&mut results);
    assert_eq!(next(&mut results, &layout).unwrap().attempt, id("1.0#1"));
    assert_eq!(results.settled(&layout, id("1.1#1")), Some(Settled::Well));
}

#[test]
fn what_cannot_come_is_told_and_not_tried_for_ever() {
    let (_dir, layout, mut results) = place();
    let lost = |results: &Results, attempt| results.settled(&layout, attempt).and_then(Settled::lost);
    for (attempt, result) in [("1.0#1", refused(true)), ("1.1#1", Err(SendError::Never("too many".into())))] {
        results.enqueue(id(attempt));
        next(&mut results, &layout).unwrap();
        assert!(results.done(id(attempt), result));
    }
    assert_eq!(lost(&results, id("1.0#1")).unwrap(), "no room");
    assert_eq!(lost(&results, id("1.1#1")).unwrap(), "too many");
    let torn = id("1.2#1");
    results.enqueue(torn);
    for (result, again) in [
        (Err(SendError::Torn("it changed".into())), true),
        (Err(SendError::Broken("cut".into())), true),
        (Err(SendError::Torn("it changed".into())), true),
        (refused(false), true),
        (Err(SendError::Torn("it changed".into())), false),
    ] {
        be_due(&mut results);
        next(&mut results, &layout).unwrap();
        assert_eq!(results.done(torn, result), !again);
    }
    assert_eq!(lost(&results, torn).unwrap(), "it changed, 3 times in a row");
}

#[test]
fn what_was_forgotten_on_its_way_says_nothing_of_a_namesake() {
    let (_dir, layout, mut results) = place();
    let attempt = id("1.0#1");
    results.enqueue(attempt);
    let mut job = next(&mut results, &layout).unwrap();
    results.forget(attempt);
    assert!(job.wanted.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    folder::make(&layout, attempt, None).unwrap();
    std::fs::write(layout.out(attempt).join("file"), "").unwrap();
    assert!(results.done(attempt, Ok(())), "whoever waits is to look again");
    assert_eq!(results.settled(&layout, attempt), None);
}

#[test]
fn after_a_link_is_lost_what_was_on_its_way_may_still_arrive() {
    let (_dir, layout, mut results) = place();
    let attempt = id("1.0#1");
    results.enqueue(attempt);
    results.enqueue(id("1.1#1"));
    next(&mut results, &layout).unwrap();
    results.unlinked();
    assert!(results.queue.is_empty());
    results.enqueue(attempt);
    assert!(results.queue.is_empty());
    assert!(results.done(attempt, Ok(())));
    assert_eq!(results.settled(&layout, attempt), Some(Settled::Well));
}
