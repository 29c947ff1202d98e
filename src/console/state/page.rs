//! Where a person is, and was: pages one can go back to and forward again, as in a browser.

use protocol::id::TaskId;
use protocol::name::NodeName;

use super::log::Log;
use super::node::NodePage;
use super::task::TaskPage;

/// As many pages back are kept.
const MOST: usize = 50;
/// From here to there and back, logs are kept; others are asked for again: each may have many megabytes.
const NEAR: usize = 2;

pub enum Page {
    /// Nodes, work and events.
    Home,
    Node(Box<NodePage>),
    Task(Box<TaskPage>),
}

impl Page {
    pub fn is_home(&self) -> bool {
        matches!(self, Page::Home)
    }

    pub fn is_node(&self, name: &NodeName) -> bool {
        matches!(self, Page::Node(page) if page.name == *name)
    }

    pub fn is_task(&self, id: TaskId) -> bool {
        matches!(self, Page::Task(page) if page.id == id)
    }
}

pub struct Pages {
    pages: Vec<Page>,
    at: usize,
    /// Numbers that tell a page's answers from another's.
    last_no: u64,
}

impl Default for Pages {
    fn default() -> Self {
        Self { pages: vec![Page::Home], at: 0, last_no: 0 }
    }
}

impl Pages {
    pub fn current(&self) -> &Page {
        &self.pages[self.at]
    }

    pub fn current_mut(&mut self) -> &mut Page {
        &mut self.pages[self.at]
    }

    pub fn number(&mut self) -> u64 {
        self.last_no += 1;
        self.last_no
    }

    /// As in the beginning, but no number is ever given twice: an answer may still be on its way.
    pub fn forget(&mut self) {
        *self = Pages { last_no: self.last_no, ..Pages::default() };
    }

    /// Goes to a new page; what was ahead is forgotten.
    pub fn open(&mut self, page: Page) {
        self.pages.truncate(self.at + 1);
        self.pages.push(page);
        if self.pages.len() > MOST {
            // The first one is where everything begins.
            self.pages.remove(1);
        }
        self.at = self.pages.len() - 1;
        self.lighten();
    }

    pub fn back(&mut self) -> bool {
        let moved = self.at > 0;
        self.at -= usize::from(moved);
        self.lighten();
        moved
    }

    pub fn forward(&mut self) -> bool {
        let moved = self.at + 1 < self.pages.len();
        self.at += usize::from(moved);
        self.lighten();
        moved
    }

    fn lighten(&mut self) {
        for (nth, page) in self.pages.iter_mut().enumerate() {
            if let Page::Task(page) = page
                && nth.abs_diff(self.at) > NEAR
                && !page.log.is_empty()
            {
                page.log = Log::default();
            }
        }
    }

    pub fn home(&mut self) {
        if !self.current().is_home() {
            self.open(Page::Home);
        }
    }

    /// The pages on the way here, for the crumbs in the header.
    pub fn trail(&self) -> &[Page] {
        &self.pages[..=self.at]
    }

    pub fn node_mut(&mut self, no: u64) -> Option<&mut NodePage> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Node(page) if page.no == no => Some(&mut **page),
            _ => None,
        })
    }

    pub fn task_mut(&mut self, no: u64) -> Option<&mut TaskPage> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Task(page) if page.no == no => Some(&mut **page),
            _ => None,
        })
    }
}
