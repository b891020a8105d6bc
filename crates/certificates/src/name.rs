//! Whether the common name of a certificate is that of a host, as Mosquitto compares them.

use std::net::IpAddr;

use rustls::pki_types::ServerName;

/// Whether they are the same. The first label may be `*`, for one label of the host.
pub(crate) fn fits(common_name: &str, host: &ServerName<'_>) -> bool {
    match host {
        ServerName::IpAddress(address) => {
            let address = IpAddr::from(*address);
            common_name
                .parse()
                .is_ok_and(|named: IpAddr| named == address)
        }
        ServerName::DnsName(name) => fits_dns(common_name, name.as_ref()),
        _ => false,
    }
}

fn fits_dns(common_name: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if common_name.parse::<IpAddr>().is_ok() {
        return false;
    }
    if common_name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(above), Some((label, host_above))) =
        (common_name.strip_prefix("*."), host.split_once('.'))
    else {
        return false;
    };
    // `*.com` is nobody's.
    !label.is_empty() && above.contains('.') && above.eq_ignore_ascii_case(host_above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_fits_its_host_alone() {
        let check = |common_name: &str, host: &str, expected| {
            let name = ServerName::try_from(host.to_owned()).expect("a name");
            assert_eq!(fits(common_name, &name), expected, "{common_name} {host}");
        };
        check("broker.example", "broker.example", true);
        check("Broker.Example", "broker.example", true);
        check("broker.example", "broker.example.", true);
        check("broker.example", "a.broker.example", false);
        check("broker.example", "broker.exampl", false);
        check("*.broker.example", "a.broker.example", true);
        check("*.broker.example", "a.b.broker.example", false);
        check("*.broker.example", "broker.example", false);
        check("*.example", "broker.example", false);
        check("*", "broker", false);
        check("a*.broker.example", "ab.broker.example", false);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8:0::1", "2001:db8::1", true);
        check("broker.example", "192.0.2.1", false);
        check("", "localhost", false);
    }
}
