//! Calls that are refused, each with its line. The Python package's tests read the same table, `tests/golden/refused.json`,
//! so that a user of either gets the same words.

use scorecam::{ErrorKind, ExplainOptions};
use scorecam_tests::{explained, golden, read_npy, toy_host};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    model: String,
    input: String,
    cases: Vec<Case>,
}

/// One call, and the error that it ends with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    method: String,
    preset: Option<String>,
    layer: Option<String>,
    set: Vec<String>,
    ask: Vec<String>,
    kind: String,
    line: String,
}

impl Case {
    fn options(&self) -> ExplainOptions {
        let pairs = self.set.iter().filter_map(|pair| pair.split_once('='));
        ExplainOptions {
            method: self.method.clone(),
            preset: self.preset.clone(),
            layer: self.layer.clone(),
            set: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ask: self.ask.clone(),
            ..ExplainOptions::default()
        }
    }

    fn kind(&self) -> ErrorKind {
        match self.kind.as_str() {
            "invalid" => ErrorKind::InvalidArgument,
            "not-found" => ErrorKind::NotFound,
            "unsupported" => ErrorKind::Unsupported,
            other => panic!("{}: the table names a kind {other:?}", self.name),
        }
    }
}

#[test]
fn each_refusal_has_the_kind_and_the_line_of_the_table() {
    let text = std::fs::read_to_string(golden("refused.json")).expect("the table is there");
    let table: Table = serde_json::from_str(&text).expect("the table reads");
    let host = toy_host();
    let model = host.load_model(golden(&table.model)).expect("the model loads");
    let input = read_npy(&golden(&table.input));
    let differs = |case: &Case| match explained(&host, &model, &case.options(), &input) {
        Ok(_) => Some(format!("{}: no error", case.name)),
        Err(error) if error.kind() == case.kind() && error.to_string() == case.line => None,
        Err(error) => Some(format!("{}: {:?} {error}", case.name, error.kind())),
    };
    let wrong: Vec<String> = table.cases.iter().filter_map(differs).collect();
    assert!(wrong.is_empty() && !table.cases.is_empty(), "these differ:\n{}", wrong.join("\n"));
}
