//! What is asked for, what the painter has, and which of several requests counts: of looks and of inference sizes.

/// Requests are numbered; each is sent to the painter, at once or when its network is ready, or refused.
pub(super) struct Requests<T> {
    newest: u64,
    asked: T,
    /// What the painter has, or finds in its mailbox.
    sent: T,
}

impl<T: Clone> Requests<T> {
    /// What the painter begins with.
    pub fn new(begun: T) -> Self {
        Self { newest: 0, asked: begun.clone(), sent: begun }
    }

    /// Asks for `wanted`; returns the number of the request.
    pub fn ask(&mut self, wanted: T) -> u64 {
        self.asked = wanted;
        self.newest += 1;
        self.newest
    }

    /// What was asked for last, which may not be ready yet.
    pub fn asked(&self) -> &T {
        &self.asked
    }

    /// What the painter has, or finds in its mailbox.
    pub fn sent(&self) -> &T {
        &self.sent
    }

    /// No other was asked for since.
    pub fn is_newest(&self, request: u64) -> bool {
        self.newest == request
    }

    /// This is in the mailbox; the request that came to it may not be the newest.
    pub fn send(&mut self, sent: T) {
        self.sent = sent;
    }

    /// What was asked for last is in the mailbox.
    pub fn send_asked(&mut self) {
        self.send(self.asked.clone());
    }

    /// The request cannot be done: what is asked for is what there is, unless something newer was asked for.
    pub fn refuse(&mut self, request: u64) {
        if self.is_newest(request) {
            self.asked = self.sent.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The strength of a look, and its network.
    type Look = (f32, &'static str);

    /// What is asked for, and what is painted.
    fn seen(looks: &Requests<Look>) -> [Look; 2] {
        [*looks.asked(), *looks.sent()]
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let mut looks = Requests::new((1.0, "lite"));
        let full = looks.ask((0.5, "full"));
        assert_eq!(*looks.asked(), (0.5, "full"));
        looks.refuse(full);
        assert_eq!(seen(&looks), [(1.0, "lite"); 2]);
    }

    #[test]
    fn of_two_requests_the_newer_counts_however_they_come_out() {
        // A look of the network that paints is sent at once; one of another comes out later, well or not, in their order.
        for newer_network in ["lite", "nano"] {
            for (older_loads, newer_loads) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut looks = Requests::new((1.0, "lite"));
                let older = looks.ask((0.5, "full"));
                let newer = looks.ask((0.25, newer_network));
                let at_once = newer_network == "lite";
                if at_once {
                    looks.send_asked();
                }
                let rest =
                    if at_once { vec![(older, older_loads)] } else { vec![(older, older_loads), (newer, newer_loads)] };
                for (request, loads) in rest {
                    match loads {
                        true if looks.is_newest(request) => looks.send_asked(),
                        true => {}
                        false => looks.refuse(request),
                    }
                }
                let comes = if at_once || newer_loads { (0.25, newer_network) } else { (1.0, "lite") };
                assert_eq!(seen(&looks), [comes; 2], "{newer_network} {older_loads} {newer_loads}");
            }
        }
    }

    #[test]
    fn a_request_that_is_refused_goes_back_to_the_last_that_was_painted() {
        let mut looks = Requests::new((1.0, "lite"));
        looks.ask((0.75, "lite"));
        looks.send_asked();
        let full = looks.ask((0.5, "full"));
        assert_eq!(seen(&looks), [(0.5, "full"), (0.75, "lite")]);
        looks.refuse(full);
        assert_eq!(seen(&looks), [(0.75, "lite"); 2]);
    }
}
