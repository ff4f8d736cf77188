//! The first and the last operators of an ONNX file, which tell what values it takes and gives.

use std::path::Path;

use prost::Message;

/// Larger files are not read for this; painters have some megabytes.
const LARGEST_FILE: u64 = 512 << 20;

/// The nodes of a network's graph. Of ONNX's own messages, this is the part that names operators and what they connect.
#[derive(Clone, PartialEq, Message)]
pub struct Operators {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
}

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Operators>,
}

/// Operators that leave values as they are.
const PASSING: [&str; 9] =
    ["Identity", "Cast", "Transpose", "Pad", "Reshape", "Squeeze", "Unsqueeze", "Slice", "DepthToSpace"];

impl Operators {
    /// Those of the file at `path`; none of a file that cannot be read in this way.
    pub fn of(path: &Path) -> Self {
        let size = path.metadata().map_or(u64::MAX, |file| file.len());
        let bytes = if size > LARGEST_FILE { Vec::new() } else { std::fs::read(path).unwrap_or_default() };
        Model::decode(&bytes[..]).ok().and_then(|model| model.graph).unwrap_or_default()
    }

    /// The operator that gives the values of the tensor `output`.
    pub fn last(&self, output: &str) -> Option<&str> {
        self.walk(output, |node| &node.outputs, |node| &node.inputs)
    }

    /// The operator that takes the values of the tensor `input` first.
    pub fn first(&self, input: &str) -> Option<&str> {
        self.walk(input, |node| &node.inputs, |node| &node.outputs)
    }

    /// The first operator that changes values on the way from a tensor, which nodes have on the `near` side, to their `far` side.
    fn walk(&self, tensor: &str, near: impl Fn(&Node) -> &[String], far: impl Fn(&Node) -> &[String]) -> Option<&str> {
        let mut wanted = tensor;
        // No further than there are nodes: a damaged graph may run in a circle.
        for _ in 0..self.nodes.len() {
            let node = self.nodes.iter().find(|node| near(node).iter().any(|name| name == wanted))?;
            match far(node).first() {
                Some(next) if PASSING.contains(&node.operator.as_str()) => wanted = next,
                _ => return Some(&node.operator),
            }
        }
        None
    }
}
