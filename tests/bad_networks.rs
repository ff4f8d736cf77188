//! Networks and manifests that cannot be used: each ends the binary with exit code 4 and a sentence that helps.

mod common;

use std::path::{Path, PathBuf};

use common::http::{Api, read_answer};
use common::onnx::{self, PICTURE, Side};
use common::{Finished, project, run, until};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// `check` and the commands that paint refuse the network alike.
#[track_caller]
fn refused(network: &Path, message: &str) {
    let path = network.to_str().unwrap();
    let bench = ["bench", "--frames", "1", "--picture", "64x48", "--network", path];
    let live = ["run", "--source", "test", "--rtsp", "off", "--duration", "2", "--network", path];
    for args in [&["check", path][..], &bench, &live] {
        refused_by(args, message);
    }
}

#[track_caller]
fn refused_by(args: &[&str], message: &str) {
    let Finished { code, stderr, .. } = run(args);
    assert_eq!(code, 4, "{args:?}: {stderr}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("impasto: ")).collect();
    assert!(stderr.contains(message) && errors.len() == 1, "{args:?}: expected `{message}` in: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
}

/// An identity network with its manifest, edited.
fn identity(folder: &Path, edit: &[(&str, &str)]) -> PathBuf {
    let mut manifest = onnx::manifest("net");
    for (old, new) in edit {
        assert!(manifest.contains(old), "{old}");
        manifest = manifest.replacen(old, new, 1);
    }
    onnx::write(folder, "net", &onnx::identity(), &manifest)
}

#[test]
fn a_file_that_is_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[u8], &str); 12] = [
        (b"", "the file is empty (0 bytes)"),
        (b"\x93 no protobuf at all, only words", "ONNX Runtime cannot load it"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "this is a web page, not an ONNX network"),
        (b"  <html>moved</html>", "this is a web page, not an ONNX network"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "fetch it with `git lfs pull`"),
        (b"404: Not Found", "this is text (`404: Not Found`), not an ONNX network"),
        (b"PK\x03\x04\0\0\0\0\0\0archive/data.pkl", "export it with torch.onnx.export"),
        (b"\x80\x02}q\0(X\x06\0\0\0weight", "a pickle of Python"),
        (b"\x1c\0\0\0TFL3\x14\0", "a TensorFlow Lite file: convert it with tf2onnx"),
        (b"\x40\0\0\0\0\0\0\0{\"weight\":{\"dtype\"", "holds weights without the network"),
        (b"\x89HDF\r\n\x1a\n\0", "as Keras writes"),
        (b"\x1f\x8b\x08\0\0\0", "unpack it"),
    ];
    for (content, message) in cases {
        let file = onnx::write(folder.path(), "net", content, &onnx::manifest("net"));
        refused(&file, message);
        assert!(run(&["check", file.to_str().unwrap()]).stderr.contains("net.onnx"));
    }
    refused(&folder.path().join("lost.onnx"), "no such file");
}

#[test]
fn a_file_that_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(common::project("models/lite.onnx")).unwrap();
    let manifest = std::fs::read_to_string(common::project("models/lite.toml")).unwrap();
    let file = onnx::write(folder.path(), "lite", &whole[..whole.len() / 2], &manifest);
    refused(&file, "the file is damaged or another version");
    let without_digest: Vec<_> = manifest.lines().filter(|line| !line.starts_with("sha256")).collect();
    let file = onnx::write(folder.path(), "lite", &whole[..whole.len() / 2], &without_digest.join("\n"));
    refused(&file, "ONNX Runtime cannot load it");
}

#[test]
fn data_outside_the_folder_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("secret.bin"), 1.0f32.to_le_bytes()).unwrap();
    std::fs::write(inner.join("offset.bin"), 1.0f32.to_le_bytes()).unwrap();
    let absolute = folder.path().join("secret.bin");
    for location in ["../secret.bin", absolute.to_str().unwrap(), "../inner/../secret.bin"] {
        let network = onnx::with_external_data(location);
        let file = onnx::write(&inner, "net", &network, &onnx::manifest("net"));
        refused(&file, "External data path");
    }
    let file = onnx::write(&inner, "net", &onnx::with_external_data("lost.bin"), &onnx::manifest("net"));
    refused(&file, "lost.bin");
    let file = onnx::write(&inner, "net", &onnx::with_external_data("offset.bin"), &onnx::manifest("net"));
    let beside = run(&["check", file.to_str().unwrap()]);
    assert_eq!(beside.code, 0, "data beside the network is fine: {}", beside.stderr);
}

#[test]
fn operators_and_shapes_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let write = |network: &[u8]| onnx::write(folder.path(), "net", network, &onnx::manifest("net"));
    let paint = |op| onnx::node(op, &["image"], &["painted"], &[]);

    let custom = onnx::from_domain(paint("Paint"), "example");
    refused(&write(&onnx::network(&[custom], &PICTURE, &PICTURE)), "Paint");
    refused(&write(&onnx::network(&[paint("NoSuchOperator")], &PICTURE, &PICTURE)), "NoSuchOperator");

    let flat = [Side::Is(1), Side::Any("height"), Side::Any("width")];
    let network = onnx::network(&[paint("Identity")], &flat, &flat);
    refused(&write(&network), "`image` [1, any, any] is not one picture of 3 colours; write channels = \"gray\"");
    let grey = [Side::Is(1), Side::Is(1), Side::Any("height"), Side::Any("width")];
    let network = onnx::network(&[paint("Identity")], &grey, &grey);
    refused(&write(&network), "`image` [1, 1, any, any] is not one picture of 3 colours");
    let nhwc = [Side::Is(1), Side::Any("height"), Side::Any("width"), Side::Is(3)];
    let network = onnx::network(&[paint("Identity")], &nhwc, &nhwc);
    refused(&write(&network), "write layout = \"nhwc\"");
    let halved = onnx::node(
        "MaxPool",
        &["image"],
        &["painted"],
        &[onnx::ints("kernel_shape", &[2, 2]), onnx::ints("strides", &[2, 2])],
    );
    let half = [Side::Is(1), Side::Is(3), Side::Any("h"), Side::Any("w")];
    refused(&write(&onnx::network(&[halved], &PICTURE, &half)), "smaller than its input");
}

#[test]
fn a_manifest_that_is_not_there_or_lies() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    std::fs::write(&file, onnx::identity()).unwrap();
    refused_by(&["bench", "--frames", "1", "--network", file.to_str().unwrap()], "has no manifest");

    let cases = [
        ("name = \"net\"", "name = \"other\"", "`name` is `other`, but the file is called `net`"),
        ("\"image\"", "\"picture\"", "it has no input `picture`; its inputs are: `image`"),
        ("\"painted\"", "\"out\"", "it has no output `out`; its outputs are: `painted`"),
        ("licence =", "license =", "did you mean `licence`?"),
        (
            "range = [0, 255]",
            "range = [0]",
            "line 7, column 9, `range`: invalid length 1, expected an array of length 2",
        ),
        ("range = [0, 255]", "range = [7, 7]", "must be two different finite numbers"),
        ("file = \"net.onnx\"", "file = \"../net.onnx\"", "`file` must be a file name beside the manifest"),
        ("file = \"net.onnx\"", "file = \"gone.onnx\"", "gone.onnx"),
        ("licence = \"MIT\"", "licence = \"MIT\"\nsha256 = \"00ff\"", "but the manifest says 00ff"),
        ("[[style]]", "[style_input]\nname = \"style\"\ncount = 3\n[[style]]\nrow = 0", "it has no input `style`"),
        ("[[style]]", "[[constant]]\nname = \"more\"\nshape = [1]\nvalue = 1.0\n[[style]]", "it has no input `more`"),
        ("[[style]]", "[[styles]]", "did you mean `style`?"),
    ];
    for (old, new, message) in cases {
        refused(&identity(folder.path(), &[(old, new)]), message);
    }
}

#[test]
fn a_network_that_makes_no_numbers_paints_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let none = onnx::node("Sub", &["image", "image"], &["none"], &[]);
    let nan = onnx::node("Div", &["none", "none"], &["painted"], &[]);
    let file =
        onnx::write(folder.path(), "net", &onnx::network(&[none, nan], &PICTURE, &PICTURE), &onnx::manifest("net"));
    refused(&file, "no numbers (NaN or infinite)");
    let (source, painted) = (folder.path().join("photo.png"), folder.path().join("painted.png"));
    image::RgbImage::new(64, 48).save(&source).unwrap();
    let args = ["file", source.to_str().unwrap(), painted.to_str().unwrap(), "--network", file.to_str().unwrap()];
    refused_by(&args, "no numbers (NaN or infinite)");
    assert!(!painted.exists());
}

/// Networks that load, run, and give nothing that can be seen as soon as a picture comes.
#[test]
fn a_network_that_fails_at_real_pictures_ends_a_conversion_and_lets_a_stream_pass() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("bars.mkv");
    let bars = ["-f", "lavfi", "-i", "smptebars=s=64x48:r=10:d=1", "-c:v", "ffv1"];
    common::ffmpeg(&[&bars[..], &[film.to_str().unwrap()]].concat());
    let picture = project("models/showcase/astronaut.jpg");
    let signed = onnx::manifest("net").replace("[0, 255]", "[-1, 1]");
    let roots = onnx::network(&[onnx::node("Sqrt", &["image"], &["painted"], &[])], &PICTURE, &PICTURE);
    let nothing = onnx::network(&[onnx::node("Sub", &["image", "image"], &["painted"], &[])], &PICTURE, &PICTURE);
    for (network, what) in [(roots, "no numbers (NaN or infinite)"), (nothing, "one value everywhere")] {
        let file = onnx::write(folder.path(), "net", &network, &signed);
        let network = ["--network", file.to_str().unwrap()];
        for (input, output) in [(film.as_path(), "out.mkv"), (&picture, "out.png")] {
            let output = folder.path().join(output);
            refused_by(&[&["file", input.to_str().unwrap(), output.to_str().unwrap()], &network[..]].concat(), what);
            assert!(!output.exists());
        }
        let source = ["--source", "test", "--rtsp", "off", "--size", "64x48"];
        let (run, api) = Api::start(&[&source[..], &network].concat());
        until("frames pass unpainted", || api.state()["counts"]["unpainted"].as_u64().unwrap() > 5);
        assert!(api.preview("painted").pixels().any(|pixel| pixel.0[0] > 200), "the source is seen");
        let ended = run.interrupt();
        assert!(ended.errors.contains(what), "{}", ended.errors);
        assert_eq!(ended.errors.matches("frames pass unpainted").count(), 1, "told once: {}", ended.errors);
    }
}

/// `check net.onnx > net.toml` as the shell runs it, and `--save`.
#[test]
fn a_proposed_manifest_is_saved_and_fits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    std::fs::write(&file, onnx::identity()).unwrap();
    let manifest = file.with_extension("toml");
    let check = |more: &[&str]| run(&[&["check", file.to_str().unwrap()], more].concat());

    // The shell makes the file first.
    std::fs::write(&manifest, "\n").unwrap();
    let proposed = check(&[]);
    assert_eq!(proposed.code, 0, "{}", proposed.stderr);
    assert!(proposed.stderr.contains("--save"), "{}", proposed.stderr);
    // Some editors begin a file so.
    std::fs::write(&manifest, format!("\u{feff}{}", proposed.stdout)).unwrap();
    let fits = check(&[]);
    assert!(fits.code == 0 && fits.stdout.contains("a network that fits its manifest"), "{fits:?}");

    std::fs::remove_file(&manifest).unwrap();
    assert_eq!(check(&["--save"]).code, 0);
    let fits = check(&["--save"]);
    assert!(fits.code == 0 && fits.stdout.contains("a network that fits its manifest"), "{fits:?}");
}

#[test]
fn a_manifest_that_lies_about_sizes_and_styles() {
    let folder = tempfile::tempdir().unwrap();
    let fixed = [Side::Is(1), Side::Is(3), Side::Is(48), Side::Is(64)];
    let network = onnx::network(&[onnx::node("Identity", &["image"], &["painted"], &[])], &fixed, &fixed);
    let manifest = onnx::manifest("net");
    let with_size = |size: &str| manifest.replacen("[0, 255]", &format!("[0, 255]\nsize = {size}"), 1);
    for text in [manifest.clone(), with_size("{ fixed = [48, 64] }"), with_size("{ multiple_of = 8 }")] {
        let file = onnx::write(folder.path(), "net", &network, &text);
        refused(&file, "takes only pictures of 64x48; write size = { fixed = [64, 48] }");
    }
    let right = onnx::write(folder.path(), "net", &network, &with_size("{ fixed = [64, 48] }"));
    assert_eq!(run(&["check", right.to_str().unwrap()]).code, 0);

    let lite = std::fs::read_to_string(common::project("models/lite.toml")).unwrap();
    let count = lite.lines().find(|line| line.starts_with("count = ")).expect("lite has a style input");
    let file = folder.path().join("lite.onnx");
    std::fs::copy(common::project("models/lite.onnx"), &file).unwrap();
    std::fs::write(file.with_extension("toml"), lite.replacen(count, "count = 999", 1)).unwrap();
    refused(&file, "but [style_input] says count = 999");
}

#[test]
fn a_range_that_cannot_be_is_found_by_trying() {
    let folder = tempfile::tempdir().unwrap();
    let clamped = identity(folder.path(), &[("painted\"\nrange = [0, 255]", "painted\"\nrange = [0, 1]")]);
    refused_by(&["check", clamped.to_str().unwrap()], "[output] range = [0, 1] cannot be right");
    let dark = identity(folder.path(), &[("image\"\nrange = [0, 255]", "image\"\nrange = [0, 1]")]);
    refused_by(&["check", dark.to_str().unwrap()], "[output] range = [0, 255] cannot be right");
}

#[test]
fn a_proposed_manifest_can_be_saved_and_paints() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("foreign.onnx");
    std::fs::write(&file, onnx::wrap_in_transposes(&onnx::renamed_identity(), "a", "b")).unwrap();
    let path = file.to_str().unwrap();
    let proposed = run(&["check", path]);
    assert_eq!(proposed.code, 0, "{}", proposed.stderr);
    assert!(proposed.stdout.contains("# input `image` [1, any, any, 3]"), "{}", proposed.stdout);
    assert!(proposed.stdout.contains("layout = \"nhwc\""), "{}", proposed.stdout);
    std::fs::write(file.with_extension("toml"), &proposed.stdout).unwrap();
    let checked = run(&["check", path]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{}", checked.stdout);
    assert!(checked.stdout.contains("a network that fits its manifest"), "{}", checked.stdout);

    for (name, facts) in [
        (
            "winml_mosaic.onnx",
            &["Image.BitmapPixelFormat: Bgr8", "channels = \"bgr\" # says the network", "fixed = [720, 720]"][..],
        ),
        ("multistyle26.onnx", &["input `style_weights` [26]", "range = [0, 1]", "count = 26", "row = 25"]),
    ] {
        let Some(network) = common::shared(&format!("styles-third-party/{name}")) else { continue };
        let file = folder.path().join(name);
        std::fs::copy(network, &file).unwrap();
        let proposed = run(&["check", file.to_str().unwrap()]);
        for fact in facts {
            assert!(proposed.stdout.contains(fact), "{name}: no `{fact}` in {}", proposed.stdout);
        }
        std::fs::write(file.with_extension("toml"), &proposed.stdout).unwrap();
        let checked = run(&["check", file.to_str().unwrap()]);
        assert_eq!(checked.code, 0, "{name}: {}", checked.stderr);
    }
    std::fs::write(&file, onnx::network(&[], &[Side::Is(1), Side::Is(3)], &PICTURE)).unwrap();
    std::fs::remove_file(file.with_extension("toml")).unwrap();
    assert_eq!(run(&["check", path]).code, 4);
}

proptest! {
    // The same damage in every run: what ONNX Runtime makes of other damage is not for every change to find out.
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Default::default() })]

    /// Whatever happened to the bytes of a network on its way here, the binary ends by itself and in words.
    #[test]
    fn a_damaged_network_never_brings_it_down(at in 0.0..1.0f64, bytes in proptest::collection::vec(any::<u8>(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let mut network = onnx::identity();
        let at = (at * network.len() as f64) as usize;
        network.splice(at..(at + bytes.len()).min(network.len()), bytes);
        let file = onnx::write(folder.path(), "net", &network, &onnx::manifest("net"));
        let Finished { code, stderr, .. } = run(&["check", file.to_str().unwrap()]);
        // ONNX Runtime may warn before.
        let told = stderr.lines().any(|line| line.starts_with("impasto: "));
        prop_assert!(code == 0 || (code == 4 && told), "{code}: {stderr}");
    }
}

/// A network that loads, and whose first run never ends.
#[test]
fn a_network_that_never_comes_to_its_end() {
    let networks = onnx::networks();
    let endless = std::fs::read(project("tests/networks/endless_loop.onnx")).unwrap();
    let manifest = onnx::manifest("endless").replace("\"same\"", "\"endless\"").replace("\"image\"", "\"input\"");
    let file = onnx::write(networks.path(), "endless", &endless, &manifest.replace("\"painted\"", "\"output\""));
    let checked = {
        let file = file.clone();
        std::thread::spawn(move || run(&["check", file.to_str().unwrap()]))
    };

    // Loaded into a running stream, which paints on as before.
    let models = networks.path().to_str().unwrap();
    let source = ["--source", "test", "--rtsp", "off", "--size", "160x96", "--models", models, "--style", "same"];
    let (run, api) = Api::start(&source);
    let look = "/api/v1/streams/live/look";
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| api.json("PATCH", look, r#"{"styles": {"endless": 1}}"#));
        while !asked.is_finished() {
            api.assert_painting(10);
        }
        asked.join().unwrap().assert_problem(500, "did not come to its end");
    });
    assert_eq!(api.get(look).value()["styles"], serde_json::json!({"same": 1.0}));
    assert_eq!(api.json("PATCH", look, r#"{"styles": {"negative": 1}}"#).status, 200);
    api.assert_painting(5);

    // A look that comes meanwhile, on another network too, does not wait for it.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| api.json("PATCH", look, r#"{"styles": {"endless": 1}}"#));
        until("it is being loaded", || !api.get(look).value()["styles"]["endless"].is_null());
        assert_eq!(api.json("PATCH", look, r#"{"styles": {"plain": 1}}"#).status, 200);
        asked.join().unwrap().assert_problem(409, "a later change of the look took its place");
    });
    api.assert_painting(5);

    // Photographs of other networks do not wait for it.
    let mut photo = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(32, 32).write_to(&mut photo, image::ImageFormat::Png).unwrap();
    let photo = photo.into_inner();
    let paint = |styles: &str| api.send("POST", &format!("/api/v1/paint?styles={styles}"), &[], &photo);
    let endless = [paint("endless"), paint("endless")];
    assert_eq!(read_answer(paint("negative")).status, 200);
    for waits in endless {
        waits.set_nonblocking(true).unwrap();
        assert!(waits.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }

    // The daemon does not wait for it when it stops.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            api.ask("PATCH", look, &[("Content-Type", "application/json")], br#"{"styles": {"endless": 1}}"#)
        });
        until("it is being loaded", || !api.get(look).value()["styles"]["endless"].is_null());
        let ended = run.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        drop(asked.join());
    });

    let Finished { code, stderr, .. } = checked.join().unwrap();
    assert!(code == 4 && stderr.contains("did not come to its end"), "{stderr}");
}
