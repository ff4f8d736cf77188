//! Sound without holes, for recordings and for those who watch: what is missing is filled with silence, what comes too late is cut.

use std::ops::Range;

use gstreamer as gst;

use super::retimed_sound;

/// Shorter holes are the jitter of time stamps.
const HOLE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Bytes of one second of sound: 48 kHz, stereo, 16 bits.
const BYTES_PER_SECOND: u64 = 48_000 * 4;

/// Knows up to which time there is sound.
#[derive(Debug)]
pub struct SoundTrack {
    end: gst::ClockTime,
    /// Sound may be so much later than the picture of its time. A muxer waits for it that long, and holds the pictures.
    patience: gst::ClockTime,
    /// Silence ends so long before the picture: the sound may come back.
    kept_back: gst::ClockTime,
    /// A hole that is longer is filled at its end alone.
    most_silence: gst::ClockTime,
}

/// Where a piece of sound goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// To be written before it.
    pub silence: Option<Range<gst::ClockTime>>,
    /// So much of its beginning comes too late.
    pub cut: gst::ClockTime,
}

impl Default for SoundTrack {
    /// Of a recording, which has every moment of it.
    fn default() -> Self {
        let [patience, kept_back] = [2000, 1000].map(gst::ClockTime::from_mseconds);
        Self { end: gst::ClockTime::ZERO, patience, kept_back, most_silence: gst::ClockTime::MAX }
    }
}

impl SoundTrack {
    /// Of those who watch from `begin` on. A player that comes waits for sound before it shows anything, but nobody misses what
    /// was not to be heard while the stream slept.
    pub fn live(begin: gst::ClockTime) -> Self {
        let [patience, kept_back, most_silence] = [500, 200, 1000].map(gst::ClockTime::from_mseconds);
        Self { end: begin, patience, kept_back, most_silence }
    }

    /// The picture has come to `time`: the silence that is to be written, so that the muxer goes on.
    pub fn follow(&mut self, time: gst::ClockTime) -> Option<Range<gst::ClockTime>> {
        (time >= self.end + self.patience).then(|| self.fill(time - self.kept_back))
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

    /// What is to be written for sound that comes, with the times of the track: silence before it, and what of it is not late.
    pub fn pieces_of(
        &mut self,
        buffer: &gst::BufferRef,
        begin: gst::ClockTime,
    ) -> impl Iterator<Item = gst::Buffer> + use<> {
        let placed = self.place(begin, length_of(buffer.size()));
        let rest = placed.as_ref().and_then(|placed| without_late(buffer, begin, placed.cut));
        placed.and_then(|placed| placed.silence).into_iter().flat_map(silence).chain(rest)
    }

    fn fill(&mut self, until: gst::ClockTime) -> Range<gst::ClockTime> {
        let begin = std::mem::replace(&mut self.end, until);
        begin.max(until.saturating_sub(self.most_silence))..until
    }
}

/// Silence of these times, in pieces of at most a second.
pub fn silence(times: Range<gst::ClockTime>) -> impl Iterator<Item = gst::Buffer> {
    let mut begin = times.start;
    std::iter::from_fn(move || {
        let length = gst::ClockTime::SECOND.min(times.end.saturating_sub(begin));
        if length.is_zero() {
            return None;
        }
        let mut buffer = gst::Buffer::from_slice(vec![0; bytes_of(length)]);
        buffer.make_mut().set_pts(begin);
        buffer.make_mut().set_duration(length);
        begin += length;
        Some(buffer)
    })
}

/// The sound from `begin` on, without so much of its beginning.
fn without_late(buffer: &gst::BufferRef, begin: gst::ClockTime, cut: gst::ClockTime) -> Option<gst::Buffer> {
    if cut.is_zero() {
        return Some(retimed_sound(buffer, begin));
    }
    let rest = buffer.copy_region(gst::BufferCopyFlags::MEMORY, bytes_of(cut)..).ok()?;
    Some(retimed_sound(&rest, begin + cut))
}

/// The size of so much sound, in whole samples of both channels.
fn bytes_of(length: gst::ClockTime) -> usize {
    (length.nseconds() * BYTES_PER_SECOND / gst::ClockTime::SECOND.nseconds()) as usize / 4 * 4
}

fn length_of(bytes: usize) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(bytes as u64 * gst::ClockTime::SECOND.nseconds() / BYTES_PER_SECOND)
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

    #[test]
    fn those_who_watch_wait_half_a_second_and_nobody_hears_how_long_a_stream_slept() {
        let mut track = SoundTrack::live(ms(7000));
        assert_eq!(track.follow(ms(7499)), None);
        assert_eq!(track.follow(ms(7500)), Some(ms(7000)..ms(7300)));
        assert_eq!(track.place(ms(7310), ms(20)), Some(Placed { silence: None, cut: ms(0) }), "it is back");
        assert_eq!(track.follow(ms(600_000)), Some(ms(598_800)..ms(599_800)));
        assert_eq!(track.place(ms(900_000), ms(20)).unwrap().silence, Some(ms(899_000)..ms(900_000)));
    }

    #[test]
    fn pieces_of_sound_follow_each_other() {
        crate::gst::init().unwrap();
        let mut track = SoundTrack::live(ms(100));
        let sound = |length| gst::Buffer::from_slice(vec![1; bytes_of(ms(length))]);
        let mut times = |begin, length| {
            let pieces = track.pieces_of(&sound(length), ms(begin));
            pieces
                .map(|piece| (piece.pts().unwrap().mseconds(), length_of(piece.size()).mseconds()))
                .collect::<Vec<_>>()
        };
        assert_eq!(times(100, 20), [(100, 20)]);
        assert_eq!(times(620, 20), [(120, 500), (620, 20)]);
        assert_eq!(times(400, 300), [(640, 60)], "late");
        assert_eq!(times(400, 300), [], "too late");
    }
}
