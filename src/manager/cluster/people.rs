//! People: each gets a serial number, and with it a uid for tasks, at first sight of a submit; it never changes
//! and never goes to someone else.

use std::collections::BTreeMap;

use protocol::name::PersonName;

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
}

impl People {
    pub fn load(rows: Vec<PersonRow>) -> Self {
        let mut people = Self::default();
        for PersonRow { name, serial } in rows {
            let ix = people.intern(&name);
            people.known[ix.position()].serial = Some(serial);
            people.last_serial = people.last_serial.max(serial);
        }
        people
    }

    pub fn intern(&mut self, name: &PersonName) -> PersonIx {
        if let Some(ix) = self.by_name.get(name) {
            return *ix;
        }
        let ix = PersonIx::of(self.known.len());
        self.known.push(Person { name: name.clone(), serial: None });
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
        turn.persist(Change::Person(PersonRow { name: person.name.clone(), serial: self.last_serial }));
        self.last_serial
    }
}
