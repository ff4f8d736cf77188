//! Small ONNX networks written by hand: a protobuf writer of a few lines instead of a library.

use std::path::{Path, PathBuf};

/// A side of a tensor: a number or a name for any number.
#[derive(Clone, Copy)]
pub enum Side {
    Is(u64),
    Any(&'static str),
}

/// `[1, 3, height, width]` of any size.
pub const PICTURE: [Side; 4] = [Side::Is(1), Side::Is(3), Side::Any("height"), Side::Any("width")];

/// A network of `nodes` with one input `image` and one output `painted` of these shapes.
pub fn network(nodes: &[Vec<u8>], input: &[Side], output: &[Side]) -> Vec<u8> {
    network_of(nodes, &[("image", FLOAT, input)], &[("painted", FLOAT, output)])
}

/// Types of elements, as ONNX numbers them.
pub const FLOAT: u64 = 1;
pub const UINT8: u64 = 2;
pub const INT64: u64 = 7;
pub const FLOAT16: u64 = 10;

/// An input or output: name, type of its elements, shape.
pub type Port<'a> = (&'a str, u64, &'a [Side]);

/// A network of `nodes` with any inputs and outputs.
pub fn network_of(nodes: &[Vec<u8>], inputs: &[Port], outputs: &[Port]) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| message(1, node)).collect();
    graph.extend(message(2, b"by hand"));
    inputs.iter().for_each(|(name, element, shape)| graph.extend(message(11, &value_info_of(name, *element, shape))));
    outputs.iter().for_each(|(name, element, shape)| graph.extend(message(12, &value_info_of(name, *element, shape))));
    model(&graph)
}

/// Gives back the picture as it came.
pub fn identity() -> Vec<u8> {
    network(&[node("Identity", &["image"], &["painted"], &[])], &PICTURE, &PICTURE)
}

/// Gives back the picture as it came, in cells of 4x4 pixels: 48 channels at a quarter of the size.
pub fn identity_in_cells() -> Vec<u8> {
    let colours = ["red", "green", "blue"];
    let mut nodes = vec![node("Split", &["image"], &colours, &[int("axis", 1)])];
    let cells = colours.map(|colour| format!("{colour}.cells"));
    for (colour, cells) in colours.iter().zip(&cells) {
        nodes.push(node("SpaceToDepth", &[colour], &[cells], &[int("blocksize", 4)]));
    }
    nodes.push(node("Concat", &cells.each_ref().map(String::as_str), &["painted"], &[int("axis", 1)]));
    network(&nodes, &PICTURE, &[Side::Is(1), Side::Is(48), Side::Any("down"), Side::Any("across")])
}

/// A node that gives one 64-bit integer.
fn constant(value: i64, name: &str) -> Vec<u8> {
    node("Constant", &[], &[name], &[ints("value_ints", &[value as u64])])
}

/// The identity from `a` to `b`.
pub fn renamed_identity() -> Vec<u8> {
    let mut graph = message(1, &node("Identity", &["a"], &["b"], &[]));
    graph.extend(message(2, b"renamed"));
    model(&graph)
}

/// Mixes two styles: the picture as it is and its negative, for pixels from -1 to 1. Its input `style` takes two weights.
pub fn same_and_negative() -> Vec<u8> {
    let nodes = [
        node("Split", &["style"], &["same", "negative"], &[]),
        node("Sub", &["same", "negative"], &["factor"], &[]),
        node("Mul", &["image", "factor"], &["painted"], &[]),
    ];
    styled(&nodes, 2)
}

/// A style in two sizes and one in a single size: three weights, of the picture as it is (small strokes), of its negative (large
/// ones), and of the picture as it is.
fn two_sizes() -> Vec<u8> {
    let nodes = [
        node("Split", &["style"], &["small", "large", "still"], &[]),
        node("Sub", &["small", "large"], &["waves"], &[]),
        node("Add", &["waves", "still"], &["factor"], &[]),
        node("Mul", &["image", "factor"], &["painted"], &[]),
    ];
    styled(&nodes, 3)
}

/// A network of `nodes` with so many style weights, `style`, beside the picture.
fn styled(nodes: &[Vec<u8>], rows: u64) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| message(1, node)).collect();
    graph.extend(message(2, b"by hand"));
    graph.extend(message(11, &value_info("image", &PICTURE)));
    graph.extend(message(11, &value_info("style", &[Side::Is(rows)])));
    graph.extend(message(12, &value_info("painted", &PICTURE)));
    model(&graph)
}

/// Divides the least 64-bit integer by -1, which is more than fits: on x86 that ends the process that does it, which ONNX
/// Runtime does as it loads the network, to have the result ready.
pub fn crashing_when_loaded() -> Vec<u8> {
    let nodes = [
        constant(i64::MIN, "least"),
        constant(-1, "divisor"),
        node("Div", &["least", "divisor"], &["quotient"], &[]),
        node("Cast", &["quotient"], &["offset"], &[int("to", 1)]),
        node("Add", &["image", "offset"], &["painted"], &[]),
    ];
    network(&nodes, &PICTURE, &PICTURE)
}

/// Gives back the picture as it came, until the second of its two styles is taken, which ends the process in the same way.
pub fn crashing_in_second_style() -> Vec<u8> {
    let nodes = [
        node("Split", &["style"], &["first", "second"], &[]),
        node("Floor", &["second"], &["whole"], &[]),
        node("Cast", &["whole"], &["is_second"], &[int("to", 7)]),
        constant(i64::MIN, "least"),
        constant(-2, "down"),
        constant(1, "one"),
        node("Mul", &["is_second", "down"], &["lowered"], &[]),
        node("Add", &["lowered", "one"], &["divisor"], &[]),
        node("Div", &["least", "divisor"], &["quotient"], &[]),
        node("Sub", &["quotient", "least"], &["nothing"], &[]),
        node("Cast", &["nothing"], &["offset"], &[int("to", 1)]),
        node("Add", &["image", "offset"], &["painted"], &[]),
    ];
    styled(&nodes, 2)
}

/// Writes `identity.onnx` and its manifest into `folder`; its one style is called `same`. Returns the ONNX file.
pub fn write_identity(folder: &Path) -> PathBuf {
    write(folder, "identity", &identity(), &manifest("identity"))
}

/// Writes `sizes.onnx` and its manifest into `folder`: style `waves` is the picture as it is in small strokes, and its negative
/// in large ones; style `still` has one size, and is the picture as it is. Returns the ONNX file.
pub fn write_two_sizes(folder: &Path) -> PathBuf {
    let manifest = manifest_of_two("sizes", "still").replace("[0, 255]", "[-1, 1]").replace("\"same\"", "\"waves\"");
    let manifest = manifest.replace("count = 2", "count = 3").replace("row = 1", "row = 2");
    write(folder, "sizes", &two_sizes(), &manifest.replace("row = 0", "row = 0\nlarge_row = 1"))
}

/// Writes `bright.onnx` into `folder`, which takes what is bright for people, and its manifest. Returns the ONNX file.
pub fn write_mask(folder: &Path) -> PathBuf {
    let sides = |channels| [Side::Is(1), Side::Is(channels), Side::Is(36), Side::Is(64)];
    let mean = node("ReduceMean", &["image"], &["painted"], &[ints("axes", &[1])]);
    write(folder, "bright", &network(&[mean], &sides(3), &sides(1)), &mask_manifest("bright"))
}

/// The manifest of a network of 64x36 that finds people.
pub fn mask_manifest(name: &str) -> String {
    format!(
        "kind = \"mask\"\nname = \"{name}\"\ntitle = \"By hand\"\nfile = \"{name}.onnx\"\nlicence = \"MIT\"\n\
         [input]\nname = \"image\"\nrange = [0, 1]\nsize = {{ fixed = [64, 36] }}\n\
         [output]\nname = \"painted\"\nchannels = \"gray\"\nrange = [0.2, 0.8]\n"
    )
}

/// A folder of small networks: `pair` (styles `same` and `negative`), `single` (style `plain`), `flipped` (style
/// `flipped`, a negative too), `broken` (style `lost`), which is no ONNX file, and that of [`write_two_sizes`].
pub fn networks() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, network: &[u8], text: String| drop(write(folder.path(), name, network, &text));
    let single = |name: &str, style: &str| manifest(name).replace("name = \"same\"", &format!("name = \"{style}\""));
    write("pair", &same_and_negative(), manifest_of_two("pair", "negative").replace("[0, 255]", "[-1, 1]"));
    write("single", &identity(), single("single", "plain"));
    let backwards =
        |manifest: String| manifest.replace("\"painted\"\nrange = [0, 255]", "\"painted\"\nrange = [255, 0]");
    write("flipped", &identity(), backwards(single("flipped", "flipped")));
    write_two_sizes(folder.path());
    write("broken", b"<html>not found</html>", single("broken", "lost"));
    folder
}

/// Writes `mood`, which takes any painting, and its encoder into `folder`: each pixel is half of its own and half the mean colour
/// of the painting.
pub fn write_mood(folder: &Path) {
    let colour = [Side::Is(1), Side::Is(3), Side::Is(1), Side::Is(1)];
    let mean = node("GlobalAveragePool", &["picture"], &["vector"], &[]);
    let painting = [Side::Is(1), Side::Is(3), Side::Is(8), Side::Is(16)];
    let encoder = network_of(&[mean], &[("picture", FLOAT, &painting)], &[("vector", FLOAT, &colour)]);
    std::fs::write(folder.join("encoder.onnx"), encoder).expect("the encoder is written");
    let mix = node("Mean", &["image", "mood"], &["painted"], &[]);
    let inputs = [("image", FLOAT, &PICTURE[..]), ("mood", FLOAT, &colour[..])];
    let network = network_of(&[mix], &inputs, &[("painted", FLOAT, &PICTURE)]);
    let image = "[style_image]\n\
        picture = { name = \"picture\", range = [0, 255], size = { fixed = [16, 8] } }\n\
        encoder = { file = \"encoder.onnx\", output = \"vector\", feeds = \"mood\", shape = [1, 3, 1, 1] }\n";
    write(folder, "mood", &network, &taker("mood", image));
}

/// As [`write_mood`], but `look`, which takes the painting itself as a second picture.
pub fn write_taker_of_pictures(folder: &Path) {
    let painting = [Side::Is(1), Side::Is(3), Side::Any("height"), Side::Any("width")];
    let nodes =
        [node("GlobalAveragePool", &["other"], &["mood"], &[]), node("Mean", &["image", "mood"], &["painted"], &[])];
    let inputs = [("image", FLOAT, &PICTURE[..]), ("other", FLOAT, &painting[..])];
    let network = network_of(&nodes, &inputs, &[("painted", FLOAT, &PICTURE)]);
    let image = "[style_image]\npicture = { name = \"other\", range = [0, 255], size = { fixed = [16, 8] } }\n";
    write(folder, "look", &network, &taker("look", image));
}

/// A manifest for a network that takes any painting.
fn taker(name: &str, style_image: &str) -> String {
    manifest(name).split("[[style]]").next().unwrap_or_default().to_string() + style_image
}

/// Writes `<name>.onnx` and `<name>.toml` into `folder`. Returns the ONNX file.
pub fn write(folder: &Path, name: &str, onnx: &[u8], manifest: &str) -> PathBuf {
    let file = folder.join(format!("{name}.onnx"));
    std::fs::write(&file, onnx).expect("the network is written");
    std::fs::write(file.with_extension("toml"), manifest).expect("the manifest is written");
    file
}

/// A manifest for a network from `image` to `painted`, 0..255, with the one style `same`.
pub fn manifest(name: &str) -> String {
    format!(
        "name = \"{name}\"\ntitle = \"By hand\"\nfile = \"{name}.onnx\"\nlicence = \"MIT\"\n\
         [input]\nname = \"image\"\nrange = [0, 255]\n[output]\nname = \"painted\"\nrange = [0, 255]\n\
         [[style]]\nname = \"same\"\ntitle = \"As it is\"\n"
    )
}

/// As [`manifest`], with a second style and weights for both.
pub fn manifest_of_two(name: &str, second: &str) -> String {
    let second = format!("row = 0\n[[style]]\nname = \"{second}\"\ntitle = \"Otherwise\"\nrow = 1\n");
    let one = manifest(name).replacen("[[style]]", "[style_input]\nname = \"style\"\ncount = 2\n[[style]]", 1);
    one + &second
}

/// The same NCHW network for pixels side by side: its input `from` and output `to` become `image` and `painted`,
/// both NHWC, by a transpose at each end.
pub fn wrap_in_transposes(onnx: &[u8], from: &str, to: &str) -> Vec<u8> {
    let any = [Side::Is(1), Side::Any("height"), Side::Any("width"), Side::Is(3)];
    let mut wrapped = Vec::new();
    for (number, bytes, whole) in fields(onnx) {
        if number != 7 {
            wrapped.extend_from_slice(whole);
            continue;
        }
        let mut graph = message(1, &node("Transpose", &["image"], &[from], &[ints("perm", &[0, 3, 1, 2])]));
        // All but the inputs and outputs stays; initializers need not be listed as inputs.
        let kept = fields(bytes).filter(|(number, ..)| !matches!(number, 11 | 12));
        graph.extend(kept.flat_map(|(_, _, whole)| whole.iter().copied()));
        graph.extend(message(1, &node("Transpose", &[to], &["painted"], &[ints("perm", &[0, 2, 3, 1])])));
        graph.extend(message(11, &value_info("image", &any)));
        graph.extend(message(12, &value_info("painted", &any)));
        wrapped.extend(message(7, &graph));
    }
    wrapped
}

/// A NodeProto.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = Vec::new();
    inputs.iter().for_each(|name| node.extend(message(1, name.as_bytes())));
    outputs.iter().for_each(|name| node.extend(message(2, name.as_bytes())));
    node.extend(message(4, op.as_bytes()));
    attributes.iter().for_each(|attribute| node.extend(message(5, attribute)));
    node
}

/// `node` from the operator set `domain`, which is not ONNX's own.
pub fn from_domain(mut node: Vec<u8>, domain: &str) -> Vec<u8> {
    node.extend(message(7, domain.as_bytes()));
    node
}

/// An attribute that is a list of integers.
pub fn ints(name: &str, values: &[u64]) -> Vec<u8> {
    let mut attribute = message(1, name.as_bytes());
    values.iter().for_each(|&value| attribute.extend(integer(8, value)));
    attribute.extend(integer(20, 7));
    attribute
}

/// An attribute that is one integer.
pub fn int(name: &str, value: u64) -> Vec<u8> {
    let mut attribute = message(1, name.as_bytes());
    attribute.extend(integer(3, value));
    attribute.extend(integer(20, 2));
    attribute
}

/// A network that adds a number to each pixel; the number lies in the file `location` outside the network.
pub fn with_external_data(location: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| {
        let mut entry = message(1, key.as_bytes());
        entry.extend(message(2, value.as_bytes()));
        message(13, &entry)
    };
    let mut offset = integer(1, 1);
    offset.extend(integer(2, 1));
    offset.extend(message(8, b"offset"));
    offset.extend(entry("location", location));
    offset.extend(entry("length", "4"));
    offset.extend(integer(14, 1));
    let mut graph = message(1, &node("Add", &["image", "offset"], &["painted"], &[]));
    graph.extend(message(2, b"external"));
    graph.extend(message(5, &offset));
    graph.extend(message(11, &value_info("image", &PICTURE)));
    graph.extend(message(12, &value_info("painted", &PICTURE)));
    model(&graph)
}

/// A ModelProto: IR version 8, operator set 13, and `example` for nodes from that domain.
fn model(graph: &[u8]) -> Vec<u8> {
    let mut model = integer(1, 8);
    for (domain, version) in [("", 13), ("example", 1)] {
        let mut set = message(1, domain.as_bytes());
        set.extend(integer(2, version));
        model.extend(message(8, &set));
    }
    model.extend(message(7, graph));
    model
}

/// A float tensor's ValueInfoProto.
fn value_info(name: &str, shape: &[Side]) -> Vec<u8> {
    value_info_of(name, FLOAT, shape)
}

/// The ValueInfoProto of a tensor.
fn value_info_of(name: &str, element: u64, shape: &[Side]) -> Vec<u8> {
    let sides = shape.iter().flat_map(|side| match side {
        Side::Is(length) => message(1, &integer(1, *length)),
        Side::Any(name) => message(1, &message(2, name.as_bytes())),
    });
    let mut tensor = integer(1, element);
    tensor.extend(message(2, &sides.collect::<Vec<_>>()));
    let mut info = message(1, name.as_bytes());
    info.extend(message(2, &message(1, &tensor)));
    info
}

/// A field that holds bytes: text or another message.
fn message(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = varint(number << 3 | 2);
    field.extend(varint(bytes.len() as u64));
    field.extend_from_slice(bytes);
    field
}

/// A field that holds an integer.
fn integer(number: u64, value: u64) -> Vec<u8> {
    let mut field = varint(number << 3);
    field.extend(varint(value));
    field
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The fields of a message: number, content (empty for an integer), and all its bytes.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8], &[u8])> {
    std::iter::from_fn(move || {
        let whole = bytes;
        let tag = read_varint(&mut bytes)?;
        let content = match tag & 7 {
            0 => {
                read_varint(&mut bytes)?;
                &bytes[..0]
            }
            2 => {
                let length = read_varint(&mut bytes)? as usize;
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                content
            }
            kind => panic!("a field of wire type {kind} is not expected"),
        };
        Some((tag >> 3, content, &whole[..whole.len() - bytes.len()]))
    })
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}
