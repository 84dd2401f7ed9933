//! Begin values of the structs of a C header, as its `_INIT` macros say, at the fields: C++14 and later read them there, so
//! that a designated initializer may leave fields out, and a struct that is only declared is begun.

use std::collections::BTreeMap;

/// The header with `SCORECAM_DEFAULT(value)` at each field of a struct that has an `_INIT` macro.
pub(crate) fn at_fields(header: &str) -> String {
    let macros = macros(header);
    let (mut values, mut text) = ([].iter(), String::new());
    for line in header.lines() {
        if let Some(name) = line.strip_prefix("typedef struct ").and_then(|rest| rest.strip_suffix(" {")) {
            values = macros.get(name).map_or([].iter(), |values| values.iter());
        }
        let field = line
            .strip_prefix("    ")
            .filter(|field| !field.starts_with([' ', '/']))
            .and_then(|f| f.strip_suffix(';'));
        match field.and_then(|field| Some((field, values.next()?))) {
            Some((field, value)) => text.push_str(&format!("    {field} SCORECAM_DEFAULT({value});\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// The values of each `_INIT` macro, by the name of its struct.
fn macros(header: &str) -> BTreeMap<String, Vec<String>> {
    let lines = header.replace("\\\n", " ");
    let defined = lines.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once("_INIT "));
    defined.filter_map(|(name, braces)| Some((name.to_lowercase(), values(braces)?))).collect()
}

/// What lies between braces, cut at the commas. Inner braces hold zeros alone, of which a macro's argument needs none.
fn values(braces: &str) -> Option<Vec<String>> {
    let mut inner = braces.trim().strip_prefix('{')?.strip_suffix('}')?.to_owned();
    while let Some((open, close)) =
        inner.rfind('{').and_then(|open| Some((open, open + inner[open..].find('}')?)))
    {
        inner.replace_range(open..=close, "ZEROS");
    }
    Some(inner.split(',').map(|value| value.trim().replace("ZEROS", "{}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_begin_as_the_macro_says() {
        let header = "#define SCORECAM_A_INIT \\\n    { SIZE(scorecam_a), 0.5f, \\\n      { 0, { 0, 0 } }, NULL }\n\
            typedef struct scorecam_b {\n    int other;\n} scorecam_b;\n\
            typedef struct scorecam_a {\n    /**\n     * A size;\n     */\n    int size;\n    float half;\n    \
            double rect[4];\n    const char *text;\n} scorecam_a;\nint after;\n";
        let expected = header
            .replace("int size;", "int size SCORECAM_DEFAULT(SIZE(scorecam_a));")
            .replace("half;", "half SCORECAM_DEFAULT(0.5f);")
            .replace("rect[4];", "rect[4] SCORECAM_DEFAULT({});")
            .replace("*text;", "*text SCORECAM_DEFAULT(NULL);");
        assert_eq!(at_fields(header), expected);
    }
}
