//! Secrets: whose they are, which jobs are given them, and that nobody is shown one.

use protocol::agent::{Hello, Order, ToAgent};
use protocol::api::{Refusal, RefusalKind, Reply, Request, Right, Why};
use protocol::event::What;
use protocol::job::{JobSpec, Outcome};
use protocol::name::SecretName;
use protocol::result::Reduce;
use protocol::secret::{Hidden, JobSecret, MOST_JOB_SECRETS, MOST_SECRET_BYTES, SecretAs, SecretView};
use protocol::time::UnixMillis;

use super::world::*;
use crate::manager::cluster::Caller;

fn secret_name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn env(secret: &str, variable: &str) -> JobSecret {
    JobSecret { secret: secret_name(secret), given: SecretAs::Env(variable.into()) }
}

fn file(secret: &str, called: &str) -> JobSecret {
    JobSecret { secret: secret_name(secret), given: SecretAs::File(called.parse().unwrap()) }
}

fn with(secrets: impl Into<Vec<JobSecret>>) -> JobSpec {
    JobSpec { secrets: secrets.into(), ..JobSpec::of(["true"]) }
}

fn text_of(order: &Order) -> Vec<String> {
    order.secrets.iter().map(|one| String::from_utf8_lossy(one.value.bytes()).into_owned()).collect()
}

impl World {
    fn set(&mut self, caller: &Caller, name: &str, value: impl Into<Vec<u8>>) -> Result<SecretView, Refusal> {
        let request = Request::SecretSet { name: secret_name(name), value: Hidden::of(value.into()) };
        match self.ask_as(caller, request)? {
            Reply::Secrets(mut views) if views.len() == 1 => Ok(views.remove(0)),
            other => panic!("not set: {other:?}"),
        }
    }

    fn secrets(&mut self, caller: &Caller, owner: Option<&str>) -> Result<Vec<SecretView>, Refusal> {
        let owner = owner.map(|owner| owner.parse().unwrap());
        match self.ask_as(caller, Request::Secrets { owner })? {
            Reply::Secrets(views) => Ok(views),
            other => panic!("no secrets: {other:?}"),
        }
    }

    fn remove_secret(&mut self, caller: &Caller, name: &str, owner: Option<&str>) -> Result<SecretView, Refusal> {
        let owner = owner.map(|owner| owner.parse().unwrap());
        match self.ask_as(caller, Request::SecretRemove { name: secret_name(name), owner })? {
            Reply::Secrets(mut views) if views.len() == 1 => Ok(views.remove(0)),
            other => panic!("not removed: {other:?}"),
        }
    }

    /// Whatever else it is told.
    fn secret_orders(&mut self, node: &str) -> Vec<Order> {
        let starts = |order| match order {
            ToAgent::Start(order) => Some(order),
            _ => None,
        };
        self.orders(node).into_iter().filter_map(starts).collect()
    }

    fn why_of_secret(&mut self, id: &str) -> Why {
        match self.ask(Request::Why { id: task(id) }) {
            Ok(Reply::Why(why)) => why,
            other => panic!("no why: {other:?}"),
        }
    }
}

fn message(done: Result<impl std::fmt::Debug, Refusal>) -> String {
    done.unwrap_err().message
}

#[test]
fn a_task_is_told_the_value_there_is_when_it_leaves_also_after_a_restart() {
    let mut world = World::new();
    let ana = operator("ana");
    world.set(&ana, "token", "old").unwrap();
    let spec = JobSpec { array: Some(protocol::job::Array { first: 1, last: 2 }), ..with([env("token", "TOKEN")]) };
    world.submit(spec);
    world.set(&ana, "token", "new\n\"'").unwrap();
    world.restart();
    world.add("pi-1", 1);
    let orders = world.secret_orders("pi-1");
    assert_eq!(orders.iter().map(text_of).collect::<Vec<_>>(), [["new\n\"'"], ["new\n\"'"]]);
    assert_eq!(orders[0].secrets[0].given, SecretAs::Env("TOKEN".into()));
}

#[test]
fn an_order_that_is_sent_again_has_the_value_of_then() {
    let mut world = World::of(&[("pi-1", 1)]);
    let ana = operator("ana");
    world.set(&ana, "token", "old").unwrap();
    world.submit(with([file("token", "t")]));
    assert_eq!(text_of(&world.secret_orders("pi-1")[0]), ["old"]);
    world.set(&ana, "token", "new").unwrap();
    world.link("pi-1", 1, vec![]);
    assert_eq!(text_of(&world.secret_orders("pi-1")[0]), ["new"]);
}

#[test]
fn the_task_that_reduces_is_given_them_too() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.set(&operator("ana"), "token", "x").unwrap();
    let reduce = Reduce { command: vec!["cat".into(), "{inputs}".into()], part: "part".parse().unwrap() };
    let job = world.submit(JobSpec { reduce: Some(reduce), ..with([env("token", "T")]) });
    let reducer = protocol::id::TaskId { job, index: 1 };
    let order = world.cluster.order(reducer, 7).unwrap();
    assert_eq!(text_of(&order), ["x"]);
}

#[test]
fn everybody_has_secrets_of_their_own_and_nobody_elses() {
    let mut world = World::of(&[("pi-1", 2)]);
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.set(&ana, "token", "hers").unwrap();
    let refusal = world.ask_as(&bo, Request::Submit(with([env("token", "T")]))).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotFound);
    assert_eq!(refusal.message, "you have no secret token; set it with: bramble secret set token");
    world.set(&bo, "token", "his").unwrap();
    world.submit_as("bo", with([env("token", "T")]));
    world.submit_as("ana", with([env("token", "T")]));
    let told: Vec<_> = world.secret_orders("pi-1").iter().map(text_of).collect();
    assert_eq!(told, [["his"], ["hers"]]);
}

#[test]
fn of_the_secrets_of_others_only_an_admin_learns_what_they_are_called() {
    let mut world = World::new();
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.set(&ana, "token", "swordfish").unwrap();
    for (asked, says) in [
        (message(world.secrets(&bo, Some("ana"))), "the secrets of ana are for ana and admins to see"),
        (message(world.remove_secret(&bo, "token", Some("ana"))), "the secrets of ana are for ana and admins to see"),
        (message(world.remove_secret(&bo, "token", None)), "you have no secret token; see which you have with"),
        (message(world.remove_secret(&admin(), "tok", Some("ana"))), "ana has no secret tok; see which there are"),
    ] {
        assert!(asked.starts_with(says), "{asked}");
    }
    assert_eq!(world.secrets(&bo, None).unwrap(), []);
    assert_eq!(world.secrets(&admin(), None).unwrap(), []);
    let views = world.secrets(&admin(), Some("ana")).unwrap();
    assert_eq!(views, world.secrets(&ana, Some("ana")).unwrap());
    assert_eq!(views[0].name.as_str(), "token");
    assert!(!serde_json::to_string(&views).unwrap().contains("swordfish"));
    world.remove_secret(&admin(), "token", Some("ana")).unwrap();
    let last = world.events.last().unwrap();
    assert_eq!(last.what, What::SecretRemoved { owner: "ana".parse().unwrap(), name: secret_name("token") });
    assert_eq!(last.person.as_ref().unwrap().as_str(), "root");
    assert!(world.kept.secrets.is_empty());
}

#[test]
fn who_may_only_look_keeps_no_secrets() {
    let viewer = Caller { person: "ana".parse().unwrap(), right: Right::Viewer };
    let set = Request::SecretSet { name: secret_name("token"), value: Hidden::of(b"x".to_vec()) };
    for request in [set, Request::Secrets { owner: None }] {
        assert!(crate::manager::rule::rule(&request, &viewer).is_err(), "{request:?}");
    }
}

#[test]
fn a_secret_stays_while_a_job_that_is_given_it_has_not_ended() {
    let mut world = World::new();
    let ana = operator("ana");
    world.set(&ana, "token", "x").unwrap();
    world.set(&ana, "other", "y").unwrap();
    for _ in 0..5 {
        world.submit(with([env("token", "T"), file("token", "t")]));
    }
    let jobs: Vec<u32> = world.secrets(&ana, None).unwrap().iter().map(|view| view.jobs).collect();
    assert_eq!(jobs, [0, 5], "other, token");
    let why = message(world.remove_secret(&ana, "token", None));
    assert_eq!(
        why,
        "token is given to jobs 1, 2, 3 and 2 more, which have not ended; stop what is not wanted any more (bramble stop 1 2 3), or set another value with: bramble secret set token"
    );
    world.restart();
    world.add("pi-1", 1);
    world.stop("1").unwrap();
    for id in 2..=5 {
        world.finished("pi-1", &format!("{id}.0#1"), Outcome::Exited(0));
    }
    let why = message(world.remove_secret(&admin(), "token", Some("ana")));
    assert!(why.starts_with("token is given to job 1, which has not ended; stop what is not wanted"), "{why}");
    assert!(!why.contains("set another"), "an admin cannot: {why}");
    world.finished("pi-1", "1.0#1", Outcome::Stopped { reason: "by root".into() });
    assert_eq!(world.remove_secret(&ana, "token", None).unwrap().jobs, 0);
    assert_eq!(world.kept.secrets.len(), 1);
}

#[test]
fn a_job_whose_secret_is_gone_is_not_run_again_until_it_is_set() {
    let mut world = World::of(&[("pi-1", 1)]);
    let ana = operator("ana");
    world.set(&ana, "token", "old").unwrap();
    world.submit(with([env("token", "T")]));
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.remove_secret(&ana, "token", None).unwrap();
    world.restart();
    world.link("pi-1", 1, vec![]);
    let why = message(world.retry("1"));
    assert!(why.starts_with("job 1 is given the secret token, and ana has none of that name any more"), "{why}");
    world.set(&ana, "token", b"\xff".to_vec()).unwrap();
    assert!(message(world.retry("1")).contains("it is no text any more"));
    assert!(world.secret_orders("pi-1").is_empty());
    world.set(&ana, "token", "new").unwrap();
    world.retry("1").unwrap();
    assert_eq!(text_of(&world.secret_orders("pi-1")[0]), ["new"]);
}

#[test]
fn what_is_no_text_is_given_as_a_file_and_never_as_a_variable() {
    let mut world = World::of(&[("pi-1", 1)]);
    let ana = operator("ana");
    let binary = vec![0, 159, 146, 150, b'\n'];
    world.set(&ana, "key", binary.clone()).unwrap();
    let why = message(world.ask_as(&ana, Request::Submit(with([env("key", "KEY")]))));
    assert!(why.ends_with("give it as a file, with: --secret-file key"), "{why}");
    world.submit(with([file("key", "id.pem")]));
    assert_eq!(world.secret_orders("pi-1")[0].secrets[0].value.bytes(), binary);
    // A variable to a job, it stays text.
    world.set(&ana, "token", "x").unwrap();
    world.submit(with([env("token", "T")]));
    let why = message(world.set(&ana, "token", binary.clone()));
    assert!(why.starts_with("token is a variable of the environment to job 2, which has not ended"), "{why}");
    assert_eq!(text_of(&world.cluster.order(task("2.0"), 1).unwrap()), ["x"], "nothing is lost");
    world.finished("pi-1", "2.0#1", Outcome::Exited(0));
    world.set(&ana, "token", binary).unwrap();
}

#[test]
fn a_value_has_its_bounds_and_so_has_how_many_there_are() {
    let mut world = World::new();
    let ana = operator("ana");
    for (value, says) in [(vec![], "is empty"), (vec![b'x'; MOST_SECRET_BYTES + 1], "65537 bytes; at most 65536")] {
        let refusal = world.set(&ana, "token", value).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Usage);
        assert!(refusal.message.contains(says), "{}", refusal.message);
    }
    world.set(&ana, "token", vec![b'x'; MOST_SECRET_BYTES]).unwrap();
    for n in 1..200 {
        world.set(&ana, &format!("n{n}"), "x").unwrap();
    }
    assert!(message(world.set(&ana, "one-more", "x")).starts_with("you have 200 secrets already"));
    world.set(&ana, "n7", "another value").unwrap();
    world.set(&operator("bo"), "token", "x").unwrap();
}

#[test]
fn what_cannot_be_given_together_is_refused_with_what_to_do() {
    let mut world = World::new();
    let ana = operator("ana");
    world.set(&ana, "token", "x").unwrap();
    let many: Vec<JobSecret> = (0..=MOST_JOB_SECRETS).map(|n| file("token", &n.to_string())).collect();
    let mut clashing = with([env("token", "A")]);
    clashing.env.insert("A".into(), "1".into());
    for (spec, says) in [
        (with([env("token", "")]), "cannot be the environment variable"),
        (with([env("token", "A=B")]), "cannot be the environment variable"),
        (with([env("token", "A\0")]), "cannot be the environment variable"),
        (with([env("token", "BRAMBLE_SECRETS")]), "does not start with BRAMBLE_"),
        (with([env("token", "A"), env("token", "A")]), "--secret token=OTHER"),
        (clashing, "--secret token=OTHER"),
        (with([file("token", "a"), file("token", "a")]), "--secret-file token=other"),
        (with(many), "at most 32 secrets"),
        (with((0..25).map(|n| env("token", &format!("V{n}"))).collect::<Vec<_>>()), "give some of them as files"),
    ] {
        let refusal = world.ask_as(&ana, Request::Submit(spec)).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Usage);
        assert!(refusal.message.contains(says), "{}", refusal.message);
    }
    // The same name, as a variable and as a file, are two things.
    world.submit(with([env("token", "token"), file("token", "token")]));
}

#[test]
fn events_say_that_it_was_set_and_nothing_of_its_value() {
    let mut world = World::new();
    world.pass(500);
    let view = world.set(&operator("ana"), "token", "swordfish").unwrap();
    assert_eq!(view.set_at, UnixMillis(DAWN + 500));
    let told = serde_json::to_string(&world.events).unwrap();
    assert!(told.contains("secret_set") && !told.contains("swordfish"), "{told}");
    assert_eq!(world.events.last().unwrap().what.sentence(), "secret ana/token set");
}

#[test]
fn an_agent_that_takes_no_secrets_is_given_no_such_task() {
    let mut world = World::of(&[]);
    world.join("old");
    let hello = Hello { takes_secrets: false, ..world.hello("old", 4, vec![]) };
    world.link_with("old", key("old"), hello);
    world.set(&operator("ana"), "token", "x").unwrap();
    world.submit(with([env("token", "T")]));
    world.submit(JobSpec::of(["true"]));
    let started: Vec<String> = world.secret_orders("old").iter().map(|order| order.attempt.to_string()).collect();
    assert_eq!(started, ["2.0#1"]);
    let why = world.why_of_secret("1.0");
    assert!(why.summary.starts_with("waits for a worker that takes secrets"), "{}", why.summary);
    assert!(why.nodes[0].reason.starts_with("its agent takes no secrets"), "{}", why.nodes[0].reason);
    world.add("new", 1);
    assert_eq!(world.secret_orders("new").len(), 1);
}

#[test]
fn an_order_that_waits_is_taken_from_an_agent_that_comes_back_older() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.set(&operator("ana"), "token", "x").unwrap();
    world.submit(with([env("token", "T")]));
    assert_eq!(world.secret_orders("pi-1").len(), 1);
    let hello = Hello { takes_secrets: false, ..world.hello("pi-1", 1, vec![]) };
    world.link_with("pi-1", key("pi-1"), hello);
    assert!(world.secret_orders("pi-1").is_empty());
    assert!(world.why_of_secret("1.0").summary.contains("takes secrets"));
}

#[test]
fn a_job_that_is_forgotten_leaves_nothing_in_the_table_of_who_is_given_what() {
    let mut world = World::of(&[("pi-1", 1)]);
    let ana = operator("ana");
    world.set(&ana, "token", "x").unwrap();
    let job = world.submit(with([env("token", "T")]));
    world.finished("pi-1", "1.0#1", Outcome::Exited(0));
    assert!(!world.cluster.secrets.told(job, &"ana".parse().unwrap()).is_empty());
    world.ask_as(&ana, Request::JobRemove { jobs: vec![job] }).unwrap();
    assert!(world.cluster.secrets.told(job, &"ana".parse().unwrap()).is_empty());
}
