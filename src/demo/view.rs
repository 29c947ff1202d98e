//! The plain live view: nodes with state, CPU and RAM; jobs with progress. Drawn again only when something changed.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Context;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use protocol::api::{JobView, More, NodeView, Picture, Request};
use protocol::job::TaskState;
use protocol::node::NodeState;
use protocol::unit::Percent;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
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
                Some(Key::Redraw) => screen.terminal.clear()?,
                Some(Key::Quit) | None => return Ok(()),
            },
        }
        if let Some(picture) = &picture {
            screen.terminal.draw(|frame| draw(frame, picture, socket))?;
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_FRAMES) => {}
                key = keys.recv() => match key {
                    Some(Key::Redraw) => screen.terminal.clear()?,
                    Some(Key::Quit) | None => return Ok(()),
                },
            }
        }
    }
}

struct Screen {
    terminal: ratatui::DefaultTerminal,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        Ok(Self { terminal: ratatui::try_init().context("the terminal cannot show the demo")? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
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

fn draw(frame: &mut Frame, picture: &Picture, socket: &str) {
    let nodes = picture.nodes.len() as u16 + 1;
    let [head, top, gap, rest, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(nodes),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let up = picture.nodes.iter().filter(|node| node.state == NodeState::Up).count();
    let title = Line::from(vec![
        Span::styled("bramble demo", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("   {up} of {} nodes up   ", picture.nodes.len())),
        Span::styled("boards are simulated", Style::new().fg(Color::DarkGray)),
    ]);
    frame.render_widget(Paragraph::new(title), head);
    frame.render_widget(nodes_table(&picture.nodes), top);
    frame.render_widget(Paragraph::new(""), gap);
    frame.render_widget(jobs_table(&picture.jobs), rest);
    let keys = format!("q quit   from another terminal: bramble --manager unix://{socket} node");
    frame.render_widget(Paragraph::new(keys).style(Style::new().fg(Color::DarkGray)), foot);
}

fn header(words: &[&'static str]) -> Row<'static> {
    Row::new(words.to_vec()).style(Style::new().fg(Color::DarkGray))
}

fn nodes_table(nodes: &[NodeView]) -> Table<'static> {
    let rows = nodes.iter().map(|node| {
        let (glyph, color) = match node.state {
            NodeState::Up => ("●", Color::Green),
            NodeState::Reachable => ("◐", Color::Yellow),
            NodeState::Down => ("○", Color::Red),
        };
        let metrics = node.metrics.clone().unwrap_or_default();
        let memory = metrics.memory_used.zip(node.facts.memory).and_then(|(used, all)| Percent::of(used.0, all.0));
        let temperature = metrics.temperature.map_or_else(|| "–".into(), |t| format!("{:.0} °C", t.value()));
        Row::new(vec![
            Cell::from(format!("{glyph} {}", node.state)).style(Style::new().fg(color)),
            Cell::from(node.name.to_string()),
            Cell::from(node.role.to_string()),
            Cell::from(bar(metrics.cpu)),
            Cell::from(bar(memory)),
            Cell::from(temperature),
            Cell::from(format!("{} running, {} finished", node.running, node.finished)),
        ])
    });
    let widths = [9, 12, 8, 15, 15, 7].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    Table::new(rows.collect::<Vec<_>>(), widths)
        .header(header(&["state", "node", "role", "CPU", "RAM", "heat", "tasks"]))
}

/// Ten cells and the number, so that it can be read without looking closely.
fn bar(share: Option<Percent>) -> String {
    let Some(share) = share.map(Percent::value) else { return "–".into() };
    let full = (share / 10.0).round() as usize;
    format!("{}{} {share:>3.0}%", "▮".repeat(full), "▯".repeat(10usize.saturating_sub(full)))
}

fn jobs_table(jobs: &[JobView]) -> Table<'static> {
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
            Cell::from(bar(Percent::of(counts.ended().into(), counts.total().into()))),
            Cell::from(progress(job)),
        ])
    });
    let widths = [
        Constraint::Length(5),
        Constraint::Length(26),
        Constraint::Length(10),
        Constraint::Length(15),
        Constraint::Min(10),
    ];
    Table::new(rows.collect::<Vec<_>>(), widths).header(header(&["job", "name", "state", "done", ""]))
}

fn progress(job: &JobView) -> String {
    let counts = job.counts;
    let parts = [
        (counts.running + counts.starting, "running"),
        (counts.queued, "queued"),
        (counts.failed, "failed"),
        (counts.stopped, "stopped"),
        (counts.lost, "lost"),
    ];
    let mut words = vec![format!("{} of {}", counts.ended(), counts.total())];
    words.extend(parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")));
    words.join(", ")
}
