//! One client over rumqttc's two APIs, MQTT 3.1.1 and 5.

use std::cell::Cell;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5 as packet5;
use rumqttc::{Transport, v5};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::Outcome;

/// How long an answer or a message may take.
const PATIENCE: Duration = Duration::from_secs(8);
const PACKET_BYTES_MAX: u32 = 1 << 20;

/// `SCHEME://HOST:PORT/PATH`
pub struct Url {
    scheme: String,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    pub fn parse(text: &str) -> Outcome<Self> {
        let (scheme, rest) = text.split_once("://").ok_or("no scheme")?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, String::new()),
        };
        let (host, port) = authority.rsplit_once(':').ok_or("no port")?;
        let port = port.parse().map_err(|_| "bad port")?;
        Ok(Self {
            scheme: scheme.into(),
            host: host.into(),
            port,
            path,
        })
    }
}

/// The broker under test and how this run talks to it.
pub struct Place {
    pub url: Url,
    pub is_v5: bool,
    pub ca: Option<Vec<u8>>,
    /// Starts every topic and client id of this run.
    pub run: String,
    pub opened: Cell<u32>,
}

/// What a connection asks for; an empty id means a fresh one.
#[derive(Default)]
pub struct Wish {
    pub id: String,
    pub is_clean: bool,
    pub expiry_secs: Option<u32>,
    pub will: Option<(String, String)>,
}

#[derive(Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: packet5::PublishProperties,
}

pub enum Handle {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

pub struct Client {
    pub handle: Handle,
    pub messages: UnboundedReceiver<Message>,
    answers: UnboundedReceiver<String>,
    task: JoinHandle<()>,
    pub session_present: bool,
}

impl Place {
    pub fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.run)
    }

    pub async fn open(&self) -> Outcome<Client> {
        self.open_with(Wish::default()).await
    }

    pub async fn open_with(&self, mut wish: Wish) -> Outcome<Client> {
        self.opened.set(self.opened.get() + 1);
        if wish.id.is_empty() {
            wish.id = format!("{}-{}", self.run, self.opened.get());
            wish.is_clean = true;
        }
        let (message_sender, messages) = unbounded_channel();
        let (answer_sender, mut answers) = unbounded_channel();
        let (handle, task) = if self.is_v5 {
            self.open_v5(wish, message_sender, answer_sender)?
        } else {
            self.open_v4(wish, message_sender, answer_sender)?
        };
        let first = next_of(&mut answers, "connack").await?;
        if !first.starts_with("connack success") {
            return Err(first);
        }
        let session_present = first.ends_with("true");
        Ok(Client {
            handle,
            messages,
            answers,
            task,
            session_present,
        })
    }

    fn open_v5(
        &self,
        wish: Wish,
        messages: UnboundedSender<Message>,
        answers: UnboundedSender<String>,
    ) -> Outcome<(Handle, JoinHandle<()>)> {
        let mut options = v5::MqttOptions::new(wish.id, self.address(), self.url.port);
        options.set_transport(self.transport()?);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_clean_start(wish.is_clean);
        options.set_max_packet_size(Some(PACKET_BYTES_MAX));
        if wish.expiry_secs.is_some() {
            options.set_session_expiry_interval(wish.expiry_secs);
        }
        if let Some((topic, payload)) = wish.will {
            options.set_last_will(packet5::LastWill::new(topic, payload, qos5(1), false, None));
        }
        let (client, mut events) = v5::AsyncClient::new(options, 100);
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(v5::Event::Incoming(packet5::Packet::Publish(p))) => {
                        let _ = messages.send(Message {
                            topic: String::from_utf8_lossy(&p.topic).into(),
                            payload: p.payload.to_vec(),
                            qos: p.qos as u8,
                            retain: p.retain,
                            properties: p.properties.unwrap_or_default(),
                        });
                    }
                    Ok(v5::Event::Incoming(packet5::Packet::ConnAck(a))) => {
                        tell(
                            &answers,
                            &format!("connack {:?} {}", a.code, a.session_present),
                        );
                    }
                    Ok(v5::Event::Incoming(packet)) => tell(&answers, &format!("{packet:?}")),
                    Ok(v5::Event::Outgoing(_)) => {}
                    Err(error) => return tell(&answers, &format!("error {error:?}")),
                }
            }
        });
        Ok((Handle::V5(client), task))
    }

    fn open_v4(
        &self,
        wish: Wish,
        messages: UnboundedSender<Message>,
        answers: UnboundedSender<String>,
    ) -> Outcome<(Handle, JoinHandle<()>)> {
        let mut options = rumqttc::MqttOptions::new(wish.id, self.address(), self.url.port);
        options.set_transport(self.transport()?);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_clean_session(wish.is_clean);
        options.set_max_packet_size(PACKET_BYTES_MAX as usize, PACKET_BYTES_MAX as usize);
        if let Some((topic, payload)) = wish.will {
            options.set_last_will(rumqttc::LastWill::new(topic, payload, qos4(1), false));
        }
        let (client, mut events) = rumqttc::AsyncClient::new(options, 100);
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(rumqttc::Event::Incoming(rumqttc::Packet::Publish(p))) => {
                        let _ = messages.send(Message {
                            topic: p.topic,
                            payload: p.payload.to_vec(),
                            qos: p.qos as u8,
                            retain: p.retain,
                            properties: packet5::PublishProperties::default(),
                        });
                    }
                    Ok(rumqttc::Event::Incoming(rumqttc::Packet::ConnAck(a))) => {
                        tell(
                            &answers,
                            &format!("connack {:?} {}", a.code, a.session_present),
                        );
                    }
                    Ok(rumqttc::Event::Incoming(packet)) => tell(&answers, &format!("{packet:?}")),
                    Ok(rumqttc::Event::Outgoing(_)) => {}
                    Err(error) => return tell(&answers, &format!("error {error:?}")),
                }
            }
        });
        Ok((Handle::V4(client), task))
    }

    /// rumqttc wants the whole URL as host name for WebSocket.
    fn address(&self) -> String {
        let Url {
            scheme,
            host,
            port,
            path,
        } = &self.url;
        if scheme.starts_with("ws") {
            format!("{scheme}://{host}:{port}{path}")
        } else {
            host.clone()
        }
    }

    fn transport(&self) -> Outcome<Transport> {
        let ca = || self.ca.clone().ok_or_else(|| "TLS needs a CA".to_owned());
        Ok(match &*self.url.scheme {
            "mqtts" => Transport::tls(ca()?, None, None),
            "ws" => Transport::Ws,
            "wss" => Transport::wss(ca()?, None, None),
            _ => Transport::Tcp,
        })
    }
}

impl Client {
    /// Waits for an answer of this kind; others are passed over.
    pub async fn answer(&mut self, kind: &str) -> Outcome<()> {
        loop {
            let answer = next_of(&mut self.answers, kind).await?;
            if answer.starts_with(kind) {
                return Ok(());
            }
            if answer.starts_with("error") {
                return Err(answer);
            }
        }
    }

    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> Outcome<()> {
        match &self.handle {
            Handle::V4(client) => client.subscribe(filter, qos4(qos)).await.map_err(text)?,
            Handle::V5(client) => client.subscribe(filter, qos5(qos)).await.map_err(text)?,
        }
        self.answer("suback").await
    }

    pub async fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Outcome<()> {
        match &self.handle {
            Handle::V4(c) => c
                .publish(topic, qos4(qos), retain, payload)
                .await
                .map_err(text)?,
            Handle::V5(c) => {
                c.publish(topic, qos5(qos), retain, payload.to_vec())
                    .await
                    .map_err(text)?;
            }
        }
        match qos {
            1 => self.answer("puback").await,
            2 => self.answer("pubcomp").await,
            _ => Ok(()),
        }
    }

    pub async fn next(&mut self) -> Outcome<Message> {
        next_of(&mut self.messages, "message").await
    }

    pub async fn expect_nothing(&mut self) -> Outcome<()> {
        match timeout(Duration::from_millis(600), self.messages.recv()).await {
            Ok(Some(message)) => Err(format!("unexpected {}", message.topic)),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    pub async fn close(self) {
        let _ = match &self.handle {
            Handle::V4(client) => client.disconnect().await.map_err(text),
            Handle::V5(client) => client.disconnect().await.map_err(text),
        };
        // The event loop sends the DISCONNECT and then sees the connection end.
        let _ = timeout(Duration::from_secs(1), self.task).await;
    }

    /// Ends the connection without DISCONNECT.
    pub fn vanish(self) {
        self.task.abort();
    }
}

async fn next_of<T>(queue: &mut UnboundedReceiver<T>, what: &str) -> Outcome<T> {
    let next = timeout(PATIENCE, queue.recv()).await;
    next.map_err(|_| format!("timeout: {what}"))?
        .ok_or_else(|| "closed".to_owned())
}

fn tell(answers: &UnboundedSender<String>, answer: &str) {
    let _ = answers.send(answer.to_lowercase());
}

pub fn text(error: impl ToString) -> String {
    error.to_string()
}

fn qos4(level: u8) -> rumqttc::QoS {
    match level {
        0 => rumqttc::QoS::AtMostOnce,
        1 => rumqttc::QoS::AtLeastOnce,
        _ => rumqttc::QoS::ExactlyOnce,
    }
}

pub fn qos5(level: u8) -> v5::mqttbytes::QoS {
    match level {
        0 => v5::mqttbytes::QoS::AtMostOnce,
        1 => v5::mqttbytes::QoS::AtLeastOnce,
        _ => v5::mqttbytes::QoS::ExactlyOnce,
    }
}
