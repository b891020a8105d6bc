//! Columba itself and Debian's Mosquitto.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use columba_broker::access::AccessRules;
use columba_broker::event::{AuthRequest, AuthVerdict};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_codec::Version;
use columba_doctor::{Check, Mark, Report};
use columba_server::auth::Authenticate;
use columba_server::listener::{BoundAddress, ListenerConfig, ListenerKind, WebSocketSettings};
use columba_server::{Broker, RuntimeConfig};

use crate::bed::{PATIENCE, codes, examined, finding, over_websocket, verdict, visit};

struct AnnOnly;

impl Authenticate for AnnOnly {
    fn check(&self, request: &AuthRequest) -> AuthVerdict {
        match (request.user_name.as_deref(), request.password.as_deref()) {
            (Some("ann"), Some(b"secret")) => AuthVerdict::Allow {
                user: Some("ann".into()),
                groups: Arc::new([]),
            },
            _ => AuthVerdict::BadCredentials,
        }
    }
}

/// A broker in memory, and its port.
pub(crate) fn columba(anonymous: Anonymous, is_websocket: bool) -> (Broker, u16) {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let kind = if is_websocket {
        ListenerKind::Ws {
            bind,
            websocket: WebSocketSettings {
                path: Some("/mqtt".to_owned()),
                ..WebSocketSettings::default()
            },
        }
    } else {
        ListenerKind::Tcp { bind }
    };
    let broker = Broker::start(RuntimeConfig {
        shards: 1,
        seed: 7,
        id_secret: [7; 16],
        limits: Arc::new(Limits::default()),
        listeners: vec![ListenerConfig {
            kind,
            settings: ListenerSettings {
                name: "tcp".to_owned(),
                anonymous,
                connections_max: 0,
                packet_bytes_max: None,
                certificate_is_user: false,
                promise: Promise::Durable,
            },
        }],
        access: Arc::new(AccessRules::allow_all()),
        bans: Arc::default(),
        authenticator: Arc::new(AnnOnly),
        auth_threads: 1,
        auth_queue_max: 16,
        shutdown_timeout_ms: 10_000,
        store: None,
    });
    let broker = broker.expect("the broker starts");
    let port = match &broker.addresses()[0] {
        BoundAddress::Ip(address) => address.port(),
        BoundAddress::Unix(path) => panic!("{} is no address", path.display()),
    };
    (broker, port)
}

fn all_good(report: &Report) {
    let bad: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.mark > Mark::Skip)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(report.unreached, []);
    assert_eq!(report.exit_code(true), 0);
}

#[tokio::test]
async fn columba_is_well() {
    let (_broker, port) = columba(Anonymous::Always, false);
    let mut visit = visit(port, PATIENCE);
    visit.filters = vec!["home/+/temp".to_owned()];
    visit.idle = Some(Duration::from_millis(50));
    visit.check_id = Some("nobody".to_owned());
    visit.check_id_wait = Duration::from_millis(50);
    let report = examined(&visit).await;
    all_good(&report);
    assert_eq!(verdict(&report, Check::Idle), (Mark::Pass, "idle_good"));
    assert_eq!(verdict(&report, Check::Twin), (Mark::Pass, "twin_alone"));
}

#[tokio::test]
async fn columba_is_well_over_websocket() {
    let (_broker, port) = columba(Anonymous::Always, true);
    all_good(&examined(&over_websocket(visit(port, PATIENCE), "/mqtt")).await);
    let report = examined(&over_websocket(visit(port, PATIENCE), "/other")).await;
    let other = (Mark::Fail, "websocket_other_path");
    assert_eq!(verdict(&report, Check::Port), other);
    let report = examined(&visit(port, PATIENCE)).await;
    let fix = crate::bed::english(&finding(&report, Check::Port).fixes);
    assert_eq!(fix, [format!("try ws://127.0.0.1:{port}/mqtt")]);
}

#[tokio::test]
async fn logins_are_told_apart() {
    let (_broker, port) = columba(Anonymous::Never, false);
    let mut visit = visit(port, PATIENCE);
    let report = examined(&visit).await;
    let notes = codes(&finding(&report, Check::Login).notes);
    assert!(notes.contains(&"anonymous_refused"), "{notes:?}");
    visit.connect.session.user_name = Some("ann".to_owned());
    visit.connect.session.password = Some(b"wrong".to_vec());
    let report = examined(&visit).await;
    let notes = codes(&finding(&report, Check::Login).notes);
    assert!(notes.contains(&"login_wrong"), "{notes:?}");
    visit.connect.session.password = Some(b"secret".to_vec());
    let report = examined(&visit).await;
    all_good(&report);
    assert_eq!(
        verdict(&report, Check::Login),
        (Mark::Pass, "login_accepted")
    );
    assert_eq!(codes(&finding(&report, Check::Login).notes), [""; 0]);
}

/// A Mosquitto of its own for one test.
struct Mosquitto {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Mosquitto {
    /// With an access file that has this rule alone.
    async fn with_rule(rule: &str) -> Self {
        Self::started("allow_anonymous true\nACL", rule).await
    }

    async fn start(config: &str) -> Self {
        Self::started(config, "").await
    }

    async fn started(config: &str, rule: &str) -> Self {
        // Another process may take the port before Mosquitto does; then the next one is tried.
        for _ in 0..10 {
            let directory = tempfile::tempdir().unwrap();
            let port = crate::bed::closed_port();
            let file = directory.path().join("mosquitto.conf");
            let acl = directory.path().join("acl");
            std::fs::write(&acl, format!("{rule}\n")).unwrap();
            let acl = format!("acl_file {}", acl.display());
            let config = config.replace("ACL", &acl);
            std::fs::write(
                &file,
                format!("listener {port} 127.0.0.1\nuser root\n{config}\n"),
            )
            .unwrap();
            let process = Command::new("mosquitto")
                .arg("-c")
                .arg(&file)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("Mosquitto is installed");
            let mut started = Self {
                process,
                port,
                _directory: directory,
            };
            while started.process.try_wait().unwrap().is_none() {
                let open = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
                if open.is_ok() {
                    return started;
                }
                tokio::task::yield_now().await;
            }
        }
        panic!("Mosquitto does not start");
    }
}

#[tokio::test]
async fn mosquitto_is_well_and_names_itself() {
    let server = Mosquitto::start("allow_anonymous true").await;
    let report = examined(&visit(server.port, PATIENCE)).await;
    all_good(&report);
    let name = finding(&report, Check::System)
        .what
        .to_string(columba_speech::Language::English);
    assert!(name.starts_with("mosquitto version "), "{name}");
}

#[tokio::test]
async fn a_mosquitto_that_takes_nobody_is_explained() {
    let server = Mosquitto::start("allow_anonymous false").await;
    let report = examined(&visit(server.port, PATIENCE)).await;
    assert_eq!(
        verdict(&report, Check::Login),
        (Mark::Fail, "connect_refused")
    );
    let fixes = codes(&finding(&report, Check::Login).fixes);
    assert_eq!(fixes, ["give_login_fix", "allow_anonymous_fix"]);
}

#[tokio::test]
async fn two_clients_with_one_id_are_found() {
    let (_broker, port) = columba(Anonymous::Always, false);
    let visit = {
        let mut visit = visit(port, PATIENCE);
        visit.check_id = Some("twin".to_owned());
        visit.check_id_wait = PATIENCE;
        visit
    };
    let options = {
        let mut options = visit.connect.clone();
        options.session.client_id = "twin".to_owned();
        options
    };
    let (is_there, there) = tokio::sync::oneshot::channel();
    let other = tokio::spawn(async move {
        use columba_client::driver::Client;
        // As clients do that connect again by themselves; thrown out once, it comes back once.
        let (_client, mut events) = Client::connect(options.clone()).await.unwrap();
        is_there.send(()).unwrap();
        while events.next().await.is_some() {}
        Client::connect(options).await.unwrap()
    });
    there.await.unwrap();
    let report = examined(&visit).await;
    assert_eq!(verdict(&report, Check::Twin), (Mark::Fail, "twin_certain"));
    drop(other.await.unwrap());
}

#[tokio::test]
async fn what_waits_for_an_id_still_waits_after_the_look_at_it() {
    use columba_client::driver::{Client, Event};
    use columba_client::{Message, Subscription};
    use columba_codec::QoS;
    use columba_codec::packet::SubscribeOptions;

    let (_broker, port) = columba(Anonymous::Always, false);
    let mut visit = visit(port, PATIENCE);
    visit.check_id = Some("tab3".to_owned());
    visit.check_id_wait = Duration::from_millis(200);
    let mut options = visit.connect.clone();
    options.session.client_id = "tab3".to_owned();
    options.session.properties.session_expiry_secs = Some(3_600);
    options.clean_start = false;
    let (device, _events) = Client::connect(options.clone()).await.unwrap();
    let by_qos = |qos| ("wait/t".to_owned(), SubscribeOptions::from_qos(qos));
    let subscription = Subscription {
        filters: vec![by_qos(QoS::ExactlyOnce)],
        ..Subscription::default()
    };
    device
        .subscribe(subscription)
        .await
        .unwrap()
        .into_result()
        .unwrap();
    device
        .disconnect(columba_codec::ReasonCode::Success, PATIENCE)
        .await;
    let (publisher, _publisher_events) = Client::connect(visit.connect.clone()).await.unwrap();
    let sent = [
        (1, QoS::AtLeastOnce),
        (2, QoS::ExactlyOnce),
        (3, QoS::AtLeastOnce),
    ];
    for (number, qos) in sent {
        let mut message = Message::new("wait/t", [number]);
        message.qos = qos;
        publisher
            .publish(message)
            .await
            .unwrap()
            .into_result()
            .unwrap();
    }
    drop(publisher);

    let report = examined(&visit).await;
    assert_eq!(verdict(&report, Check::Twin), (Mark::Pass, "twin_alone"));
    let notes = codes(&finding(&report, Check::Twin).notes);
    assert_eq!(notes, ["twin_session", "twin_expiry_never"]);

    let (device, mut events) = Client::connect(options).await.unwrap();
    assert!(device.accepted().session_present);
    for (number, _) in sent {
        match tokio::time::timeout(PATIENCE, events.next()).await.unwrap() {
            Some(Event::Message(incoming)) => assert_eq!(incoming.message.payload, [number]),
            other => panic!("no message {number}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn rules_of_mosquitto_that_deny_a_filter_are_told() {
    let server = Mosquitto::with_rule("topic readwrite columba/#").await;
    let mut visit = visit(server.port, PATIENCE);
    visit.test_topic = "elsewhere".to_owned();
    visit.patience = Duration::from_secs(2);
    let report = examined(&visit).await;
    // Mosquitto lets everybody subscribe, and tells the publisher in MQTT 5.
    let loopback = crate::bed::findings(&report, Check::Loopback);
    assert!(
        loopback.iter().all(|f| f.mark == Mark::Fail),
        "{loopback:#?}"
    );
    let refused = loopback
        .iter()
        .find(|f| f.what.code() == "loopback_refused");
    assert!(refused.is_some(), "{loopback:#?}");
}

/// Mosquitto grants the subscription in each case; whether reading or writing is denied, MQTT 3.1.1 does not say.
#[tokio::test]
async fn what_mosquitto_granted_and_does_not_deliver_leads_to_its_access_file() {
    for (rule, version, cause) in [
        (
            "topic read columba/#",
            Version::V311,
            "loss_of_all_acknowledged",
        ),
        (
            "topic write columba/#",
            Version::V311,
            "loss_of_all_acknowledged",
        ),
        ("topic write columba/#", Version::V5, "loss_of_all_taken"),
    ] {
        let server = Mosquitto::with_rule(rule).await;
        let mut visit = visit(server.port, Duration::from_secs(1));
        visit.has_fixed_version = true;
        visit.connect.session.version = version;
        let report = examined(&visit).await;
        let loopback = crate::bed::findings(&report, Check::Loopback);
        let notes: Vec<_> = loopback.iter().map(|f| codes(&f.notes)).collect();
        let expected = [
            vec!["loss_of_all", "loss_by_acl_file"],
            vec![cause],
            vec![cause],
        ];
        assert_eq!(notes, expected, "{rule} {version:?}");
        let fixes = crate::bed::english(&loopback[0].fixes);
        let expected = "with Mosquitto, look for 'topic readwrite columba/doctor/#' under this user in its acl_file";
        assert!(fixes.iter().any(|fix| fix == expected), "{fixes:?}");
    }
}
