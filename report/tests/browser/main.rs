//! Reports in a real browser.

mod driver;

use std::io::Cursor;
use std::path::PathBuf;

use driver::Browser;
use scorecam_report::*;
use serde_json::{Value, json};

/// A picture of 24 x 16 pixels, of one color.
fn picture(color: [u8; 3]) -> Picture {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 24, 16);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&color.repeat(24 * 16)).expect("pixels");
    writer.finish().expect("an end");
    Picture::new(bytes).expect("a picture")
}

/// A report with one of everything; every text in it is made of `text`.
fn report(text: impl Fn(&str) -> String) -> Report {
    let column = |name: &str, values| Column {
        unit: text("%"),
        help: text("help"),
        ..Column::new(text(name), values)
    };
    let interval = |mean: f64| Cell::Interval { mean, low: mean - 0.1, high: mean + 0.1, digits: 2 };
    let table = Table {
        title: text("table"),
        columns: vec![
            column("method", Values::Text),
            column("score", Values::Greater),
            column("drop", Values::Lesser),
        ],
        rows: vec![
            vec![Cell::Text(text("b")), interval(0.5), Cell::number(10.0)],
            vec![Cell::Text(text("c")), Cell::Missing, Cell::number(-2.0)],
            vec![Cell::Text(text("a")), interval(0.25), Cell::number(9.0)],
            vec![Cell::Text(text("d")), interval(0.75), Cell::number(f64::NAN)],
        ],
    };
    let points = vec![(0.0, 0.1), (0.5, 0.6), (1.0, 0.9)];
    let series = Series { name: text("series"), points, band: vec![(0.0, 0.0, 0.2), (1.0, 0.8, 1.0)] };
    let axis = |name: &str| Axis { title: text(name), range: None };
    let chart = Chart { title: text("chart"), x: axis("x"), y: axis("y"), series: vec![series] };
    Report {
        title: text("title"),
        facts: vec![Fact::new(text("fact"), text("value"))],
        notes: vec![Note::warning(text("warning")), Note::remark(text("remark"))],
        command: Some(text("command")),
        sections: vec![Section {
            title: text("section"),
            notes: vec![Note::remark(text("note"))],
            tables: vec![table],
            charts: vec![chart],
        }],
        photo_columns: vec![column("similarity", Values::Greater)],
        map_columns: vec![column("insertion", Values::Greater)],
        maps: vec![text("first"), text("second")],
    }
}

fn photo(index: usize, text: impl Fn(&str) -> String) -> Photo {
    let found = |map| BoundingBox {
        corners: [30.0, 20.0, 200.0, 120.0],
        label: text("box"),
        kind: if map == Some(0) { BoxKind::Found } else { BoxKind::Truth },
        map,
    };
    let map = |label: &str, color, value| Map {
        label: text(label),
        detail: text("detail"),
        picture: picture(color),
        area: Some([0.0, 0.0, 160.0, 160.0]),
        values: vec![Cell::number(value)],
    };
    // Scattered values, without two that are equal.
    let value = (index * 7 % 1009) as f64;
    Photo {
        name: text(&format!("{index:04}.jpg")),
        size: (240, 160),
        picture: picture([90, 120, 60]),
        facts: vec![Fact { tone: Tone::Good, ..Fact::new(text("predicted"), text("cat")) }],
        values: vec![Cell::number(value)],
        maps: vec![map("first", [200, 30, 30], value), map("second", [30, 30, 200], -value)],
        boxes: vec![found(None), found(Some(0))],
    }
}

fn plain(text: &str) -> String {
    text.to_owned()
}

/// A browser with a page of so many photos.
fn opened(name: &str, photos: usize, text: impl Fn(&str) -> String + Copy) -> (Browser, PathBuf) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
    report(text).write_file(&path, (0..photos).map(|i| Ok(photo(i, text)))).expect("written");
    let mut browser = Browser::start();
    browser.resize(1400, 900, "light");
    browser.open(&path);
    (browser, path)
}

const NAMES: &str = "[...document.querySelectorAll('.card:not([hidden]) h3')].map(e => e.textContent)";
const PICTURES: &str = "document.querySelectorAll('image, img').length";

#[test]
fn a_page_opens_without_errors_and_requests_in_every_size_and_scheme() {
    let (mut browser, path) = opened("sizes", 6, plain);
    let mut backgrounds = Vec::new();
    for (width, scheme) in [(1400, "light"), (1400, "dark"), (360, "light"), (360, "dark")] {
        browser.resize(width, 900, scheme);
        let widths = browser.eval("(e => [e.scrollWidth, e.clientWidth])(document.documentElement)");
        assert_eq!(widths[0], widths[1], "nothing reaches over the window's side at {width}");
        let screenshot = browser.screenshot();
        std::fs::write(path.with_extension(format!("{width}-{scheme}.png")), &screenshot).expect("written");
        let mut pixels = png::Decoder::new(Cursor::new(screenshot)).read_info().expect("a picture");
        assert_eq!(pixels.info().size(), (width, 900));
        backgrounds.push(pixels.next_row().expect("a row").expect("a row").data()[0]);
    }
    assert!(backgrounds[0] > 200 && backgrounds[1] < 60, "light and dark: {backgrounds:?}");
    browser.resize(1400, 900, "light");
    browser.click("#theme");
    assert_eq!(browser.eval("getComputedStyle(document.documentElement).colorScheme"), "dark");
    assert_eq!(browser.eval("document.querySelector('#theme').ariaPressed"), "true");
    assert_eq!(browser.eval("document.querySelectorAll('.chart .line').length"), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_table_sorts_by_mouse_and_keyboard_with_missing_values_last() {
    let (mut browser, _) = opened("table", 0, plain);
    let mut check = |act: &dyn Fn(&mut Browser), order: &str, sorts: Value| {
        act(&mut browser);
        let rows =
            "[...document.querySelectorAll('.sortable tbody th')].map(e => e.textContent.trim()).join('')";
        assert_eq!(browser.eval(rows), order);
        assert_eq!(
            browser.eval("[...document.querySelectorAll('.sortable thead th')].map(e => e.ariaSort)"),
            sorts
        );
    };
    check(&|_| {}, "bcad", json!([null, null, null]));
    check(&|b| b.click("thead th:nth-child(2) button"), "dbac", json!([null, "descending", null]));
    check(&|b| b.click("thead th:nth-child(2) button"), "abdc", json!([null, "ascending", null]));
    check(&|b| b.click("thead th:nth-child(3) button"), "cabd", json!([null, null, "ascending"]));
    check(&|b| b.press("Enter"), "bacd", json!([null, null, "descending"]));
    check(&|b| b.click("thead th:nth-child(1) button"), "abcd", json!(["ascending", null, null]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn maps_switch_fade_and_hide_and_boxes_go_with_their_map() {
    let (mut browser, _) = opened("maps", 3, plain);
    let state = "(() => { const card = document.querySelector('.card'); \
        const shown = e => e && getComputedStyle(e).display !== 'none'; \
        return [card.querySelector('.maps :checked').value, card.querySelector('.boxes title').textContent, \
        card.querySelectorAll('.map').length, shown(card.querySelector('.map')), \
        [...card.querySelectorAll('.box')].map(shown)]; })()";
    let mut check = |act: &dyn Fn(&mut Browser), map: &str, map_is_seen: bool, boxes: [bool; 2]| {
        act(&mut browser);
        let title = format!("0000.jpg with the map {map}");
        assert_eq!(browser.eval(state), json!([map, title, 1, map_is_seen, boxes]));
    };
    check(&|_| {}, "first", true, [true, true]);
    check(&|b| b.click(".maps input"), "first", true, [true, true]);
    check(&|b| b.press("2"), "second", true, [true, false]);
    check(&|b| b.press("ArrowRight"), "first", true, [true, true]);
    check(&|b| b.press("ArrowLeft"), "second", true, [true, false]);
    check(&|b| b.press("9"), "second", true, [true, false]);
    check(&|b| b.press("0"), "second", false, [true, false]);
    check(&|b| b.press("1"), "first", true, [true, true]);
    check(&|b| b.click(".view"), "first", false, [true, true]);
    check(&|b| b.click(".view"), "first", true, [true, true]);
    check(&|b| b.click("#boxes"), "first", true, [false, false]);
    check(&|b| b.click("#boxes"), "first", true, [true, true]);
    check(&|b| b.click(".all-maps label:nth-child(2)"), "second", true, [true, false]);
    let checked = "[...document.querySelectorAll('.maps :checked')].map(e => e.value).join()";
    assert_eq!(browser.eval(checked), "second,second,second");
    // In the middle of the range.
    browser.click("#fade");
    assert_eq!(browser.eval("getComputedStyle(document.querySelector('.map')).opacity"), "0.5");
    browser.press("ArrowRight");
    assert_eq!(browser.eval("getComputedStyle(document.querySelector('.map')).opacity"), "0.51");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn hostile_texts_stay_texts() {
    let hostile = |text: &str| {
        format!(
            "{text}\"'><b id=b></noscript></title></style></script><script>hacked=1</script><img src=x onerror=hacked=1>{{{{7*7}}}}"
        )
    };
    // Without pictures, which only photos near the window have.
    let elements = "document.querySelectorAll(':not(.js .pictures, .js .pictures *)').length";
    let (mut tame, _) = opened("tame", 3, plain);
    let (mut browser, path) = opened("hostile", 3, hostile);
    assert_eq!(browser.eval(elements), tame.eval(elements));
    assert_eq!(
        browser.eval("[typeof hacked, document.querySelectorAll('#b, img').length]"),
        json!(["undefined", 0])
    );
    assert_eq!(
        browser.eval("[document.title, document.querySelector('h3').textContent]"),
        json!([hostile("title"), hostile("0000.jpg")])
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // The same without scripts, where the pictures are elements from the start.
    for browser in [&mut tame, &mut browser] {
        browser.run_scripts(false);
    }
    tame.open(&path.with_file_name("tame.html"));
    browser.open(&path);
    assert_eq!(browser.eval(elements), tame.eval(elements));
    // And what gets in by another way is not run.
    tame.run_scripts(true);
    tame.open(&path.with_file_name("tame.html"));
    tame.eval("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))");
    tame.eval("document.body.append(Object.assign(new Image(), {src: 'http://localhost/x.png'}))");
    assert_eq!(tame.eval("typeof hacked"), "undefined");
    assert!(tame.complaints().iter().any(|line| line.contains("Content Security Policy")));
}

#[test]
fn of_a_thousand_photos_those_near_the_window_have_pictures() {
    let (mut browser, _) = opened("thousand", 1000, plain);
    let mut pictures = |act: &dyn Fn(&mut Browser), selector: &str| {
        act(&mut browser);
        browser.settle();
        let count = browser.eval(PICTURES).as_u64().expect("a number");
        assert!((2..=100).contains(&count), "{count} pictures");
        assert_eq!(browser.eval(&format!("document.querySelectorAll('{selector} image').length")), 2);
    };
    pictures(&|_| {}, ".card:first-child");
    let end = "document.querySelector('.card:last-child').scrollIntoView()";
    pictures(&|b| drop(b.eval(end)), ".card:last-child");
    let sort =
        |by: &str| format!("sort.value = '{by}'; sort.dispatchEvent(new Event('change')); scrollTo(0, 0)");
    pictures(&|b| drop(b.eval(&sort("photo-0"))), ".card:first-child");
    let mut first = |act: &str, names: [&str; 2]| {
        browser.eval(act);
        assert_eq!(browser.eval(&format!("{NAMES}.slice(0, 2)")), json!(names), "{act}");
    };
    // 7 i modulo 1009: the least are those of photos 0 and 865 (6055 = 6 x 1009 + 1).
    first("0", ["0000.jpg", "0865.jpg"]);
    first("turn.click()", ["0144.jpg", "0288.jpg"]);
    first(&sort("map-0"), ["0000.jpg", "0865.jpg"]);
    first("document.querySelectorAll('.all-maps input')[1].click()", ["0144.jpg", "0288.jpg"]);
    first(&sort("name"), ["0000.jpg", "0001.jpg"]);
    first("turn.click()", ["0999.jpg", "0998.jpg"]);
    first(&sort("given"), ["0000.jpg", "0001.jpg"]);
    first(
        "(field => { field.value = 'CAT 012'; field.dispatchEvent(new Event('input')); })(document.querySelector('#find'))",
        ["0012.jpg", "0120.jpg"],
    );
    assert_eq!(browser.eval("count.textContent"), "11 of 1000");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn without_scripts_each_photo_has_its_first_map() {
    let (mut browser, path) = opened("no-scripts", 4, plain);
    browser.run_scripts(false);
    browser.open(&path);
    let seen = |selector: &str| {
        format!(
            "[...document.querySelectorAll('{selector}')].filter(e => getComputedStyle(e).display !== 'none').length"
        )
    };
    let counts =
        [".pictures image:not(.map)", ".map", ".card", "tbody tr", ".box.truth", ".chart", ".tools, #theme"];
    let counts = counts.map(|selector| browser.eval(&seen(selector)));
    assert_eq!(json!(counts), json!([4, 4, 4, 4 + 8, 4, 1, 0]));
}

#[test]
fn a_printed_page_has_all_pictures() {
    let (mut browser, _) = opened("printed", 200, plain);
    browser
        .eval("addEventListener('beforeprint', () => printed = document.querySelectorAll('image').length)");
    browser.call("Page.printToPDF", json!({"printBackground": true}));
    assert_eq!(browser.eval("printed"), 400);
    browser.settle();
    assert!(browser.eval(PICTURES).as_u64().is_some_and(|count| count < 200));
}
