//! The plain live view: nodes with state, CPU and RAM; jobs with progress. Drawn again only when something changed.

use std::io::{self, IsTerminal};
use std::mem::ManuallyDrop;
use std::time::Duration;

use anyhow::Context;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use protocol::api::{JobView, More, NodeView, Picture, Request};
use protocol::job::TaskState;
use protocol::node::{NodeState, Role};
use protocol::unit::Percent;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use super::folders::Folders;
use crate::client::Client;

/// The most frames a second: people cannot read faster.
const BETWEEN_FRAMES: Duration = Duration::from_millis(100);

pub fn on_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

enum Key {
    Quit,
    Redraw,
}

/// Returns when the person quits or the terminal is gone.
pub async fn show(client: &Client, folders: &Folders) -> anyhow::Result<()> {
    let mut screen = Screen::open()?;
    let mut keys = keys()?;
    let socket = folders.socket().display().to_string();
    loop {
        let told = follow(client, &mut screen, &mut keys, &socket).await;
        match told {
            Ok(()) => return Ok(()),
            // The manager is started again by its daemon's care; its last picture stays on the screen.
            Err(error) => tracing::warn!("the manager is gone: {error:#}"),
        }
        tokio::select! {
            key = keys.recv() => if !matches!(key, Some(Key::Redraw)) { return Ok(()) },
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
        }
    }
}

async fn follow(
    client: &Client,
    screen: &mut Screen,
    keys: &mut mpsc::Receiver<Key>,
    socket: &str,
) -> anyhow::Result<()> {
    let mut flow = client.stream(Request::Watch).await?;
    let mut picture: Option<Picture> = None;
    loop {
        tokio::select! {
            more = flow.next() => match (more?, &mut picture) {
                (Some(More::Picture(new)), _) => picture = Some(new),
                (Some(More::Changes(changes)), Some(picture)) => picture.apply(changes),
                (Some(_), _) => {}
                (None, _) => anyhow::bail!("it stopped telling"),
            },
            key = keys.recv() => match key {
                Some(Key::Redraw) => screen.clear()?,
                Some(Key::Quit) | None => return Ok(()),
            },
        }
        if let Some(picture) = &picture {
            screen.terminal.draw(|frame| draw(frame, picture, socket))?;
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_FRAMES) => {}
                key = keys.recv() => match key {
                    Some(Key::Redraw) => screen.clear()?,
                    Some(Key::Quit) | None => return Ok(()),
                },
            }
        }
    }
}

struct Screen {
    /// Never dropped: where the terminal is gone its own `drop` would panic.
    terminal: ManuallyDrop<ratatui::DefaultTerminal>,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let terminal = ratatui::try_init().context("the terminal cannot show the demo")?;
        let mut screen = Self { terminal: ManuallyDrop::new(terminal) };
        // A demo that was killed left the terminal as it was: nothing on it may be taken for ours.
        screen.clear().context("the terminal cannot show the demo")?;
        Ok(screen)
    }

    /// Makes the next frame a whole one. `Terminal::clear` would ask the terminal where its cursor is, wait for that,
    /// and swallow the keys that come in between.
    fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to restore, and nobody to be told: `restore()` would panic.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// Keys from a thread of their own. A terminal that is gone ends it: crossterm alone would spin (crossterm#793).
fn keys() -> anyhow::Result<mpsc::Receiver<Key>> {
    let (to, from) = mpsc::channel(16);
    let read = move || {
        while let Some(key) = next_key() {
            if to.blocking_send(key).is_err() {
                return;
            }
        }
        // Nobody listens any more: the view is over already.
        let _ = to.blocking_send(Key::Quit);
    };
    std::thread::Builder::new().name("keys".into()).spawn(read).context("no thread for the keys")?;
    Ok(from)
}

fn next_key() -> Option<Key> {
    loop {
        let stdin = io::stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, None::<&Timespec>) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
        if ready[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return None;
        }
        while event::poll(Duration::ZERO).ok()? {
            match event::read().ok()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Some(Key::Quit),
                        KeyCode::Char('c') if ctrl => return Some(Key::Quit),
                        KeyCode::Char('l') if ctrl => return Some(Key::Redraw),
                        _ => {}
                    }
                }
                Event::Resize(..) => return Some(Key::Redraw),
                _ => {}
            }
        }
    }
}

/// From this width on there is room for bars and words.
const WIDE: u16 = 100;

fn draw(frame: &mut Frame, picture: &Picture, socket: &str) {
    let area = frame.area();
    let keys = keys_line(socket, area.width);
    let foot = keys.lines.len() as u16;
    let nodes = picture.nodes.len() as u16 + 1;
    // The foot is the last to go: it says how to leave.
    let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(foot)]).areas(area);
    let [head, top, rest] =
        Layout::vertical([Constraint::Length(2), Constraint::Length(nodes.saturating_add(1)), Constraint::Min(0)])
            .areas(body);
    let wide = area.width >= WIDE;
    frame.render_widget(Paragraph::new(title(picture)), head);
    frame.render_widget(nodes_table(&picture.nodes, wide), top);
    frame.render_widget(jobs_table(&picture.jobs, wide), rest);
    frame.render_widget(Paragraph::new(keys).style(Style::new().fg(Color::DarkGray)), foot);
}

fn title(picture: &Picture) -> Line<'static> {
    let workers = || picture.nodes.iter().filter(|node| node.role == Role::Worker);
    let up = workers().filter(|node| node.state == NodeState::Up).count();
    Line::from(vec![
        Span::styled("bramble demo", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("   {up} of {} workers up   ", workers().count())),
        Span::styled("boards are simulated", Style::new().fg(Color::DarkGray)),
    ])
}

/// The command is never cut: whoever wants to copy it needs all of it.
fn keys_line(socket: &str, width: u16) -> Text<'static> {
    let command = format!("bramble --manager unix://{socket} node");
    let one_line = format!("q quit   from another terminal: {command}");
    if one_line.len() <= usize::from(width) {
        return Text::from(one_line);
    }
    let columns = usize::from(width.max(1));
    let mut lines: Vec<Line> =
        command.as_bytes().chunks(columns).map(|part| Line::from(String::from_utf8_lossy(part).into_owned())).collect();
    lines.push(Line::from("q quit"));
    Text::from(lines)
}

fn header(words: &[&'static str]) -> Row<'static> {
    Row::new(words.to_vec()).style(Style::new().fg(Color::DarkGray))
}

fn nodes_table(nodes: &[NodeView], wide: bool) -> Table<'static> {
    let rows = nodes.iter().map(|node| {
        let (glyph, color) = match node.state {
            NodeState::Up => ("●", Color::Green),
            NodeState::Reachable => ("◐", Color::Yellow),
            NodeState::Down => ("○", Color::Red),
        };
        let metrics = node.metrics.clone().unwrap_or_default();
        let memory = metrics.memory_used.zip(node.facts.memory).and_then(|(used, all)| Percent::of(used.0, all.0));
        let temperature = metrics.temperature.map_or_else(|| "–".into(), |t| format!("{:.0} °C", t.value()));
        let mut cells = vec![
            Cell::from(format!("{glyph} {}", node.state)).style(Style::new().fg(color)),
            Cell::from(node.name.to_string()),
        ];
        if wide {
            cells.push(Cell::from(node.role.to_string()));
        }
        cells.push(Cell::from(share(metrics.cpu, wide)));
        cells.push(Cell::from(share(memory, wide)));
        cells.push(Cell::from(temperature));
        cells.push(Cell::from(match node.role {
            Role::Manager => "–".into(),
            _ => format!("{} running, {} finished", node.running, node.finished),
        }));
        Row::new(cells)
    });
    let (words, widths): (&[&str], &[u16]) = match wide {
        true => (&["state", "node", "role", "CPU", "RAM", "heat", "tasks"], &[9, 12, 8, 15, 15, 6]),
        false => (&["state", "node", "CPU", "RAM", "heat", "tasks"], &[6, 10, 4, 4, 6]),
    };
    let widths = widths.iter().map(|&width| Constraint::Length(width)).chain([Constraint::Min(10)]);
    Table::new(rows.collect::<Vec<_>>(), widths).header(header(words))
}

/// The number, and where there is room ten cells of it, so that it can be read without looking closely.
fn share(share: Option<Percent>, wide: bool) -> String {
    let Some(share) = share.map(Percent::value) else { return "–".into() };
    if !wide {
        return format!("{share:>3.0}%");
    }
    let full = (share / 10.0).round() as usize;
    format!("{}{} {share:>3.0}%", "▮".repeat(full), "▯".repeat(10usize.saturating_sub(full)))
}

fn jobs_table(jobs: &[JobView], wide: bool) -> Table<'static> {
    let rows = jobs.iter().map(|job| {
        let color = match job.state {
            TaskState::Succeeded => Color::Green,
            TaskState::Failed | TaskState::Lost => Color::Red,
            TaskState::Stopped => Color::Yellow,
            TaskState::Queued => Color::DarkGray,
            TaskState::Starting | TaskState::Running => Color::Cyan,
        };
        let counts = job.counts;
        let name = job.name.as_ref().map_or_else(|| job.command.join(" "), ToString::to_string);
        let plain: String = name.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
        Row::new(vec![
            Cell::from(job.id.to_string()),
            Cell::from(plain),
            Cell::from(job.state.to_string()).style(Style::new().fg(color)),
            Cell::from(share(Percent::of(counts.ended().into(), counts.total().into()), wide)),
            Cell::from(progress(job)),
        ])
    });
    let widths: [u16; 4] = if wide { [5, 26, 10, 15] } else { [4, 18, 9, 4] };
    let widths = widths.into_iter().map(Constraint::Length).chain([Constraint::Min(10)]);
    Table::new(rows.collect::<Vec<_>>(), widths).header(header(&["job", "name", "state", "done", ""]))
}

fn progress(job: &JobView) -> String {
    let counts = job.counts;
    let parts = [
        (counts.running, "running"),
        (counts.starting, "starting"),
        (counts.queued, "queued"),
        (counts.failed, "failed"),
        (counts.stopped, "stopped"),
        (counts.lost, "lost"),
    ];
    let mut words = vec![format!("{} of {}", counts.ended(), counts.total())];
    words.extend(parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::job::Counts;
    use protocol::time::UnixMillis;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn picture() -> Picture {
        let node = |name: &str, role| NodeView {
            name: name.parse().unwrap(),
            role,
            state: NodeState::Up,
            draining: false,
            revoked: false,
            shared_uid: false,
            version: None,
            address: None,
            cpus: 2,
            slots: 2,
            running_cpus: 2,
            running: 2,
            finished: 5,
            joined_at: UnixMillis(0),
            seen_at: None,
            facts: Default::default(),
            metrics: None,
        };
        let job = JobView {
            id: protocol::id::JobId(2),
            name: None,
            owner: "ana".parse().unwrap(),
            command: vec!["sh".into(), "-c".into(), "echo \u{1b}[31m".into()],
            cpus: 1,
            node: None,
            submitted_at: UnixMillis(0),
            started_at: None,
            ended_at: None,
            state: TaskState::Running,
            counts: Counts { running: 2, starting: 4, succeeded: 6, ..Default::default() },
        };
        let nodes = vec![node("shelf", Role::Manager), node("pi-1", Role::Worker)];
        Picture { at: UnixMillis(0), nodes, jobs: vec![job], last_event: 0 }
    }

    fn drawn(width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &picture(), "/run/bramble-demo-0123abcd/manager.sock")).unwrap();
        terminal
    }

    #[test]
    fn it_fits_every_usual_terminal_and_says_how_to_leave() {
        for (width, height) in [(160, 50), (120, 40), (80, 24), (60, 15)] {
            let screen = drawn(width, height).backend().to_string();
            for word in ["q quit", "pi-1", "2 running, 5 finished", "6 of 12", "1 of 1 workers up"] {
                assert!(screen.contains(word), "{word} at {width}×{height}:\n{screen}");
            }
            assert!(!screen.contains('\u{1b}'));
        }
        assert!(drawn(80, 24).backend().to_string().contains("unix:///run/bramble-demo-0123abcd/manager.sock node"));
    }

    #[test]
    fn no_size_is_too_small_or_too_odd() {
        for width in (0..60).chain([300]) {
            for height in (0..20).chain([200]) {
                drawn(width, height);
            }
        }
    }
}
