//! The part of docs/abi.md that is generated: every table of the plugin header, with types and offsets.
//!
//! Types come from its parts in include/scorecam, which come from plugins/sdk/src/abi; offsets come from
//! tests/golden/layout.txt, which nobody generates and compilers and Rust tests prove. So the page cannot say
//! anything but what both say, and a field that is new in one of them only is an error here.

use std::collections::BTreeMap;

use crate::failure::{Failure, Outcome};

/// The page and the golden layout, relative to the checkout.
pub(crate) const PAGE: &str = "docs/abi.md";
pub(crate) const LAYOUT: &str = "tests/golden/layout.txt";

const BEGIN: &str = "<!-- written by cargo xtask headers, from here -->";
const END: &str = "<!-- to here -->";

/// `page` with its generated part made anew.
pub(crate) fn page(page: &str, header: &str, layout: &str) -> Outcome<String> {
    let missing =
        || Failure::new(format!("{PAGE} lacks the line {BEGIN} or {END}, between which it is written"));
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    let layout = Layout::read(layout);
    let structs = structs(header);
    if structs.is_empty() {
        return Err(Failure::new("the headers hold no struct"));
    }
    let mut text = format!("{before}{BEGIN}\n");
    for table in &structs {
        text += &section(table, &layout)?;
    }
    Ok(text + "\n" + END + after)
}

struct Struct {
    name: String,
    /// Name and type of each field.
    fields: Vec<(String, String)>,
}

/// The structs of a header, in its order.
fn structs(header: &str) -> Vec<Struct> {
    let code = without_comments(header);
    let structs = code.split("typedef struct ").skip(1).filter_map(|text| {
        let (name, rest) = text.split_once('{')?;
        let fields = rest.split_once('}')?.0.split(';').filter_map(field).collect();
        Some(Struct { name: name.trim().to_owned(), fields })
    });
    structs.collect()
}

fn without_comments(code: &str) -> String {
    code.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect()
}

/// Name and type of a declaration; a function's type has a star where its name was.
fn field(declaration: &str) -> Option<(String, String)> {
    let line = declaration.split_whitespace().collect::<Vec<_>>().join(" ").replace("struct ", "");
    if let Some((result, rest)) = line.split_once("(*") {
        let (name, arguments) = rest.split_once(')')?;
        return Some((name.to_owned(), format!("{result}(*){arguments}")));
    }
    let start = line.rfind([' ', '*'])? + 1;
    let (kind, name) = line.split_at(start);
    let (name, length) = name.split_at(name.find('[').unwrap_or(name.len()));
    Some((name.to_owned(), format!("{}{length}", kind.trim())))
}

fn section(table: &Struct, layout: &Layout<'_>) -> Outcome<String> {
    let name = &table.name;
    let [size, alignment] = layout.find(name)?;
    let mut text = format!("\n### `{name}`\n\n{size} bytes, aligned to {alignment}.\n\n");
    text += "| offset | size | field | type |\n|---:|---:|---|---|\n";
    for (field, kind) in &table.fields {
        let [offset, size] = layout.find(&format!("{name}.{field}"))?;
        text += &format!("| {offset} | {size} | `{field}` | `{kind}` |\n");
    }
    Ok(text)
}

/// Two numbers for each struct and field.
struct Layout<'a>(BTreeMap<&'a str, [&'a str; 2]>);

impl<'a> Layout<'a> {
    fn read(text: &'a str) -> Self {
        let rows = text.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            ["struct" | "field", name, first, second] => Some((name, [first, second])),
            _ => None,
        });
        Self(rows.collect())
    }

    fn find(&self, name: &str) -> Outcome<[&'a str; 2]> {
        self.0.get(name).copied().ok_or_else(|| {
            Failure::new(format!(
                "{name} of the headers is not in {LAYOUT}; append it, and change no other line"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "/** A { brace. */\ntypedef struct thing {\n /** ; */\n const char *const *names;\n \
        uint64_t sizes[4];\n int32_t (*run)(void *model,\n const struct thing *other);\n} thing;\n";
    const LAYOUT: &str = "# said of it\nconstant A 1\nstruct thing 48 8\nfield thing.names 0 8\n\
        field thing.sizes 8 32\nfield thing.run 40 8\n";

    #[test]
    fn a_page_shows_the_structs_of_the_header_at_their_offsets() {
        let made = page(&format!("one\n{BEGIN}\nold\n{END}\ntwo\n"), HEADER, LAYOUT).unwrap();
        let rows = "### `thing`\n\n48 bytes, aligned to 8.\n\n| offset | size | field | type |\n|---:|---:|---|---|\n\
            | 0 | 8 | `names` | `const char *const *` |\n| 8 | 32 | `sizes` | `uint64_t[4]` |\n\
            | 40 | 8 | `run` | `int32_t (*)(void *model, const thing *other)` |\n";
        assert_eq!(made, format!("one\n{BEGIN}\n\n{rows}\n{END}\ntwo\n"));
        assert_eq!(page(&made, HEADER, LAYOUT).unwrap(), made, "it is made anew the same");
    }

    #[test]
    fn what_is_new_or_missing_is_named() {
        let fails = |text: &str, header: &str, layout: &str, expected: &str| {
            let failure = page(text, header, layout).unwrap_err().to_string();
            assert!(failure.contains(expected), "{failure}");
        };
        let sound = format!("{BEGIN}{END}");
        fails(&sound, &HEADER.replace("names", "titles"), LAYOUT, "thing.titles");
        fails(&sound, "", LAYOUT, "no struct");
        fails("no marks", HEADER, LAYOUT, "lacks the line");
    }
}
