//! Inputs beside the image: constants that the caller gives when the model is loaded, or tensors for one call.
//!
//! A value comes as the setting `input.NAME`: a number, numbers with commas, or `npy:` and a file. It is shaped as the model
//! declares the input, and given to each image of a batch alike.

use std::collections::BTreeMap;
use std::path::Path;

use scorecam_core::{Error, InputInfo, Result, TensorView, bail, fits, written};

use crate::element::Element;
use crate::proto;
use crate::values::Input;

/// How the settings begin that give such inputs.
pub(crate) const SETTING: &str = "input.";

/// One input beside the image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extra {
    pub(crate) name: String,
    element: Element,
    /// As declared; `None` where any length will do.
    shape: Vec<Option<usize>>,
    values: Vec<f64>,
}

/// The inputs beside the one called `image`; an error names those that have no value among `given`.
pub(crate) fn find(
    inputs: &[&proto::Value],
    image: &str,
    given: &BTreeMap<String, String>,
) -> Result<Vec<Extra>> {
    let others: Vec<_> = inputs.iter().filter(|input| input.name != image).collect();
    let is_known = |name: &&String| others.iter().any(|input| input.name == **name);
    if let Some(name) = given.keys().find(|name| !is_known(name)) {
        bail!(
            not_found,
            "a value was given for input {name:?}, which is not an input other than the image {image:?}"
        );
    }
    let missing: Vec<&str> =
        others.iter().map(|i| i.name.as_str()).filter(|name| !given.contains_key(*name)).collect();
    if let [first, ..] = missing[..] {
        return Err(Error::invalid(format!(
            "the model has inputs other than the image {image:?}: {}; give their values under [inputs] in a \
             manifest, such as {first} = 0.5, or with --backend-set input.{first}=VALUE",
            missing.join(", ")
        )));
    }
    others.iter().map(|input| Extra::new(input, &given[&input.name])).collect()
}

impl Extra {
    fn new(input: &proto::Value, text: &str) -> Result<Self> {
        let name = input.name.clone();
        let of_input = |e: Error| e.context(format!("input {name:?}"));
        let values = match text.strip_prefix("npy:") {
            Some(path) => read_npy(Path::new(path)),
            None => numbers(text),
        };
        let values = values.map_err(of_input)?;
        let element = Element::of(input, "input")?;
        let extra = Self { name: name.clone(), element, shape: input.shape().unwrap_or_default(), values };
        extra.shaped(1).map_err(of_input)?;
        Ok(extra)
    }

    /// Shape and values for `n` images.
    fn shaped(&self, n: usize) -> Result<(Vec<usize>, Vec<f64>)> {
        let (first, rest) = match self.shape.split_first() {
            Some((first, rest)) => (*first, rest),
            None => (Some(1), &[][..]),
        };
        // An axis whose length nobody says is 1.
        let item: usize = rest.iter().map(|axis| axis.unwrap_or(1)).product();
        let rows = first.unwrap_or(n);
        let shape: Vec<usize> = match self.shape.is_empty() {
            true => vec![],
            false => std::iter::once(rows).chain(rest.iter().map(|axis| axis.unwrap_or(1))).collect(),
        };
        let values = match self.values.len() {
            1 => vec![self.values[0]; rows * item],
            count if count == item => self.values.repeat(rows),
            count if count == rows * item => self.values.clone(),
            count => bail!(
                invalid,
                "{count} values were given for shape {}; each image needs {item}",
                written(&self.shape)
            ),
        };
        Ok((shape, values))
    }

    /// As an input of a pass of `n` images; `given` for this pass in place of what was given at load.
    pub(crate) fn input(&self, n: usize, given: Option<TensorView<'_>>) -> Result<Input<'static>> {
        if let Some(given) = given {
            if !fits(&self.shape, given.shape()) {
                return Err(Error::invalid(format!(
                    "input {:?} must be {}; the tensor is {:?}",
                    self.name,
                    written(&self.shape),
                    given.shape()
                )));
            }
            let values = given.data().iter().map(|&v| f64::from(v));
            return Input::converted(self.element, given.shape(), values);
        }
        let (shape, values) = self.shaped(n)?;
        Input::converted(self.element, &shape, values.into_iter())
    }

    /// What callers are told of it. An input of no axes has one value.
    pub(crate) fn input_info(&self) -> InputInfo {
        InputInfo {
            name: self.name.clone(),
            shape: if self.shape.is_empty() { vec![Some(1)] } else { self.shape.clone() },
            element: self.element.element_type(),
            per_image: self.shape.first() == Some(&None),
        }
    }
}

fn numbers(text: &str) -> Result<Vec<f64>> {
    let number = |word: &str| {
        word.trim().parse::<f64>().map_err(|_| {
            Error::invalid(format!(
                "{text:?} is not a value; give a number, numbers such as 0.5,1, or npy:FILE"
            ))
        })
    };
    text.split(',').map(number).collect()
}

/// The numbers of a `.npy` file, at most a million of them.
fn read_npy(path: &Path) -> Result<Vec<f64>> {
    const MOST: u64 = 8 << 20;
    let failed = |what: &dyn std::fmt::Display| Error::io(format!("{}: {what}", path.display()));
    let (bytes, _) = scorecam_plugin::read_file(path, MOST).map_err(|e| failed(&e))?;
    let npy = || npyz::NpyFile::new(bytes.as_slice()).map_err(|e| failed(&e));
    if let Ok(values) = npy()?.into_vec::<f32>() {
        return Ok(values.into_iter().map(f64::from).collect());
    }
    if let Ok(values) = npy()?.into_vec::<f64>() {
        return Ok(values);
    }
    match npy()?.into_vec::<i64>() {
        Ok(values) => Ok(values.into_iter().map(|v| v as f64).collect()),
        Err(_) => Err(failed(&"it holds neither f32 nor f64 nor i64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(shape: &[usize], text: &str, n: usize) -> Result<(Vec<usize>, Vec<f64>)> {
        let shape = shape.iter().map(|&d| (d > 0).then_some(d)).collect();
        Extra { name: "x".into(), element: Element::F32, shape, values: numbers(text)? }.shaped(n)
    }

    #[test]
    fn values_are_given_to_each_image() {
        assert_eq!(shaped(&[0, 2], "1,2", 2), Ok((vec![2, 2], vec![1.0, 2.0, 1.0, 2.0])));
        assert_eq!(shaped(&[0, 2], "3", 2), Ok((vec![2, 2], vec![3.0; 4])));
        assert_eq!(shaped(&[3], "1, 2, 3", 4), Ok((vec![3], vec![1.0, 2.0, 3.0])));
        assert_eq!(shaped(&[], "0.5", 4), Ok((vec![], vec![0.5])));
        assert_eq!(shaped(&[0], "0.5", 2), Ok((vec![2], vec![0.5, 0.5])));
        for (text, expected) in
            [("1,2,3", "3 values were given for shape [N, 2]; each image needs 2"), ("a", "is not a value")]
        {
            let error = shaped(&[0, 2], text, 1).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
