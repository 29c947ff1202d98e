//! When the next frame is drawn: soon after a key, seldom otherwise, and never two at once.

use std::time::Duration;

use ratatui::buffer::Buffer;
use tokio::time::Instant;

/// The most frames a second for what a person does, and for what happens by itself.
const QUICK: Duration = Duration::from_millis(33);
const CALM: Duration = Duration::from_millis(250);
/// After a key, what it brought about is shown as quickly as the key itself.
const ATTENTION: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Something has happened.
    Calm,
    /// A person has done something.
    Quick,
}

pub struct Pace {
    /// A frame is with the painter: the next one waits until it is on the screen.
    pub painting: bool,
    pub over: bool,
    wanted: Option<Urgency>,
    clear: bool,
    last_frame: Option<Instant>,
    /// The last one that showed what a person had done.
    last_quick: Option<Instant>,
    last_key: Option<Instant>,
    pub shown: Option<(Buffer, Option<(u16, u16)>)>,
}

impl Pace {
    pub fn new() -> Self {
        let wanted = Some(Urgency::Calm);
        let (last_frame, last_quick, last_key) = (None, None, None);
        Self { painting: false, over: false, wanted, clear: false, last_frame, last_quick, last_key, shown: None }
    }

    pub fn ask(&mut self, urgency: Urgency, now: Instant) {
        if urgency == Urgency::Quick {
            self.last_key = Some(now);
        }
        self.wanted = self.wanted.max(Some(urgency));
    }

    pub fn repaint(&mut self) {
        (self.clear, self.wanted) = (true, Some(Urgency::Quick));
    }

    pub fn due(&self) -> Option<Instant> {
        let attended = self.last_key.is_some_and(|key| Instant::now() < key + ATTENTION);
        let (last, pause) = match self.wanted? {
            // A frame that came by itself does not hold up a key.
            Urgency::Quick => (self.last_quick, QUICK),
            Urgency::Calm if attended => (self.last_frame, QUICK),
            Urgency::Calm => (self.last_frame, CALM),
        };
        // The painter says when it is done.
        (!self.painting).then(|| last.map_or_else(Instant::now, |last| last + pause))
    }

    /// Whether the whole screen is to be painted.
    pub fn drawn(&mut self) -> bool {
        let now = Some(Instant::now());
        if self.wanted.take() == Some(Urgency::Quick) {
            self.last_quick = now;
        }
        self.last_frame = now;
        std::mem::take(&mut self.clear)
    }
}
