//! `scorecam explain --report`: the photos of a run on one page.

use std::fs;
use std::path::Path;

use super::{explain, stdout, write_npy, write_photo};

/// The pictures of a page, each as its file.
fn pictures(page: &str) -> Vec<Vec<u8>> {
    let parts = page.split("href=\"data:image/").skip(1);
    parts
        .map(|part| {
            decoded(part.split_once(";base64,").expect("base64").1.split('"').next().expect("an end"))
        })
        .collect()
}

fn decoded(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|&c| c != b'=').map(value).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits =
            four.iter().fold(0u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a page")
}

#[test]
fn a_page_has_all_photos_in_their_order_with_the_maps_that_overlays_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).display().to_string();
    fs::create_dir(at("photos")).expect("a folder");
    write_photo(&at("photos/b.png"), 90, 40);
    write_photo(&at("photos/a <script>.png"), 32, 32);
    fs::write(at("photos/c.png"), "no photo").expect("a file");
    let more = [
        "--class",
        "3",
        "--class",
        "1",
        "--boxes",
        "0.5",
        "--region",
        "1,2,30,31",
        "--report",
        &text("page.html"),
    ];
    let output = explain(&text("photos"), &more);
    assert_eq!(output.status.code(), Some(1), "one photo is bad");
    let page = read(&at("page.html"));
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(place("a &lt;script&gt;.png</h3>") < place("b.png</h3>"));
    assert_eq!(page.matches("<article").count(), 2);
    assert!(page.contains("1 input could not be explained.") && page.contains("c.png: "));
    assert!(
        page.contains("value=\"class 3\"") && page.contains("value=\"class 1\""),
        "all photos switch at once"
    );
    for words in
        ["scorecam explain", "energy", "lift", "class=\"box truth\"", "class=\"box found\" data-map=\"1\""]
    {
        place(words);
    }
    assert!(!page.contains("http://") && !page.contains("https://"));

    // The photo of the model's own size: its map has a color for each pixel, which an overlay without the photo shows, too.
    let overlay = ["--class", "1", "--overlay", &text("o.png"), "--opacity", "1", "--colormap", "turbo"];
    stdout(&explain(&text("photos/a <script>.png"), &overlay));
    let expected = image::open(at("o.png")).expect("an overlay").to_rgb8();
    let files = pictures(&page);
    assert_eq!(files.len(), 6, "two photos with two maps each");
    let map = image::load_from_memory(&files[2]).expect("a picture").to_rgb8();
    assert_eq!(map.dimensions(), (32, 32));
    let far = map
        .pixels()
        .zip(expected.pixels())
        .flat_map(|(a, b)| a.0.into_iter().zip(b.0))
        .map(|(a, b)| a.abs_diff(b))
        .max();
    assert!(far <= Some(2), "{far:?}");
    let photo = image::load_from_memory(&files[3]).expect("a picture");
    assert_eq!((photo.width(), photo.height()), (90, 40));
}

#[test]
fn photos_whose_results_were_there_already_are_on_the_page_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).display().to_string();
    fs::create_dir(at("photos")).expect("a folder");
    write_photo(&at("photos/a.png"), 50, 40);
    write_npy(&at("b.npy"), &[3, 32, 32], &(0..3072).map(|i| (i % 89) as f32 / 89.0).collect::<Vec<_>>());
    let both = |out: &str, page: &str, more: &[&str]| {
        let (tensor, out, file) = (text("b.npy"), text(out), text(page));
        let all = [&[&tensor, "--class", "2", "--out", &out, "--report", &file], more].concat();
        stdout(&explain(&text("photos"), &all));
        pictures(&read(&at(page)))
    };
    stdout(&explain(&text("photos"), &["--class", "2", "--out", &text("resumed")]));
    let expected = both("fresh", "fresh.html", &[]);
    assert_eq!(expected.len(), 4, "a photo and a tensor with a map each");
    assert_eq!(both("resumed", "resumed.html", &["--skip-existing"]), expected, "one of them was there");
    assert_eq!(both("resumed", "again.html", &["--skip-existing"]), expected, "both were there");
    assert_eq!(super::names_in(&at("resumed")), ["a-2.png", "a.npy", "b-2.png", "b.npy", "results.json"]);
}

#[test]
fn a_report_replaces_nothing_that_the_run_needs() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    write_photo(&folder.path().join("a.png"), 32, 32);
    for (more, status, expected) in [
        (&["--report", &at("page.png")][..], 2, "reports are HTML; give a name that ends in .html"),
        (&["--report", &at("no/page.html")], 1, "/no does not exist, make it first"),
        (
            &["--report", &at("page.html"), "--json", &at("page.html")],
            1,
            "are the same file; give each a different name",
        ),
    ] {
        let output = explain(&at("a.png"), more);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(status) && words.contains(expected), "{more:?}: {words}");
    }
}
