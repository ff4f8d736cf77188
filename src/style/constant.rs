//! Inputs of a network that are fed with the same values for every frame.

use serde::{Deserialize, Serialize};

use super::element::Element;

/// An input that always gets the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    pub name: String,
    /// Empty for a single number without dimensions.
    pub shape: Vec<usize>,
    #[serde(default, rename = "type")]
    pub element: Element,
    pub value: ConstantValue,
}

/// One number for all elements, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConstantValue {
    Truth(bool),
    One(f64),
    Each(Vec<f64>),
}

/// No constant has more elements: a manifest of larger ones would not reach a worker process.
const MOST_ELEMENTS: usize = 4096;

impl Constant {
    /// A value for each element.
    pub fn values(&self) -> Vec<f64> {
        match &self.value {
            ConstantValue::Truth(truth) => vec![f64::from(*truth); self.len()],
            ConstantValue::One(value) => vec![*value; self.len()],
            ConstantValue::Each(values) => values.clone(),
        }
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// # Errors
    /// Names the constant and what does not fit.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { name, shape, element, value } = self;
        let fail = |what: String| Err(format!("[[constant]] `{name}`: {what}"));
        let length = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
        let Some(length) = length else { return fail(format!("shape {shape:?} is larger than memory")) };
        if let ConstantValue::Each(values) = value {
            if values.len() != length {
                return fail(format!("value has {} numbers, but shape {shape:?} has {length}", values.len()));
            }
            if length > MOST_ELEMENTS {
                return fail(format!("value has {length} numbers, more than the {MOST_ELEMENTS} that are supported"));
            }
        }
        let (low, high) = match element {
            Element::F32 | Element::F16 => return Ok(()),
            Element::U8 => (0.0, 255.0),
            Element::Bool => (0.0, 1.0),
            Element::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
            // Whole numbers beyond are not exact in TOML's floats.
            Element::I64 => (-9e15, 9e15),
        };
        let fits = |value: &f64| value.fract() == 0.0 && (low..=high).contains(value);
        let given = match value {
            ConstantValue::Truth(_) => return Ok(()),
            ConstantValue::One(value) => std::slice::from_ref(value),
            ConstantValue::Each(values) => values,
        };
        match given.iter().find(|value| !fits(value)) {
            Some(value) => fail(format!("value {value} is no {}", element.name())),
            None => Ok(()),
        }
    }
}
