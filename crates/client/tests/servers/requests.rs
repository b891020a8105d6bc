//! Questions to other clients and their answers.

use columba_client::driver::{RequestError, Requester, RequesterOptions};

use super::*;

const SHORT: Duration = Duration::from_millis(50);

struct Bed {
    _broker: columba_server::Broker,
    port: u16,
    client: Client,
    _events: Events,
    requester: Requester,
}

impl Bed {
    async fn new(requests_max: usize) -> Self {
        let (broker, port) = columba::start();
        let options = options(port, Version::V5, "asks/+");
        let (client, events) = Client::connect(options).await.expect("connects");
        let options = RequesterOptions {
            requests_max,
            ..RequesterOptions::default()
        };
        let requester = client.requester(options).await.expect("may receive");
        Self {
            _broker: broker,
            port,
            client,
            _events: events,
            requester,
        }
    }

    /// A client that is subscribed to `x`.
    async fn answering(&self) -> (Client, Events) {
        let options = options(self.port, Version::V5, "answers");
        let (client, events) = Client::connect(options).await.expect("connects");
        subscribe(&client, "x", QoS::AtLeastOnce).await;
        (client, events)
    }

    async fn ask(&self, payload: &str, limit: Duration) -> Result<Incoming, RequestError> {
        let message = Message::new("x", payload).with_qos(QoS::AtLeastOnce);
        self.requester.request(message, limit).await
    }

    /// Asks, and gives up soon. At QoS 0 there is no acknowledgement that could be late.
    async fn ask_shortly(&self, payload: &str) -> Result<Incoming, RequestError> {
        let message = Message::new("x", payload);
        self.requester.request(message, SHORT).await
    }
}

#[tokio::test]
async fn each_request_gets_its_own_answer_in_any_order() {
    in_time(async {
        let bed = Bed::new(10).await;
        let (answering, mut events) = bed.answering().await;
        let asking = async {
            let (a, b) = tokio::join!(bed.ask("a", PATIENCE), bed.ask("b", PATIENCE));
            assert_eq!(a.expect("an answer").message.payload, b"a!");
            assert_eq!(b.expect("an answer").message.payload, b"b!");
        };
        let answers = async {
            let requests = [message(&mut events).await, message(&mut events).await];
            for request in requests.iter().rev() {
                let payload = [request.message.payload.as_slice(), b"!"].concat();
                let answer = request.answer(payload).expect("a request");
                publish(&answering, answer).await;
            }
        };
        tokio::join!(asking, answers);
        assert_eq!(
            bed.requester.response_topic().split('/').nth(1),
            Some("asks__")
        );
        assert!(bed.client.accepted().response_information.is_none());
    })
    .await;
}

#[tokio::test]
async fn silence_is_told_apart_from_nobody_being_there() {
    in_time(async {
        let bed = Bed::new(10).await;
        let nobody = RequestError::NobodyListens {
            topic: "x".to_owned(),
        };
        assert_eq!(bed.ask("1", PATIENCE).await, Err(nobody));
        let (answering, mut events) = bed.answering().await;
        let silent = bed.ask_shortly("2").await.expect_err("nobody answers");
        assert!(matches!(silent, RequestError::NoAnswer { .. }), "{silent}");
        assert!(silent.to_string().contains("Correlation Data"), "{silent}");
        // The answer to what was given up is not taken for that to the next request.
        let late = message(&mut events).await;
        let next = async {
            assert_eq!(message(&mut events).await.message.payload, b"3");
            answering
                .publish(late.answer("late").expect("a request"))
                .await
        };
        let (asked, published) = tokio::join!(bed.ask_shortly("3"), next);
        published
            .expect("taken")
            .into_result()
            .expect("not refused");
        assert!(
            matches!(asked, Err(RequestError::NoAnswer { .. })),
            "{asked:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn no_more_requests_wait_than_may_and_given_up_ones_make_room() {
    in_time(async {
        let bed = Bed::new(1).await;
        let (answering, mut events) = bed.answering().await;
        let first = bed.ask("1", PATIENCE);
        let second = async {
            let request = message(&mut events).await;
            let full = Err(RequestError::TooManyRequests(1));
            assert_eq!(bed.ask("2", PATIENCE).await, full);
            let answer = request.answer("").expect("a request");
            publish(&answering, answer).await;
        };
        let (first, ()) = tokio::join!(first, second);
        first.expect("an answer");
        for _ in 0..3 {
            let given_up = bed.ask_shortly("3").await;
            assert!(
                matches!(given_up, Err(RequestError::NoAnswer { .. })),
                "{given_up:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn mqtt_3_has_no_requests_and_says_so() {
    in_time(async {
        let (_broker, port) = columba::start();
        let options = options(port, Version::V311, "asks");
        let (client, _events) = Client::connect(options).await.expect("connects");
        let requester = client.requester(RequesterOptions::default()).await;
        let requester = requester.expect("a subscription like any other");
        let failed = requester.request(Message::new("x", ""), PATIENCE).await;
        let failed = failed.expect_err("no properties").to_string();
        assert!(failed.contains("needs MQTT 5"), "{failed}");
    })
    .await;
}
