//! Two programs with one client id: they are slowed down, and nobody else is.

#[path = "bed/mod.rs"]
mod bed;

use bed::exchange::{QOS_1, keeping};
use bed::{Bed, ConnectOptions, V5, V311};
use std::sync::Arc;

use columba_broker::ban::{Ban, BanList, Banned};
use columba_broker::event::{AuthVerdict, Command, ReportEvent};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, ReasonCode};

/// A bed in which a client id has changed hands so often that the next one waits half a second, and
/// the connection that has it.
fn quarrel(bed: &mut Bed) -> usize {
    let mut last = bed.connect(V5, "esp");
    for _ in 0..5 {
        last = bed.connect(V5, "esp");
    }
    last
}

fn is_let_in(bed: &mut Bed, client: usize) -> bool {
    matches!(
        bed.take(client).packets().first(),
        Some(Packet::ConnAck(ack)) if ack.reason == ReasonCode::Success
    )
}

#[test]
fn a_newcomer_waits_longer_each_time_and_who_is_connected_stays() {
    // [MQTT-3.1.4-3]
    for shards in [1, 3] {
        let mut bed = Bed::new(shards);
        let mut holder = quarrel(&mut bed);
        let publisher = bed.connect(V5, "publisher");
        for delay_ms in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            bed.subscribe(holder, "t", QOS_1);
            let (newcomer, inbox) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
            assert!(inbox.bytes.is_empty(), "it waits");
            bed.advance(delay_ms - 1);
            assert!(!bed.is_closed(holder) && !is_let_in(&mut bed, newcomer));
            bed.publish(publisher, "t", b"1", QOS_1);
            assert_eq!(bed.payloads(holder), ["1"], "it is still served");
            bed.advance(1);
            assert!(is_let_in(&mut bed, newcomer), "after {delay_ms} ms");
            bed.assert_closed_after(holder, ReasonCode::SessionTakenOver);
            holder = newcomer;
        }
        assert_eq!(bed.outcome(Outcome::ConnectTakeoverWait), 6);
        let mut reports = bed.reports.iter();
        let detail = reports.find_map(|report| match &report.event {
            ReportEvent::Delayed { detail, .. } => Some(detail.as_str()),
            _ => None,
        });
        let detail = detail.expect("a report");
        assert!(detail.contains("5 times lately"), "{detail}");
        assert!(detail.contains("waits 500 ms"), "{detail}");
        bed.check_books();
        // After a quiet while it is as before.
        bed.advance(240_000);
        bed.connect(V5, "esp");
    }
}

#[test]
fn the_wait_counts_from_the_last_takeover() {
    let mut bed = Bed::new(1);
    quarrel(&mut bed);
    let options = ConnectOptions::new(V5, "esp");
    // Who gives up and tries again loses nothing by it.
    bed.advance(200);
    let (given_up, _) = bed.connect_raw(&options);
    bed.advance(200);
    bed.drop_connection(given_up);
    let (newcomer, _) = bed.connect_raw(&options);
    bed.advance(99);
    assert!(!is_let_in(&mut bed, newcomer));
    bed.advance(1);
    assert!(is_let_in(&mut bed, newcomer));
    // Nobody waits for one that has been there that long.
    bed.advance(1_000);
    let last = bed.connect(V5, "esp");
    assert!(bed.is_closed(newcomer) && !bed.is_closed(last));
}

#[test]
fn who_waits_has_taken_nothing() {
    let mut bed = Bed::new(1);
    let hub = bed.connect(V5, "hub");
    bed.subscribe(hub, "will", QOS_1);
    let options = keeping(V5, "esp")
        .clean(false)
        .will("will", b"gone", QOS_1, false);
    let mut holder = 0;
    for _ in 0..6 {
        holder = bed.connect_with(&options);
    }
    assert_eq!(bed.payloads(hub).len(), 5);
    bed.subscribe(holder, "t", QOS_1);
    let publisher = bed.connect(V5, "publisher");
    bed.publish(publisher, "t", b"1", QOS_1);
    // It would end the session, with the message in it that is not acknowledged.
    let (newcomer, _) = bed.connect_raw(&keeping(V5, "esp"));
    bed.drop_connection(newcomer);
    bed.advance(10_000);
    assert_eq!(bed.payloads(hub), [""; 0]);
    assert_eq!(bed.outcome(Outcome::SessionReplaced), 0);
    bed.publish(publisher, "t", b"2", QOS_1);
    assert_eq!(bed.payloads(holder), ["1", "2"]);
    bed.check_books();
}

#[test]
fn who_comes_back_now_and_then_does_not_wait() {
    let mut bed = Bed::new(1);
    for _ in 0..100 {
        bed.connect(V5, "esp");
        bed.advance(30_000);
    }
    // Nor does who comes often and leaves before.
    for _ in 0..100 {
        let client = bed.connect(V311, "button");
        bed.disconnect(client);
    }
    assert_eq!(bed.outcome(Outcome::ConnectTakeoverWait), 0);
}

#[test]
fn nobody_waits_for_a_connection_that_is_gone() {
    let ends: [fn(&mut Bed, usize); 3] = [Bed::disconnect, Bed::drop_connection, |bed, _| {
        bed.command(Command::Disconnect {
            client_id: "esp".into(),
            end_session: true,
        });
    }];
    for end in ends {
        let mut bed = Bed::new(1);
        let holder = quarrel(&mut bed);
        let (newcomer, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
        end(&mut bed, holder);
        bed.advance(0);
        assert!(is_let_in(&mut bed, newcomer));
    }
}

#[test]
fn who_is_banned_or_comes_too_late_does_not_wait_any_longer() {
    let mut bed = Bed::new(1);
    let holder = quarrel(&mut bed);
    let (newcomer, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    let mut bans = BanList::default();
    let ban = || Ban {
        until_unix_ms: None,
        reason: String::new(),
        by: String::new(),
        since_unix_ms: 0,
    };
    bans.add(Banned::Client("esp".into()), ban()).unwrap();
    bed.command(Command::SetBans(Arc::new(bans)));
    assert!(bed.is_closed(holder) && bed.is_closed(newcomer));
    assert_eq!(bed.outcome(Outcome::ConnectBanned), 1);

    // Or its address: the other one stays, and it hears of it at once.
    let mut bed = Bed::new(1);
    let holder = quarrel(&mut bed);
    let addr: std::net::SocketAddr = "192.0.2.7:1000".parse().unwrap();
    let newcomer = bed.open_from(V5, Some(addr));
    bed.send_raw(newcomer, &ConnectOptions::new(V5, "esp").bytes());
    let mut bans = BanList::default();
    bans.add(Banned::Address(addr.ip()), ban()).unwrap();
    bed.command(Command::SetBans(Arc::new(bans)));
    assert!(!bed.is_closed(holder) && bed.is_closed(newcomer));

    // The broker shuts down: nobody takes over at the last moment.
    let mut bed = Bed::new(1);
    let holder = quarrel(&mut bed);
    let (newcomer, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    bed.command(Command::PublishWills);
    bed.advance(500);
    assert!(bed.is_closed(newcomer) && !bed.is_closed(holder));
    assert_eq!(bed.outcome(Outcome::ConnectShuttingDown), 1);
    let mut bed = Bed::new(1);
    let holder = quarrel(&mut bed);
    let (newcomer, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    bed.command(Command::Shutdown);
    bed.advance(500);
    assert!(bed.is_closed(newcomer) && bed.is_closed(holder));
    bed.check_books();
}

#[test]
fn the_reason_says_whether_there_are_two_addresses() {
    for (addr, who) in [
        ("192.0.2.7:1000", "two programs seem to use it"),
        ("127.0.0.1:1000", "one comes back all the time"),
    ] {
        let mut bed = Bed::new(1);
        quarrel(&mut bed);
        let newcomer = bed.open_from(V5, Some(addr.parse().unwrap()));
        bed.send_raw(newcomer, &ConnectOptions::new(V5, "esp").bytes());
        let detail = bed.reports.iter().find_map(|report| match &report.event {
            ReportEvent::Delayed { detail, .. } => Some((detail, report.peer.as_ref()?.addr)),
            _ => None,
        });
        let (detail, peer) = detail.expect("a report");
        assert_eq!(peer, Some(addr.parse().unwrap()));
        assert!(detail.contains(who), "{detail}");
        assert!(
            detail.contains("127.0.0.1:40005 stays until then"),
            "{detail}"
        );
    }
}

#[test]
fn who_waits_and_leaves_takes_nothing_over() {
    let mut bed = Bed::new(1);
    let holder = quarrel(&mut bed);
    let (newcomer, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    bed.drop_connection(newcomer);
    bed.advance(10_000);
    assert!(!bed.is_closed(holder));
}

#[test]
fn the_newest_one_wins_when_several_wait() {
    let mut bed = Bed::new(1);
    let holder = quarrel(&mut bed);
    let (older, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    bed.advance(100);
    let (newer, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    assert!(bed.is_closed(older));
    assert_eq!(bed.outcome(Outcome::ConnectTakenOver), 1);
    bed.advance(399);
    assert!(!bed.is_closed(holder));
    bed.advance(1);
    assert!(is_let_in(&mut bed, newer) && bed.is_closed(holder));
    // One that waits for a connection that has just gone is older than one that comes now.
    let (older, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    bed.drop_connection(newer);
    let (newest, _) = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    bed.advance(10_000);
    assert!(bed.is_closed(older) && !bed.is_closed(newest));
    assert!(is_let_in(&mut bed, newest));
}

#[test]
fn what_is_sent_while_it_waits_is_taken_afterwards() {
    let mut bed = Bed::new(1);
    let hub = bed.connect(V5, "hub");
    bed.subscribe(hub, "t", QOS_1);
    quarrel(&mut bed);
    let newcomer = bed.open(V311);
    let mut bytes = keeping(V311, "esp").bytes();
    bytes.extend_from_slice(b"\x30\x04\0\x01t1");
    bed.send_raw(newcomer, &bytes);
    bed.send_raw(newcomer, b"\x30\x04\0\x01t2");
    assert_eq!(bed.payloads(hub), [""; 0]);
    bed.advance(500);
    assert!(is_let_in(&mut bed, newcomer));
    assert_eq!(bed.payloads(hub), ["1", "2"]);
    // Without end it does not collect.
    bed.advance(1);
    let flood = bed.open(V311);
    bed.send_raw(flood, &keeping(V311, "esp").bytes());
    for _ in 0..9 {
        bed.send_raw(flood, &[0; 10_000]);
    }
    assert!(bed.is_closed(flood));
    assert_eq!(bed.outcome(Outcome::ConnectQuota), 1);
}

#[test]
fn who_logs_in_waits_as_well_and_is_not_late() {
    let mut bed = Bed::with(1, |limits| {
        limits.connect_timeout_ms = 1_000;
        limits.takeover_delay_ms_max = 3_000;
    });
    bed.authenticate = |_| AuthVerdict::Allow {
        user: Some("ann".into()),
        groups: [].into(),
    };
    let options = ConnectOptions::new(V5, "esp").login("ann", b"secret");
    for _ in 0..6 {
        bed.connect_with(&options);
    }
    for delay_ms in [500, 1_000, 2_000, 3_000] {
        let (newcomer, inbox) = bed.connect_raw(&options);
        assert!(inbox.bytes.is_empty());
        bed.advance(delay_ms);
        assert!(is_let_in(&mut bed, newcomer), "after {delay_ms} ms");
    }
    assert_eq!(bed.outcome(Outcome::ConnectTimeout), 0);
}

#[test]
fn it_can_be_turned_off() {
    let mut bed = Bed::with(1, |limits| limits.takeover_delay_ms_max = 0);
    for _ in 0..50 {
        bed.connect(V5, "esp");
    }
    assert_eq!(bed.outcome(Outcome::ConnectTakeoverWait), 0);
}

#[test]
fn who_has_waited_has_all_its_time_for_the_disk() {
    let mut bed = Bed::with(1, |limits| limits.connect_timeout_ms = 1_000).with_store();
    let keeper = keeping(V5, "esp");
    let mut holder = bed.connect_with(&keeper);
    for _ in 0..5 {
        holder = bed.connect_with(&keeper);
    }
    bed.store.is_held = true;
    let (newcomer, _) = bed.connect_raw(&keeper);
    bed.advance(500);
    assert!(bed.is_closed(holder), "its session has ended");
    bed.advance(999);
    assert!(!bed.is_closed(newcomer));
    bed.advance(1);
    assert!(bed.is_closed(newcomer));
    assert_eq!(bed.outcome(Outcome::ConnectTimeout), 1);
}

#[test]
fn those_that_have_given_up_make_room_for_others() {
    let mut bed = Bed::new(1);
    for number in 0..4_096 {
        let name = format!("esp{number}");
        let mut last = bed.connect(V5, &name);
        for _ in 0..5 {
            last = bed.connect(V5, &name);
        }
        let (given_up, _) = bed.connect_raw(&ConnectOptions::new(V5, &name));
        bed.drop_connection(given_up);
        bed.disconnect(last);
    }
    assert_eq!(bed.outcome(Outcome::ConnectTakeoverWait), 4_096);
    // As many as are watched; this one is not.
    let mut last = 0;
    for _ in 0..50 {
        last = bed.connect(V5, "esp");
    }
    bed.disconnect(last);
    bed.advance(240_000);
    quarrel(&mut bed);
    bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    assert_eq!(bed.outcome(Outcome::ConnectTakeoverWait), 4_097);
}

/// Each of two programs that start clean with a session that lasts ends what the other one waits for.
#[test]
fn those_that_throw_each_other_out_while_the_disk_is_waited_for_are_counted() {
    let mut bed = Bed::new(1).with_store();
    let keeper = keeping(V5, "esp");
    let holder = bed.connect_with(&keeper);
    bed.store.is_held = true;
    // The holder goes, then each of four waiting ones: five takeovers.
    let mut last = holder;
    for _ in 0..5 {
        let (newer, _) = bed.connect_raw(&keeper);
        assert!(bed.is_closed(last) && !bed.is_closed(newer));
        last = newer;
    }
    bed.release_store();
    assert!(is_let_in(&mut bed, last));
    let (newcomer, inbox) = bed.connect_raw(&keeper);
    assert!(inbox.bytes.is_empty() && !bed.is_closed(last), "it waits");
    assert_eq!(bed.outcome(Outcome::ConnectTakeoverWait), 1);
    bed.advance(500);
    assert!(is_let_in(&mut bed, newcomer));
}
