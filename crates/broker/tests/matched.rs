//! How many messages each subscription matched, and when the last one came.

mod bed;

use bed::exchange::SHARDS;
use bed::{Bed, V5};
use columba_broker::query::{Answer, Request, SubscriptionRow};
use columba_codec::QoS;

fn rows(bed: &mut Bed, client_id: &str) -> Vec<SubscriptionRow> {
    let request = Request::Session {
        client_id: client_id.into(),
    };
    let Answer::Session(Some(detail)) = bed.request_home(client_id, request) else {
        panic!("no session");
    };
    detail.subscriptions
}

/// When each subscription of a client was asked for last.
fn subscribed(bed: &mut Bed, client_id: &str) -> Vec<Option<u64>> {
    let rows = rows(bed, client_id);
    rows.iter().map(|row| row.subscribed_unix_ms).collect()
}

/// What each has matched, and when last.
fn counts(bed: &mut Bed, client_id: &str) -> Vec<(u64, Option<u64>)> {
    let rows = rows(bed, client_id);
    let rows = rows.iter();
    rows.map(|row| (row.matched, row.last_matched_unix_ms))
        .collect()
}

/// Whether a subscription has ever matched anything, and when last.
#[test]
fn what_a_subscription_matched_is_counted() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let early = bed.connect(V5, "early");
        bed.subscribe(early, "a/+", QoS::AtMostOnce);
        bed.subscribe(early, "a/#", QoS::AtMostOnce);
        bed.subscribe(early, "never", QoS::AtMostOnce);
        bed.publish(publisher, "a/b", b"1", QoS::AtMostOnce);
        bed.publish(publisher, "a", b"1", QoS::AtMostOnce);
        bed.advance(1000);
        let late = bed.connect(V5, "late");
        let other = bed.connect(V5, "other");
        bed.subscribe(late, "a/+", QoS::AtMostOnce);
        bed.subscribe(late, "$share/g/a/+", QoS::AtMostOnce);
        bed.subscribe(other, "$share/g/a/+", QoS::AtMostOnce);
        bed.take(early);
        bed.subscribe(early, "a/+", QoS::AtLeastOnce);
        let then = 1_700_000_000_000;
        assert_eq!(
            counts(&mut bed, "early"),
            [(2, Some(then)), (1, Some(then)), (0, None)]
        );
        assert_eq!(counts(&mut bed, "late"), [(0, None), (0, None)]);
        assert_eq!(subscribed(&mut bed, "late"), [Some(then + 1000); 2]);
        let (early, late) = (Some(then), Some(then + 1000));
        assert_eq!(subscribed(&mut bed, "early"), [early, late, early]);
        for _ in 0..4 {
            bed.publish(publisher, "a/c", b"1", QoS::AtMostOnce);
        }
        let now = Some(then + 1000);
        assert_eq!(counts(&mut bed, "early"), [(6, now), (5, now), (0, None)]);
        assert_eq!(counts(&mut bed, "late"), [(4, now), (2, now)]);
        assert_eq!(counts(&mut bed, "other"), [(2, now)]);
    }
}
