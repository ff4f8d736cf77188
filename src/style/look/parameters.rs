//! Every parameter of a look, declared once. The look and its changes, the config, the flags, the API and its schema, the words
//! of `impasto ctl` and the controls of the page are made of this list; `tests/look_parameters.rs` walks it.

/// Hands the list to the macro `$generate`: name, type and default of each, and what a [`Parameter`](super::Parameter) tells of
/// it. An attribute is one of the key in the config.
macro_rules! look_parameters {
    ($generate:ident) => {
        $generate! {
            #[serde(alias = "style")]
            styles: $crate::style::look::Mix = Default::default(), {
                flag: "style",
                env: "IMPASTO_STYLE",
                title: "Styles",
                help: "Style to paint with, or a mix of one network's styles: a=0.7,b=0.3; `impasto styles` lists them. On the command line and in the config, the path of a picture file paints like that picture",
                more: "A table such as { starry_night = 0.7, great_wave = 0.3 } says the same; {} is the first style of the network that paints.",
                kind: Kind::Mix,
                told: Told::Always,
            }
            strength: f32 = 1.0, {
                flag: "strength",
                env: "IMPASTO_STRENGTH",
                word: "strength",
                title: "Strength",
                help: "How much of the painted picture is seen: 0 (the source) to 1",
                kind: Kind::Share { word: None, ends: None },
                driven: Some(Driven::Strength),
                told: Told::Always,
            }
            keep_colours: bool = false, {
                flag: "keep-colours",
                env: "IMPASTO_KEEP_COLOURS",
                word: "colours",
                title: "Keep the colours of the source",
                help: "Paint the luminance only, and keep the colours of the source",
                kind: Kind::Switch { on: ("keep", "Of the source"), off: ("paint", "Of the painting") },
                driven: Some(Driven::Colours),
                told: Told::As("colours of the source"),
            }
            steadiness: $crate::style::Steadiness = $crate::style::Steadiness::NONE, {
                flag: "steadiness",
                env: "IMPASTO_STEADINESS",
                word: "steadiness",
                title: "Steadiness",
                help: "How firmly still areas are held against flicker: 0 (not at all) to 1. In files, flow holds what moves too",
                more: "Flow holds it along its motion; a file is then painted frame by frame.",
                kind: Kind::Share { word: Some(Word { text: "flow", title: "", is_live: false, is_null: false }), ends: None },
                is_of_time: true,
                driven: Some(Driven::Steadiness),
            }
            stroke: $crate::style::Stroke = $crate::style::Stroke::Auto, {
                flag: "stroke",
                env: "IMPASTO_STROKE",
                word: "stroke",
                title: "Stroke, small to large",
                help: "How large strokes and forms are: 0 (small) to 1 (large), or auto, by the size of the picture",
                more: "It is for styles that were learnt in two sizes; by the size that is painted at, larger pictures get larger strokes.",
                kind: Kind::Share {
                    word: Some(Word { text: "auto", title: "Strokes by the picture's size", is_live: true, is_null: true }),
                    ends: Some(["small", "large"]),
                },
                of_styles_with: "stroke",
                driven: Some(Driven::Stroke),
            }
            mask: $crate::style::mask::Mask = $crate::style::mask::Mask::Off, {
                flag: "mask",
                env: "IMPASTO_MASK",
                word: "mask",
                title: "Paint",
                help: "Which part is painted: people, or the background around them",
                more: "It takes a network that finds people: `./dev setup --mask` installs one.",
                kind: Kind::Choice(&[
                    ("off", "All of the picture"),
                    ("person", "People only"),
                    ("background", "The background only"),
                ]),
            }
            mask_invert: bool = false, {
                flag: "mask-invert",
                env: "IMPASTO_MASK_INVERT",
                word: "mask-invert",
                title: "Paint the other part",
                help: "Paint the other part than the mask says",
                kind: Kind::Switch { on: ("on", "The other part"), off: ("off", "The part that the mask says") },
                told: Told::As("the mask inverted"),
            }
            mask_feather: f32 = 0.0, {
                flag: "mask-feather",
                env: "IMPASTO_MASK_FEATHER",
                word: "mask-feather",
                title: "Edge of the mask",
                help: "How soft the edge between painted and unpainted is: 0 (along the picture's own edges) to 1",
                kind: Kind::Share { word: None, ends: Some(["sharp", "soft"]) },
                driven: Some(Driven::MaskFeather),
            }
            mask_other: $crate::style::mask::Unpainted = $crate::style::mask::Unpainted::Source, {
                flag: "mask-other",
                env: "IMPASTO_MASK_OTHER",
                word: "mask-other",
                title: "Beside it",
                help: "What is seen of the part that is not painted: source, blur, a colour like #336699, or style:NAME",
                more: "A second style is of the same network, which then paints each picture twice.",
                kind: Kind::Text {
                    placeholder: "source|blur|#RRGGBB|style:NAME",
                    pattern: "source|blur|#[0-9a-fA-F]{6}|style:.+",
                },
            }
            fade_ms: u32 = 500, {
                flag: "fade-ms",
                env: "IMPASTO_FADE_MS",
                word: "fade",
                title: "Fade",
                help: "How long a change of the look takes",
                more: "In milliseconds, 0 to 60000.",
                kind: Kind::Milliseconds { most: 60_000, usual: 5000 },
                is_of_time: true,
                told: Told::Never,
            }
        }
    };
}
pub(crate) use look_parameters;
