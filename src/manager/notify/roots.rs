//! Whose certificates are believed: those the system trusts, and those of the file that an admin has named.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub struct Roots {
    own: Option<PathBuf>,
    /// Read when they are needed first.
    all: OnceLock<Vec<CertificateDer<'static>>>,
}

impl Roots {
    pub fn new(own: Option<PathBuf>) -> Self {
        Self { own, all: OnceLock::new() }
    }

    /// Reads files the first time.
    pub fn all(&self) -> &[CertificateDer<'static>] {
        self.all.get_or_init(|| {
            let system = rustls_native_certs::load_native_certs();
            if let Some(error) = system.errors.first().filter(|_| system.certs.is_empty()) {
                tracing::warn!("this system has no root certificates (Debian: ca-certificates): {error}");
            }
            let own = self.own.as_deref().map(read).transpose().unwrap_or_else(|error| {
                tracing::error!("{error:#}");
                None
            });
            // What is no root is not worth that nobody can be told.
            let usable = |cert: &CertificateDer<'static>| RootCertStore::empty().add(cert.clone()).is_ok();
            system.certs.into_iter().chain(own.unwrap_or_default()).filter(usable).collect()
        })
    }
}

/// All certificates of a file, one at least.
pub fn read(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("the certificates in {} (ca under [notify]) cannot be read", path.display());
    let certs = CertificateDer::pem_file_iter(path).with_context(read)?.collect::<Result<Vec<_>, _>>();
    let certs = certs.with_context(read)?;
    let good = |cert: &CertificateDer<'static>| RootCertStore::empty().add(cert.clone()).is_ok();
    anyhow::ensure!(
        !certs.is_empty() && certs.iter().all(good),
        "{} (ca under [notify]) has none, or something else than root certificates in PEM in it",
        path.display()
    );
    Ok(certs)
}
