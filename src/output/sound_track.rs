//! The sound of a recording without holes: what is missing is filled with silence, what comes too late is cut.

use std::ops::Range;

use gstreamer as gst;

/// Sound may be so much later than the picture of its time. A muxer waits for it that long, and holds the pictures.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_mseconds(2000);

/// Silence ends so long before the picture: the sound may come back.
const KEPT_BACK: gst::ClockTime = gst::ClockTime::from_mseconds(1000);

/// Shorter holes are the jitter of time stamps.
const HOLE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Knows up to which time of the file there is sound.
#[derive(Debug, Default)]
pub struct SoundTrack {
    end: gst::ClockTime,
}

/// Where a piece of sound goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// To be written before it.
    pub silence: Option<Range<gst::ClockTime>>,
    /// So much of its beginning comes too late.
    pub cut: gst::ClockTime,
}

impl SoundTrack {
    /// The picture has come to `time`: the silence that is to be written, so that the muxer goes on.
    pub fn follow(&mut self, time: gst::ClockTime) -> Option<Range<gst::ClockTime>> {
        (time >= self.end + PATIENCE).then(|| self.fill(time - KEPT_BACK))
    }

    /// The recording ends at `time`: a track without any sound would make the file unreadable.
    pub fn finish(&mut self, time: gst::ClockTime) -> Option<Range<gst::ClockTime>> {
        (time >= self.end + HOLE || self.end.is_zero()).then(|| self.fill(time.max(HOLE)))
    }

    /// Sound of this length has come; none if all of it is late.
    pub fn place(&mut self, begin: gst::ClockTime, length: gst::ClockTime) -> Option<Placed> {
        let cut = self.end.saturating_sub(begin);
        // The jitter of time stamps is no overlap.
        let cut = if cut < HOLE { gst::ClockTime::ZERO } else { cut };
        if cut > gst::ClockTime::ZERO && cut >= length {
            return None;
        }
        let silence = (begin >= self.end + HOLE).then(|| self.fill(begin));
        self.end = self.end.max(begin + length);
        Some(Placed { silence, cut })
    }

    fn fill(&mut self, until: gst::ClockTime) -> Range<gst::ClockTime> {
        std::mem::replace(&mut self.end, until)..until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(time)
    }

    #[test]
    fn sound_that_ends_is_followed_by_silence_and_comes_back_where_it_belongs() {
        let mut track = SoundTrack::default();
        let sound = |silence, cut| Some(Placed { silence, cut: ms(cut) });
        assert_eq!(track.place(ms(30), ms(20)), sound(None, 0), "the first comes a little after the picture");
        assert_eq!(track.place(ms(55), ms(20)), sound(None, 0), "jitter is no hole");
        assert_eq!(track.follow(ms(2074)), None, "it may be late");
        assert_eq!(track.follow(ms(2075)), Some(ms(75)..ms(1075)));
        assert_eq!(track.follow(ms(2100)), None);
        assert_eq!(track.place(ms(900), ms(100)), None, "there is silence already");
        assert_eq!(track.place(ms(900), ms(300)), sound(None, 175));
        assert_eq!(track.place(ms(1500), ms(20)), sound(Some(ms(1200)..ms(1500)), 0), "a hole");
        assert_eq!(track.finish(ms(1530)), None);
        assert_eq!(track.finish(ms(3000)), Some(ms(1520)..ms(3000)));
    }

    #[test]
    fn a_recording_shorter_than_the_first_sound_has_some() {
        assert_eq!(SoundTrack::default().finish(ms(0)), Some(ms(0)..ms(100)));
        assert_eq!(SoundTrack::default().finish(ms(300)), Some(ms(0)..ms(300)));
    }
}
