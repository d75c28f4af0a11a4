//! TLS for hosts that are not on loopback.

use std::{error::Error, io};

use reqwest::ClientBuilder;

use super::address::Address;

/// Prepares a client for this address.
///
/// The cryptography is `ring`, which builds without a C++ toolchain; a program that has installed another provider keeps
/// it. The system's certificates are only read for a host that needs them: a loopback host must work on a machine that
/// has none.
pub(super) fn prepare(builder: ClientBuilder, address: &Address) -> ClientBuilder {
    // It fails when a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if address.base.scheme() == "https" { builder } else { builder.tls_certs_only([]) }
}

/// Why the secure connection failed, if that is what an error comes from.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(format!(
                "no secure connection: {found}; check the address and the host's certificate"
            ));
        }
        // An I/O error gives away what lies below the error that it was made from, but not that one itself.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
