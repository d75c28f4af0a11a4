//! TLS for hosts that are not on loopback.

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
