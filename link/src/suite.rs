//! Which algorithms are spoken, in which order, and how much a connection may hold.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve};
use russh::{Preferred, cipher, compression, kex, mac};

/// Larger windows are kept by a connection for its whole life once a burst has filled them.
pub(crate) const WINDOW: u32 = 256 * 1024;
pub(crate) const PACKET: u32 = 32 * 1024;
/// Of russh's own queue for each channel, which carries only the answers to opening it; see [`crate::inbox`].
pub(crate) const QUEUE: usize = 32;

/// Only elliptic curves: a Diffie-Hellman group of 8192 bits would let a stranger buy much of our CPU cheaply.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

const WITH_AES: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305];
const WITHOUT_AES: &[cipher::Name] = &[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM];

pub(crate) fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(if has_aes() { WITH_AES } else { WITHOUT_AES }),
        // Both ciphers authenticate by themselves; the list only has to be there.
        mac: Cow::Borrowed(&[mac::HMAC_SHA256_ETM]),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// A Pi 4 has no AES instructions; without them chacha20 is several times faster. The dialling side decides.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_comes_first_exactly_where_the_processor_has_it() {
        let first = if has_aes() { cipher::AES_256_GCM } else { cipher::CHACHA20_POLY1305 };
        assert_eq!(preferred().cipher.first(), Some(&first));
        let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        if let Some(flags) = told.lines().find(|line| line.starts_with("flags") || line.starts_with("Features")) {
            assert_eq!(has_aes(), flags.split_whitespace().any(|flag| flag == "aes"), "{flags}");
        }
    }
}
