//! A film painted in segments, by as many machines, and put together: each segment is a folder of packets with the times
//! that they have in the film.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::container_args::ContainerArgs;
use super::cut::Cut;
use super::fate::Audio;
use super::job::Job;
use super::join::Join;
use super::parts::{Index, Parts};
use super::progress::Progress;
use super::reading::Reading;
use super::target::Target;
use super::{Conversion, Options, refuse_pipes, video};
use crate::capture::{animation, probe};
use crate::error::{Error, Result};
use crate::gst::encoder::Encoder;
use crate::gst::template::Templates;
use crate::shutdown::Shutdown;

/// More segments are shorter than the encoder's groups of pictures.
const MOST: u32 = 9999;

/// Number `number` of `count` equally long parts of a film, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    number: u32,
    count: u32,
}

impl FromStr for Segment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no segment such as 3/10, the third of ten");
        let (number, count) = text.split_once('/').ok_or_else(wrong)?;
        let [number, count] = [number, count].map(|number| number.parse().ok());
        match (number, count) {
            (Some(number), Some(count)) if (1..=count).contains(&number) && count <= MOST => Ok(Self { number, count }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl Segment {
    /// Its folder in that of all segments.
    fn folder(self, segments: &Path) -> PathBuf {
        segments.join(format!("segment-{:04}-of-{:04}", self.number, self.count))
    }

    /// What [`Segment::folder`] calls so.
    fn of_folder(folder: &Path) -> Option<Self> {
        let (number, count) = folder.file_name()?.to_str()?.strip_prefix("segment-")?.split_once("-of-")?;
        format!("{}/{}", number.trim_start_matches('0'), count.trim_start_matches('0')).parse().ok()
    }

    /// The pictures of a film that is so long; each lies in one segment.
    fn cut(self, film: Duration) -> Result<Cut> {
        let border = |number: u32| film.mul_f64(f64::from(number) / f64::from(self.count));
        let start = Some(self.number - 1).filter(|before| *before > 0).map(border);
        Cut::new(start, Some(self.number).filter(|number| *number < self.count).map(border))
    }
}

/// Paints one segment of `conversion.input` into a folder below `conversion.output`. One that was interrupted is gone on
/// with, and one that is there is left alone.
///
/// # Errors
/// Input, network or output fail, or it was interrupted; or the folder holds a segment with other settings.
pub fn paint(conversion: &Conversion, segment: Segment, shutdown: &Shutdown, progress: &mut Progress) -> Result<()> {
    let Conversion { input, output, options, .. } = conversion;
    refuse_pipes(input, output)?;
    if !options.cut.is_whole() || options.rate.is_some() || options.at.is_some() {
        return Err(Error::usage(
            "--segment paints a part of the whole film: leave --start, --end, --fps and --at out",
        ));
    }
    if !options.container_args.is_empty() {
        return Err(Error::usage("segments have no container: --container-args goes to impasto join"));
    }
    let unknown = || Error::input(format!("{}: it does not say how long it is", input.display()));
    let film = match animation::is_animation(input) {
        true => animation::delays(input)?.into_iter().sum(),
        false => probe::first_picture_of(input, conversion.templates.clone())?.duration.ok_or_else(unknown)?,
    };
    let encoder = Encoder::choose(options.codec.unwrap_or_default(), options.crf, options.preset, options.bits)?;
    let options = Options { cut: segment.cut(film.into())?, ..options.clone() };
    let folder = segment.folder(output);
    let conversion = Conversion { output: folder.clone(), options, ..conversion.clone() };
    let job = Job::of(&conversion, &encoder.launch)?;
    if folder.exists() && !conversion.options.overwrite {
        match Job::in_folder(&folder)?.difference(&job) {
            Some(what) => {
                return Err(Error::usage(format!(
                    "{} holds the work of {what}; replace it with --overwrite",
                    folder.display()
                )));
            }
            None if Index::of_finished(std::slice::from_ref(&folder)).is_ok() => {
                progress.skipped(folder.display().to_string());
                return Ok(());
            }
            None => progress.note(&format!("{}: it is damaged and is painted again", folder.display())),
        }
    }
    std::fs::create_dir_all(output).map_err(|error| Error::output(format!("{}: {error}", output.display())))?;
    if conversion.paint.remembers() && segment.number > 1 {
        progress.note("for steadiness, some seconds before the segment are painted too");
    }
    let parts = Parts::open(&folder, &job, !conversion.options.overwrite)?;
    let frames = video::paint_segment(&conversion, &encoder, &parts, shutdown, progress)?;
    job.check_input(input)?;
    parts.keep_as(&folder)?;
    progress.done(folder.display().to_string(), frames);
    Ok(())
}

/// How segments are put together.
pub struct Joining {
    /// The folder of all segments.
    pub segments: PathBuf,
    pub output: PathBuf,
    /// The film that they were painted of, if it is not where it was then.
    pub input: Option<PathBuf>,
    pub audio: Audio,
    pub container_args: ContainerArgs,
    pub templates: Templates,
}

impl Joining {
    /// Writes OUT with the sound and all else of the film; the segments stay.
    ///
    /// # Errors
    /// Segments are missing or of different conversions, the film is gone or has changed, or OUT cannot be written.
    pub fn run(&self, shutdown: &Shutdown, progress: &mut Progress) -> Result<()> {
        let Target::Film(container) = Target::of(&self.output)? else {
            return Err(Error::usage("segments are joined into .mp4, .mov, .mkv or .webm"));
        };
        let (jobs, index) = self.read()?;
        let job = &jobs[0];
        let input = self.input.clone().unwrap_or_else(|| PathBuf::from(&job.input));
        let metadata = std::fs::metadata(&input);
        if !metadata.is_ok_and(|metadata| metadata.len() == job.input_bytes) {
            return Err(Error::input(format!(
                "{}: the film that the segments were painted of is not there, or has changed; --input says where it is",
                input.display()
            )));
        }
        self.container_args.check(container)?;
        let Self { output, audio, container_args, .. } = self;
        let (input, index, audio, target) = (&input, &index, *audio, Target::Film(container));
        let reading = Reading::of(input, output, target, audio, &self.templates)?;
        reading.notes.iter().chain(&target.notes(&reading.survey, audio)?).for_each(|note| progress.note(note));
        let (beside, survey) = (reading.beside(input), &reading.survey);
        let join = Join { input, beside, job, output, container, index, audio, container_args, survey, window: None };
        join.run(shutdown)?.iter().for_each(|note| progress.note(note));
        progress.done(output.display().to_string(), index.frames);
        Ok(())
    }

    /// The jobs and the packets of all segments, in order.
    fn read(&self) -> Result<(Vec<Job>, Index)> {
        let folder = self.segments.display();
        let entries = std::fs::read_dir(&self.segments).map_err(|error| Error::input(format!("{folder}: {error}")))?;
        let mut found: Vec<_> = entries.flatten().filter_map(|entry| Segment::of_folder(&entry.path())).collect();
        found.sort_by_key(|segment| (segment.count, segment.number));
        let Some(last) = found.last() else {
            return Err(Error::input(format!(
                "{folder}: there are no segments in it; --segment 1/2 makes the first of two"
            )));
        };
        if found[0].count != last.count {
            return Err(Error::input(format!("{folder}: it holds segments of {} and of {}", found[0], last)));
        }
        let is_missing = |number: &u32| !found.iter().any(|segment| segment.number == *number);
        let missing: Vec<_> = (1..=last.count).filter(is_missing).map(|number| number.to_string()).collect();
        if !missing.is_empty() {
            return Err(Error::input(format!(
                "{folder}: of {} segments, these are missing: {}",
                last.count,
                missing.join(", ")
            )));
        }
        let folders: Vec<_> = found.iter().map(|segment| segment.folder(&self.segments)).collect();
        let jobs = folders.iter().map(|folder| Job::in_folder(folder)).collect::<Result<Vec<_>>>()?;
        for (job, folder) in jobs.iter().zip(&folders) {
            // Each machine may have the film elsewhere, with a time of its own.
            let (input, input_modified_ns) = (jobs[0].input.clone(), jobs[0].input_modified_ns);
            let job = Job { cut: jobs[0].cut, input, input_modified_ns, ..job.clone() };
            if let Some(what) = jobs[0].difference(&job) {
                return Err(Error::input(format!("{}: it is painted with {what} than the others", folder.display())));
            }
        }
        Ok((jobs, Index::of_finished(&folders)?))
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;
    use crate::convert::cut::Place;

    #[test]
    fn every_picture_lies_in_one_segment() {
        let film = Duration::from_millis(10_010);
        let cuts: Vec<_> = (1..=7).map(|number| Segment { number, count: 7 }.cut(film).unwrap()).collect();
        for frame in 0..300u64 {
            let time = gst::ClockTime::from_nseconds(frame * 1_001_000_000 / 30);
            assert_eq!(cuts.iter().filter(|cut| cut.place(time) == Place::Within).count(), 1, "{time}");
        }
    }

    #[test]
    fn segments_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Segment>().map(|segment| segment.to_string()).ok();
        assert_eq!([read("1/1"), read("10/10")], [Some("1/1".into()), Some("10/10".into())]);
        assert_eq!(["", "0/3", "4/3", "3", "1/0", "a/b", "1/10000"].map(read), [const { None }; 7]);
        let segment = Segment { number: 10, count: 200 };
        assert_eq!(Segment::of_folder(&segment.folder("all".as_ref())), Some(segment));
        assert_eq!(Segment::of_folder("all/.segment-0001-of-0002.parts".as_ref()), None);
    }
}
