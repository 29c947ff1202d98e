//! Where the output of a task is to be had, and following it there.

use protocol::api::RefusalKind;
use protocol::job::{JobSpec, Outcome};

use super::world::*;
use crate::manager::cluster::{Input, LinkId, Place, Told};

fn live(id: &str, node: &str, link: LinkId) -> Place {
    Place::Live { attempt: attempt(id), node: name(node), link }
}

fn kept(id: &str, last: bool) -> Place {
    Place::Kept { attempt: attempt(id), last }
}

#[test]
fn output_is_followed_from_its_node_to_the_store() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let call = world.find("1.0", None);
    assert_eq!(world.place(call), Some(Place::Nowhere));
    let call = world.find("1", Some(Place::Nowhere));
    assert_eq!(world.place(call), None, "it is answered once that has changed");
    world.started("pi-1", "1.0#1");
    let here = live("1.0#1", "pi-1", world.links["pi-1"]);
    assert_eq!(world.place(call), Some(here.clone()));
    let call = world.find("1.0", Some(here));
    world.unlink("pi-1");
    let away = Place::Away { attempt: attempt("1.0#1"), node: name("pi-1") };
    assert_eq!(world.place(call), Some(away.clone()));
    let call = world.find("1.0", Some(away));
    let link = world.link("pi-1", 1, vec![held("1.0#1", false)]);
    assert_eq!(world.place(call), Some(live("1.0#1", "pi-1", link)));
    let call = world.find("1.0", Some(live("1.0#1", "pi-1", link)));
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.place(call), Some(kept("1.0#1", true)));
}

#[test]
fn after_a_lost_attempt_the_next_one_is_followed() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    let call = world.find("1.0", Some(live("1.0#1", "pi-1", world.links["pi-1"])));
    world.unlink("pi-1");
    let away = world.place(call);
    let call = world.find("1.0", away);
    world.pass(60_000);
    assert_eq!(world.place(call), Some(kept("1.0#1", false)), "nothing of it came, but another will");
    let call = world.find("1.0", Some(kept("1.0#1", false)));
    world.boots.insert("pi-1".into(), "boot-2".into());
    let link = world.link("pi-1", 1, vec![]);
    assert_eq!(world.place(call), Some(Place::Nowhere));
    world.started("pi-1", "1.0#2");
    let call = world.find("1.0", None);
    assert_eq!(world.place(call), Some(live("1.0#2", "pi-1", link)));
    let call = world.find("1.0#1", None);
    assert_eq!(world.place(call), Some(kept("1.0#1", false)));
}

#[test]
fn a_task_that_never_began_has_nothing_to_follow() {
    let mut world = World::new();
    world.submit(JobSpec::of(["true"]));
    let call = world.find("1.0", Some(Place::Nowhere));
    world.stop("1").unwrap();
    let nothing = Place::Kept { attempt: task("1.0").attempt(0), last: true };
    assert_eq!(world.place(call), Some(nothing));
}

#[test]
fn a_retried_task_has_printed_nothing_yet_but_its_first_attempt_has() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.ask(protocol::api::Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.retry("1.0").unwrap();
    let call = world.find("1.0", None);
    assert_eq!(world.place(call), Some(Place::Nowhere));
    let call = world.find("1.0#1", None);
    assert_eq!(world.place(call), Some(kept("1.0#1", false)));
}

#[test]
fn a_node_may_still_hand_over_the_output_of_a_late_attempt() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.unlink("pi-1");
    world.pass(60_000);
    let link = world.link("pi-1", 1, vec![held("1.0#1", true)]);
    let call = world.find("1.0#1", None);
    assert_eq!(world.place(call), Some(live("1.0#1", "pi-1", link)));
    world.succeeds("pi-1", "1.0#1");
    let call = world.find("1.0#1", None);
    assert_eq!(world.place(call), Some(kept("1.0#1", false)));
}

#[test]
fn output_is_for_its_owner_and_for_admins() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit_as("ana", array(0, 1));
    let mut asked = |person: &str, what: &str| {
        let call = world.new_call();
        world.put(Input::FindOutput { call, caller: operator(person), target: target(what), unlike: None });
        world.answers.remove(&call)
    };
    assert!(matches!(asked("ana", "1.0"), Some(Told::Place(_))));
    let Some(Told::Refused(refusal)) = asked("bob", "1.0") else { panic!() };
    assert_eq!(
        (refusal.kind, &*refusal.message),
        (RefusalKind::Refused, "job 1 is ana's: bob may read the output of own jobs only")
    );
    let Some(Told::Refused(refusal)) = asked("ana", "1") else { panic!() };
    assert_eq!((refusal.kind, &*refusal.message), (RefusalKind::Usage, "1 is several tasks; name one, as in 1.0"));
    assert!(matches!(asked("ana", "1.1-9"), Some(Told::Place(_))), "a range of one");
    let Some(Told::Refused(refusal)) = asked("ana", "1.0#2") else { panic!() };
    assert_eq!(refusal.kind, RefusalKind::NotFound);
    let Some(Told::Refused(refusal)) = asked("ana", "1.5-9") else { panic!() };
    assert_eq!(refusal.kind, RefusalKind::NotFound);
}

#[test]
fn followers_that_went_away_are_forgotten() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let call = world.find("1.0", Some(Place::Nowhere));
    world.put(Input::Gone { call });
    world.started("pi-1", "1.0#1");
    assert!(world.answers.is_empty());
}
