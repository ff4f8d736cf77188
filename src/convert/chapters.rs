//! The chapters of a video: GStreamer reads and writes those of Matroska; those of MP4 and QuickTime lie in boxes that it
//! passes over.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
pub use mp4ameta::Chapter;
use mp4ameta::{ReadConfig, Tag, WriteConfig};

/// The chapters in the boxes of an MP4 or QuickTime file, in order; none for any other file.
pub fn in_boxes(file: &Path) -> Vec<Chapter> {
    let wanted = ReadConfig { read_chapter_list: true, read_chapter_track: true, ..ReadConfig::NONE };
    Tag::read_with_path(file, &wanted).map(|mut tag| tag.take_chapters()).unwrap_or_default()
}

/// Adds `chapters` to a complete MP4 or QuickTime file, as the list that ffmpeg and most players read.
///
/// # Errors
/// The file is not as it should be, and stays as it is; or it cannot be written, which may leave it broken.
pub fn add_boxes(file: &Path, chapters: Vec<Chapter>) -> Result<(), mp4ameta::Error> {
    let mut tag = Tag::default();
    *tag.chapter_list_mut() = chapters;
    let wanted = WriteConfig { write_chapter_list: true, ..WriteConfig::NONE };
    tag.write_with_path(file, &wanted)
}

/// The chapters of a table of contents, in order.
pub fn of_toc(toc: &gst::TocRef) -> Vec<Chapter> {
    let mut chapters = Vec::new();
    toc.entries().iter().for_each(|entry| collect(entry, &mut chapters));
    chapters.sort_by_key(|chapter| chapter.start);
    chapters
}

fn collect(entry: &gst::TocEntry, chapters: &mut Vec<Chapter>) {
    if entry.entry_type() == gst::TocEntryType::Chapter {
        let start = entry.start_stop_times().map_or(0, |(start, _)| start.max(0));
        let title = entry.tags().and_then(|tags| tags.get::<gst::tags::Title>().map(|title| title.get().to_string()));
        chapters.push(Chapter::new(Duration::from_nanos(start as u64), title.unwrap_or_default()));
    }
    entry.sub_entries().iter().for_each(|entry| collect(entry, chapters));
}

/// A table of contents for a muxer that takes one; the last chapter ends at `end`.
pub fn to_toc(chapters: &[Chapter], end: Duration) -> gst::Toc {
    let nanos = |time: Duration| time.as_nanos().min(i64::MAX as u128) as i64;
    let mut edition = gst::TocEntry::new(gst::TocEntryType::Edition, "edition");
    for (number, chapter) in chapters.iter().enumerate() {
        let stop = chapters.get(number + 1).map_or(end.max(chapter.start), |next| next.start);
        let mut entry = gst::TocEntry::new(gst::TocEntryType::Chapter, &format!("chapter {}", number + 1));
        let mut tags = gst::TagList::new();
        tags.make_mut().add::<gst::tags::Title>(&chapter.title.as_str(), gst::TagMergeMode::Replace);
        let fields = entry.make_mut();
        fields.set_start_stop_times(nanos(chapter.start), nanos(stop));
        fields.set_tags(tags);
        edition.make_mut().append_sub_entry(entry);
    }
    let mut toc = gst::Toc::new(gst::TocScope::Global);
    toc.make_mut().append_entry(edition);
    toc
}
