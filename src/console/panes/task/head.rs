//! What is known of a task: its state, its command, where and when, and its attempts.

use protocol::api::{AttemptView, TaskView};
use protocol::job::Stream;
use protocol::result::ResultView;
use protocol::time::UnixMillis;
use protocol::unit::Bytes;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::State;
use crate::console::state::task::TaskPage;
use crate::text;

/// From this width on, two facts stand side by side.
const TWO: u16 = 64;
const LABEL: u16 = 11;
/// As many attempts are listed, the latest first.
const MOST_ATTEMPTS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    State,
    Command,
    Facts(Fact, Option<Fact>),
    /// What the attempt whose log is shown left.
    Left,
    /// The nth of those that are known.
    Attempt(usize),
    /// So many attempts are not listed.
    More(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Owner,
    Node,
    Submitted,
    Waited,
    Started,
    Ran,
    Ended,
    Output,
}

pub fn height(page: &TaskPage, width: u16) -> u16 {
    rows(page, width).len() as u16
}

/// The most important first: where there is little room, the last ones are left out.
fn rows(page: &TaskPage, width: u16) -> Vec<Row> {
    let Some(task) = &page.task else { return vec![] };
    let (started, ended) = (task.started_at.is_some(), task.ended_at.is_some());
    let mut rows = vec![Row::State, Row::Command];
    if width >= TWO {
        rows.push(Row::Facts(Fact::Owner, Some(Fact::Node)));
        rows.push(Row::Facts(Fact::Submitted, Some(Fact::Waited)));
        rows.extend(started.then_some(Row::Facts(Fact::Started, Some(Fact::Ran))));
        if ended {
            rows.push(Row::Facts(Fact::Ended, Some(Fact::Output)));
        } else if started {
            rows.push(Row::Facts(Fact::Output, None));
        }
    } else {
        let facts = [
            (task.node.is_some(), Fact::Node),
            (started, Fact::Ran),
            (true, Fact::Waited),
            (true, Fact::Owner),
            (true, Fact::Submitted),
            (started, Fact::Started),
            (ended, Fact::Ended),
            (started, Fact::Output),
        ];
        rows.extend(facts.into_iter().filter(|(there, _)| *there).map(|(_, fact)| Row::Facts(fact, None)));
    }
    rows.extend(left(page).map(|_| Row::Left));
    if page.attempts.len() > 1 {
        rows.extend((0..page.attempts.len()).rev().take(MOST_ATTEMPTS).map(Row::Attempt));
        let more = page.attempts.len().saturating_sub(MOST_ATTEMPTS);
        rows.extend((more > 0).then_some(Row::More(more)));
    }
    rows
}

pub fn draw(state: &State, page: &TaskPage, area: Rect, buffer: &mut Buffer) {
    let Some(task) = &page.task else { return };
    let styles = &state.theme.styles;
    for (row, y) in rows(page, area.width).into_iter().zip(area.top()..area.bottom()) {
        let line = Rect::new(area.x + 1, y, area.width.saturating_sub(2), 1);
        match row {
            Row::State => drop(paint::spans(buffer, line.x, y, line.width, &state_line(state, page, task))),
            Row::Command => {
                let command = text::command(&task.command);
                labelled(state, "command", vec![Span::styled(command, styles.strong)], line, buffer);
            }
            Row::Facts(one, other) => {
                let half = if other.is_some() { line.width / 2 } else { line.width };
                fact(state, page, task, one, Rect { width: half, ..line }, buffer);
                if let Some(other) = other {
                    let right = Rect { x: line.x + half, width: line.width - half, ..line };
                    fact(state, page, task, other, right, buffer);
                }
            }
            Row::Left => labelled(state, "left", kept(state, page), line, buffer),
            Row::Attempt(nth) => attempt(state, page, &page.attempts[nth], line, buffer),
            Row::More(count) => {
                let said = format!("and {} before: bramble task {}", text::count(count as u64, "attempt"), page.id);
                paint::text(buffer, line.x + LABEL, y, line.width.saturating_sub(LABEL), &said, styles.dim);
            }
        }
    }
}

fn state_line(state: &State, page: &TaskPage, task: &TaskView) -> Vec<Span<'static>> {
    let (glyph, style) = paint::task_look(task.state, &state.theme);
    let styles = &state.theme.styles;
    let mut parts = vec![Span::styled(format!("{glyph} {}", task.state.word()), style)];
    let mut and = |said: String, style| {
        parts.push(Span::styled(format!(" {} ", state.theme.glyphs.dot), styles.dim));
        parts.push(Span::styled(said, style));
    };
    if task.stopping {
        and("stopping".into(), styles.stopped);
    }
    if !task.reason.is_empty() {
        and(text::clean(&text::reason(&task.reason)).into_owned(), styles.text);
    } else if let Some(code) = task.code {
        and(format!("exit code {code}"), styles.text);
    }
    if task.attempt > 1 {
        and(format!("{} attempts", task.attempt), styles.text);
    }
    if let Some(attempt) = page.attempt.filter(|attempt| *attempt != task.attempt) {
        and(format!("the log is of attempt #{attempt}"), styles.matched);
    }
    parts
}

fn labelled(state: &State, label: &str, parts: Vec<Span<'_>>, line: Rect, buffer: &mut Buffer) {
    paint::text(buffer, line.x, line.y, LABEL.min(line.width), label, state.theme.styles.dim);
    let (x, mut room) = (line.x + LABEL, line.width.saturating_sub(LABEL));
    let mut at = x;
    for part in parts {
        let said = paint::cut(&part.content, room, state.theme.glyphs);
        let taken = paint::text(buffer, at, line.y, room, &said, part.style);
        (at, room) = (at + taken, room - taken);
    }
}

fn fact(state: &State, page: &TaskPage, task: &TaskView, fact: Fact, line: Rect, buffer: &mut Buffer) {
    let (styles, now) = (&state.theme.styles, state.now.wall);
    let plain = |said: String| vec![Span::styled(said, styles.text)];
    let none = || vec![Span::styled("-", styles.dim)];
    let at = |at: Option<UnixMillis>| at.map_or_else(none, |at| plain(text::local_in(at, &state.zone)));
    let (label, parts) = match fact {
        Fact::Owner => ("owner", plain(text::clean(task.owner.as_str()).into_owned())),
        Fact::Node => ("node", task.node.as_ref().map_or_else(none, |node| plain(node.to_string()))),
        Fact::Submitted => ("submitted", plain(text::local_in(task.submitted_at, &state.zone))),
        Fact::Started => ("started", at(task.started_at)),
        Fact::Ended => ("ended", at(task.ended_at)),
        Fact::Waited => {
            let until = task.started_at.or(task.ended_at).unwrap_or(now);
            let label = if task.started_at.or(task.ended_at).is_some() { "waited" } else { "waits" };
            let ms = until.since(task.submitted_at);
            (label, plain(if label == "waits" { going_on(ms) } else { text::took(ms) }))
        }
        Fact::Ran => match (task.ran_ms, task.started_at) {
            (Some(ms), _) => ("ran", plain(text::took(ms))),
            (None, Some(start)) if !task.state.ended() => ("runs", plain(going_on(now.since(start)))),
            _ => ("ran", none()),
        },
        Fact::Output => ("output", output(state, page)),
    };
    labelled(state, label, parts, line, buffer);
}

/// What goes on is told in whole seconds.
fn going_on(ms: u64) -> String {
    if ms < 60_000 { format!("{}s", ms / 1000) } else { text::took(ms) }
}

/// How much was printed, as far as it was told.
fn output(state: &State, page: &TaskPage) -> Vec<Span<'static>> {
    let styles = &state.theme.styles;
    let size = |stream| page.log.told(stream).map(|bytes| Bytes(bytes).to_string());
    let mut parts = vec![];
    for (word, stream, style) in [("", Stream::Stdout, styles.text), ("stderr ", Stream::Stderr, styles.stderr)] {
        if let Some(size) = size(stream) {
            let style = if page.log.told(stream) == Some(0) { styles.dim } else { style };
            parts.push(Span::styled(format!("{word}{size}   "), style));
        }
    }
    if parts.is_empty() {
        parts.push(Span::styled("-", styles.dim));
    }
    parts
}

fn left(page: &TaskPage) -> Option<&ResultView> {
    page.results.iter().find(|result| result.attempt.number == page.shown_attempt())
}

/// How much, for how long it is kept, and how to have it.
fn kept(state: &State, page: &TaskPage) -> Vec<Span<'static>> {
    let styles = &state.theme.styles;
    let Some(result) = left(page) else { return vec![] };
    let latest = page.task.as_ref().is_none_or(|task| task.attempt == result.attempt.number);
    let named = if latest { page.id.to_string() } else { result.attempt.to_string() };
    let mut parts = vec![Span::styled(text::kept(result), styles.text)];
    if result.left.left_out > 0 {
        parts.push(Span::styled(format!(", {} left out", result.left.left_out), styles.stderr));
    }
    parts.push(Span::styled(format!(": bramble result get {named}"), styles.dim));
    parts
}

fn attempt(state: &State, page: &TaskPage, attempt: &AttemptView, line: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let (glyph, style) = paint::task_look(attempt.state, &state.theme);
    let shown = page.shown_attempt() == attempt.id.number;
    let sign = if shown { state.theme.glyphs.folded } else { " " };
    let node = attempt.node.as_ref().map_or("-", |node| node.as_str());
    let began = attempt.started_at.map_or_else(|| "-".into(), |at| text::clock(at, &state.zone));
    let took = match (attempt.ran_ms, attempt.started_at) {
        (Some(ms), _) => text::took(ms),
        (None, Some(start)) if !attempt.state.ended() => going_on(state.now.wall.since(start)),
        _ => "-".into(),
    };
    let mut reason = text::clean(&text::reason(&attempt.reason)).into_owned();
    if let Some(late) = &attempt.late {
        let said = format!("later: {}", late.state().word());
        reason = if reason.is_empty() { said } else { format!("{reason}; {said}") };
    }
    let parts = [
        Span::styled(format!("{sign} "), styles.strong),
        Span::styled(format!("{glyph} {:<9} ", attempt.state.word()), style),
        Span::styled(format!("{node:<10} {began:<5} {took:>7}  "), styles.text),
        Span::styled(reason, styles.dim),
    ];
    labelled(state, &format!("attempt #{}", attempt.id.number), parts.into(), line, buffer);
}
