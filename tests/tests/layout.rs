//! The headers' structs and numbers are those of tests/golden/layout.txt, for C and C++ compilers alike; units
//! of ffi and of the plugin crate ask rustc the same. What programs were built against never changes.

use std::collections::{BTreeMap, BTreeSet};

use scorecam_tests::{Language, compiler_named, golden, root, run};

/// Compilers, with the words that a standard has for what is asserted.
const COMPILERS: [(&str, Language, &str); 6] = [
    ("gcc", Language::C, "c11"),
    ("clang", Language::C, "c11"),
    ("g++", Language::Cpp, "c++11"),
    ("clang++", Language::Cpp, "c++11"),
    ("g++", Language::Cpp, "c++20"),
    ("clang++", Language::Cpp, "c++20"),
];

/// A line of the golden layout.
enum Line {
    Constant { name: String, value: String },
    Struct { name: String, size: String, alignment: String },
    Field { owner: String, name: String, offset: String, size: String },
}

#[test]
fn compilers_lay_the_structs_out_as_the_golden_layout_says() {
    let out = tempfile::tempdir().expect("a folder");
    for (compiler, language, standard) in COMPILERS {
        let source = out.path().join(if language == Language::C { "layout.c" } else { "layout.cpp" });
        std::fs::write(&source, assertions(language)).expect("the folder is writable");
        run(compiler_named(compiler, standard).arg("-fsyntax-only").arg(&source));
    }
}

#[test]
fn a_wrong_line_does_not_compile() {
    let out = tempfile::tempdir().expect("a folder");
    let source = out.path().join("layout.c");
    let wrong = assertions(Language::C)
        .replace("offsetof(scorecam_image, data) == 8", "offsetof(scorecam_image, data) == 4");
    std::fs::write(&source, wrong).expect("the folder is writable");
    let output = compiler_named("gcc", "c11").arg("-fsyntax-only").arg(&source).output().expect("gcc runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("scorecam_image.data"), "{errors}");
}

#[test]
fn nothing_of_the_headers_is_missing_in_the_golden_layout() {
    let name = |line: &Line| match line {
        Line::Constant { name, .. } | Line::Struct { name, .. } => name.clone(),
        Line::Field { owner, name, .. } => format!("{owner}.{name}"),
    };
    let listed: Vec<String> = lines().iter().map(name).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a name stands twice in the golden layout");
    let mut declared: BTreeSet<String> = declared("scorecam.h");
    // Each release has its own.
    declared.retain(|name| !name.starts_with("SCORECAM_VERSION_"));
    assert_eq!(unique, declared);
}

#[test]
fn no_number_is_used_twice() {
    let mut seen = BTreeMap::new();
    for line in lines() {
        let Line::Constant { name, value } = line else { continue };
        // SCORECAM_ERR_IO is of the family SCORECAM_ERR; SCORECAM_OK is a status as well.
        let family = name.splitn(3, '_').take(2).collect::<Vec<_>>().join("_");
        let family = if name == "SCORECAM_OK" { "SCORECAM_ERR".to_owned() } else { family };
        let limit = ["SCORECAM_MAX", "SCORECAM_ABI"].contains(&family.as_str());
        let other = seen.insert((family, value), name.clone()).filter(|_| !limit);
        assert_eq!(other, None, "{name} has a number that was given already");
    }
}

#[test]
fn the_abi_page_lists_every_status() {
    let page = std::fs::read_to_string(root().join("docs/abi.md")).expect("the page");
    for line in lines() {
        let Line::Constant { name, value } = line else { continue };
        if name == "SCORECAM_OK" || name.starts_with("SCORECAM_ERR_") {
            let row = format!("| {value} | `{name}` | ");
            assert!(page.contains(&row), "docs/abi.md lacks {row:?}");
        }
    }
}

/// A source that compiles where every line of the golden layout holds.
fn assertions(language: Language) -> String {
    let (assert, align) = match language {
        Language::C => ("_Static_assert", "_Alignof"),
        Language::Cpp => ("static_assert", "alignof"),
    };
    let mut source = "#include \"scorecam.h\"\n".to_owned();
    let mut hold = |claim: String, name: &str| source += &format!("{assert}({claim}, \"{name}\");\n");
    for line in lines() {
        match line {
            Line::Constant { name, value } => hold(format!("{name} == {value}"), &name),
            Line::Struct { name, size, alignment } => {
                hold(format!("sizeof({name}) == {size}"), &name);
                hold(format!("{align}({name}) == {alignment}"), &name);
            }
            Line::Field { owner, name, offset, size } => {
                let full = format!("{owner}.{name}");
                hold(format!("offsetof({owner}, {name}) == {offset}"), &full);
                hold(format!("sizeof((({owner} *)0)->{name}) == {size}"), &full);
            }
        }
    }
    source
}

fn lines() -> Vec<Line> {
    let text = std::fs::read_to_string(golden("layout.txt")).expect("the golden layout");
    let lines: Vec<Line> = text.lines().filter(|l| !l.starts_with('#')).map(line).collect();
    assert!(lines.len() > 200, "only {} lines", lines.len());
    lines
}

fn line(text: &str) -> Line {
    let own = |text: &str| text.to_owned();
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["constant", name, value] => Line::Constant { name: own(name), value: own(value) },
        ["struct", name, size, alignment] => {
            Line::Struct { name: own(name), size: own(size), alignment: own(alignment) }
        }
        ["field", name, offset, size] => {
            let (owner, name) = name.split_once('.').expect("STRUCT.FIELD");
            Line::Field { owner: own(owner), name: own(name), offset: own(offset), size: own(size) }
        }
        _ => panic!("{text:?} is no line of a layout"),
    }
}

/// Constants, structs and fields of a header.
fn declared(header: &str) -> BTreeSet<String> {
    let text = scorecam_tests::header(&root().join("include").join(header));
    let code: String = text.split("/*").map(|s| s.split_once("*/").map_or(s, |(_, code)| code)).collect();
    let numbers = code.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        value.bytes().all(|b| b.is_ascii_digit()).then(|| name.to_owned())
    });
    let mut names: BTreeSet<String> = numbers.collect();
    for table in code.split("typedef struct ").skip(1) {
        let Some((name, fields)) = table.split_once('{') else { continue };
        let fields = fields.split_once('}').expect("the end of a struct").0;
        let name = name.trim();
        // An opaque type has no fields; what follows it belongs to the next struct.
        if name.contains(';') {
            continue;
        }
        names.insert(name.to_owned());
        names.extend(fields.split(';').filter_map(field).map(|field| format!("{name}.{field}")));
    }
    names
}

fn field(declaration: &str) -> Option<String> {
    let name = match declaration.split_once("(*") {
        Some((_, rest)) => rest.split(')').next()?,
        None => declaration.trim().rsplit([' ', '*']).next()?.split('[').next()?,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// Enums of core that cross the boundary as their numbers.
#[test]
fn enums_have_the_numbers_of_the_plugin_abi() {
    use scorecam_core::{OutputActivation as Output, Upsample};
    use scorecam_plugin::abi;

    let upsamples = [
        (Upsample::HalfPixel, abi::SCORECAM_UPSAMPLE_HALF_PIXEL),
        (Upsample::AlignCorners, abi::SCORECAM_UPSAMPLE_ALIGN_CORNERS),
        (Upsample::Bicubic, abi::SCORECAM_UPSAMPLE_BICUBIC),
        (Upsample::Mirror, abi::SCORECAM_UPSAMPLE_MIRROR),
        (Upsample::Nearest, abi::SCORECAM_UPSAMPLE_NEAREST),
    ];
    assert_eq!(upsamples.map(|(mode, _)| mode), Upsample::ALL);
    upsamples.into_iter().for_each(|(mode, number)| assert_eq!(mode as u32, number, "{mode:?}"));
    let outputs = [
        (Output::Unknown, abi::SCORECAM_OUTPUT_UNKNOWN),
        (Output::None, abi::SCORECAM_OUTPUT_LOGITS),
        (Output::Softmax, abi::SCORECAM_OUTPUT_SOFTMAX),
        (Output::Sigmoid, abi::SCORECAM_OUTPUT_SIGMOID),
        (Output::Binary, abi::SCORECAM_OUTPUT_BINARY),
        (Output::Probability, abi::SCORECAM_OUTPUT_PROBABILITY),
        (Output::Value, abi::SCORECAM_OUTPUT_VALUE),
        (Output::UnitLength, abi::SCORECAM_OUTPUT_UNIT_LENGTH),
    ];
    assert_eq!(outputs.map(|(applied, _)| applied), Output::ALL);
    outputs.into_iter().for_each(|(applied, number)| assert_eq!(applied as u32, number, "{applied:?}"));
}
