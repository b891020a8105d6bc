//! Cipher suites by the names that OpenSSL has for them.

use columba_speech::{Param, Text};
use rustls::CipherSuite;

use crate::words;

/// Those of TLS 1.2 that there are: OpenSSL's name, the standard's, and the suite.
const SUITES: [(&str, &str, CipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The suites of a list. A name that stands for several (`HIGH`), or for one that there is not, is
/// refused: what is left would be less, or more, than was asked for.
pub(super) fn suites(list: &str) -> Result<Vec<CipherSuite>, Text> {
    let names = list.split([':', ',', ' ']).filter(|name| !name.is_empty());
    let suites = names.map(|name| {
        let found = SUITES
            .iter()
            .find(|(openssl, standard, _)| name == *openssl || name == *standard);
        let known = || Param::list(SUITES.map(|(openssl, ..)| openssl));
        found
            .map(|(.., suite)| *suite)
            .ok_or_else(|| words::no_cipher(name, known()))
    });
    let suites: Vec<_> = suites.collect::<Result<_, _>>()?;
    match suites.is_empty() {
        true => Err(words::no_cipher(
            list,
            Param::list(SUITES.map(|(openssl, ..)| openssl)),
        )),
        false => Ok(suites),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_are_found_and_others_refused() {
        let list = "ECDHE-RSA-AES128-GCM-SHA256:TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
        assert_eq!(
            suites(list),
            Ok(vec![
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            ])
        );
        for list in [
            "",
            ":",
            "HIGH",
            "AES128-SHA",
            "ECDHE-RSA-AES128-GCM-SHA256:!MD5",
        ] {
            assert!(suites(list).is_err(), "{list}");
        }
    }

    #[test]
    fn every_suite_of_tls_1_2_that_there_is_has_its_name_here() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let here = SUITES.map(|(.., suite)| suite);
        for suite in provider
            .cipher_suites
            .iter()
            .filter(|suite| suite.tls13().is_none())
        {
            assert!(here.contains(&suite.suite()), "{suite:?}");
        }
    }
}
