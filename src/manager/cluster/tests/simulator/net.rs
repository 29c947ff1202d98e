//! The network between machines and the manager: connections that keep their order, and die in every way a TCP
//! connection under SSH does. Each end learns of it at a time of its own, or hears what was on its way long after
//! the other end has dialled anew.

use std::collections::VecDeque;

use protocol::agent::{FromAgent, Hello, ToAgent};

use super::agenda::{Instant, MS, SECOND};
use super::world::{Happening, Sim};
use crate::manager::cluster::LinkId;

pub type ConnId = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Agent,
    Manager,
}

#[derive(Debug, Clone)]
pub enum Frame {
    Hello(Box<Hello>),
    Report(FromAgent),
    Order(ToAgent),
    Fin,
}

#[derive(Debug, Default)]
pub struct Pipe {
    frames: VecDeque<(Instant, Frame)>,
    /// What is written now goes nowhere.
    dead: bool,
    last: Instant,
}

/// One control connection.
#[derive(Debug)]
pub struct Connection {
    pub machine: usize,
    /// Each end has it open as far as it knows.
    pub agent_open: bool,
    pub manager_open: bool,
    /// The manager has read its hello.
    pub linked: bool,
    pub welcome: bool,
    up: Pipe,
    down: Pipe,
}

impl Connection {
    pub fn quiet(&self) -> bool {
        !self.up.dead && !self.down.dead && self.up.frames.is_empty() && self.down.frames.is_empty()
    }

    fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

impl Sim {
    pub fn connect(&mut self, machine: usize) -> ConnId {
        let id = self.number();
        let conn = Connection {
            machine,
            agent_open: true,
            manager_open: true,
            linked: false,
            welcome: false,
            up: Pipe::default(),
            down: Pipe::default(),
        };
        self.conns.insert(id, conn);
        id
    }

    pub fn write(&mut self, id: ConnId, way: Way, frame: Frame) {
        let mut delay = self.up_to(self.plan.slow_net) + 50;
        // A lost packet is sent again, later and later.
        if self.noise && self.dice.chance(1) {
            delay += [200 * MS, SECOND, 5 * SECOND][self.dice.below(3)];
        }
        let now = self.now();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let pipe = conn.pipe(way);
        if pipe.dead {
            return;
        }
        let due = pipe.last.max(now + delay);
        pipe.last = due;
        pipe.frames.push_back((due, frame));
        self.agenda.at(due, Happening::Arrives(id, way));
    }

    /// What the agent writes next takes that long.
    pub fn hold_up(&mut self, id: ConnId, delay: u64) {
        let now = self.now();
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.up.last = now + delay;
        }
    }

    pub fn arrives(&mut self, id: ConnId, way: Way) -> u64 {
        let now = self.now();
        let Some(conn) = self.conns.get_mut(&id) else { return 3 };
        let blocked = self.machines[conn.machine].blocked_until(way);
        let pipe = conn.pipe(way);
        match pipe.frames.front() {
            Some((due, _)) if *due > now => return 4,
            None => return 5,
            _ => {}
        }
        if blocked > now {
            // It is sent again and again, and arrives when it can.
            let due = blocked + 20 * MS;
            pipe.frames.iter_mut().for_each(|(at, _)| *at = due.max(*at));
            pipe.last = pipe.last.max(due);
            let waiting = pipe.frames.len();
            (0..waiting).for_each(|_| self.agenda.at(due, Happening::Arrives(id, way)));
            return 6;
        }
        let Some((_, frame)) = pipe.frames.pop_front() else { return 5 };
        match way {
            Way::Up if conn.manager_open => self.manager_reads(id, frame),
            Way::Down if conn.agent_open => self.agent_reads(id, frame),
            // Nobody is there any more.
            _ => {}
        }
        self.bury_connection(id);
        7
    }

    /// An end closes the connection. What it wrote before may still arrive.
    pub fn close(&mut self, id: ConnId, end: End) {
        let way = match end {
            End::Agent => Way::Up,
            End::Manager => Way::Down,
        };
        self.write(id, way, Frame::Fin);
        self.forget(id, end);
    }

    /// An end is no more.
    pub fn forget(&mut self, id: ConnId, end: End) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match end {
            End::Agent => conn.agent_open = false,
            End::Manager => conn.manager_open = false,
        }
        self.bury_connection(id);
    }

    fn bury_connection(&mut self, id: ConnId) {
        let over = |conn: &Connection| !conn.agent_open && !conn.manager_open;
        if self.conns.get(&id).is_some_and(over) {
            self.conns.remove(&id);
        }
    }

    /// What is written from now on arrives nowhere, and most of what is on its way neither.
    pub fn kill_path(&mut self, id: ConnId) {
        let keeps = self.dice.chance(30);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        for way in [Way::Up, Way::Down] {
            let pipe = conn.pipe(way);
            pipe.dead = true;
            if !keeps {
                pipe.frames.clear();
            }
        }
    }

    /// The connection breaks; both ends notice, each when it does.
    pub fn breaks(&mut self, id: ConnId) {
        self.kill_path(id);
        let (soon, late) = (50 * MS, 20 * SECOND);
        let (agent, manager) = match self.dice.below(4) {
            0 => (soon, soon),
            1 => (soon, late),
            2 => (late, soon),
            _ => (late, late),
        };
        for (end, within) in [(End::Agent, agent), (End::Manager, manager)] {
            let delay = self.up_to(within);
            self.agenda.after(delay, Happening::Notices(id, end));
        }
        self.say(|sim| format!("the link {id} of {} breaks", sim.whose(id)));
    }

    /// The keepalive of this end has had no answer.
    pub fn notices(&mut self, id: ConnId, end: End) {
        let Some(conn) = self.conns.get(&id) else { return };
        // The other end hears of it, if it hears anything.
        match end {
            End::Agent if conn.agent_open => {
                self.write(id, Way::Up, Frame::Fin);
                self.agent_lost(id);
            }
            End::Manager if conn.manager_open => {
                self.write(id, Way::Down, Frame::Fin);
                self.manager_lost(id, "the link broke");
            }
            _ => {}
        }
    }

    pub fn whose(&self, id: ConnId) -> String {
        self.conns.get(&id).map_or("nobody".into(), |conn| self.machines[conn.machine].name.to_string())
    }

    /// Nothing passes in some way for a while; both ends give up the connection where that lasts for long.
    pub fn partition(&mut self, machine: usize) {
        let until = self.now() + [SECOND, 10 * SECOND, 30 * SECOND, 150 * SECOND][self.dice.below(4)];
        let which = self.dice.below(3);
        let one = &mut self.machines[machine];
        one.partition += 1;
        let partition = one.partition;
        if which != 1 {
            one.blocked_up = until;
        }
        if which != 2 {
            one.blocked_down = until;
        }
        let open: Vec<ConnId> = self.conns.iter().filter(|(_, c)| c.machine == machine).map(|(id, _)| *id).collect();
        for conn in open {
            for end in [End::Agent, End::Manager] {
                let delay = 15 * SECOND + self.up_to(5 * SECOND);
                self.agenda.after(delay, Happening::CutOff { machine, conn, end, partition });
            }
        }
        self.say(|sim| {
            let way = ["both ways", "to it", "from it"][which];
            format!("{} is cut off, {way}, until {} s", sim.machines[machine].name, until / SECOND)
        });
    }

    pub fn cut_off(&mut self, machine: usize, conn: ConnId, end: End, partition: u32) {
        let one = &self.machines[machine];
        if one.partition == partition && one.blocked_up.max(one.blocked_down) > self.now() {
            self.notices(conn, end);
        }
    }

    pub fn link_of(id: ConnId) -> LinkId {
        LinkId(id)
    }
}
