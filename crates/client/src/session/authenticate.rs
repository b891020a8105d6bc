//! Enhanced authentication (MQTT 5, section 4.12): AUTH in both directions.

use columba_codec::packet::{Auth, Packet};
use columba_codec::{Properties, PropertiesBuf, PropertyId, ReasonCode, Value};

use super::{Output, Session, State};
use crate::outcome::{CloseCause, Failure, Violation};

impl Session {
    /// Sets Authentication Method and Authentication Data of the next CONNECT.
    pub fn set_authentication(&mut self, method: String, data: Option<Vec<u8>>) {
        self.options.properties.authentication_method = Some(method);
        self.options.properties.authentication_data = data;
    }

    /// What CONNACK says of the authentication.
    pub(super) fn on_authenticated(&mut self, properties: Properties<'_>) {
        if self.options.properties.authentication_method.is_some() {
            let data = properties.binary(PropertyId::AuthenticationData);
            let data = data.map(<[u8]>::to_vec);
            self.outputs.push_back(Output::Authenticated { data });
        }
    }

    /// AUTH of the server, before or after CONNACK.
    pub(super) fn on_auth(&mut self, auth: &Auth<'_>) -> Result<(), Violation> {
        if self.options.properties.authentication_method.is_none() {
            // MQTT-4.12.0-6
            return Err(Violation::UnexpectedPacket);
        }
        self.check_method(auth.properties)?;
        let is_open = self.is_open();
        if is_open && !self.reauthenticating {
            return Err(Violation::UnexpectedPacket);
        }
        let data = auth.properties.binary(PropertyId::AuthenticationData);
        let data = data.map(<[u8]>::to_vec);
        match auth.reason {
            ReasonCode::ContinueAuthentication => {
                self.outputs.push_back(Output::Challenged { data });
            }
            ReasonCode::Success if is_open => {
                self.reauthenticating = false;
                self.outputs.push_back(Output::Authenticated { data });
            }
            _ => return Err(Violation::UnexpectedPacket),
        }
        Ok(())
    }

    /// The server keeps to the method of CONNECT (`MQTT-4.12.0-5`), if there was one.
    pub(super) fn check_method(&self, properties: Properties<'_>) -> Result<(), Violation> {
        let asked = self.options.properties.authentication_method.as_deref();
        let named = properties.string(PropertyId::AuthenticationMethod);
        if asked.is_some() && named.is_some() && named != asked {
            return Err(Violation::AuthenticationMethod);
        }
        Ok(())
    }

    pub(super) fn answer_challenge(&mut self, data: &[u8]) {
        let may_answer = match self.state {
            State::Closed => false,
            State::Connecting { .. } => true,
            State::Open(_) => self.reauthenticating,
        };
        if may_answer && let Err(failure) = self.send_auth(ReasonCode::ContinueAuthentication, data)
        {
            self.refuse_server(failure.to_string());
        }
    }

    /// Begins to authenticate again on an open connection.
    pub(super) fn reauthenticate(&mut self, data: &[u8]) {
        let failure = if !self.is_open() {
            Failure::NotConnected
        } else if self.reauthenticating {
            Failure::Reauthenticating
        } else {
            match self.send_auth(ReasonCode::ReAuthenticate, data) {
                Ok(()) => {
                    self.reauthenticating = true;
                    return;
                }
                Err(failure) => failure,
            }
        };
        self.outputs.push_back(Output::NotReauthenticated(failure));
    }

    /// This side does not accept what the server said of itself, or has no answer to it.
    pub(super) fn refuse_server(&mut self, why: String) {
        match self.state {
            State::Closed => {}
            State::Connecting { .. } => self.close(CloseCause::Authentication(why)),
            State::Open(_) => {
                let cause = CloseCause::Authentication(why);
                self.fail(cause, ReasonCode::UnspecifiedError);
            }
        }
    }

    fn send_auth(&mut self, reason: ReasonCode, data: &[u8]) -> Result<(), Failure> {
        let Some(method) = &self.options.properties.authentication_method else {
            return Err(Failure::NoAuthenticationMethod);
        };
        let mut properties = PropertiesBuf::new();
        properties.push(PropertyId::AuthenticationMethod, Value::String(method))?;
        properties.push(PropertyId::AuthenticationData, Value::Binary(data))?;
        let auth = Auth {
            reason,
            properties: properties.as_properties(),
        };
        Packet::Auth(auth).encode(self.options.version, &mut self.outgoing)?;
        self.timers.last_sent_millis = self.timers.now_millis;
        Ok(())
    }
}
