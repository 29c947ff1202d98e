//! How many may be inside without being known: overall, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Strangers {
    overall: usize,
    per_address: usize,
    inside: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One place among the strangers, free again when dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    address: IpAddr,
    inside: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Strangers {
    pub(super) fn new(overall: usize, per_address: usize) -> Self {
        Strangers { overall, per_address, inside: Arc::default() }
    }

    pub(super) fn enter(&self, address: IpAddr) -> Option<Stranger> {
        let address = address.to_canonical();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        // At most `overall` addresses are in the map, so that summing is cheap.
        let here = inside.get(&address).copied().unwrap_or(0);
        if here >= self.per_address || inside.values().sum::<usize>() >= self.overall {
            return None;
        }
        inside.insert(address, here + 1);
        Some(Stranger { address, inside: self.inside.clone() })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.get_mut(&self.address) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(inside.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places_and_all_together_no_more_than_there_are() {
        let strangers = Strangers::new(5, 2);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let first: Vec<_> = (0..3).filter_map(|_| strangers.enter(address(1))).collect();
        assert_eq!(first.len(), 2, "no more than two from one address");
        let others: Vec<_> = (2..9).filter_map(|n| strangers.enter(address(n))).collect();
        assert_eq!(others.len(), 3, "no more than five overall");
        drop(first);
        assert!(strangers.enter(address(1)).is_some(), "places are free again");
        drop(others);
        assert!(strangers.inside.lock().unwrap().is_empty(), "nothing is remembered of those who left");
    }

    #[test]
    fn an_ipv4_address_is_the_same_through_ipv6() {
        let strangers = Strangers::new(5, 1);
        let _one = strangers.enter("10.0.0.1".parse().unwrap()).unwrap();
        assert!(strangers.enter("::ffff:10.0.0.1".parse().unwrap()).is_none());
    }
}
