//! Aedes, NATS and rumqttd: what they do not have is told, and what they have is found.

#[expect(dead_code, reason = "the tests of the client library start more kinds")]
#[path = "../../../client/tests/servers/foreign/programs.rs"]
mod programs;

use columba_doctor::{Check, Mark, Report};
use columba_speech::Language;
use programs::{Broker, Kind};

use crate::bed::{PATIENCE, codes, examined, finding, findings, verdict, visit};

/// What an examination of a broker finds, and which checks are not passed, but for the one of its name.
async fn found(kind: Kind) -> (Report, Vec<(Check, Mark)>) {
    let broker = Broker::start(kind).await;
    let report = examined(&visit(broker.port, PATIENCE)).await;
    let marked = report.findings.iter();
    let marked = marked.filter(|of| of.mark != Mark::Pass && of.check != Check::System);
    let marked = marked.map(|of| (of.check, of.mark)).collect();
    assert_eq!(report.unreached, [], "{kind:?}: {report:#?}");
    // None of them has $SYS for everybody, and none is taken for another broker.
    let name = finding(&report, Check::System);
    assert_eq!(
        (name.mark, name.what.code()),
        (Mark::Skip, "system_unknown")
    );
    (report, marked)
}

fn accepted_versions(report: &Report) -> String {
    finding(report, Check::Connect)
        .what
        .to_string(Language::English)
}

#[tokio::test]
async fn aedes_and_nats_are_well_but_for_mqtt_5() {
    for (kind, versions) in [
        (Kind::Aedes, "accepts MQTT 3.1.1"),
        (Kind::Nats, "accepts MQTT 3.1.1"),
    ] {
        let (report, marked) = found(kind).await;
        assert_eq!(marked, [], "{kind:?}: {report:#?}");
        assert_eq!(accepted_versions(&report), versions);
        let notes = codes(&finding(&report, Check::Connect).notes);
        assert_eq!(notes.len(), 2, "{kind:?}: {notes:?}");
    }
}

#[tokio::test]
async fn rumqttd_is_asked_in_the_version_that_it_has_and_its_small_packets_are_told() {
    for (kind, versions) in [
        (Kind::Rumqttd3, "accepts MQTT 3.1.1"),
        (Kind::Rumqttd5, "accepts MQTT 5.0"),
    ] {
        let (report, marked) = found(kind).await;
        // Its packets have 20 KiB at most, as it is built here.
        assert_eq!(marked, [(Check::Size, Mark::Warn)], "{kind:?}: {report:#?}");
        assert_eq!(accepted_versions(&report), versions);
        assert_eq!(verdict(&report, Check::Port).0, Mark::Pass);
    }
}

#[tokio::test]
async fn a_nats_without_qos_2_is_told_from_one_that_loses_messages() {
    let broker = Broker::start(Kind::NatsWithoutQos2).await;
    let report = examined(&visit(broker.port, PATIENCE)).await;
    let subscribe = findings(&report, Check::Subscribe);
    let has_warning = subscribe.iter().any(|of| of.mark == Mark::Warn);
    assert!(has_warning, "{report:#?}");
}
