//! People: each gets a serial number, and with it a uid for tasks, at first sight of a submit; it never changes
//! and never goes to someone else.

use std::collections::BTreeMap;

use protocol::name::PersonName;
use protocol::time::UnixMillis;

use super::change::{Change, PersonRow};
use super::ids::PersonIx;
use super::turn::Turn;

#[derive(Debug, Default)]
pub struct People {
    known: Vec<Person>,
    by_name: BTreeMap<PersonName, PersonIx>,
    last_serial: u32,
}

#[derive(Debug)]
struct Person {
    name: PersonName,
    serial: Option<u32>,
    seen_at: Option<UnixMillis>,
}

impl People {
    pub fn load(rows: Vec<PersonRow>) -> Self {
        let mut people = Self::default();
        for PersonRow { name, serial, seen_at } in rows {
            let ix = people.intern(&name);
            let person = &mut people.known[ix.position()];
            (person.serial, person.seen_at) = (Some(serial), seen_at);
            people.last_serial = people.last_serial.max(serial);
        }
        people
    }

    pub fn intern(&mut self, name: &PersonName) -> PersonIx {
        if let Some(ix) = self.by_name.get(name) {
            return *ix;
        }
        let ix = PersonIx::of(self.known.len());
        self.known.push(Person { name: name.clone(), serial: None, seen_at: None });
        self.by_name.insert(name.clone(), ix);
        ix
    }

    pub fn find(&self, name: &PersonName) -> Option<PersonIx> {
        self.by_name.get(name).copied()
    }

    pub fn name(&self, ix: PersonIx) -> &PersonName {
        &self.known[ix.position()].name
    }

    pub fn serial(&mut self, ix: PersonIx, turn: &mut Turn<'_>) -> u32 {
        let person = &mut self.known[ix.position()];
        if let Some(serial) = person.serial {
            return serial;
        }
        self.last_serial = self.last_serial.saturating_add(1);
        person.serial = Some(self.last_serial);
        person.keep(turn);
        self.last_serial
    }

    /// When a console of theirs was last opened or closed.
    pub fn seen_at(&self, ix: PersonIx) -> Option<UnixMillis> {
        self.known[ix.position()].seen_at
    }

    pub fn seen(&mut self, ix: PersonIx, turn: &mut Turn<'_>) {
        let person = &mut self.known[ix.position()];
        person.seen_at = Some(turn.now.wall);
        person.keep(turn);
    }
}

impl Person {
    /// Nothing is kept of somebody who has never submitted anything.
    fn keep(&self, turn: &mut Turn<'_>) {
        if let Some(serial) = self.serial {
            turn.persist(Change::Person(PersonRow { name: self.name.clone(), serial, seen_at: self.seen_at }));
        }
    }
}
