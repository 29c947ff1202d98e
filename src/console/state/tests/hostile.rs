//! A manager that lies: whatever words and numbers it tells, the console stands, and nothing of it commands a terminal.

use protocol::api::{Changes, Picture, Reply, Request, TaskView, Why, WhyNode};
use protocol::event::Event as Happened;
use protocol::job::TaskState;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::ClientError;
use crate::console::event::{Effect, Event, Purpose, Told};
use crate::console::sample::{self, drawn, picture, press};
use crate::console::state::State;
use crate::text::unsafe_to_show;

const SIZES: [(u16, u16); 4] = [(120, 40), (31, 9), (1, 1), (200, 12)];

fn lies() -> [Vec<Value>; 2] {
    let commands = "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\n\t漢\u{200b}e\u{301}\u{2067}";
    [
        vec![u64::MAX.into(), u32::MAX.into(), u16::MAX.into(), i32::MAX.into(), f64::MAX.into(), commands.into()],
        // Wider than a number of cells can say.
        vec!["漢".repeat(33_000).into(), 1.into(), "".into(), i32::MIN.into()],
    ]
}

/// As many of its words and numbers replaced as are still understood.
fn twisted<T: Serialize + DeserializeOwned>(truth: &T, lies: &[Value]) -> T {
    let mut told = serde_json::to_value(truth).unwrap();
    let mut places = vec![];
    find_leaves(&told, String::new(), &mut places);
    for place in places {
        for lie in lies {
            let truth = std::mem::replace(told.pointer_mut(&place).unwrap(), lie.clone());
            if T::deserialize(&told).is_ok() {
                break;
            }
            *told.pointer_mut(&place).unwrap() = truth;
        }
    }
    serde_json::from_value(told).unwrap()
}

fn find_leaves(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            find_leaves(value, format!("{at}/{name}"), places);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, value)| find_leaves(value, format!("{at}/{nth}"), places));
        }
        _ => places.push(at),
    }
}

/// Draws it at every size.
fn look(state: &mut State) {
    for (width, height) in SIZES {
        state.update(Event::Resize(width, height), state.now);
        state.settle(state.now);
        assert!(state.next_wakeup().is_none_or(|at| at > state.now.mono), "it would spin");
        for cell in drawn(state).content {
            assert!(!cell.symbol().contains(unsafe_to_show), "{:?}", cell.symbol());
        }
    }
    let (width, height) = SIZES[0];
    state.update(Event::Resize(width, height), state.now);
}

fn answer(state: &mut State, effects: Vec<Effect>, lies: &[Value]) {
    let honest = picture(1, 2);
    let tasks: Vec<TaskView> = sample::tasks(&honest.jobs[1]).into_iter().take(3).collect();
    for effect in effects {
        let Effect::Ask(purpose, request) = effect else { continue };
        let reply = match request {
            Request::History { span, .. } => {
                // Numbers alone: there are thousands.
                let lies: Vec<Value> = lies.iter().filter(|lie| lie.is_number()).cloned().collect();
                let history = twisted(&sample::history(&honest.nodes[1], span), &lies);
                state.update(Event::Answered(purpose, Ok(Reply::History(Box::new(history)))), state.now);
                continue;
            }
            Request::Tasks(_) => Reply::Tasks { total: 3, tasks: tasks.clone() },
            Request::Task { .. } => {
                Reply::Task { task: tasks[0].clone(), attempts: sample::attempts(&tasks[0]), results: vec![] }
            }
            Request::Why { id } => {
                let nodes = vec![WhyNode { node: honest.nodes[1].name.clone(), reason: "busy".into() }];
                Reply::Why(Why { id, state: TaskState::Queued, summary: "waits".into(), ahead: 1, nodes })
            }
            _ => continue,
        };
        let next = state.update(Event::Answered(purpose, Ok(twisted(&reply, lies))), state.now);
        answer(state, next, lies);
    }
}

#[test]
fn whatever_a_manager_tells_the_console_stands() {
    for lies in lies() {
        let mut state = sample::state((120, 40), picture(1, 2));
        let hello = twisted(&sample::hello(), &lies);
        let told: Picture = twisted(&picture(1, 2), &lies);
        let changes = Changes { events: twisted::<Vec<Happened>>(&sample::events(), &lies), ..Default::default() };
        let lost = Told::Lost {
            why: lies.iter().find_map(|lie| Some(lie.as_str()?.to_owned())).unwrap(),
            pause: std::time::Duration::MAX / 4,
        };
        for told in [
            Told::Hello(hello),
            Told::Picture(Box::new(told)),
            Told::Changes(Box::new(changes.clone())),
            lost,
            Told::Picture(Box::new(twisted(&picture(2, 1), &lies))),
            Told::Past(changes.events),
        ] {
            state.update(Event::Told(told), state.now);
            look(&mut state);
        }
        for keys in
            ["1", "v", "v", "1G<Enter>", "[2gg<Right>", "j<Enter>", "w", "[2ggx", "<Esc>1Gd", "[3G<Enter>", "[[3y"]
        {
            let effects = press(&mut state, keys);
            answer(&mut state, effects, &lies);
            look(&mut state);
        }
    }
}

#[test]
fn a_refusal_without_end_is_said_in_time() {
    for word in ["x".repeat(1 << 20), "漢 ".repeat(1 << 18), "\n".repeat(1 << 20)] {
        let mut state = sample::state((120, 40), picture(1, 2));
        let refusal = protocol::api::Refusal::refused(word);
        state.update(Event::Answered(Purpose::WhyTold, Err(ClientError::Refused(refusal.clone()))), state.now);
        state.update(Event::Told(Told::Lost { why: refusal.to_string(), pause: Default::default() }), state.now);
        look(&mut state);
    }
}
