//! The loop: one owner of the state. All that waits is taken in, then the screen is drawn once, and only when it would
//! look different.

mod looks;
mod pace;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use jiff::tz::TimeZone;
use protocol::time::UnixMillis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::event::{Effect, Event, Left};
use super::feed::{self, News, Resolve};
use super::keep::{Folders, Keeper};
use super::live;
use super::panes;
use super::state::{Look, Now, State, toast};
use super::terminal::{self, Command, Frame, Input, Painter, Report, Signal, Terminal, TerminalError};
use super::theme::ColorChoice;
use crate::client::Client;
use crate::document::Mistake;
use looks::Looks;
use pace::{Pace, Urgency};

/// What waits to be taken in; whoever has more waits.
const QUEUE: usize = 256;

pub struct Options {
    /// Asked again each time a manager is looked for.
    pub manager: Resolve,
    pub color: ColorChoice,
    /// Instead of what was chosen last time.
    pub theme: Option<String>,
    pub keymap: Option<String>,
    /// Nothing can be changed from this console.
    pub read_only: bool,
    /// Said when it opens.
    pub note: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// A theme or a keymap, with file and line.
    #[error(transparent)]
    Look(#[from] Mistake),
    #[error("the console cannot run: {0}")]
    System(#[from] std::io::Error),
}

/// Runs until the person leaves, or the terminal is gone.
pub async fn run(options: Options) -> Result<Left, ConsoleError> {
    let folders = Folders::of_person();
    let looks = Looks::new(&options, &folders);
    let mut settings = folders.settings();
    let mut mistakes = vec![];
    let theme = looks.first_theme(&options, &settings, &mut mistakes)?;
    let keymap = looks.first_keymap(&options, &settings, &mut mistakes)?;
    (settings.theme, settings.keymap) = (theme.name.clone(), keymap.name.clone());
    let look = Look { theme, keymap, themes: looks.themes.names(), keymaps: looks.keymaps.names() };

    let mut signals = terminal::signals()?;
    let (to, mut messages) = mpsc::channel(QUEUE);
    let terminal = Terminal::open(settings.mouse)?;
    let (width, height) = terminal::size()?;
    let reports = to.clone();
    let painter = Painter::start(terminal, move |report| drop(reports.blocking_send(Message::Report(report))))?;
    let keys = to.clone();
    let listener = terminal::listen((width, height), move |input| keys.blocking_send(Message::Input(input)).is_ok())?;
    let (news_to, news) = mpsc::channel(QUEUE);
    let feed = tokio::spawn(feed::run(options.manager.clone(), news_to.clone())).abort_handle();

    let saved = to.clone();
    let own = [&folders.themes, &folders.keymaps].into_iter().flatten().cloned().collect();
    // Where nothing can be watched, a change shows the next time.
    let _live = live::watch(own, move |_| saved.blocking_send(Message::Saved).is_ok());

    let start = Instant::now();
    let mut state = State::new(look, settings, (width, height).into(), TimeZone::system(), now(start));
    state.read_only = options.read_only;
    if let Some(note) = options.note {
        state.say(note);
    }
    for mistake in mistakes {
        state.toasts.say(toast::Kind::Bad, mistake, state.now);
    }
    let keeper = Keeper::start(&folders);
    let (pace, left) = (Pace::new(), Left::Nothing);
    let (client, follower) = (None, None);
    let mut app = App { state, looks, start, painter, keeper, news_to, news, client, feed, follower, pace, left };
    app.settle();
    app.draw();
    while app.going_on() {
        let wakeup = app.wakeup();
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => app.hear(message),
                None => break,
            },
            Some(piece) = app.news.recv() => app.learn(piece),
            Some(signal) = signals.next() => app.signal(signal),
            () = tokio::time::sleep_until(wakeup) => app.update(Event::Time, Urgency::Calm),
        }
        // All that waits is taken in before the screen is drawn.
        while let Ok(message) = messages.try_recv() {
            app.hear(message);
        }
        for _ in 0..QUEUE {
            let Ok(piece) = app.news.try_recv() else { break };
            app.learn(piece);
        }
        app.settle();
        app.draw();
    }
    drop(listener);
    Ok(app.left)
}

enum Message {
    Input(Input),
    Report(Report),
    /// Something among the person's own themes and keymaps was written.
    Saved,
}

struct App {
    state: State,
    looks: Looks,
    start: Instant,
    painter: Painter,
    keeper: Keeper,
    news_to: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    client: Option<Client>,
    feed: AbortHandle,
    follower: Option<AbortHandle>,
    pace: Pace,
    left: Left,
}

impl Drop for App {
    fn drop(&mut self) {
        self.feed.abort();
        self.unfollow();
    }
}

impl App {
    fn going_on(&self) -> bool {
        !self.pace.over
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Input(Input::Key(key)) => self.update(Event::Key(key), Urgency::Quick),
            Message::Input(Input::Mouse(mouse)) => self.update(Event::Mouse(mouse), Urgency::Quick),
            Message::Input(Input::Paste(text)) => self.update(Event::Paste(text), Urgency::Quick),
            Message::Input(Input::Resize(width, height)) => self.update(Event::Resize(width, height), Urgency::Quick),
            Message::Input(Input::Gone) | Message::Report(Report::Gone(_)) => self.pace.over = true,
            Message::Saved => {
                (self.state.themes, self.state.keymaps) = (self.looks.themes.names(), self.looks.keymaps.names());
                let (theme, keymap) = (self.state.theme.name.clone(), self.state.keymap.name.clone());
                self.carry_out(vec![Effect::LoadTheme(theme), Effect::LoadKeymap(keymap)]);
            }
            Message::Report(Report::Painted { .. }) => self.pace.painting = false,
            Message::Report(Report::Resumed) => {
                self.pace.painting = false;
                self.pace.repaint();
                if let Ok((width, height)) = terminal::size() {
                    self.update(Event::Resize(width, height), Urgency::Quick);
                }
            }
        }
    }

    fn learn(&mut self, news: News) {
        match news {
            News::Met(client) => self.client = Some(client),
            // Somebody waits for it, as for what a key does.
            News::Event(event @ Event::Told(super::event::Told::Picture(_))) => self.update(event, Urgency::Quick),
            News::Event(event) => self.update(event, Urgency::Calm),
        }
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::HangUp | Signal::Interrupt | Signal::Terminate => self.pace.over = true,
            Signal::Continue => self.command(Command::Reopen),
        }
    }

    fn update(&mut self, event: Event, urgency: Urgency) {
        let now = now(self.start);
        let effects = self.state.update(event, now);
        self.pace.ask(urgency, Instant::now());
        self.carry_out(effects);
    }

    fn settle(&mut self) {
        let effects = self.state.settle(now(self.start));
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(purpose, request) => {
                    let Some(client) = self.client.clone() else { continue };
                    let to = self.news_to.clone();
                    tokio::spawn(async move {
                        let answer = feed::ask(&client, request).await;
                        // Nobody listens any more: the console was left.
                        let _ = to.send(News::Event(Event::Answered(purpose, answer))).await;
                    });
                }
                Effect::Follow(no, query) => {
                    self.unfollow();
                    let Some(client) = self.client.clone() else { continue };
                    let following = tokio::spawn(feed::follow(client, no, query, self.news_to.clone()));
                    self.follower = Some(following.abort_handle());
                }
                Effect::Unfollow => self.unfollow(),
                Effect::Copy(text) => self.command(Command::Copy(text)),
                Effect::Mouse(on) => self.command(Command::Mouse(on)),
                Effect::LoadTheme(name) => {
                    let theme = self.looks.theme(&name).map_err(|error| error.to_string());
                    self.update(Event::Theme(theme), Urgency::Quick);
                }
                Effect::LoadKeymap(name) => {
                    let keymap = self.looks.keymap(&name).map_err(|error| error.to_string());
                    self.update(Event::Keymap(keymap), Urgency::Quick);
                }
                Effect::Keep(settings) => self.keeper.keep(settings),
                Effect::Repaint => self.pace.repaint(),
                Effect::Suspend => self.command(Command::Suspend),
                Effect::Connect(address) => {
                    self.feed.abort();
                    self.client = None;
                    // What the manager before still has to say is about itself, and nobody hears it.
                    (self.news_to, self.news) = mpsc::channel(QUEUE);
                    let resolve: Resolve = Arc::new(move || Ok(address.clone()));
                    self.feed = tokio::spawn(feed::run(resolve, self.news_to.clone())).abort_handle();
                }
                Effect::Leave(left) => (self.left, self.pace.over) = (left, true),
            }
        }
    }

    fn unfollow(&mut self) {
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
    }

    fn command(&mut self, command: Command) {
        if let Err(error) = self.painter.send(command) {
            self.state.toasts.say(toast::Kind::Bad, error.to_string(), self.state.now);
        }
    }

    fn wakeup(&self) -> Instant {
        let state = self.state.next_wakeup().map(|at| self.start + at);
        // Never so far away that a clock that jumped stays wrong for long.
        let latest = Instant::now() + Duration::from_secs(60);
        [state, self.pace.due()].into_iter().flatten().min().map_or(latest, |at| at.min(latest))
    }

    fn draw(&mut self) {
        if self.pace.painting || self.pace.due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        let size = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        let cursor = panes::draw(&self.state, &mut buffer);
        let clear = self.pace.drawn();
        if !clear && self.pace.shown.as_ref().is_some_and(|(shown, at)| *shown == buffer && *at == cursor) {
            return;
        }
        self.pace.shown = Some((buffer.clone(), cursor));
        match self.painter.send(Command::Frame(Frame { buffer, cursor, clear })) {
            Ok(()) => self.pace.painting = true,
            Err(_) => self.pace.repaint(),
        }
    }
}

fn now(start: Instant) -> Now {
    Now { mono: start.elapsed(), wall: UnixMillis::of(SystemTime::now()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(pace: &Pace) -> bool {
        pace.due().is_some_and(|due| due > Instant::now())
    }

    #[test]
    fn what_came_by_itself_holds_up_no_key_and_what_comes_next_waits() {
        let mut pace = Pace::new();
        assert!(!waits(&pace), "the first frame is due at once");
        pace.drawn();
        assert_eq!(pace.due(), None, "nothing is drawn that nobody asked for");
        pace.ask(Urgency::Calm, Instant::now());
        assert!(waits(&pace));
        pace.ask(Urgency::Quick, Instant::now());
        assert!(!waits(&pace), "the first key is shown at once");
        pace.drawn();
        pace.ask(Urgency::Quick, Instant::now());
        assert!(waits(&pace), "there are so many frames a second and no more");
    }

    #[test]
    fn while_a_frame_is_painted_none_is_due() {
        let mut pace = Pace::new();
        pace.painting = true;
        pace.ask(Urgency::Quick, Instant::now());
        assert_eq!(pace.due(), None);
        pace.painting = false;
        assert!(!waits(&pace));
    }
}
