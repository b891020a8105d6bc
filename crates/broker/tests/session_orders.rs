//! Sessions in the orders that a list of them can have.

mod bed;

use bed::{Bed, V5};
use columba_broker::query::{Answer, Request, SessionKey, SessionOrder, SessionsQuery};
use columba_codec::QoS;

const SHARDS: [u16; 2] = [1, 3];

/// The places of all sessions, asked for one by one.
fn keys(bed: &mut Bed, shards: u16, query: &SessionsQuery) -> Vec<SessionKey> {
    let mut all = Vec::new();
    for shard in 0..usize::from(shards) {
        let mut query = query.clone();
        loop {
            let Answer::Sessions(page) = bed.request(shard, Request::Sessions(query.clone()))
            else {
                panic!("no sessions");
            };
            all.extend(page.rows.into_iter().map(|row| row.key));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
    all.sort();
    all
}

#[test]
fn sessions_are_sorted_both_ways_and_stay_in_place_while_time_passes() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for (id, count) in [("c", 2), ("a", 3), ("b", 1)] {
            let client = bed.connect(V5, id);
            for n in 0..count {
                bed.subscribe(client, &format!("for/{n}"), QoS::AtMostOnce);
            }
            bed.advance(1_000);
        }
        for (order, ascending) in [
            (SessionOrder::ClientId, ["a", "b", "c"]),
            (SessionOrder::Since, ["c", "a", "b"]),
            (SessionOrder::Silent, ["b", "a", "c"]),
            (SessionOrder::Subscriptions, ["b", "c", "a"]),
            // All are equal, and the client id decides.
            (SessionOrder::Queued, ["a", "b", "c"]),
        ] {
            for is_descending in [false, true] {
                let query = SessionsQuery {
                    order,
                    is_descending,
                    rows_max: 1,
                    ..SessionsQuery::default()
                };
                let keys_then = keys(&mut bed, shards, &query);
                let mut expected = ascending;
                if is_descending && order != SessionOrder::Queued {
                    expected.reverse();
                }
                let ids: Vec<_> = keys_then.iter().map(|key| &*key.client_id).collect();
                assert_eq!(ids, expected, "{order:?}, {is_descending}");
                bed.advance(1_234);
                assert_eq!(keys(&mut bed, shards, &query), keys_then);
            }
        }
    }
}
