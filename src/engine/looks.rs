//! The look: what is asked for, with its network, what the painter has, and which of several requests counts.

use crate::style::Look;

/// Requests are numbered; each is sent to the painter at once, or once its network `N` is loaded, or refused.
pub(super) struct Looks<N> {
    newest: u64,
    asked: Requested<N>,
    /// What the painter has, or finds in its mailbox.
    sent: Requested<N>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requested<N> {
    look: Look,
    network: N,
}

impl<N: Clone> Looks<N> {
    /// The painter begins with this look.
    pub fn new(look: Look, network: N) -> Self {
        let begun = Requested { look, network };
        Self { newest: 0, asked: begun.clone(), sent: begun }
    }

    /// Asks for this look; returns the number of the request.
    pub fn ask(&mut self, look: Look, network: N) -> u64 {
        self.asked = Requested { look, network };
        self.newest += 1;
        self.newest
    }

    /// The look that was asked for last.
    pub fn look(&self) -> &Look {
        &self.asked.look
    }

    /// The network that was asked for last, which may not be loaded yet.
    pub fn network(&self) -> &N {
        &self.asked.network
    }

    /// No other was asked for since.
    pub fn is_newest(&self, request: u64) -> bool {
        self.newest == request
    }

    /// The newest request is in the mailbox.
    pub fn sent(&mut self) {
        self.sent = self.asked.clone();
    }

    /// The network of the request cannot be loaded: what is asked for is what there is, unless something newer was asked
    /// for.
    pub fn refuse(&mut self, request: u64) {
        if self.is_newest(request) {
            self.asked = self.sent.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(strength: f32) -> Look {
        Look { strength, ..Look::default() }
    }

    /// What is asked for, and what is painted.
    fn seen(looks: &Looks<&'static str>) -> [(f32, &'static str); 2] {
        [&looks.asked, &looks.sent].map(|requested| (requested.look.strength, requested.network))
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let mut looks = Looks::new(look(1.0), "lite");
        let full = looks.ask(look(0.5), "full");
        assert_eq!((looks.look().strength, *looks.network()), (0.5, "full"));
        looks.refuse(full);
        assert_eq!(seen(&looks), [(1.0, "lite"); 2]);
    }

    #[test]
    fn of_two_requests_the_newer_counts_however_they_come_out() {
        // A look of the network that paints is sent at once; one of another comes out later, well or not, in their order.
        for newer_network in ["lite", "nano"] {
            for (older_loads, newer_loads) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut looks = Looks::new(look(1.0), "lite");
                let older = looks.ask(look(0.5), "full");
                let newer = looks.ask(look(0.25), newer_network);
                let at_once = newer_network == "lite";
                if at_once {
                    looks.sent();
                }
                let rest =
                    if at_once { vec![(older, older_loads)] } else { vec![(older, older_loads), (newer, newer_loads)] };
                for (request, loads) in rest {
                    match loads {
                        true if looks.is_newest(request) => looks.sent(),
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
        let mut looks = Looks::new(look(1.0), "lite");
        looks.ask(look(0.75), "lite");
        looks.sent();
        let full = looks.ask(look(0.5), "full");
        assert_eq!(seen(&looks), [(0.5, "full"), (0.75, "lite")]);
        looks.refuse(full);
        assert_eq!(seen(&looks), [(0.75, "lite"); 2]);
    }
}
