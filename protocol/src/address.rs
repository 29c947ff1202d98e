//! Where a manager is, as a person writes it: `HOST`, `HOST:PORT`, `IPV6` or `[IPV6]:PORT`.

use std::net::Ipv6Addr;

/// Where a manager listens unless told otherwise.
const PORT: u16 = 2222;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: write HOST, HOST:PORT or [IPV6]:PORT")]
pub struct NotAnAddress(String);

/// With the port where none was given.
pub fn with_port(address: &str) -> Result<String, NotAnAddress> {
    let (host, port) = match address.rsplit_once(':') {
        // Its colons are its own.
        _ if is_ipv6(address) => return Ok(format!("[{address}]:{PORT}")),
        Some((host, port)) if !address.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = in_brackets.map_or(!host.is_empty() && !host.contains(['[', ']', ':', ' ']), is_ipv6);
    match port.map(str::parse::<u16>) {
        None if is_host => Ok(format!("{host}:{PORT}")),
        Some(Ok(1..)) if is_host => Ok(address.to_owned()),
        _ => Err(NotAnAddress(address.to_owned())),
    }
}

fn is_ipv6(host: &str) -> bool {
    // Behind % is the interface, for an address that is another machine on each of them.
    host.split('%').next().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_port() {
        for (written, meant) in [
            ("manager", "manager:2222"),
            ("manager:22", "manager:22"),
            ("10.0.0.1", "10.0.0.1:2222"),
            ("fd00::2", "[fd00::2]:2222"),
            ("[fd00::2]", "[fd00::2]:2222"),
            ("[fd00::2]:22", "[fd00::2]:22"),
            ("::1", "[::1]:2222"),
            ("fe80::1%eth0", "[fe80::1%eth0]:2222"),
            ("[fe80::1%eth0]:22", "[fe80::1%eth0]:22"),
        ] {
            assert_eq!(with_port(written).unwrap(), meant);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_dialled() {
        for written in
            ["", ":22", "m:", "m:x", "m:0", "m:99999", "[fd00::2", "[fd00::2]:", "[fd00::2]22", "[m]:22", "a:b:22"]
        {
            let refused = with_port(written).unwrap_err().to_string();
            assert!(refused.contains("HOST:PORT") && refused.contains(&format!("{written:?}")), "{refused}");
        }
    }
}
