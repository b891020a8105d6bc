//! The application's part in enhanced authentication (MQTT 5, section 4.12).

use std::fmt::Debug;

use super::{Client, Request};
use crate::outcome::Failure;

/// A method of authentication, such as SCRAM. It goes into
/// [`super::ConnectOptions::authentication`] and is asked for a new [`Exchange`] at every connection.
pub trait Authentication: Debug + Send + Sync {
    /// Authentication Method.
    fn method(&self) -> String;

    /// A new exchange.
    fn begin(&self) -> Box<dyn Exchange>;
}

/// One authentication, from CONNECT or re-authentication to its end. It may not wait: it is asked on
/// the task of the connection.
pub trait Exchange: Send {
    /// Authentication Data of the first packet.
    fn first(&mut self) -> Option<Vec<u8>>;

    /// The answer to a challenge of the server.
    ///
    /// # Errors
    /// A sentence that says why there is none. It ends the connection.
    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, String>;

    /// The server has accepted. Says whether its own proof is good, if the method has one.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it. It ends the connection.
    fn finish(&mut self, proof: Option<&[u8]>) -> Result<(), String> {
        let _ = proof;
        Ok(())
    }
}

impl Client {
    /// Authenticates again on the open connection, with the method that it was made with.
    ///
    /// # Errors
    /// [`Failure`]. A server that refuses ends the connection, and that is
    /// [`Failure::ConnectionLost`]; the event of the end says more.
    pub async fn reauthenticate(&self) -> Result<(), Failure> {
        self.request(Request::Reauthenticate).await?.await
    }
}
