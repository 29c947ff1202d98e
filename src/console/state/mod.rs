//! All that the console knows. One owner changes it, event by event; panes only read it. There is no clock here, no
//! terminal and no network: `now` is a field, and what is to be done outside is returned as effects.

mod away;
pub mod deed;
pub mod dialog;
pub mod events;
pub mod filter;
pub mod help;
pub mod layout;
mod link;
pub mod list;
pub mod log;
mod mouse;
pub mod node;
pub mod nodes;
pub mod page;
pub mod palette;
pub mod prompt;
pub mod settings;
pub mod task;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod toast;
mod update;
mod why;
pub mod work;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use protocol::api::{Hello, JobView, Picture, Right};
use protocol::id::TaskId;
use protocol::name::NodeName;
use protocol::time::UnixMillis;
use ratatui::layout::Size;

use super::actions::{self, Action, Layer};
use super::event::Effect;
use super::keymap::{Chord, Keymap};
use super::theme::Theme;
use crate::client::ManagerAddress;

pub use link::Link;
pub use list::{Move, Scroll};

use deed::{Deed, Deeds};
use dialog::Dialog;
use events::Events;
use help::Help;
use node::NodePage;
use nodes::Nodes;
use page::{Page, Pages};
use prompt::Prompt;
use settings::Settings;
use task::TaskPage;
use toast::Toasts;
use work::Work;

/// What the loop says the time is: `mono` for ages and pauses, `wall` for what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    pub mono: Duration,
    pub wall: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    Nodes,
    Work,
    Events,
}

impl Pane {
    pub const ALL: [Pane; 3] = [Pane::Nodes, Pane::Work, Pane::Events];

    pub fn word(self) -> &'static str {
        match self {
            Pane::Nodes => "nodes",
            Pane::Work => "work",
            Pane::Events => "events",
        }
    }
}

/// What lies over the panes and takes the keys.
#[derive(Debug)]
pub enum Overlay {
    Prompt(Prompt),
    Help(Help),
    Dialog(Dialog),
}

/// An action as it was done, to be done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub name: &'static str,
    pub args: Vec<String>,
}

pub struct State {
    pub now: Now,
    pub size: Size,
    /// In which times are shown.
    pub zone: TimeZone,
    pub theme: Arc<Theme>,
    pub keymap: Arc<Keymap>,
    /// What there is to choose from.
    pub themes: Vec<String>,
    pub keymaps: Vec<String>,
    pub settings: Settings,
    /// Nothing can be changed from this console.
    pub read_only: bool,
    pub link: Link,
    pub me: Option<Hello>,
    pub picture: Picture,
    pub nodes: Nodes,
    pub work: Work,
    pub events: Events,
    pub pages: Pages,
    pub focus: Pane,
    pub zoomed: bool,
    pub overlay: Option<Overlay>,
    pub toasts: Toasts,
    /// Keys of a sequence that is not complete.
    pub pending: Vec<Chord>,
    pub repeat: Option<Done>,
    /// The headless command equal to the last action.
    pub last_command: Option<String>,
    /// Where the manager is; a headless command has to say it too.
    pub named: Option<ManagerAddress>,
    pub undo: Option<Deed>,
    /// Which of the ways of the first screen is lit.
    pub way: usize,
    deeds: Deeds,
    /// Something was told that is not in its order yet.
    unordered: bool,
}

/// What can be done where there is no manager yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Demo,
    Install,
    Connect,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Demo, Way::Install, Way::Connect];
}

pub struct Look {
    pub theme: Arc<Theme>,
    pub keymap: Arc<Keymap>,
    pub themes: Vec<String>,
    pub keymaps: Vec<String>,
}

impl State {
    pub fn new(look: Look, settings: Settings, size: Size, zone: TimeZone, now: Now) -> State {
        let settings = settings.sane();
        State {
            now,
            size,
            zone,
            theme: look.theme,
            keymap: look.keymap,
            themes: look.themes,
            keymaps: look.keymaps,
            read_only: false,
            link: Link::Connecting,
            me: None,
            picture: Picture::default(),
            nodes: Nodes::new(&settings),
            work: Work::new(&settings),
            events: Events::default(),
            pages: Pages::default(),
            focus: Pane::Nodes,
            zoomed: false,
            overlay: None,
            toasts: Toasts::default(),
            pending: vec![],
            repeat: None,
            last_command: None,
            named: None,
            undo: None,
            way: 0,
            deeds: Deeds::default(),
            unordered: false,
            settings,
        }
    }

    /// The layers in force, the innermost first.
    pub fn layers(&self) -> Vec<Layer> {
        match &self.overlay {
            Some(Overlay::Dialog(_)) => vec![Layer::Dialog],
            Some(Overlay::Help(_)) => vec![Layer::Help],
            Some(Overlay::Prompt(_)) => vec![Layer::Prompt],
            None => vec![self.pane_layer(), Layer::List, Layer::Global],
        }
    }

    /// No manager was met yet: there are no panes.
    pub fn welcomes(&self) -> bool {
        !self.link.seen()
    }

    /// The layer below whatever lies over it.
    pub fn pane_layer(&self) -> Layer {
        if self.welcomes() {
            return Layer::List;
        }
        match (self.pages.current(), self.focus) {
            (Page::Node(_), _) => Layer::Node,
            (Page::Task(_), _) => Layer::Task,
            (Page::Home, Pane::Nodes) => Layer::Nodes,
            (Page::Home, Pane::Work) => Layer::Work,
            (Page::Home, Pane::Events) => Layer::Events,
        }
    }

    /// Whether this row of the table can be used here and now.
    pub fn can(&self, action: &Action) -> bool {
        let allowed = action.looks() || !self.read_only && self.right() >= action.needs;
        allowed && (action.applies)(self)
    }

    /// What the manager lets this person do; nothing but looking until it has said so.
    pub fn right(&self) -> Right {
        self.me.as_ref().map_or(Right::Viewer, |me| me.role)
    }

    /// Does an action by its name, as its key would.
    pub fn act(&mut self, action: &'static Action, args: &[String]) -> Vec<Effect> {
        if !action.looks() && self.read_only {
            return self.refuse(format!("this console only looks (--read-only): {} is not done", action.name));
        }
        if self.right() < action.needs && self.me.is_some() {
            let word = match action.needs {
                Right::Admin => "an admin",
                _ => "an operator",
            };
            return self.refuse(format!("only {word} may do that: {}", action.name));
        }
        match (action.act)(self, args) {
            Ok(effects) => {
                if action.repeats() {
                    self.repeat = Some(Done { name: action.name, args: args.to_vec() });
                }
                effects
            }
            Err(why) => self.refuse(why),
        }
    }

    fn refuse(&mut self, why: String) -> Vec<Effect> {
        self.toasts.say(toast::Kind::Bad, why, self.now);
        vec![]
    }

    /// As if no manager had ever been met: whatever was seen of it, marked, asked and done is about it alone.
    pub fn forget_manager(&mut self) {
        self.link = Link::Connecting;
        self.me = None;
        self.picture = Picture::default();
        self.events.clear();
        self.pages.forget();
        self.nodes.forget();
        self.work.forget();
        (self.undo, self.repeat) = (None, None);
        if let Some(Overlay::Dialog(_)) = self.overlay {
            self.overlay = None;
        }
        self.forget_deeds();
        self.last_command = None;
    }

    pub fn open_node(&mut self, name: NodeName) -> Vec<Effect> {
        if self.pages.current().is_node(&name) {
            return vec![];
        }
        let effects = self.leave();
        self.last_command = Some(format!("bramble node {name}"));
        let (no, list) = (self.pages.number(), self.pages.number());
        self.pages.open(Page::Node(Box::new(NodePage::new(no, list, name))));
        effects
    }

    pub fn open_task(&mut self, id: TaskId) -> Vec<Effect> {
        if self.pages.current().is_task(id) {
            return vec![];
        }
        let effects = self.leave();
        self.last_command = Some(format!("bramble logs {id} -f"));
        let no = self.pages.number();
        self.pages.open(Page::Task(Box::new(TaskPage::new(no, id))));
        effects
    }

    /// The task of a job that is most likely meant where the job is named.
    pub fn first_task(&self, job: &JobView) -> TaskId {
        self.work.first_known_task(job.id).unwrap_or(TaskId { job: job.id, index: job.first })
    }

    pub fn say(&mut self, text: impl Into<String>) {
        self.toasts.say(toast::Kind::Plain, text, self.now);
    }

    /// The key of an action where the keys go now; below an overlay, where they will go again.
    pub fn key_of(&self, action: &str) -> Option<String> {
        let layers = [self.pane_layer(), Layer::List, Layer::Global].map(Layer::word);
        self.keymap.keys_of(&layers, action)
    }

    /// The rows of the table that hold here, for footer, help and palette.
    pub fn here(&self) -> impl Iterator<Item = &'static Action> {
        let layers = [self.pane_layer(), Layer::List, Layer::Global];
        let held = layers.into_iter().flat_map(|layer| actions::table().filter(move |row| row.layers.contains(&layer)));
        held.filter(|action| self.can(action))
    }
}
