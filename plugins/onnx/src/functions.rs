//! Local functions, put in the place of their calls: inside of a function no tensor can be tapped.
//!
//! Exporters write modules as functions (`FunctionProto`), some a whole network as one. A call becomes the function's nodes;
//! their tensors are named for the call, as in `Net/relu2`.

use std::collections::HashMap;

use scorecam_core::{Error, Result, bail};

use crate::wire::{Content, DEEPEST, Field, Writer, damaged, fields, messages, rewritten, text};

/// The most nodes that inlining may make.
const MOST_NODES: usize = 1 << 20;

/// A function, as it stands in the file.
struct Function<'m> {
    inputs: Vec<String>,
    outputs: Vec<String>,
    nodes: Vec<&'m [u8]>,
    /// Defaults of its attributes, by name.
    defaults: HashMap<String, &'m [u8]>,
}

/// Functions by domain and name.
type Functions<'m> = HashMap<(String, String), Function<'m>>;

/// The bytes of `model` without calls of its functions; `None` where there are none.
pub(crate) fn inlined(model: &[u8]) -> Result<Option<Vec<u8>>> {
    let all = fields(model)?;
    let functions = messages(&all, 25)?.into_iter().map(read).collect::<Result<Functions<'_>>>()?;
    if functions.is_empty() {
        return Ok(None);
    }
    let own = versions(&all, 8)?;
    let mut out = Writer::default();
    for field in &all {
        match (field.number, field.content) {
            (7, Content::Bytes(graph)) => out.message(7, &Inliner::new(&functions).graph(graph)?)?,
            (25, Content::Bytes(function)) => add_versions(&own, &fields(function)?, &mut out)?,
            _ => out.same(field)?,
        }
    }
    Ok(Some(out.0))
}

fn read(function: &[u8]) -> Result<((String, String), Function<'_>)> {
    let all = fields(function)?;
    let defaults = messages(&all, 11)?.into_iter().map(|attribute| Ok((text(attribute, 1)?, attribute)));
    let read = Function {
        inputs: texts(&all, 4)?,
        outputs: texts(&all, 5)?,
        nodes: messages(&all, 7)?,
        defaults: defaults.collect::<Result<_>>()?,
    };
    Ok(((text(function, 10)?, text(function, 1)?), read))
}

/// The texts in the fields `number`, in order.
fn texts(fields: &[Field<'_>], number: u32) -> Result<Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| damaged());
    messages(fields, number)?.into_iter().map(text).collect()
}

/// The versions of operators in the fields `number`, by domain.
fn versions(fields: &[Field<'_>], number: u32) -> Result<HashMap<String, u64>> {
    let mut versions = HashMap::new();
    for set in messages(fields, number)? {
        let version = self::fields(set)?.into_iter().find_map(|f| match (f.number, f.content) {
            (2, Content::Number(version)) => Some(version),
            _ => None,
        });
        versions.insert(text(set, 1)?, version.unwrap_or(0));
    }
    Ok(versions)
}

/// Adds the versions of operators that a function imports and the model does not.
fn add_versions(own: &HashMap<String, u64>, function: &[Field<'_>], out: &mut Writer) -> Result<()> {
    for (domain, version) in versions(function, 9)? {
        match own.get(&domain) {
            Some(known) if *known == version => {}
            Some(known) => bail!(
                unsupported,
                "its local functions use version {version} of the operators of domain {domain:?}, and the model \
                 version {known}; inline them with onnx.inliner.inline_local_functions and save the model again"
            ),
            None => {
                let mut set = Writer::default();
                set.message(1, domain.as_bytes())?;
                set.number(2, version)?;
                out.message(8, &set.0)?;
            }
        }
    }
    Ok(())
}

/// Names and attributes of one call.
struct Call<'c> {
    /// Before the names of the function's own tensors; empty outside of any call.
    prefix: String,
    /// Names of the function's inputs and outputs where it is called.
    names: HashMap<&'c str, &'c str>,
    /// The attributes that the call gives, and defaults of others.
    attributes: HashMap<String, &'c [u8]>,
}

impl Call<'_> {
    fn name(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(outer) => (*outer).to_owned(),
            None if name.is_empty() || self.prefix.is_empty() => name.to_owned(),
            None => format!("{}/{name}", self.prefix),
        }
    }
}

struct Inliner<'f, 'm> {
    functions: &'f Functions<'m>,
    /// How often each prefix was used.
    used: HashMap<String, usize>,
    nodes: usize,
}

impl<'f, 'm> Inliner<'f, 'm> {
    fn new(functions: &'f Functions<'m>) -> Self {
        Self { functions, used: HashMap::new(), nodes: 0 }
    }

    fn graph(&mut self, graph: &[u8]) -> Result<Vec<u8>> {
        let outside = Call { prefix: String::new(), names: HashMap::new(), attributes: HashMap::new() };
        let mut out = Writer::default();
        for field in fields(graph)? {
            match (field.number, field.content) {
                (1, Content::Bytes(node)) => self.node(node, &outside, (1, &mut out), 0)?,
                _ => out.same(&field)?,
            }
        }
        Ok(out.0)
    }

    /// Writes a node of `call` into field `number`, or the nodes of the function that it calls.
    fn node(
        &mut self,
        node: &[u8],
        call: &Call<'_>,
        (number, out): (u32, &mut Writer),
        depth: usize,
    ) -> Result<()> {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            return Err(damaged());
        }
        let node = self.renamed(node, call, depth)?;
        let (domain, operator) = (text(&node, 7)?, text(&node, 4)?);
        let functions = self.functions;
        let Some(function) = functions.get(&(domain, operator.clone())) else {
            return out.message(number, &node);
        };
        let all = fields(&node)?;
        let (inputs, outputs) = (texts(&all, 1)?, texts(&all, 2)?);
        let mut names: HashMap<&str, &str> = HashMap::new();
        let given = |given: &'_ [String], i: usize| given.get(i).map_or("", String::as_str).to_owned();
        let outer: Vec<String> = (0..function.inputs.len()).map(|i| given(&inputs, i)).collect();
        names.extend(function.inputs.iter().map(String::as_str).zip(outer.iter().map(String::as_str)));
        let made = function.outputs.iter().zip(&outputs).filter(|(_, outer)| !outer.is_empty());
        names.extend(made.map(|(inner, outer)| (inner.as_str(), outer.as_str())));
        let mut attributes: HashMap<String, &[u8]> =
            function.defaults.iter().map(|(name, default)| (name.clone(), *default)).collect();
        for attribute in messages(&all, 5)? {
            attributes.insert(text(attribute, 1)?, attribute);
        }
        let name = Some(text(&node, 3)?).filter(|name| !name.is_empty()).unwrap_or(operator);
        let inner = Call { prefix: self.unused(name), names, attributes };
        function.nodes.iter().try_for_each(|node| self.node(node, &inner, (number, &mut *out), depth + 1))
    }

    /// A prefix that no other call has.
    fn unused(&mut self, name: String) -> String {
        let count = self.used.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    }

    /// A node with the names and attributes of `call`.
    fn renamed(&self, node: &[u8], call: &Call<'_>, depth: usize) -> Result<Vec<u8>> {
        let mut out = Writer::default();
        for field in fields(node)? {
            match (field.number, field.content) {
                (1..=3, Content::Bytes(name)) => {
                    let name = std::str::from_utf8(name).map_err(|_| damaged())?;
                    out.message(field.number, call.name(name).as_bytes())?;
                }
                (5, Content::Bytes(attribute)) => self.attribute(attribute, call, &mut out, depth)?,
                _ => out.same(&field)?,
            }
        }
        Ok(out.0)
    }

    /// Writes an attribute: with names of inner graphs changed, or as the call gives it.
    fn attribute(&self, attribute: &[u8], call: &Call<'_>, out: &mut Writer, depth: usize) -> Result<()> {
        let of_call = text(attribute, 21)?;
        if of_call.is_empty() {
            let renamed = rewritten(attribute, &|field, out| match (field.number, field.content) {
                (6 | 11, Content::Bytes(graph)) => {
                    out.message(field.number, &self.inner_graph(graph, call, depth + 1)?)
                }
                _ => out.same(field),
            })?;
            return out.message(5, &renamed);
        }
        // What neither the call nor a default gives is left to the operator's own default.
        let Some(given) = call.attributes.get(&of_call) else { return Ok(()) };
        let name = text(attribute, 1)?;
        let given = rewritten(given, &|field, out| match field.number {
            1 => out.message(1, name.as_bytes()),
            _ => out.same(field),
        })?;
        out.message(5, &given)
    }

    /// A graph within a node: its names are changed as those around it.
    fn inner_graph(&self, graph: &[u8], call: &Call<'_>, depth: usize) -> Result<Vec<u8>> {
        if depth > DEEPEST {
            return Err(damaged());
        }
        let renamed = |message: &[u8], of: u32| {
            rewritten(message, &|field, out| match field.content {
                Content::Bytes(name) if field.number == of => {
                    let name = std::str::from_utf8(name).map_err(|_| damaged())?;
                    out.message(of, call.name(name).as_bytes())
                }
                _ => out.same(field),
            })
        };
        rewritten(graph, &|field, out| match (field.number, field.content) {
            (1, Content::Bytes(node)) => {
                let node = self.renamed(node, call, depth + 1)?;
                match self.functions.contains_key(&(text(&node, 7)?, text(&node, 4)?)) {
                    true => Err(Error::unsupported(
                        "it calls local functions within branches or loops; inline them with \
                         onnx.inliner.inline_local_functions and save the model again",
                    )),
                    false => out.message(1, &node),
                }
            }
            (5, Content::Bytes(tensor)) => out.message(5, &renamed(tensor, 8)?),
            (11..=13, Content::Bytes(value)) => out.message(field.number, &renamed(value, 1)?),
            _ => out.same(field),
        })
    }
}
