//! The inference size: what is asked for, and the box that is painted in.

use super::requests::Requests;
use crate::style::{PaintSize, Size};

/// Each request is taken or refused once its network was tried, in the order in which they came.
pub(super) struct Sizing(Requests<Requested>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Requested {
    size: PaintSize,
    bounding_box: Option<Size>,
}

impl From<PaintSize> for Requested {
    fn from(size: PaintSize) -> Self {
        Self { size, bounding_box: size.bounding_box() }
    }
}

impl Sizing {
    /// The painter begins with `size`.
    pub fn new(size: PaintSize) -> Self {
        Self(Requests::new(size.into()))
    }

    /// Asks for `size`; returns the number of the request.
    pub fn ask(&mut self, size: PaintSize) -> u64 {
        self.0.ask(size.into())
    }

    /// Asks for another box of the size `auto`; none if that is no longer asked for.
    pub fn ask_auto(&mut self, bounding_box: Size) -> Option<u64> {
        let asked = *self.0.asked();
        (asked.size == PaintSize::Auto).then(|| self.0.ask(Requested { bounding_box: Some(bounding_box), ..asked }))
    }

    /// As it was asked for last.
    pub fn size(&self) -> PaintSize {
        self.0.asked().size
    }

    /// The box that is asked for.
    pub fn wanted_box(&self) -> Option<Size> {
        self.0.asked().bounding_box
    }

    /// The box that is painted in.
    pub fn painted_box(&self) -> Option<Size> {
        self.0.sent().bounding_box
    }

    /// No other was asked for since.
    pub fn is_newest(&self, request: u64) -> bool {
        self.0.is_newest(request)
    }

    /// The network is ready for the request, whose box was `bounding_box`.
    pub fn take(&mut self, request: u64, bounding_box: Option<Size>) {
        if self.is_newest(request) {
            self.0.send_asked();
        } else {
            self.0.send(Requested { bounding_box, ..*self.0.sent() });
        }
    }

    /// The network cannot do it: what is asked for is what there is, unless something newer was asked for.
    pub fn refuse(&mut self, request: u64) {
        self.0.refuse(request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size::new(320, 180);
    const LARGE: Size = Size::new(640, 360);

    fn seen(sizing: &Sizing) -> (PaintSize, Option<Size>, Option<Size>) {
        (sizing.size(), sizing.wanted_box(), sizing.painted_box())
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let mut sizing = Sizing::new(PaintSize::Box(SMALL));
        let before = seen(&sizing);
        let request = sizing.ask(PaintSize::Box(LARGE));
        assert_eq!(seen(&sizing), (PaintSize::Box(LARGE), Some(LARGE), Some(SMALL)));
        sizing.refuse(request);
        assert_eq!(seen(&sizing), before);
        let request = sizing.ask(PaintSize::Auto);
        sizing.take(request, sizing.wanted_box());
        let request = sizing.ask_auto(SMALL).unwrap();
        sizing.refuse(request);
        assert_eq!(seen(&sizing), (PaintSize::Auto, None, None), "a box of auto goes back too");
    }

    /// Two requests one after the other, and each way in which they may come out.
    #[test]
    fn the_newest_request_that_can_be_is_what_counts() {
        for (first_fits, second_fits, ends_as) in [
            (true, true, PaintSize::Native),
            (false, true, PaintSize::Native),
            (true, false, PaintSize::Box(LARGE)),
            (false, false, PaintSize::Box(SMALL)),
        ] {
            let mut sizing = Sizing::new(PaintSize::Box(SMALL));
            let come_out = |sizing: &mut Sizing, request, fits| match fits {
                true => sizing.take(request, sizing.wanted_box()),
                false => sizing.refuse(request),
            };
            let first = sizing.ask(PaintSize::Box(LARGE));
            come_out(&mut sizing, first, first_fits);
            let second = sizing.ask(PaintSize::Native);
            come_out(&mut sizing, second, second_fits);
            assert_eq!(sizing.size(), ends_as, "{first_fits} {second_fits}");
            assert_eq!(sizing.wanted_box(), sizing.painted_box());
        }
    }

    #[test]
    fn an_older_request_changes_nothing_that_is_asked_for() {
        let mut sizing = Sizing::new(PaintSize::Box(SMALL));
        let old = sizing.ask(PaintSize::Box(LARGE));
        let new = sizing.ask(PaintSize::Native);
        assert!(!sizing.is_newest(old) && sizing.is_newest(new));
        sizing.refuse(old);
        assert_eq!(seen(&sizing), (PaintSize::Native, None, Some(SMALL)));
        sizing.take(old, Some(LARGE));
        assert_eq!(
            seen(&sizing),
            (PaintSize::Native, None, Some(LARGE)),
            "it was ready before the new one was asked for"
        );
        assert_eq!(sizing.ask_auto(SMALL), None, "auto was left");
    }
}
