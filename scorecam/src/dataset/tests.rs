use super::*;
use crate::walk::Depth;

/// A folder with files; empty ones where only their names matter.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(names: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        names.split_whitespace().for_each(|name| folder.write(name, ""));
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    fn open(&self, name: &str) -> Result<Dataset> {
        self.open_to(name, Depth::Folder)
    }

    fn open_to(&self, name: &str, depth: Depth) -> Result<Dataset> {
        Dataset::open(&self.0.path().join(name), &Walk::new(depth))
    }

    fn refused(&self, name: &str, expected: &str) {
        let error = self.open(name).expect_err(expected).to_string();
        assert!(error.starts_with("data /") && error.contains(expected) && !error.contains('\n'), "{error}");
    }

    /// The problems without the folder's own path.
    fn problems(&self, dataset: &Dataset) -> Vec<String> {
        assert_eq!(dataset.problem_count, dataset.problems.len());
        let root = format!("{}/", self.0.path().display());
        dataset.problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect()
    }
}

/// The samples in words: `name class boxes mask`.
fn words(dataset: &Dataset) -> Vec<String> {
    let shown = |sample: &Sample| {
        assert!(sample.file.is_file(), "{sample:?}");
        let class = sample.class.as_ref().map_or("-".into(), |class| format!("{class:?}"));
        let boxes = sample.boxes.iter().map(|&b| format!(" {:?}", <[f64; 4]>::from(b)));
        let mask = sample.mask.iter().map(|m| format!(" {}", m.file_name().expect("a name").display()));
        let parts: String = boxes.chain(mask).collect();
        format!("{} {class}{parts}", sample.name)
    };
    dataset.samples.iter().map(shown).collect()
}

/// Each line of problems has these parts, in this order.
#[track_caller]
fn check_problems(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        let parts = expected.split(" .. ");
        assert!(parts.into_iter().all(|part| found.contains(part)), "{found:?} lacks {expected:?}");
        assert!(!found.contains(char::is_control), "{found:?}");
    }
}

#[test]
fn a_folder_of_photos_has_their_masks() {
    let folder = Folder::with("b.jpg a.png a_mask.png lost_mask.png notes.txt");
    let data = folder.open("").expect("photos");
    assert_eq!(
        (data.form, words(&data)),
        (Form::Photos, vec!["a.png - a_mask.png".into(), "b.jpg -".into()])
    );
    check_problems(&folder.problems(&data), &["lost_mask.png: a mask without its photo; put lost.jpg"]);
    assert_eq!(data.remarks, ["skipped: 1 file (.txt)"]);
    Folder::with("notes.txt").refused("", "has no photos (skipped: 1 file (.txt))");
    Folder::with("lost_mask.png").refused("", "nothing in it can be used: ");
    folder.refused("absent", "No such file");
    folder.refused("notes.txt", "neither a folder nor a .json");
}

#[test]
fn folders_are_classes_and_beside_photos_they_need_a_walk_of_the_tree() {
    let folder =
        Folder::with("7/a.jpg cat/a.jpg cat/a_mask.png cat/deep/b.jpg empty/x.txt .git/c.jpg readme");
    let data = folder.open("").expect("classes");
    let expected = ["7/a.jpg Number(7)", "cat/a.jpg Label(\"cat\") a_mask.png"];
    assert_eq!((data.form, words(&data)), (Form::Classes, expected.map(String::from).to_vec()));
    check_problems(&folder.problems(&data), &["empty: folder  .. has no photos (skipped: 1 file (.txt))"]);
    assert_eq!(data.remarks, ["skipped: 1 folder, 1 file (no ending), 1 hidden file"]);
    let data = folder.open_to("", Depth::Tree).expect("classes");
    assert_eq!(words(&data)[2], "cat/deep/b.jpg Label(\"cat\")");
    folder.write("z.jpg", "");
    folder.refused("", "it has 1 photos and 3 folders, such as \"7\"; give a folder of photos");
    let data = folder.open_to("", Depth::Tree).expect("photos");
    assert_eq!((data.form, words(&data).len()), (Form::Photos, 4));
    assert!(data.samples.iter().all(|sample| sample.class.is_none()));
    let results = folder.0.path().join("empty");
    let walk = Walk { results: Some(&results), ..Walk::new(Depth::Folder) };
    let data = Folder::with("a.jpg out/a.jpg");
    let out = data.0.path().join("out");
    let found = Dataset::open(data.0.path(), &Walk { results: Some(&out), ..walk }).expect("photos");
    assert_eq!((found.form, found.samples.len()), (Form::Photos, 1));
}

const COCO: &str = r#"{"info": {}, "images": [
 {"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}, {"id": 2, "file_name": "sub/b.jpg"},
 {"id": 3, "file_name": "gone.jpg"}, {"id": 4, "file_name": "unused.jpg"}, {"id": "x"}, {"id": 1, "file_name": "a.jpg"}],
 "annotations": [
 {"id": 10, "image_id": 1, "category_id": 5, "bbox": [1, 2, 10, 20.5], "segmentation": [[1, 2, 3, 4]], "iscrowd": 0},
 {"id": 11, "image_id": 1, "category_id": 5, "bbox": [30, 20, 10.4, 10]},
 {"id": 12, "image_id": 1, "category_id": 6, "bbox": [0, 0, 1, 1]},
 {"id": 13, "image_id": 2, "category_id": 6, "bbox": [100, 100, 5, 5]},
 {"id": 14, "image_id": 1, "category_id": 6, "bbox": [0, 0, 9, 9], "segmentation": {"counts": "abc"}, "iscrowd": 1},
 {"id": 15, "image_id": 3, "category_id": 6, "bbox": [0, 0, 1, 1]},
 {"id": 16, "image_id": 3, "category_id": 6, "bbox": [0, 0, 1, 1]},
 {"id": 17, "image_id": 9, "category_id": 6, "bbox": [0, 0, 1, 1]},
 {"id": 18, "image_id": 1, "category_id": 9, "bbox": [0, 0, 1, 1]},
 {"id": 19, "image_id": 1, "category_id": 6, "bbox": [0, 0, 0, 1]},
 {"id": 20, "image_id": 1, "category_id": 6, "bbox": [35, 0, 10, 1]},
 {"id": 21, "image_id": 1, "category_id": 6, "bbox": [0, 0, 1]},
 {"id": 22, "image_id": 1, "category_id": 6, "bbox": [0, 0, "1", 1]},
 {"image_id": 1, "category_id": 6}, {"id": {}, "category_id": 6}],
 "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog"}, {"id": 7}]}"#;

#[test]
fn a_coco_file_has_a_sample_per_photo_and_category() {
    let folder = Folder::with("a.jpg images/sub/b.jpg");
    folder.write("data.json", COCO);
    let data = folder.open("data.json").expect("boxes");
    let expected = [
        "a.jpg#cat Label(\"cat\") [1.0, 2.0, 11.0, 22.5] [30.0, 20.0, 40.0, 30.0]",
        "a.jpg#dog Label(\"dog\") [0.0, 0.0, 1.0, 1.0]",
        "sub/b.jpg#dog Label(\"dog\") [100.0, 100.0, 105.0, 105.0]",
    ];
    assert_eq!((data.form, words(&data)), (Form::Coco, expected.map(String::from).to_vec()));
    assert_eq!((data.samples[0].size, data.samples[2].size), (Some((30, 40)), None));
    let problems = [
        "data.json: images[4]: id \"x\": file_name is missing",
        "data.json: images[5]: id 1: duplicate id; the first image is used",
        "data.json: categories[2]: name is missing",
        "data.json: annotation 17: image_id 9 is not among the images",
        "data.json: annotation 18: category_id 9 is not among the categories",
        "data.json: annotation 19: box 0 0 0 1 is empty",
        "data.json: annotation 20: box 35 0 45 1 extends beyond the photo, which is 40 pixels wide and 30 high",
        "data.json: annotation 21: bbox is not a list of 4 numbers",
        "data.json: annotation 22: bbox is not a list of 4 numbers",
        "data.json: annotation without id: bbox is missing",
        "data.json: annotation id is not a number or a text: image_id is missing",
        "data.json: image 3: no file \"gone.jpg\" in  .. its annotations, 2 in all, are left out",
    ];
    check_problems(&folder.problems(&data), &problems);
    assert_eq!(data.remarks, ["1 image has no annotations", "1 crowd annotation is skipped"]);
}

#[test]
fn cocos_own_folders_are_known_and_other_json_is_refused() {
    let folder = Folder::with("val2017/a.jpg");
    let text = r#"{"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "3"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": false}]}"#;
    folder.write("annotations/instances_val2017.json", format!("\u{feff}{text}"));
    let data = folder.open("annotations/instances_val2017.json").expect("boxes");
    assert_eq!(words(&data), ["a.jpg#3 Number(3) [0.0, 0.0, 1.0, 1.0]"]);
    let refused = |text: &str, expected: &str| {
        folder.write("x.json", text);
        folder.refused("x.json", expected);
    };
    refused("{}", "it is not a COCO file: key \"images\" is missing; it must have");
    refused("{\"images\": []}", "key \"annotations\" is missing");
    refused("{\"images\": [], \"annotations\": []}", "key \"categories\" is missing");
    refused("{\"images\": {}}", "expected a list at line 1 column");
    refused("[1]", "it is not a COCO file: invalid type");
    refused("{\"images\": [], \"annotations\": [], \"categories\": []}", "it has no annotations");
    refused(&text.replace("a.jpg", "b.jpg"), "nothing in it can be used: /");
    refused(&format!("{{\"images\": {}", "[".repeat(100_000)), "it is not a COCO file");
    refused(&format!("{{\"other\": {}", "{\"a\":".repeat(100_000)), "it is not a COCO file");
}

fn voc(photo: &str, objects: &str) -> String {
    format!(
        "<annotation>\n<folder>x</folder><filename>{photo}</filename>\n<size><width>40</width><height>30</height>\
         <depth>3</depth></size>\n{objects}</annotation>\n"
    )
}

fn object(name: &str, corners: [&str; 4]) -> String {
    let [x0, y0, x1, y1] = corners;
    format!(
        "<object><name>{name}</name><difficult>0</difficult><bndbox><ymin>{y0}</ymin><xmin>{x0}</xmin><xmax>{x1}</xmax>\
         <ymax>{y1}</ymax></bndbox><part><name>head</name><bndbox/></part></object>\n"
    )
}

#[test]
fn voc_files_have_a_sample_per_photo_and_class_with_boxes_from_0() {
    let folder = Folder::with("JPEGImages/a.jpg JPEGImages/b.jpg JPEGImages/c.jpg");
    let difficult = object("cat", ["1", "1", "9", "9"]).replace("<difficult>0", "<difficult>1");
    let a = [
        object("cat", ["1", "2", "10", "20"]),
        object("dog", ["5.5", "1", "40", "30"]),
        object("cat", ["0", "0", "4", "4"]),
        difficult,
    ];
    folder.write("Annotations/a.xml", voc("a.jpg", &a.concat()));
    folder.write("Annotations/b.xml", voc("b.jpg", ""));
    let data = folder.open("").expect("boxes");
    let expected = [
        "JPEGImages/a.jpg#cat Label(\"cat\") [0.0, 1.0, 10.0, 20.0] [0.0, 0.0, 4.0, 4.0]",
        "JPEGImages/a.jpg#dog Label(\"dog\") [4.5, 0.0, 40.0, 30.0]",
    ];
    assert_eq!((data.form, words(&data)), (Form::Voc, expected.map(String::from).to_vec()));
    assert_eq!((data.samples[0].size, folder.problems(&data)), (Some((30, 40)), vec![]));
    let remarks =
        ["1 difficult object is skipped", "1 annotation has no object", "1 photo has no annotation"];
    assert_eq!(data.remarks, remarks);
    let one = folder.open("Annotations/a.xml").expect("boxes");
    assert_eq!((one.form, one.samples.len(), one.remarks.len()), (Form::Voc, 2, 1));
}

#[test]
fn what_is_wrong_in_voc_files_is_named_with_its_line() {
    let folder = Folder::with("good.jpg wrong.jpg");
    folder.write("good.xml", format!("\u{feff}{}", voc("good.jpg", &object("cat", ["1", "1", "2", "2"]))));
    let objects = [
        object("cat", ["9", "1", "2", "2"]),
        object("cat", ["one", "1", "2", "2"]),
        object("cat", ["1", "1", "2", "50"]),
        object("cat", ["1", "1", "2", "nan"]),
        object(" ", ["1", "1", "2", "2"]),
        "<object><name>cat</name></object>\n".into(),
        "<object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object>\n".into(),
    ];
    folder.write("wrong.xml", voc("wrong.jpg", &objects.concat()));
    folder.write("lost.xml", voc("lost.jpg", ""));
    folder.write("other.xml", "<?xml version='1.0'?>\n<rdf/>");
    folder.write("half.xml", "<annotation>\n<object>");
    folder.write("dtd.xml", "<!DOCTYPE a [<!ENTITY x 'y'>]><annotation/>");
    folder.write("bytes.xml", [0xff, 0xfe]);
    folder.write("deep.xml", "<a>".repeat(100_000));
    folder.write("nodes.xml", format!("<annotation>{}</annotation>", "<a/>".repeat(300_000)));
    let data = folder.open("").expect("boxes");
    assert_eq!(words(&data), ["good.jpg#cat Label(\"cat\") [0.0, 0.0, 2.0, 2.0]"]);
    let problems = [
        "bytes.xml: it is not UTF-8",
        "deep.xml:1: it is not XML",
        "dtd.xml:1: it is not XML: XML with DTD",
        "half.xml:1: it is not XML",
        "lost.xml:1: no file \"lost.jpg\" in",
        "nodes.xml:1: it is not XML: nodes limit",
        "other.xml:2: it is not a Pascal VOC file: <annotation> is missing, <rdf> is there",
        "wrong.xml:4: box 8 0 2 2 is empty",
        "wrong.xml:5: <xmin> \"one\" is not a number",
        "wrong.xml:6: box 0 0 2 50 extends beyond the photo, which is 40 pixels wide and 30 high",
        "wrong.xml:7: box 0 0 2 NaN is not finite",
        "wrong.xml:8: <name> of the object is empty",
        "wrong.xml:9: <bndbox> of <object> is missing",
        "wrong.xml:10: <ymin> of <bndbox> is missing",
    ];
    check_problems(&folder.problems(&data), &problems);
    folder.refused("half.xml", "nothing in it can be used: ");
}

#[test]
fn a_csv_gathers_the_lines_of_a_photo_and_class() {
    let folder = Folder::with("a.jpg sub/b.jpg a_region.png");
    let text = "\u{feff}File, class, x0, y0, x1, y1, box, mask, note\r\n\
                a.jpg, cat, 1, 2, 3, 4, , a_region.png, x\r\n\
                \r\n\
                a.jpg, cat, , , , , 5 6 7.5 8, ,\r\n\
                a.jpg, 3, , , , , , ,\r\n\
                \"sub/b.jpg\", , , , , , , ,\"two\nlines\"\r\n";
    folder.write("data.csv", text);
    let data = folder.open("data.csv").expect("samples");
    let expected = [
        "a.jpg#cat Label(\"cat\") [1.0, 2.0, 3.0, 4.0] [5.0, 6.0, 7.5, 8.0] a_region.png",
        "a.jpg#3 Number(3)",
        "sub/b.jpg -",
    ];
    assert_eq!((data.form, words(&data)), (Form::Csv, expected.map(String::from).to_vec()));
    assert_eq!((folder.problems(&data), data.remarks.len()), (vec![], 1));
    assert_eq!(data.remarks, ["ignored columns: note"]);
}

#[test]
fn what_is_wrong_in_a_csv_is_named_with_its_line() {
    let folder = Folder::with("a.jpg m.png n.png");
    let lines = "file,class,box,mask,x0\na.jpg,cat,1 2 3 4,m.png,\n\nlost.jpg,cat,,,\na.jpg,cat\na.jpg,cat,1 2 3,,\n\
                 a.jpg,cat,1 2 x 4,,\na.jpg,cat,3 2 1 4,,\na.jpg,cat,-9 2 1 4,,\na.jpg,cat,,lost.png,\na.jpg,cat,,n.png,\n\
                 ,cat,,,\na.jpg,cat,,,,6\n";
    folder.write(
        "data.csv",
        [lines.as_bytes(), b"a.jpg,\xff,,,\na.jpg,dog,inf 1 2 3,,\na.jpg,cow,,,"].concat(),
    );
    let data = folder.open("data.csv").expect("samples");
    let expected = ["a.jpg#cat Label(\"cat\") [1.0, 2.0, 3.0, 4.0] m.png", "a.jpg#cow Label(\"cow\")"];
    assert_eq!(words(&data), expected);
    let problems = [
        "data.csv:1: column y0, x1, y1 is missing; no boxes are read",
        "data.csv:4: no file \"lost.jpg\" in",
        "data.csv:5: it has 2 fields, the header has 5",
        "data.csv:6: box \"1 2 3\" has 3 numbers",
        "data.csv:7: x1 \"x\" is not a number",
        "data.csv:8: box 3 2 1 4 is empty",
        "data.csv:9: box -9 2 1 4 extends beyond the photo",
        "data.csv:10: mask: no file \"lost.png\"",
        "data.csv:11: a.jpg#cat already has the mask  .. m.png",
        "data.csv:12: the name of the photo is empty",
        "data.csv:13: it has 6 fields",
        "data.csv:14: CSV .. UTF-8",
        "data.csv:15: box inf 1 2 3 is not finite",
    ];
    check_problems(&folder.problems(&data), &problems);
    let refused = |text: &str, expected: &str| {
        folder.write("x.csv", text);
        folder.refused("x.csv", expected);
    };
    refused("name;class\na.jpg;1", "column \"file\" is missing, there are [\"name;class\"]");
    refused("", "column \"file\" is missing, there are []");
    refused("file,class\n", "it has no annotations");
    refused("file\nx\ny\n", "x.csv:2: no file \"x\" in");
    refused("file,x0,y0,x1,y1,box\na.jpg,1,1,2,2,1 1 2 2\n", "x.csv:2: it has two boxes");
    refused("file,x0,y0,x1,y1\na.jpg,1,,2,2\n", "x.csv:2: y0 \"\" is not a number");
}

#[test]
fn problems_beyond_the_most_are_counted() {
    let folder = Folder::with("a.jpg");
    let text = format!("file\na.jpg\n{}", "gone.jpg\n".repeat(Dataset::MAX_PROBLEMS + 5));
    folder.write("data.csv", text);
    let data = folder.open("data.csv").expect("a sample");
    assert_eq!((data.problems.len(), data.problem_count), (10_000, 10_005));
}

#[test]
fn strangers_control_characters_stay_out_of_names_and_messages() {
    let folder = Folder::with("a.jpg");
    folder.write("data.csv", "file,class\na.jpg,\u{1b}[31mcat\n\u{1b}[2Jgone.jpg,cat\n");
    let data = folder.open("data.csv").expect("a sample");
    let shown = [data.samples[0].name.clone(), folder.problems(&data).concat()];
    assert_eq!(shown[0], "a.jpg#\\u{1b}[31mcat");
    assert!(!shown.concat().contains(char::is_control), "{shown:?}");
}

#[test]
fn a_sample_is_compared_with_its_photo() {
    let folder = Folder::with("a.jpg");
    folder.write("data.csv", "file,box\na.jpg,1 1 39.5 30\n");
    let sample = folder.open("data.csv").expect("a sample").samples.remove(0);
    assert_eq!(sample.check((30, 40)), Ok(()));
    let error = |sample: &Sample, size| sample.check(size).expect_err("refused").to_string();
    let outside = error(&sample, (20, 40));
    assert!(
        outside.starts_with("a.jpg: box 1 1 39.5 30 extends beyond the photo, which is 40 pixels"),
        "{outside}"
    );
    let other = error(&Sample { size: Some((40, 30)), ..sample }, (30, 40));
    assert!(
        other.contains("the photo is 40 pixels wide and 30 high, its annotation says 30 wide"),
        "{other}"
    );
}

#[test]
fn files_that_are_cut_off_or_spoiled_give_samples_or_an_error() {
    let folder = Folder::with("a.jpg sub/b.jpg m.png");
    let csv = "file,class,x0,y0,x1,y1,box,mask\na.jpg,cat,1,2,3,4,,m.png\n\"sub/b.jpg\",3,,,,,\"1 2 3 4\",\n";
    let xml = voc("a.jpg", &object("cat", ["1", "1", "2", "2"]));
    for (name, text) in [("x.json", COCO), ("x.xml", &xml), ("x.csv", csv)] {
        let mut usable = 0;
        for end in 0..text.len() {
            folder.write(name, &text.as_bytes()[..end]);
            usable += usize::from(folder.open(name).is_ok());
            let mut spoiled = text.as_bytes().to_vec();
            spoiled[end] = [0, b'"', b'{', b'<', b',', b'9', 0xff][end % 7];
            folder.write(name, spoiled);
            usable += usize::from(folder.open(name).is_ok());
        }
        assert!(usable > 0, "{name}");
    }
}
