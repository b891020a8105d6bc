//! What the programs of `cargo xtask bench client` are told: `PROGRAM MODE PORT TOPIC QOS BYTES COUNT`.

/// Messages at QoS 1 and 2 that may be without their last acknowledgement.
pub const INFLIGHT_MAX: u16 = 64;

/// Any error, for people.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What to do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Publish, [`INFLIGHT_MAX`] messages at a time, and wait for the last answer.
    Publish,
    /// Publish one message, wait for its answer, and then the next.
    Single,
    /// Subscribe to retained messages and take them.
    Receive,
    /// Subscribe to the topic, publish one message, wait for it to come back, and then the next.
    Echo,
    /// Store retained messages below the topic (Columba's program alone).
    Fill,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Job {
    pub mode: Mode,
    pub port: u16,
    pub topic: String,
    pub qos: u8,
    pub payload_bytes: usize,
    pub count: u64,
}

impl Job {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_arguments() -> Outcome<Self> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [mode, port, topic, qos, bytes, count] = &words[..] else {
            return Err("usage: PROGRAM MODE PORT TOPIC QOS BYTES COUNT".into());
        };
        let mode = match mode.as_str() {
            "publish" => Mode::Publish,
            "single" => Mode::Single,
            "receive" => Mode::Receive,
            "echo" => Mode::Echo,
            "fill" => Mode::Fill,
            other => return Err(format!("no such mode: {other}").into()),
        };
        Ok(Self {
            mode,
            port: port.parse()?,
            topic: topic.clone(),
            qos: qos.parse()?,
            payload_bytes: bytes.parse()?,
            count: count.parse()?,
        })
    }

    /// A new payload, as an application that has just made one would have it.
    pub fn payload(&self) -> Vec<u8> {
        vec![b'x'; self.payload_bytes]
    }

    /// # Errors
    /// The message is not one of this run.
    pub fn check(&self, payload: &[u8]) -> Outcome<()> {
        if payload.len() == self.payload_bytes {
            Ok(())
        } else {
            Err(format!("a message of {} bytes", payload.len()).into())
        }
    }
}
