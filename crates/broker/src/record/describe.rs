//! What a record says, for people and for programs that are not the broker.

use super::{Exchange, MessageRecord, Recipient, Record, SessionRecord, Step, SubscriptionRecord};

/// A value of a [`Description`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Yes or no.
    Flag(bool),
    /// A number; times are milliseconds since 1970.
    Number(u64),
    /// A text.
    Text(String),
    /// Bytes that need not be text.
    Bytes(Vec<u8>),
    /// Several values.
    List(Vec<Self>),
    /// Values with names.
    Group(Description),
}

/// Names and values, in the order of the record.
pub type Description = Vec<(&'static str, Field)>;

/// What a record says, its kind first; `None` if it means nothing to this version.
///
/// The seed is left out: it is a secret.
pub fn describe(record: &[u8]) -> Option<Description> {
    let kind = |name: &str| ("kind", text(name));
    Some(match Record::read(record)? {
        Record::Seed(_) => vec![kind("seed")],
        Record::Session(session) => {
            let mut fields = vec![kind("session")];
            fields.extend(of_session(&session));
            fields
        }
        Record::Subscription(subscription) => {
            let mut fields = vec![kind("subscription")];
            fields.extend(of_subscription(&subscription));
            fields
        }
        Record::Message(message, recipients) => vec![
            kind("message"),
            ("message", Field::Group(of_message(&message))),
            ("recipients", of_recipients(&recipients)),
        ],
        Record::Moved {
            place,
            message,
            recipients,
        } => vec![
            kind("moved"),
            ("place", number(place)),
            ("message", Field::Group(of_message(&message))),
            ("recipients", of_recipients(&recipients)),
        ],
        Record::Sent(exchange) => of_exchange("sent", exchange),
        Record::Released(exchange) => of_exchange("released", exchange),
        Record::Settled {
            message,
            recipients,
        } => {
            let recipients = recipients.iter().map(|of| number(*of));
            vec![
                kind("settled"),
                ("message_position", number(message)),
                ("recipients", Field::List(recipients.collect())),
            ]
        }
        Record::Received { session, packet_id } => vec![
            kind("received"),
            ("session", number(session)),
            ("packet_id", number(packet_id.get())),
        ],
        Record::Retained { version, message } => vec![
            kind("retained"),
            ("version", number(version)),
            ("message", Field::Group(of_message(&message))),
        ],
        Record::Cleared { version, topic } => vec![
            kind("cleared"),
            ("version", number(version)),
            ("topic", text(topic)),
        ],
        Record::Lost {
            session,
            found_at_unix_ms,
        } => vec![
            kind("lost"),
            ("session", number(session)),
            ("found_at_unix_ms", number(found_at_unix_ms)),
        ],
    })
}

fn of_session(session: &SessionRecord<'_>) -> Description {
    let mut fields = vec![
        ("session", number(session.number)),
        ("client_id", text(session.client_id)),
    ];
    fields.extend(session.user.map(|user| ("user", text(user))));
    let groups: Vec<Field> = session.groups.iter().map(|group| text(group)).collect();
    if !groups.is_empty() {
        fields.push(("groups", Field::List(groups)));
    }
    fields.extend(
        session
            .addr
            .map(|addr| ("address", text(&addr.to_string()))),
    );
    fields.push(("expiry_secs", number(session.expiry_secs)));
    let disconnected = session.disconnected_at_unix_ms;
    fields.extend(disconnected.map(|at| ("disconnected_at_unix_ms", number(at))));
    if let Some(will) = &session.will {
        let mut of_will = vec![("delay_secs", number(will.delay_secs))];
        of_will.extend(will.expiry_secs.map(|secs| ("expiry_secs", number(secs))));
        of_will.push(("message", Field::Group(of_message(&will.message))));
        fields.push(("will", Field::Group(of_will)));
    }
    fields
}

fn of_subscription(subscription: &SubscriptionRecord<'_>) -> Description {
    let mut fields = vec![
        ("session", number(subscription.session)),
        ("filter", text(subscription.filter)),
        ("qos", number(subscription.qos.as_u8())),
        ("no_local", Field::Flag(subscription.no_local)),
        (
            "retain_as_published",
            Field::Flag(subscription.retain_as_published),
        ),
    ];
    if subscription.identifier != 0 {
        fields.push(("identifier", number(subscription.identifier)));
    }
    if let Some((name, membership)) = subscription.share {
        fields.push(("share_name", text(name)));
        fields.push(("membership", number(membership)));
    }
    fields
}

fn of_message(message: &MessageRecord<'_>) -> Description {
    let mut fields = vec![
        ("topic", text(message.topic)),
        ("qos", number(message.qos.as_u8())),
        ("retain", Field::Flag(message.retain)),
    ];
    let expires = message.expires_at_unix_ms;
    fields.extend(expires.map(|at| ("expires_at_unix_ms", number(at))));
    if !message.properties.is_empty() {
        fields.push(("properties", Field::Bytes(message.properties.to_vec())));
    }
    fields.push(("payload", Field::Bytes(message.payload.to_vec())));
    fields
}

fn of_recipients(recipients: &[Recipient]) -> Field {
    let all = recipients.iter().map(|of| Field::Group(of_recipient(of)));
    Field::List(all.collect())
}

fn of_recipient(recipient: &Recipient) -> Description {
    let mut fields = vec![
        ("session", number(recipient.session)),
        ("qos", number(recipient.qos.as_u8())),
        ("retain", Field::Flag(recipient.retain)),
    ];
    if recipient.membership != 0 {
        fields.push(("membership", number(recipient.membership)));
    }
    let (step, packet_id) = match recipient.step {
        Step::Queued => ("queued", None),
        Step::Sent(packet_id) => ("sent", Some(packet_id)),
        Step::Released(packet_id) => ("released", Some(packet_id)),
    };
    fields.push(("step", text(step)));
    fields.extend(packet_id.map(|packet_id| ("packet_id", number(packet_id.get()))));
    let identifiers: Vec<Field> = recipient.identifiers.iter().map(|of| number(*of)).collect();
    if !identifiers.is_empty() {
        fields.push(("identifiers", Field::List(identifiers)));
    }
    fields
}

fn of_exchange(kind: &str, exchange: Exchange) -> Description {
    vec![
        ("kind", text(kind)),
        ("session", number(exchange.session)),
        ("message_position", number(exchange.message)),
        ("packet_id", number(exchange.packet_id.get())),
    ]
}

fn number(number: impl Into<u64>) -> Field {
    Field::Number(number.into())
}

fn text(text: &str) -> Field {
    Field::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_described_by_its_kind_and_its_fields_and_the_secret_is_not() {
        let described = |record: &Record<'_>| {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            describe(&bytes).unwrap()
        };
        assert_eq!(described(&Record::Seed(7)), [("kind", text("seed"))]);
        let received = Record::Received {
            session: 300,
            packet_id: columba_codec::PacketId::MIN,
        };
        let wanted = [
            ("kind", text("received")),
            ("session", Field::Number(300)),
            ("packet_id", Field::Number(1)),
        ];
        assert_eq!(described(&received), wanted);
        assert_eq!(describe(b"\xff"), None);
    }
}
