//! What a terminal is given that a pipe is not: colour, glyphs, a width to keep to.

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use protocol::job::TaskState;
use protocol::node::NodeState;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub terminal: bool,
    pub color: bool,
}

impl Look {
    pub fn of(when: When, stream: &impl std::io::IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = || set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match when {
            When::Auto => terminal && !plain(),
            When::Always => true,
            When::Never => false,
        };
        Self { terminal, color }
    }

    /// Of a terminal that knows it.
    pub fn width(self) -> Option<u16> {
        let size = self.terminal.then(|| rustix::termios::tcgetwinsize(std::io::stdout()).ok()).flatten()?;
        (size.ws_col > 0).then_some(size.ws_col)
    }

    pub fn paint(self, color: AnsiColor, text: &str) -> String {
        self.style(Style::new().fg_color(Some(color.into())), text)
    }

    pub fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    fn style(self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The state as a word; on a terminal with its glyph, so that no colour is needed to see it.
    pub fn task(self, state: TaskState) -> String {
        if self.terminal { format!("{} {state}", task_glyph(state)) } else { state.to_string() }
    }

    pub fn node(self, state: NodeState) -> String {
        if self.terminal { format!("{} {state}", node_glyph(state)) } else { state.to_string() }
    }
}

pub fn task_glyph(state: TaskState) -> char {
    match state {
        TaskState::Queued => '○',
        TaskState::Starting => '◌',
        TaskState::Running => '●',
        TaskState::Succeeded => '✓',
        TaskState::Failed => '✗',
        TaskState::Stopped => '■',
        TaskState::Lost => '?',
    }
}

pub fn task_color(state: TaskState) -> AnsiColor {
    match state {
        TaskState::Queued => AnsiColor::White,
        TaskState::Starting | TaskState::Running => AnsiColor::Cyan,
        TaskState::Succeeded => AnsiColor::Green,
        TaskState::Failed => AnsiColor::Red,
        TaskState::Stopped => AnsiColor::Yellow,
        TaskState::Lost => AnsiColor::Magenta,
    }
}

pub fn node_glyph(state: NodeState) -> char {
    match state {
        NodeState::Up => '●',
        NodeState::Reachable => '◐',
        NodeState::Down => '○',
    }
}

pub fn node_color(state: NodeState) -> AnsiColor {
    match state {
        NodeState::Up => AnsiColor::Green,
        NodeState::Reachable => AnsiColor::Yellow,
        NodeState::Down => AnsiColor::Red,
    }
}
