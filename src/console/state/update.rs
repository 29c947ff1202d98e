//! What each event does to the state, and what is to be done about it outside.

use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, KeyEvent};
use protocol::api::{Changes, Hello, Picture, Reply, Request};
use protocol::id::JobId;
use tui_input::backend::crossterm::EventHandler;

use super::layout::Layout;
use super::link::Link;
use super::list::Move;
use super::page::Page;
use super::prompt::Kind;
use super::toast;
use super::{Now, Overlay, Pane, State, Way};
use crate::client::ClientError;
use crate::console::actions;
use crate::console::event::{Effect, Event, Printed, Purpose, Told};
use crate::console::keymap::{Chord, Found};
use crate::console::panes;

/// Whoever pastes more has taken the wrong thing.
const LONGEST_LINE: usize = 4096;

impl State {
    /// Takes one event. After a batch of them, [`State::settle`].
    pub fn update(&mut self, event: Event, now: Now) -> Vec<Effect> {
        self.now = now;
        // What a key is about is what was seen, wherever that stands by now.
        if self.unordered && matches!(event, Event::Key(_) | Event::Mouse(_)) {
            self.arrange();
        }
        self.unordered |= matches!(event, Event::Told(_) | Event::Answered(..));
        match event {
            Event::Key(key) => self.key(key),
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Paste(text) => self.pasted(&text),
            Event::Resize(width, height) => {
                self.size = (width, height).into();
                vec![]
            }
            Event::Told(told) => self.told(told),
            Event::Answered(purpose, answer) => self.answered(purpose, answer),
            Event::Printed(no, printed) => {
                self.printed(no, printed);
                vec![]
            }
            Event::Theme(Ok(theme)) => {
                self.settings.theme = theme.name.clone();
                // One's own is read again as often as it is saved; that shows.
                if self.theme.name != theme.name {
                    self.say(format!("theme: {}", theme.name));
                }
                self.theme = theme;
                self.keep()
            }
            Event::Keymap(Ok(keymap)) => {
                self.settings.keymap = keymap.name.clone();
                if self.keymap.name != keymap.name {
                    self.say(format!("keymap: {}", keymap.name));
                }
                self.keymap = keymap;
                self.pending.clear();
                self.keep()
            }
            Event::Theme(Err(why)) | Event::Keymap(Err(why)) => {
                self.toasts.say(toast::Kind::Bad, why, now);
                vec![]
            }
            Event::Time => vec![],
        }
    }

    /// Brings everything that follows from something else up to date: orders, what is seen, what is to be asked for.
    pub fn settle(&mut self, now: Now) -> Vec<Effect> {
        self.now = now;
        self.toasts.pass(now);
        self.arrange();
        let layout = Layout::of(self);
        let rows = |pane| usize::from(layout.inner(pane).height);
        self.nodes.settle(&self.picture.nodes, layout.inner(Pane::Nodes));
        self.events.settle(rows(Pane::Events));
        if !self.link.live() {
            return vec![];
        }
        let mut effects = vec![];
        if layout.pane(Pane::Work).is_some() {
            effects.extend(self.work.settle(&self.picture.jobs, work_rows(&layout), now));
        }
        if layout.pane(Pane::Nodes).is_some() && self.nodes.trends_due(now) {
            effects.push(Effect::Ask(Purpose::Trends, Request::Trends));
        }
        let body = layout.body;
        let number = self.pages.number();
        let wrap = self.settings.wrap;
        match self.pages.current_mut() {
            Page::Home => {}
            Page::Node(page) => {
                let nodes = (&*self.picture.nodes, &self.nodes);
                let around = panes::node::around(page, nodes, &self.events, body, now);
                effects.extend(page.settle(&around, now));
            }
            Page::Task(page) => {
                effects.extend(page.settle(panes::task::parts(page, body, wrap), now, || number));
            }
        }
        effects
    }

    /// Nodes and work in their order, the cursors on what they were on.
    fn arrange(&mut self) {
        self.unordered = false;
        self.nodes.refresh(&self.picture.nodes, self.now);
        let pages = &mut self.pages;
        self.work.follow_nodes(&self.picture.nodes, &self.picture.jobs, || pages.number());
        self.work.refresh(&self.picture.jobs);
    }

    /// When something changes by itself, if nothing else happens: `mono` of then.
    pub fn next_wakeup(&self) -> Option<Duration> {
        let page = match self.pages.current() {
            Page::Home => {
                // What is not seen is not asked for.
                let layout = Layout::of(self);
                let work = self.work.next_wakeup().filter(|_| layout.pane(Pane::Work).is_some());
                let trends = self.nodes.trends_next().filter(|_| layout.pane(Pane::Nodes).is_some());
                work.into_iter().chain(trends).min()
            }
            Page::Node(page) => page.next_wakeup(),
            Page::Task(page) => page.next_wakeup(),
        };
        let page = page.filter(|_| self.link.live());
        let clock = Duration::from_millis(60_000 - self.now.wall.0 % 60_000);
        let ages = if self.shows_seconds() { Duration::from_millis(1000 - self.now.wall.0 % 1000) } else { clock };
        [page, self.toasts.next_wakeup(), Some(self.now.mono + ages)].into_iter().flatten().min()
    }

    /// Whether something is seen whose age is told in seconds.
    fn shows_seconds(&self) -> bool {
        let young = |at: Option<protocol::time::UnixMillis>| at.is_some_and(|at| self.now.wall.since(at) < 60_000);
        match self.pages.current() {
            _ if !self.link.live() => true,
            Page::Home => {
                if self.picture.nodes.iter().any(|node| node.metrics.is_none() && young(node.seen_at)) {
                    return true;
                }
                let mut active = self.picture.jobs.iter().filter(|job| job.counts.ended() < job.counts.total());
                active.any(|job| young(Some(job.started_at.unwrap_or(job.submitted_at))))
                    || self.work.shows_seconds(&self.picture.jobs, self.now)
            }
            Page::Node(_) => false,
            Page::Task(page) => page.task.as_ref().is_some_and(|task| !task.state.ended()),
        }
    }

    pub fn keep(&mut self) -> Vec<Effect> {
        vec![Effect::Keep(self.settings.clone())]
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        self.pending.push(Chord::from(key));
        let layers = self.layers();
        let words: Vec<&str> = layers.iter().map(|layer| layer.word()).collect();
        let keymap = self.keymap.clone();
        match keymap.find(&words, &self.pending) {
            Found::Prefix => vec![],
            Found::Bound(binding) => {
                self.pending.clear();
                match actions::find_in(&layers, &binding.action) {
                    Some(action) if (action.applies)(self) => self.act(action, &binding.args),
                    _ => vec![],
                }
            }
            Found::Nothing => {
                let alone = self.pending.len() == 1;
                self.pending.clear();
                if alone { self.typed(&TerminalEvent::Key(key)) } else { vec![] }
            }
        }
    }

    /// What is bound to nothing is text, where text is taken.
    fn typed(&mut self, event: &TerminalEvent) -> Vec<Effect> {
        match &mut self.overlay {
            Some(Overlay::Prompt(prompt)) => drop(prompt.input.handle_event(event)),
            Some(Overlay::Help(help)) => {
                if help.input.handle_event(event).is_some_and(|change| change.value) {
                    help.scroll = Default::default();
                }
                return vec![];
            }
            _ => return vec![],
        }
        self.prompt_changed()
    }

    fn pasted(&mut self, text: &str) -> Vec<Effect> {
        let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let input = match &mut self.overlay {
            Some(Overlay::Prompt(prompt)) => &mut prompt.input,
            Some(Overlay::Help(help)) => &mut help.input,
            _ => return vec![],
        };
        let room = LONGEST_LINE.saturating_sub(input.value().chars().count());
        for c in line.take(room) {
            input.handle(tui_input::InputRequest::InsertChar(c));
        }
        self.prompt_changed()
    }

    /// A filter holds while it is typed, a palette offers what fits.
    pub fn prompt_changed(&mut self) -> Vec<Effect> {
        let Some(Overlay::Prompt(prompt)) = &self.overlay else { return vec![] };
        let (kind, text) = (prompt.kind.clone(), prompt.input.value().to_owned());
        match kind {
            Kind::Palette => {
                let offers = self.offers(&text);
                if let Some(Overlay::Prompt(prompt)) = &mut self.overlay {
                    (prompt.offers, prompt.choice) = (offers, 0);
                }
            }
            Kind::Connect => {}
            Kind::Filter { .. } => self.set_filter(&text),
            Kind::Search { .. } => {
                if let Page::Task(page) = self.pages.current_mut() {
                    page.log.search(&text);
                }
            }
        }
        vec![]
    }

    /// Of the pane that has the focus.
    pub fn set_filter(&mut self, text: &str) {
        let filter = super::filter::Filter::parse(text);
        match self.focus {
            Pane::Nodes => {
                self.nodes.filter = filter;
                self.nodes.refresh(&self.picture.nodes, self.now);
            }
            Pane::Work => {
                let pages = &mut self.pages;
                self.work.set_filter(filter, &self.picture.jobs, || pages.number());
            }
            Pane::Events => {
                self.events.filter = filter;
                self.events.refresh();
            }
        }
    }

    /// A move of the cursor, wherever it is.
    pub fn step(&mut self, by: Move) {
        if self.welcomes() {
            let last = Way::ALL.len() - 1;
            self.way = match by {
                Move::Down | Move::Right => (self.way + 1).min(last),
                Move::Up | Move::Left => self.way.saturating_sub(1),
                Move::First | Move::PageUp | Move::HalfUp => 0,
                Move::Last | Move::PageDown | Move::HalfDown => last,
            };
            return;
        }
        let layout = Layout::of(self);
        let (body, wrap) = (layout.body, self.settings.wrap);
        match self.pages.current_mut() {
            Page::Node(page) => {
                let nodes = (&*self.picture.nodes, &self.nodes);
                let around = panes::node::around(page, nodes, &self.events, body, self.now);
                page.step(by, &around);
            }
            Page::Task(page) => {
                let parts = panes::task::parts(page, body, wrap);
                page.step(by, &parts);
            }
            Page::Home => match self.focus {
                Pane::Nodes => self.nodes.step(by, &self.picture.nodes, layout.inner(Pane::Nodes)),
                Pane::Work => self.work.step(by, &self.picture.jobs, work_rows(&layout)),
                Pane::Events => self.events.step(by, usize::from(layout.inner(Pane::Events).height)),
            },
        }
    }

    fn told(&mut self, told: Told) -> Vec<Effect> {
        match told {
            Told::Named(address) => {
                self.named = address;
                vec![]
            }
            Told::Hello(hello) => self.met(hello),
            Told::Picture(picture) => self.pictured(*picture),
            Told::Changes(changes) => {
                self.changed(*changes);
                vec![]
            }
            Told::Away(away) => {
                self.missed(&away);
                vec![]
            }
            Told::Past(events) => {
                self.events.add(events);
                vec![]
            }
            Told::Lost { why, pause } => {
                let again = self.now.mono + pause;
                self.link.lost(why, again, self.now);
                self.forget_asked();
                vec![Effect::Unfollow]
            }
        }
    }

    fn met(&mut self, hello: Hello) -> Vec<Effect> {
        // Another manager has other jobs and other nodes under the same numbers and names.
        if self.me.as_ref().is_some_and(|me| me.host_key != hello.host_key) {
            self.forget_manager();
        }
        self.me = Some(hello);
        vec![]
    }

    fn pictured(&mut self, picture: Picture) -> Vec<Effect> {
        if let Link::Lost { .. } = self.link {
            self.toasts.say(toast::Kind::Good, "the manager is back", self.now);
        }
        self.link = Link::Live;
        self.picture = picture;
        self.forget_asked();
        vec![]
    }

    /// Whatever was under way on the old link is asked for again on the next.
    fn forget_asked(&mut self) {
        self.work.ask_again();
        self.nodes.ask_again();
        match self.pages.current_mut() {
            Page::Home => {}
            Page::Node(page) => page.ask_again(),
            Page::Task(page) => page.ask_again(),
        }
    }

    fn changed(&mut self, changes: Changes) {
        for job in &changes.jobs {
            self.work.changed(job.id);
        }
        let touches = |id: JobId| changes.jobs.iter().any(|job| job.id == id);
        match self.pages.current_mut() {
            Page::Task(page) if touches(page.id.job) => page.changed(),
            Page::Task(page) => page.others_changed(),
            Page::Node(page) if !changes.jobs.is_empty() => page.tasks.changed(),
            _ => {}
        }
        self.events.add(changes.events.iter().cloned());
        self.picture.apply(changes);
    }

    fn answered(&mut self, purpose: Purpose, answer: Result<Reply, ClientError>) -> Vec<Effect> {
        match (purpose, answer) {
            (Purpose::Deed(no), answer) => return self.deed_answered(no, answer),
            (Purpose::Trends, Ok(Reply::Trends { nodes, end, .. })) => self.nodes.learn_trends(nodes, end),
            (Purpose::Tasks { list, page }, answer) => {
                let answer = answer.ok();
                if let Some(tasks) = self.list_mut(list) {
                    tasks.answered(page, answer);
                }
            }
            (Purpose::Task { page } | Purpose::Why { page }, Ok(reply)) => {
                if let Some(page) = self.pages.task_mut(page) {
                    return page.answered(reply);
                }
            }
            (Purpose::WhyOf(job), Ok(Reply::Tasks { tasks, .. })) => return self.why_of(job, tasks.first()),
            (Purpose::WhyTold, Ok(Reply::Why(why))) => self.tell_why(&why),
            (Purpose::History { page }, Ok(reply)) => {
                if let Some(page) = self.pages.node_mut(page) {
                    page.answered(reply);
                }
            }
            (Purpose::JoinToken, Ok(Reply::JoinToken { line, .. })) => {
                let text = vec![
                    "Run this on the machine that shall be a worker; the token in it is good once, and for an hour."
                        .into(),
                    line.clone(),
                ];
                self.overlay = Some(Overlay::Dialog(super::dialog::Dialog::tell("Add a node", text, Some(line))));
            }
            // The link's own end is told by the link.
            (_, Err(ClientError::Lost { .. })) => {}
            (_, Err(error)) => self.toasts.say(toast::Kind::Bad, error.to_string(), self.now),
            (_, Ok(_)) => {}
        }
        vec![]
    }

    fn list_mut(&mut self, no: u64) -> Option<&mut super::tasks::Tasks> {
        match self.pages.current_mut() {
            Page::Node(page) if page.tasks.no == no => Some(&mut page.tasks),
            _ => self.work.list_mut(no),
        }
    }

    fn printed(&mut self, no: u64, printed: Printed) {
        let Page::Task(page) = self.pages.current_mut() else { return };
        if !page.follows(no) {
            return;
        }
        match printed {
            Printed::Piece(chunk) => page.log.add(&chunk),
            Printed::Note(text) => page.log.note(text),
            Printed::End => page.log.ended = true,
            Printed::Broken(ClientError::Lost { .. }) => {}
            Printed::Broken(error) => page.log.note(error.to_string()),
        }
    }

    /// Leaves this page for another: what was followed here is followed no more, and answers do not reach it.
    pub fn leave(&mut self) -> Vec<Effect> {
        match self.pages.current_mut() {
            Page::Home => vec![],
            Page::Node(page) => {
                page.ask_again();
                vec![]
            }
            Page::Task(page) => {
                page.ask_again();
                vec![Effect::Unfollow]
            }
        }
    }
}

/// One line of the pane is its heading.
pub fn work_rows(layout: &Layout) -> usize {
    usize::from(layout.inner(Pane::Work).height.saturating_sub(1))
}
