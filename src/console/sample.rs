//! A recorded cluster, for screenshots, benchmarks and tests of the console: always the same, at a fixed time.

mod answers;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use protocol::api::{AttemptView, Changes, Hello, History, JobView, NodeView, Picture, Right, Span, TaskView, Trend};
use protocol::event::{Event, What};
use protocol::id::{JobId, TaskId};
use protocol::job::{Counts, TaskState};
use protocol::node::{Facts, Interpreter, Metrics, NodeState, Role, Throttle};
use protocol::time::UnixMillis;
use protocol::unit::{Bytes, Celsius, Percent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::event::{self, Effect, Told};
use super::keymap::{Chord, Source as Keymaps};
use super::state::settings::Settings;
use super::state::{Look, Now, State};
use super::theme::{Depth, Source as Themes};
use super::{actions, panes};

pub use answers::answer;

/// 2026-03-02 14:03:20 UTC.
pub const AT: UnixMillis = UnixMillis(1_772_460_200_000);

pub fn now() -> Now {
    Now { mono: Duration::from_secs(1000), wall: AT }
}

/// As it is before any manager was met.
pub fn fresh(size: (u16, u16), theme: &str, depth: Depth, ascii: bool) -> State {
    let (themes, keymaps) = (Themes::default(), Keymaps::default());
    let look = Look {
        theme: Arc::new(themes.load(theme, depth, ascii).expect("built-in themes are tested")),
        keymap: Arc::new(actions::vocabulary(|words| keymaps.load("default", words)).expect("and so are keymaps")),
        themes: themes.names(),
        keymaps: keymaps.names(),
    };
    State::new(look, Settings::default(), Size::new(size.0, size.1), TimeZone::UTC, now())
}

/// A console that has met the manager of this picture.
pub fn state(size: (u16, u16), picture: Picture) -> State {
    let mut state = fresh(size, "default", Depth::Sixteen, false);
    meet(&mut state, picture);
    state
}

pub fn meet(state: &mut State, picture: Picture) {
    let trends = picture.nodes.iter().filter(|node| node.metrics.is_some()).map(trend).collect();
    state.update(event::Event::Told(Told::Hello(hello())), now());
    state.update(event::Event::Told(Told::Picture(Box::new(picture))), now());
    state.update(
        event::Event::Told(Told::Changes(Box::new(Changes { at: AT, events: events(), ..Default::default() }))),
        now(),
    );
    state.nodes.learn_trends(trends, AT);
    state.settle(now());
}

pub fn hello() -> Hello {
    Hello {
        protocol: protocol::PROTOCOL,
        version: protocol::VERSION.into(),
        person: "ana".parse().expect("a name"),
        role: Right::Admin,
        ssh: "shelf:2222".into(),
        host_key: "SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE".into(),
    }
}

/// What is on the screen.
pub fn drawn(state: &State) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height));
    panes::draw(state, &mut buffer);
    buffer
}

/// The same as lines of text.
pub fn screen(state: &State) -> String {
    let buffer = drawn(state);
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

/// Presses keys as a keymap writes them, `j<Enter>`, and returns what is to be done outside.
pub fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = vec![];
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest.starts_with('<').then(|| rest.find('>').map(|end| end + 1)).flatten();
        let (key, after) = rest.split_at(named.unwrap_or(first.len_utf8()));
        rest = after;
        let written = if key == " " { "<Space>" } else { key };
        let chord = Chord::parse(written).expect("keys as a keymap writes them");
        let key = crossterm::event::KeyEvent::new(chord.code(), chord.modifiers());
        effects.extend(state.update(event::Event::Key(key), state.now));
        effects.extend(state.settle(state.now));
    }
    effects
}

/// So many workers and the manager; what each is doing follows from its number.
pub fn nodes(workers: u32) -> Vec<NodeView> {
    let width = workers.to_string().len();
    let manager = NodeView { role: Role::Manager, name: "shelf".parse().expect("a name"), ..node(0, 1) };
    std::iter::once(NodeView { running: 0, running_cpus: 0, finished: 0, slots: 0, ..manager })
        .chain((1..=workers).map(|number| node(number, width)))
        .collect()
}

/// Numbers that look as if they came from somewhere, and are always the same.
fn noise(of: u32, salt: u32, below: u32) -> u32 {
    let mixed = (of.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
    (mixed >> 15) % below.max(1)
}

fn node(number: u32, width: usize) -> NodeView {
    let down = number % 11 == 7;
    let busy = noise(number, 1, 100);
    let throttle = Throttle { under_voltage: number % 9 == 4, throttled: number % 13 == 5, ..Default::default() };
    let metrics = Metrics {
        cpu: Percent::new(busy as f32),
        load_hundredths: Some(busy * 4),
        memory_used: Some(Bytes((600 + u64::from(noise(number, 2, 3000))) << 20)),
        disk_used: Some(Bytes((4 + u64::from(noise(number, 3, 20))) << 30)),
        disk_full: false,
        net_in: Some(Bytes(u64::from(noise(number, 4, 4_000_000)))),
        net_out: Some(Bytes(u64::from(noise(number, 5, 900_000)))),
        temperature: Celsius::new(38.0 + busy as f32 * 0.42),
        throttle: Some(throttle),
        gpu: None,
        uptime_minutes: Some(60 * 24 * 3 + number),
    };
    let interpreter = |name: &str, version: &str| Interpreter {
        name: name.into(),
        path: format!("/usr/bin/{name}"),
        version: Some(version.into()),
    };
    NodeView {
        ssh: None,
        name: format!("pi-{number:0width$}").parse().expect("a name"),
        role: Role::Worker,
        state: if down { NodeState::Down } else { NodeState::Up },
        draining: number % 8 == 3,
        revoked: false,
        shared_uid: false,
        version: Some(protocol::VERSION.into()),
        address: Some(format!("192.168.7.{}", 10 + number % 240)),
        cpus: 4,
        slots: 4,
        running_cpus: if down { 0 } else { busy / 25 },
        running: if down { 0 } else { busy / 25 },
        finished: u64::from(noise(number, 6, 400)),
        joined_at: UnixMillis(AT.0 - 86_400_000 * 9),
        trouble: None,
        seen_at: Some(UnixMillis(if down { AT.0 - 720_000 } else { AT.0 })),
        facts: Facts {
            hostname: Some(format!("pi-{number}")),
            model: Some(
                if number.is_multiple_of(3) { "Raspberry Pi 5 Model B" } else { "Raspberry Pi 4 Model B" }.into(),
            ),
            os: Some("Debian GNU/Linux 12 (bookworm)".into()),
            kernel: Some("6.6.51+rpt-rpi-v8".into()),
            arch: Some("aarch64".into()),
            cpus: Some(4),
            cpu_model: Some("Cortex-A76".into()),
            memory: Some(Bytes(4 << 30)),
            disk: Some(Bytes(29 << 30)),
            addresses: vec![format!("192.168.7.{}", 10 + number % 240)],
            interpreters: vec![interpreter("python3", "3.11.2"), interpreter("bash", "5.2.15")],
            ..Default::default()
        },
        metrics: (!down).then_some(metrics),
    }
}

fn trend(node: &NodeView) -> Trend {
    let number = node.name.as_str().bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut level = f64::from(noise(number, 8, 80));
    let sample = |at: u32| {
        level = (level + f64::from(noise(number, 100 + at, 31)) - 15.0).clamp(1.0, 99.0);
        // A gap, as of a link that was gone for a while.
        (number % 5 != 2 || !(20..24).contains(&at)).then(|| Percent::new(level as f32)).flatten()
    };
    Trend { node: node.name.clone(), cpu: (0..60).map(sample).collect() }
}

/// How a node of [`nodes`] has been doing, with a gap as of a link that was gone for a while.
pub fn history(node: &NodeView, span: Span) -> History {
    let number = node.name.as_str().bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut level = f64::from(noise(number, 11, 60));
    let known: Vec<Option<(u32, f32)>> = (0..span.samples() as u32)
        .map(|at| {
            level = (level + f64::from(noise(number, 200 + at, 13)) - 6.0).clamp(1.0, 99.0);
            (!(300..380).contains(&at)).then_some((at, level as f32))
        })
        .collect();
    fn series<T>(known: &[Option<(u32, f32)>], of: impl Fn(u32, f32) -> Option<T>) -> Vec<Option<T>> {
        known.iter().map(|sample| sample.and_then(|(at, level)| of(at, level))).collect()
    }
    let bytes =
        |at, salt, most: u32| Some(Bytes(u64::from(noise(number + at / 40, salt, most) + noise(at, salt, most / 8))));
    History {
        node: node.name.clone(),
        span,
        step_ms: span.step_ms(),
        end: AT,
        cpu: series(&known, |_, level| Percent::new(level)),
        memory: series(&known, |at, level| Some(Bytes((900 + u64::from(at) + level as u64 * 6) << 20))),
        net_in: series(&known, |at, _| bytes(at, 12, 2_000_000)),
        net_out: series(&known, |at, _| bytes(at, 13, 600_000)),
        temperature: series(&known, |_, level| Celsius::new(40.0 + level * 0.4)),
    }
}

/// Opens the page of a node of the picture, with everything that the manager would answer.
pub fn open_node(state: &mut State, name: &str) {
    let effects = state.open_node(name.parse().expect("a name"));
    let effects: Vec<Effect> = effects.into_iter().chain(state.settle(state.now)).collect();
    answer(state, effects);
}

const WORK: [(&str, &str, TaskState, [u32; 7]); 9] = [
    ("sweep", "python3 sweep.py --alpha 0.3", TaskState::Running, [52, 1, 8, 37, 2, 0, 0]),
    ("", "./train.sh --epochs 40", TaskState::Running, [0, 0, 1, 0, 0, 0, 0]),
    ("render", "blender -b scene.blend -f 1", TaskState::Running, [90, 0, 3, 27, 0, 0, 0]),
    ("", "iperf3 -c shelf", TaskState::Queued, [1, 0, 0, 0, 0, 0, 0]),
    ("compile", "make -j4", TaskState::Failed, [0, 0, 0, 0, 1, 0, 0]),
    ("primes", "python3 primes.py", TaskState::Succeeded, [0, 0, 0, 200, 0, 0, 0]),
    ("", "sleep 3600", TaskState::Stopped, [0, 0, 0, 0, 0, 1, 0]),
    ("burn-in", "stress-ng --cpu 4 --timeout 60", TaskState::Lost, [0, 0, 0, 14, 0, 0, 2]),
    ("", "hostname", TaskState::Succeeded, [0, 0, 0, 1, 0, 0, 0]),
];

/// So many jobs, the newest first.
pub fn jobs(count: u32) -> Vec<JobView> {
    (1..=count).rev().map(|id| job(id, count)).collect()
}

fn job(id: u32, count: u32) -> JobView {
    let (name, command, state, [queued, starting, running, succeeded, failed, stopped, lost]) =
        WORK[((count - id) as usize) % WORK.len()];
    let submitted = AT.0 - u64::from(count - id) * 97_000 - 14_000;
    let began = state != TaskState::Queued;
    JobView {
        id: JobId(id),
        name: (!name.is_empty()).then(|| name.parse().expect("a name")),
        owner: ["ana", "jun", "ola"][(id % 3) as usize].parse().expect("a name"),
        command: command.split(' ').map(str::to_owned).collect(),
        cpus: 1,
        node: None,
        first: 0,
        submitted_at: UnixMillis(submitted),
        started_at: began.then_some(UnixMillis(submitted + 40)),
        ended_at: state.ended().then_some(UnixMillis(submitted + 61_000)),
        state,
        counts: Counts { queued, starting, running, succeeded, failed, stopped, lost },
        files: vec![],
        secrets: vec![],
    }
}

/// The tasks of a job of [`jobs`], as the manager would tell them.
pub fn tasks(job: &JobView) -> Vec<TaskView> {
    let mut counts = job.counts;
    let mut states = vec![];
    for state in [
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Stopped,
        TaskState::Lost,
        TaskState::Running,
        TaskState::Starting,
        TaskState::Queued,
    ] {
        states.extend(std::iter::repeat_n(state, *counts.of(state) as usize));
    }
    states.into_iter().zip(job.first..).map(|(state, index)| task(job, index, state)).collect()
}

pub fn task(job: &JobView, index: u32, state: TaskState) -> TaskView {
    let began = state != TaskState::Queued;
    let started = began.then_some(UnixMillis(job.submitted_at.0 + 40 + u64::from(index) * 900));
    let ran_ms = state.ended().then(|| 2_000 + u64::from(noise(index, 9, 9_000)));
    TaskView {
        id: TaskId { job: job.id, index },
        name: job.name.clone(),
        owner: job.owner.clone(),
        command: job.command.clone(),
        state,
        stopping: false,
        attempt: u32::from(began),
        node: began.then(|| format!("pi-{}", 1 + index % 3).parse().expect("a name")),
        submitted_at: job.submitted_at,
        started_at: started,
        ended_at: started.zip(ran_ms).map(|(at, ran)| UnixMillis(at.0 + ran)),
        ran_ms,
        code: match state {
            TaskState::Succeeded => Some(0),
            TaskState::Failed => Some(2),
            _ => None,
        },
        reason: match state {
            TaskState::Failed => "exit code 2".into(),
            TaskState::Stopped => "by ana in the console".into(),
            TaskState::Lost => "the node was away longer than its lease".into(),
            _ => String::new(),
        },
    }
}

pub fn attempts(task: &TaskView) -> Vec<AttemptView> {
    let latest = AttemptView {
        id: task.id.attempt(task.attempt.max(1)),
        state: task.state,
        node: task.node.clone(),
        started_at: task.started_at,
        ended_at: task.ended_at,
        ran_ms: task.ran_ms,
        code: task.code,
        reason: task.reason.clone(),
        late: None,
    };
    if task.attempt == 0 { vec![] } else { vec![latest] }
}

pub fn picture(workers: u32, count: u32) -> Picture {
    let jobs = jobs(count);
    let mut work = Counts::default();
    for job in &jobs {
        let mut counts = job.counts;
        TaskState::ALL.into_iter().for_each(|state| *work.of(state) += *counts.of(state));
    }
    let people = ["ana", "jun"].map(|name| name.parse().expect("a name")).to_vec();
    Picture { at: AT, nodes: nodes(workers), jobs, work, people, last_event: 40 }
}

pub fn events() -> Vec<Event> {
    let node = |name: &str| name.parse().expect("a name");
    let attempt = |job, index, number| TaskId::new(job, index).attempt(number);
    let ended = |job, index, state, code, reason: &str| What::TaskEnded {
        attempt: attempt(job, index, 1),
        node: Some(node("pi-2")),
        state,
        code,
        reason: reason.into(),
    };
    let whats = vec![
        What::ManagerStarted { version: protocol::VERSION.into() },
        What::NodeJoined { node: node("pi-1"), role: Role::Worker },
        What::NodeUp { node: node("pi-1") },
        What::NodeUp { node: node("pi-2") },
        What::JobSubmitted { job: JobId(5), tasks: 1, name: Some("compile".parse().expect("a name")) },
        What::TaskStarted { attempt: attempt(5, 0, 1), node: node("pi-2") },
        ended(5, 0, TaskState::Failed, Some(2), "exit code 2"),
        What::NodeDown { node: node("pi-7"), reason: "its link is gone".into() },
        What::TaskRequeued { attempt: attempt(8, 3, 1), node: node("pi-7"), reason: "the lease lapsed".into() },
        What::NodeDraining { node: node("pi-3") },
        What::JobSubmitted { job: JobId(9), tasks: 100, name: Some("sweep".parse().expect("a name")) },
        What::TaskStarted { attempt: attempt(9, 0, 1), node: node("pi-1") },
        ended(9, 0, TaskState::Succeeded, Some(0), ""),
    ];
    let (first, ana) = (40 - whats.len() as u64, || Some("ana".parse().expect("a name")));
    let event = |(nth, what): (usize, What)| Event {
        no: first + nth as u64 + 1,
        at: UnixMillis(AT.0 - 20_000 * (13 - nth as u64)),
        person: matches!(what, What::JobSubmitted { .. } | What::NodeDraining { .. }).then(ana).flatten(),
        what,
    };
    whats.into_iter().enumerate().map(event).collect()
}
