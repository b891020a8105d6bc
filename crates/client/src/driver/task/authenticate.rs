//! Exchanges of enhanced authentication.

use super::Task;
use crate::driver::Reply;
use crate::outcome::Failure;
use crate::session::Input;

impl Task {
    /// Before CONNECT.
    pub(super) fn begin_authentication(&mut self) {
        self.fail_reauthentication(Failure::ConnectionLost);
        if let Some(authentication) = &self.authentication {
            let mut exchange = authentication.begin();
            let data = exchange.first();
            self.session
                .set_authentication(authentication.method(), data);
            self.exchange = Some(exchange);
        }
    }

    pub(super) fn on_challenged(&mut self, data: Option<Vec<u8>>) {
        let challenge = data.unwrap_or_default();
        let Some(exchange) = &mut self.exchange else {
            let why = "the server asks for more, and nothing here can answer".to_owned();
            self.tell_session(Input::RefuseServer { why });
            return;
        };
        match exchange.answer(&challenge) {
            Ok(data) => self.tell_session(Input::AnswerChallenge { data: &data }),
            Err(why) => self.tell_session(Input::RefuseServer { why }),
        }
    }

    pub(super) fn on_authenticated(&mut self, proof: Option<&[u8]>) {
        let exchange = self.exchange.take();
        let finished = exchange.map_or(Ok(()), |mut exchange| exchange.finish(proof));
        if let Err(why) = finished {
            self.tell_session(Input::RefuseServer { why });
        } else if let Some(reply) = self.reauthenticating.take() {
            // Whoever asked may have gone.
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn on_reauthenticate(&mut self, reply: Reply<()>) {
        let refusal = match &self.authentication {
            None => Failure::NoAuthenticationMethod,
            Some(_) if self.reauthenticating.is_some() => Failure::Reauthenticating,
            Some(authentication) => {
                let mut exchange = authentication.begin();
                let data = exchange.first().unwrap_or_default();
                self.exchange = Some(exchange);
                self.reauthenticating = Some(reply);
                self.handle(Input::Reauthenticate { data: &data });
                return;
            }
        };
        // Whoever asked may have gone.
        let _ = reply.send(Err(refusal));
    }

    pub(super) fn fail_reauthentication(&mut self, failure: Failure) {
        if let Some(reply) = self.reauthenticating.take() {
            // Whoever asked may have gone.
            let _ = reply.send(Err(failure));
        }
    }

    /// An input in the middle of the session's outputs; whoever is at them takes those of it too.
    fn tell_session(&mut self, input: Input<'_>) {
        let now_ms = self.now_ms();
        self.session.handle(now_ms, input);
    }
}
