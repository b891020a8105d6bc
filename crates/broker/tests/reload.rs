//! Changed users and access rules reach clients that are connected already.

mod bed;

use std::collections::BTreeMap;
use std::sync::Arc;

use bed::{Bed, ConnectOptions, V5};
use columba_broker::access::AccessRules;
use columba_broker::event::{AuthVerdict, Command, UserChange};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Value};

const SHARDS: [u16; 2] = [1, 3];

#[test]
fn subscriptions_that_the_rules_no_longer_allow_end() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "a/+", QoS::AtLeastOnce);
        bed.subscribe(client, "$share/g/b", QoS::AtLeastOnce);
        bed.command(Command::SetAccess(Arc::new(AccessRules::deny_all())));
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 2);
        assert_eq!(
            (bed.stats().subscriptions, bed.stats().shared_subscriptions),
            (0, 0)
        );
        bed.command(Command::SetAccess(Arc::new(AccessRules::allow_all())));
        let publisher = bed.connect(V5, "publisher");
        for topic in ["a/x", "b"] {
            bed.publish(publisher, topic, b"x", QoS::AtLeastOnce);
            match bed.take(publisher).one() {
                Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::NoMatchingSubscribers),
                other => panic!("{other:?}"),
            }
        }
        bed.check_books();
    }
}

#[test]
fn a_removed_user_has_to_log_in_again() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = |request| AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        };
        let gone = bed.connect_with(&ConnectOptions::new(V5, "1").login("gone", b""));
        let stays = bed.connect_with(&ConnectOptions::new(V5, "2").login("stays", b""));
        let nobody = bed.connect(V5, "3");
        let change = BTreeMap::from([(Arc::from("gone"), UserChange::Expelled)]);
        bed.command(Command::UsersChanged(Arc::new(change)));
        match bed.take(gone).one() {
            Packet::Disconnect(end) => assert_eq!(end.reason, ReasonCode::NotAuthorized),
            other => panic!("{other:?}"),
        }
        let closed = [gone, stays, nobody].map(|client| bed.is_closed(client));
        assert_eq!(closed, [true, false, false]);
    }
}

#[test]
fn another_user_does_not_get_a_session_by_its_client_id() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = |request| AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        };
        let expiry = |user| {
            ConnectOptions::new(V5, "shared-id")
                .clean(false)
                .property(PropertyId::SessionExpiryInterval, Value::U32(60))
                .login(user, b"")
        };
        let alice = bed.connect_with(&expiry("alice"));
        bed.subscribe(alice, "secret", QoS::AtLeastOnce);
        bed.drop_connection(alice);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "secret", b"for alice", QoS::AtLeastOnce);
        let (_, inbox) = bed.connect_raw(&expiry("mallory"));
        assert!(matches!(inbox.one(), Packet::ConnAck(ack) if !ack.session_present));
        assert_eq!(bed.outcome(Outcome::SessionReplaced), 1);
        bed.check_books();
    }
}
