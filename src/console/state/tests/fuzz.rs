//! Whatever is pressed, told, answered and resized, in any order: nothing panics, and what is shown can be drawn.

use std::time::{Duration, Instant};

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use protocol::api::{Changes, LogChunk, Refusal, Reply};
use protocol::job::Stream;
use test_support::Dice;

use crate::client::ClientError;
use crate::console::event::{Effect, Event, Printed, Purpose, Told};
use crate::console::sample;
use crate::console::state::{Now, State};

const KEYS: &[&str] = &[
    "j",
    "k",
    "h",
    "l",
    "<Down>",
    "<Up>",
    "<Left>",
    "<Right>",
    "g",
    "G",
    "<PageDown>",
    "<PageUp>",
    "<C-d>",
    "<C-u>",
    "<Enter>",
    "<Enter>",
    "<Esc>",
    "<Tab>",
    "<S-Tab>",
    "<Space>",
    "1",
    "2",
    "3",
    "z",
    "v",
    "s",
    "S",
    "d",
    "D",
    "x",
    "r",
    "w",
    "L",
    "a",
    "f",
    "W",
    "n",
    "N",
    "o",
    "[",
    "]",
    ".",
    "=",
    "y",
    "u",
    "<",
    ">",
    "?",
    ":",
    "/",
    "T",
    "M",
    "X",
    "R",
    "+",
    "-",
    "e",
    "t",
    "!",
    "<C-a>",
    "A",
    "<Backspace>",
    "q",
];

fn event(dice: &mut Dice) -> Option<Event> {
    let workers = dice.below(40) as u32;
    Some(match dice.below(14) {
        0 => Event::Resize(dice.below(200) as u16, dice.below(70) as u16),
        1 => Event::Told(Told::Picture(Box::new(sample::picture(workers, dice.below(30) as u32)))),
        2 => Event::Told(Told::Lost { why: "the manager went away".into(), pause: Duration::from_millis(250) }),
        3 | 4 => {
            let (nodes, jobs) = (sample::nodes(workers), sample::jobs(dice.below(30) as u32));
            let gone_nodes = sample::nodes(dice.below(5) as u32).into_iter().map(|node| node.name).collect();
            let gone_jobs = sample::jobs(dice.below(5) as u32).into_iter().map(|job| job.id).collect();
            let events = sample::events();
            Event::Told(Told::Changes(Box::new(Changes {
                nodes,
                jobs,
                gone_nodes,
                gone_jobs,
                events,
                ..Default::default()
            })))
        }
        5 => {
            let kinds = [MouseEventKind::Down(MouseButton::Left), MouseEventKind::ScrollDown, MouseEventKind::ScrollUp];
            let (column, row) = (dice.below(220) as u16, dice.below(80) as u16);
            Event::Mouse(MouseEvent { kind: *dice.pick(&kinds), column, row, modifiers: KeyModifiers::NONE })
        }
        6 => Event::Paste("node:pi-2 \u{1b}[31m\u{202e}ünï\n".into()),
        7 => {
            let bytes = (0..dice.below(300)).map(|_| dice.below(256) as u8).collect::<Vec<_>>();
            let stream = *dice.pick(&[Stream::Stdout, Stream::Stderr]);
            let chunk = LogChunk { stream, offset: dice.roll(0..2000), bytes: bytes.into() };
            Event::Printed(dice.roll(0..60), Printed::Piece(chunk))
        }
        8 => Event::Time,
        _ => return None,
    })
}

/// An answer that fits, or one that does not.
fn answer(purpose: Purpose, dice: &mut Dice) -> Event {
    let jobs = sample::jobs(9);
    let job = &jobs[dice.below(9)];
    let tasks = sample::tasks(job);
    let reply = match (&purpose, dice.below(5)) {
        (_, 0) => {
            return Event::Answered(purpose, Err(ClientError::Refused(Refusal::not_found("there is no such task"))));
        }
        (_, 1) => Reply::End,
        (Purpose::Tasks { .. }, _) => Reply::Tasks { total: tasks.len() as u32 + 7, tasks },
        (Purpose::Task { .. }, _) => {
            Reply::Task { attempts: sample::attempts(&tasks[0]), task: tasks[0].clone(), results: vec![] }
        }
        (Purpose::Deed(_), _) => Reply::Done { tasks: 3 },
        _ => Reply::Nodes(vec![]),
    };
    Event::Answered(purpose, Ok(reply))
}

fn play(seed: u64, steps: u32) {
    let mut dice = Dice::new(seed);
    let mut state: State = sample::state((120, 40), sample::picture(6, 9));
    let mut mono = sample::now().mono;
    let mut asked: Vec<Purpose> = vec![];
    for _ in 0..steps {
        mono += Duration::from_millis(dice.roll(0..400));
        let now = Now { mono, wall: protocol::time::UnixMillis(sample::AT.0 + mono.as_millis() as u64) };
        let mut effects = match event(&mut dice) {
            Some(event) => state.update(event, now),
            None if !asked.is_empty() && dice.below(3) == 0 => {
                let purpose = asked.swap_remove(dice.below(asked.len()));
                let event = answer(purpose, &mut dice);
                state.update(event, now)
            }
            None => sample::press(&mut state, KEYS[dice.below(KEYS.len())]),
        };
        effects.extend(state.settle(now));
        asked.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Ask(purpose, _) => Some(purpose),
            _ => None,
        }));
        asked.truncate(50);
        assert!(state.next_wakeup().is_none_or(|at| at + Duration::from_secs(1) > mono), "it would spin, seed {seed}");
        if dice.below(6) == 0 {
            sample::drawn(&state);
        }
    }
}

/// `BRAMBLE_FUZZ_SECONDS=60` plays for a minute; `BRAMBLE_FUZZ_SEED=N` plays one game again.
#[test]
fn no_order_of_keys_events_and_sizes_is_too_wild() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = asked("BRAMBLE_FUZZ_SEED") {
        return play(seed, 400);
    }
    let time = Duration::from_secs(asked("BRAMBLE_FUZZ_SECONDS").unwrap_or(0));
    let began = Instant::now();
    let mut seed = 1;
    while seed <= 6 || began.elapsed() < time {
        println!("BRAMBLE_FUZZ_SEED={seed}");
        play(seed, 400);
        seed += 1;
    }
}

#[test]
fn every_size_can_be_drawn_on_every_page() {
    for keys in ["", "z", "2<Right>", "<Down><Enter>", "2jjjj<Enter>", ":dr", "?", "/pi", "2x", "3"] {
        for (width, height) in
            (0..100).step_by(9).flat_map(|width| (0..40).step_by(4).map(move |height| (width, height)))
        {
            let mut state = sample::state((width, height), sample::picture(7, 9));
            sample::press(&mut state, keys);
            sample::drawn(&state);
        }
    }
}
