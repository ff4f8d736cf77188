//! `/metrics` in the text format of Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Context;
use crate::control::contract::StreamState;
use crate::control::{Member, Stream};
use crate::machine::{open_descriptors, resident_bytes};
use crate::metrics::{BOUNDS_MS, Histogram, OscCounters};

/// `GET /metrics`
pub async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    let members = context.hub.all();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&members, &context.hub.osc()))
}

fn text(members: &[(String, Member)], osc: &OscCounters) -> String {
    let mut out = Page::default();
    out.family("impasto_stream_up", "gauge", "1 while the stream runs.");
    for (name, member) in members {
        let up = u8::from(matches!(member, Member::Running(_)));
        out.value("impasto_stream_up", &[("stream", name)], up.into());
    }
    let running = members.iter().filter_map(|(_, member)| match member {
        Member::Running(stream) => Some((stream.state(), stream)),
        Member::Down(..) => None,
    });
    let streams: Vec<(StreamState, &Arc<dyn Stream>)> = running.collect();
    let streams = streams.as_slice();
    out.family("impasto_frames_total", "counter", "Frames by what became of them.");
    for (state, _) in streams {
        let counts = &state.counts;
        for (what, count) in [
            ("captured", counts.captured),
            ("painted", counts.painted),
            ("unpainted", counts.unpainted),
            ("held", counts.held),
        ] {
            out.value("impasto_frames_total", &[("stream", &state.name), ("what", what)], count as f64);
        }
    }
    out.family("impasto_frames_dropped_total", "counter", "Frames that were not shown, by cause.");
    for (state, _) in streams {
        let by_outputs = state.outputs.iter().map(|output| output.dropped).sum();
        for (cause, count) in
            [("busy", state.counts.dropped_busy), ("stale", state.counts.dropped_stale), ("output", by_outputs)]
        {
            out.value("impasto_frames_dropped_total", &[("stream", &state.name), ("cause", cause)], count as f64);
        }
    }
    out.family("impasto_source_reconnects_total", "counter", "Times that the source was lost and opened again.");
    for (state, _) in streams {
        out.value("impasto_source_reconnects_total", &[("stream", &state.name)], state.counts.reconnects as f64);
    }
    out.family("impasto_network_crashes_total", "counter", "Times that the network crashed and was loaded again.");
    for (state, _) in streams {
        out.value("impasto_network_crashes_total", &[("stream", &state.name)], state.counts.crashes as f64);
    }
    out.family("impasto_frames_per_second", "gauge", "Painted frames a second.");
    for (state, _) in streams {
        out.value("impasto_frames_per_second", &[("stream", &state.name)], state.fps);
    }
    out.family("impasto_stage_seconds", "histogram", "Where the time of painted frames went.");
    for (state, stream) in streams {
        let counters = stream.counters();
        for (stage, times) in [("tensors", &counters.tensor_times), ("inference", &counters.inference_times)] {
            out.histogram("impasto_stage_seconds", &[("stream", &state.name), ("stage", stage)], times);
        }
    }
    out.family("impasto_latency_seconds", "histogram", "From the arrival of a frame until outputs have it painted.");
    for (state, stream) in streams {
        out.histogram("impasto_latency_seconds", &[("stream", &state.name)], &stream.counters().latencies);
    }
    out.family("impasto_clients", "gauge", "Who watches.");
    for (state, _) in streams {
        for output in &state.outputs {
            let labels = [("stream", state.name.as_str()), ("output", &output.kind), ("place", &output.place)];
            out.value("impasto_clients", &labels, output.clients as f64);
        }
    }
    out.family("impasto_output_up", "gauge", "0 while nothing of the stream arrives there.");
    for (state, _) in streams {
        for output in &state.outputs {
            let labels = [("stream", state.name.as_str()), ("output", &output.kind), ("place", &output.place)];
            out.value("impasto_output_up", &labels, u8::from(output.error.is_none()).into());
        }
    }
    out.family("impasto_painting", "gauge", "1 for the network and the device that really paint, 0 while they cannot.");
    for (state, stream) in streams {
        let labels = [("stream", state.name.as_str()), ("network", &state.network), ("device", &state.device)];
        out.value("impasto_painting", &labels, u8::from(stream.why_unpainted().is_none()).into());
    }
    out.family("impasto_paused", "gauge", "1 while the picture is held on command.");
    for (state, _) in streams {
        out.value("impasto_paused", &[("stream", &state.name)], u8::from(state.paused).into());
    }
    out.family("impasto_uptime_seconds", "gauge", "Since the stream began.");
    for (state, _) in streams {
        out.value("impasto_uptime_seconds", &[("stream", &state.name)], state.uptime_s as f64);
    }
    out.family("impasto_recording_seconds", "gauge", "How long the recording in progress is.");
    for (state, _) in streams {
        if let Some(seconds) = state.recording_s {
            out.value("impasto_recording_seconds", &[("stream", &state.name)], seconds as f64);
        }
    }
    out.family("impasto_osc_total", "counter", "OSC messages by what became of them, and malformed packets.");
    for (what, count) in [("taken", &osc.taken), ("refused", &osc.refused), ("malformed", &osc.malformed)] {
        out.value("impasto_osc_total", &[("what", what)], count.load(Ordering::Relaxed) as f64);
    }
    out.process();
    out.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (number, (label, value)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{value}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// What Prometheus' own libraries tell of a process, under their names.
    fn process(&mut self) {
        if let Some(bytes) = resident_bytes() {
            self.family("process_resident_memory_bytes", "gauge", "Memory of the process.");
            self.value("process_resident_memory_bytes", &[], bytes as f64);
        }
        if let Some(open) = open_descriptors() {
            self.family("process_open_fds", "gauge", "Open file descriptors.");
            self.value("process_open_fds", &[], open as f64);
        }
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        self.family("process_cpu_seconds_total", "counter", "Processor time of all threads.");
        self.value("process_cpu_seconds_total", &[], used.tv_sec as f64 + used.tv_nsec as f64 / 1e9);
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], times: &Histogram) {
        let (counts, all, sum) = times.cumulative();
        let bounds = BOUNDS_MS.iter().map(|bound| (*bound as f64 / 1000.0).to_string()).chain(["+Inf".into()]);
        for (bound, count) in bounds.zip(counts.into_iter().chain([all])) {
            self.value(&format!("{name}_bucket"), &[labels, &[("le", &bound)]].concat(), count as f64);
        }
        self.value(&format!("{name}_sum"), labels, sum);
        self.value(&format!("{name}_count"), labels, all as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prometheus_reads_them() {
        let mut page = Page::default();
        page.family("a_total", "counter", "Help.");
        page.value("a_total", &[("place", "C:\\\"x\"\n")], 3.0);
        page.value("b", &[], 0.5);
        assert_eq!(
            page.0,
            "# HELP a_total Help.\n# TYPE a_total counter\na_total{place=\"C:\\\\\\\"x\\\"\\n\"} 3\nb 0.5\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_everything() {
        let times = Histogram::default();
        [3, 3000].map(std::time::Duration::from_millis).iter().for_each(|&time| times.note(time));
        let mut page = Page::default();
        page.histogram("t", &[("stage", "x")], &times);
        let lines: Vec<_> = page.0.lines().collect();
        assert_eq!(lines[1], "t_bucket{stage=\"x\",le=\"0.002\"} 0");
        assert_eq!(lines[2], "t_bucket{stage=\"x\",le=\"0.005\"} 1");
        assert_eq!(
            lines[12..],
            ["t_bucket{stage=\"x\",le=\"+Inf\"} 2", "t_sum{stage=\"x\"} 3.003", "t_count{stage=\"x\"} 2"]
        );
    }
}
