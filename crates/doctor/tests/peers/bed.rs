//! What examinations need: addresses, peers on loopback, and looks at reports.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use columba_client::SessionOptions;
use columba_client::driver::{Address, ConnectOptions, TlsOptions};
use columba_doctor::{Check, Finding, Mark, Report, Visit, examine};
use columba_speech::Text;

/// Long enough for any answer on a loaded machine; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Where a test waits for an answer that never comes.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// A visit to a port of this machine, without a look at other ports.
pub(crate) fn visit(port: u16, patience: Duration) -> Visit {
    let address = Address::Network {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        websocket_path: None,
    };
    let session = SessionOptions {
        client_id: format!("test-{port}"),
        ..SessionOptions::default()
    };
    let mut visit = Visit::new(ConnectOptions::new(address, session));
    visit.patience = patience;
    visit.settle = Duration::from_millis(100);
    visit.nearby_ports = Vec::new();
    visit
}

pub(crate) fn over_websocket(mut visit: Visit, path: &str) -> Visit {
    if let Address::Network { websocket_path, .. } = &mut visit.connect.address {
        *websocket_path = Some(path.to_owned());
    }
    visit
}

pub(crate) fn over_tls(mut visit: Visit, name: &str, options: TlsOptions) -> Visit {
    if let Address::Network { host, tls, .. } = &mut visit.connect.address {
        *host = name.to_owned();
        *tls = Some(options);
    }
    visit
}

pub(crate) async fn examined(visit: &Visit) -> Report {
    let mut report = Report::default();
    let mut told = 0;
    examine(visit, &mut report, &mut |_| told += 1).await;
    assert_eq!(told, report.findings.len());
    report
}

/// The findings about one check.
pub(crate) fn findings(report: &Report, check: Check) -> Vec<&Finding> {
    report
        .findings
        .iter()
        .filter(|f| f.check == check)
        .collect()
}

/// The only finding about one check.
pub(crate) fn finding(report: &Report, check: Check) -> &Finding {
    match findings(report, check).as_slice() {
        [finding] => finding,
        other => panic!("not one finding about {check:?}, but {other:#?}"),
    }
}

/// Mark and code of the only finding about a check.
pub(crate) fn verdict(report: &Report, check: Check) -> (Mark, &'static str) {
    let finding = finding(report, check);
    (finding.mark, finding.what.code())
}

pub(crate) fn codes(texts: &[Text]) -> Vec<&'static str> {
    texts.iter().map(Text::code).collect()
}

pub(crate) fn english(texts: &[Text]) -> Vec<String> {
    let english = columba_speech::Language::English;
    texts.iter().map(|text| text.to_string(english)).collect()
}

/// A port whose every connection this function serves, on a thread that ends with the program.
pub(crate) fn serve(each: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let each = std::sync::Arc::new(each);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let each = std::sync::Arc::clone(&each);
            std::thread::spawn(move || each(stream));
        }
    });
    port
}

/// A port that says this to everybody, whatever they say.
pub(crate) fn says(bytes: &'static [u8]) -> u16 {
    serve(move |mut stream| {
        let mut question = [0; 1_024];
        drop(stream.read(&mut question));
        drop(stream.write_all(bytes));
        drop(stream.flush());
        // The rest is read, as an unread byte at the end would reset the connection.
        drop(stream.shutdown(std::net::Shutdown::Write));
        while matches!(stream.read(&mut question), Ok(1..)) {}
    })
}

/// A port that nobody listens on.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listener.local_addr().unwrap().port()
}
