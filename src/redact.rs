//! Takes secrets out of every text that leaves the process: log, errors, API, page and status; and what steers a terminal.

use std::io::{self, Write};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// A name with one of these in it is that of a secret.
const SECRET_NAMES: [&str; 10] =
    ["password", "passwd", "pwd", "passphrase", "user-pw", "secret", "token", "credential", "api_key", "sessionid"];

/// The text without passwords and keys: of an address, what stands before its last `@` and behind `?` or `#`, and behind the
/// application of an RTMP server; of a setting whose name is that of a secret, and of `Bearer`, what follows. Rather too
/// much than too little.
pub fn redact(text: &str) -> String {
    // Values before words, lest a word takes the sign of a setting with it; and after, for what then looks like one.
    let hide = |line| hide_values(&hide_in_words(&hide_values(&hide_in_addresses(line))));
    text.split('\n').map(hide).collect::<Vec<_>>().join("\n")
}

/// [`redact`], and without what steers a terminal or turns the order of letters: names of files and texts from networks may
/// hold such characters, and are shown with their numbers.
pub fn for_people(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && !"\n\t".contains(c))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text = redact(text);
    match text.contains(steers) {
        true => text.chars().map(|c| if steers(c) { c.escape_unicode().to_string() } else { c.into() }).collect(),
        false => text,
    }
}

/// True if `line` sets something whose name is that of a secret.
pub fn names_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|name| line.contains(name))
}

/// In each address of a line.
fn hide_in_addresses(line: &str) -> String {
    let (mut done, mut rest) = (String::new(), line);
    while let Some(begin) = rest.find("://").map(|at| at + 3) {
        let (scheme, address) = rest.split_at(begin);
        let word_end = |from: usize| address[from..].find(char::is_whitespace).map_or(address.len(), |end| from + end);
        let mut end = word_end(0);
        if address[..end].contains('@') || !is_host(address) {
            // A password with a space in it, up to the next address.
            let others = address.find("://").unwrap_or(address.len());
            end = address[..others].rfind('@').map_or(end, word_end).max(end);
        }
        let is_path = scheme.ends_with("file://") && address.starts_with('/');
        let mut shown = if is_path { address[..end].to_string() } else { hide_in_address(&address[..end]) };
        if ["rtmp://", "rtmps://", "rtmpt://"].iter().any(|rtmp| scheme.to_ascii_lowercase().ends_with(rtmp)) {
            shown = hide_stream_key(&shown);
        }
        done = done + scheme + &shown;
        rest = &address[end..];
    }
    done + rest
}

/// In each word that is like an address whose scheme is missing or mistyped: `me:secret@camera.lan/1`, `rtsp:/me:secret@...`.
fn hide_in_words(line: &str) -> String {
    let hide = |word: &str| {
        let head = word.rfind('@').map(|at| &word[..at]).filter(|head| !word.contains("://") && head.contains(':'));
        let Some(head) = head else { return word.to_string() };
        let quotes = head.len() - head.trim_start_matches(|c: char| "\"'`([{<".contains(c)).len();
        format!("{}{}", &word[..quotes], &word[head.len() + 1..])
    };
    line.split_inclusive(char::is_whitespace).map(hide).collect()
}

/// True if what follows `://` begins with a host, and a port if there is a colon.
fn is_host(address: &str) -> bool {
    let authority = address.split(|c: char| "/?#".contains(c) || c.is_whitespace()).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.starts_with('[')
        || port.trim_end_matches(|c: char| c.is_ascii_punctuation()).bytes().all(|b| b.is_ascii_digit())
}

/// In what follows `://`. Quotes and the like behind it stay.
fn hide_in_address(address: &str) -> String {
    let (last_at, query) = (address.rfind('@'), address.find(['?', '#']));
    let begin = match (last_at, query) {
        // In a password there may be a `?`, and behind `?` there may be an `@`: where it cannot be told, nothing is.
        (Some(at), Some(query)) if query < at => match address[..query].contains([':', '@']) {
            true => return HIDDEN.into(),
            false => 0,
        },
        (Some(at), _) => at + 1,
        (None, _) => 0,
    };
    let bare = address.trim_end_matches(|c: char| "\"'`)]>,;:.".contains(c));
    match query.filter(|query| query + 1 < bare.len()) {
        Some(query) => format!("{}{HIDDEN}{}", &address[begin..=query], &address[bare.len()..]),
        None => address[begin..].to_string(),
    }
}

/// Behind `HOST/APP/`, but for the word KEY itself, which is advice. Quotes and the like behind it stay.
fn hide_stream_key(address: &str) -> String {
    let bare = address.trim_end_matches(|c: char| "\"'`)]>,;:.".contains(c));
    match bare.match_indices('/').nth(1).filter(|(slash, _)| !["", "KEY"].contains(&&bare[slash + 1..])) {
        Some((slash, _)) => format!("{}{HIDDEN}{}", &address[..=slash], &address[bare.len()..]),
        None => address.to_string(),
    }
}

/// `rtsp_password = ...`, `"token": "..."`, `Bearer ...`, to the end of the line.
fn hide_values(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let value = |name: &&str| {
        lower.match_indices(*name).find_map(|(at, _)| {
            let end = at + name.len();
            let name_ends = |c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c));
            let end = lower[end..].find(name_ends).map(|more| end + more)?;
            let rest = lower[end..].trim_start_matches(['"', '\'', ' ', '\t']);
            let quoted = rest.strip_prefix(':').is_some_and(|value| value.trim_start().starts_with(['"', '\'']));
            let is_value =
                quoted || rest.strip_prefix('=').is_some_and(|value| !value.trim_start().starts_with(HIDDEN));
            is_value.then(|| line.len() - rest.len() + 1)
        })
    };
    let hidden = SECRET_NAMES.iter().filter_map(value).chain(find_bearer(line)).min();
    hidden.map_or_else(|| line.to_string(), |at| format!("{} {HIDDEN}", line[..at].trim_end()))
}

/// Where the token behind `Bearer` begins. The word TOKEN itself is advice.
fn find_bearer(line: &str) -> Option<usize> {
    let at = line.to_ascii_lowercase().find("bearer ")? + "bearer ".len();
    let shown = line[at..].trim_start();
    (!shown.is_empty() && !shown.starts_with("TOKEN") && !shown.starts_with(HIDDEN)).then_some(at)
}

/// Writes to another writer, without secrets. Each call writes whole lines, as the log does.
pub struct Redacting<W>(pub W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What must never be seen, with anything around it that an address or a setting can hold.
    fn secret() -> impl Strategy<Value = String> {
        ("[a-z0-9@:/?#&=%.,;!$()'\"`<>|\\\\äß-]{0,6}", "[a-z0-9@:/?#&=%.,;!$()'\"`<>|\\\\äß-]{0,6}")
            .prop_map(|(before, after)| format!("{before}hunter2{after}"))
    }

    fn words() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", "`", "\"", "cannot open ", "uridecodebin0: Not found (", "{\"source\":\""])
            .prop_map(String::from)
    }

    proptest! {
        #[test]
        fn a_password_is_never_told(
            secret in secret(),
            before in words(),
            scheme in "rtsps?|https?|srt|rtmp",
            user in "[a-z]{0,5}",
            after in prop::sample::select(vec!["", "`: no such host", "\"", " (Unauthorized)", "): 401"]),
        ) {
            let text = format!("{before}{scheme}://{user}:{secret}@camera.lan/stream{after}");
            let told = redact(&text);
            prop_assert!(!told.contains("hunter2"), "{}", told);
            prop_assert!(secret.contains(['?', '#']) || told.contains("camera.lan/stream"), "{}", told);
            prop_assert_eq!(redact(&told), told);
        }

        #[test]
        fn a_key_in_an_address_is_never_told(secret in secret(), before in words(), name in "[a-z_]{0,8}=?") {
            let text = format!("{before}https://camera.lan/a/b?{name}{secret} 404");
            let told = redact(&text);
            prop_assert!(!told.contains("hunter2"), "{}", told);
            prop_assert_eq!(redact(&told), told);
        }

        #[test]
        fn a_secret_setting_is_never_told(
            secret in secret(),
            name in "(rtsp_password|token|[a-z]{0,3}_secret|Passphrase|camera-token-2)",
            sign in "( = \"| = '|=| =|\": \"|: ')",
        ) {
            let text = format!("line 3: {name}{sign}{secret}\" is wrong\nsecond line");
            let told = redact(&text);
            prop_assert!(!told.contains("hunter2"), "{}", told);
            prop_assert!(told.starts_with("line 3: ") && told.ends_with("\nsecond line"), "{}", told);
        }

        #[test]
        fn any_text_can_be_redacted(text in "\\PC*") {
            let told = redact(&text);
            prop_assert_eq!(redact(&told), told);
        }
    }

    #[test]
    fn what_people_need_stays() {
        for same in [
            "cannot serve RTSP on port 8554 of 127.0.0.1: it is in use; choose another with --rtsp ADDR:PORT/PATH",
            "rtsp://127.0.0.1:8554/live: no such stream",
            "file:///srv/a@b.mp4?x",
            "http 0.0.0.0:8080 can be reached: it needs a token of 16 characters in IMPASTO_TOKEN or [control] token",
            "this needs the token: send the header `Authorization: Bearer TOKEN`",
            "rtsp_user and rtsp_password belong together",
            "resolution 640x360, painted at 320x180; size = `auto`",
            "[::1]:80 a@b c://",
        ] {
            assert_eq!(redact(same), same);
        }
        for (text, told) in [
            ("rtsp://me:pw@h.lan/1", "rtsp://h.lan/1"),
            ("rtsp://me:p@w/x@h.lan:554/1", "rtsp://h.lan:554/1"),
            ("`rtsps://me:pw@h.lan`: lost", "`rtsps://h.lan`: lost"),
            ("rtsp://me:my pass@h.lan/1 (lost)", "rtsp://h.lan/1 (lost)"),
            ("rtsp://me:p@a b hunter2@h.lan/1 (lost)", "rtsp://h.lan/1 (lost)"),
            ("http://h.lan/cgi;pwd=hunter2", "http://h.lan/cgi;pwd= ***"),
            ("https://h.lan/a?token=x&w=640#t: 404", "https://h.lan/a?***: 404"),
            ("https://h.lan/a?mail=me@g.lan", "https://h.lan/a?***"),
            ("rtsp://me:p?w@h.lan/1", "rtsp://***"),
            ("https://h.lan/a?abc and http://me:pw@g.lan", "https://h.lan/a?*** and http://g.lan"),
            ("rtmp://a.rtmp.youtube.com/live2/hunter2: refused", "rtmp://a.rtmp.youtube.com/live2/***: refused"),
            ("`RTMPS://me:pw@h.lan/app/a/b?c`", "`RTMPS://h.lan/app/***`"),
            ("3 | rtsp_password = \"x\"", "3 | rtsp_password = ***"),
            ("authorization: bearer 0123", "authorization: bearer ***"),
            ("`me:hunter2@cam/1`: No such file", "`cam/1`: No such file"),
            ("rtsp_password=:@hunter2", "rtsp_password= ***"),
            ("rtsp_password =:@hunter2", "rtsp_password = ***"),
            ("rtsp_password:hunter2@cam", "cam"),
            ("rtsp:/me:hunter2@h.lan/1", "h.lan/1"),
            ("file://me:hunter2@h.lan/1", "file://h.lan/1"),
            ("http://h.lan/a;jsessionid=hunter2", "http://h.lan/a;jsessionid= ***"),
        ] {
            assert_eq!(redact(text), told);
        }
    }

    #[test]
    fn the_log_is_written_without_secrets() {
        let mut written = Vec::new();
        let mut log = Redacting(&mut written);
        log.write_all(b"INFO rtsp://me:pw@h.lan opened\n").and_then(|()| log.flush()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "INFO rtsp://h.lan opened\n");
    }
}
