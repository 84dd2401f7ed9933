//! Writes the inputs that fuzzing begins with into `corpus/`: small ones, of every form that is accepted.
//!
//! Run as `cargo run -p scorecam-fuzz --example seeds`. What a fuzzer found later lies beside them under names
//! of its own and is not touched.

use std::io::{Cursor, Write};
use std::path::Path;

use image::{DynamicImage, ImageFormat};
use npyz::WriterBuilder;

fn main() {
    manifests();
    tensors();
    photos();
    models();
    libraries();
    archives();
    calls();
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    std::fs::write(folder.join(name), bytes).expect("the folder is writable");
}

fn manifests() {
    let all = "[model]\nfile = \"m.onnx\"\nbackend = \"onnx-cpu\"\nlayer = \"conv\"\nlabels = \"names.txt\"\n\
               [input]\nname = \"x\"\nsize = [4, 6]\nlayout = \"nhwc\"\ncolor = \"bgr\"\nscale = 0.5\n\
               mean = [1.0, 2.0, 3.0]\nstd = [0.5, 1, 2e1]\nresize = \"lanczos\"\nfit = \"crop\"\n\
               crop_fraction = 0.875\n[output]\nname = \"y\"\nactivation = \"softmax\"\n\
               [settings]\noptimization = \"all\"\n";
    let grey =
        "input.color = \"gray\"\ninput.mean = [114.0]\ninput.fit = \"letterbox\"\ninput.size = [1, 64]\n";
    seed("manifest", "all-keys.toml", all.as_bytes());
    seed("manifest", "grey.toml", grey.as_bytes());
    seed("manifest", "empty.toml", b"");
}

fn tensors() {
    let write = |name: &str, shape: &[u64], order: npyz::Order| {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::<f32>::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().expect("a header");
        let count: u64 = shape.iter().product();
        writer.extend((0..count).map(|i| i as f32)).expect("values");
        writer.finish().expect("a file");
        seed("npy", name, &bytes);
    };
    write("chw.npy", &[3, 2, 2], npyz::Order::C);
    write("batch.npy", &[1, 1, 2, 3], npyz::Order::C);
    write("fortran.npy", &[3, 2, 2], npyz::Order::Fortran);
}

fn photos() {
    let rgb = image::RgbImage::from_fn(5, 3, |x, y| image::Rgb([(x * 50) as u8, (y * 80) as u8, 128]));
    let rgb = DynamicImage::ImageRgb8(rgb);
    let save = |name: &str, photo: &DynamicImage, format: ImageFormat| {
        let mut bytes = Cursor::new(Vec::new());
        photo.write_to(&mut bytes, format).expect("an encoded photo");
        seed("photo", name, bytes.get_ref());
    };
    save("rgb.png", &rgb, ImageFormat::Png);
    save("rgb.jpeg", &rgb, ImageFormat::Jpeg);
    save("rgb.webp", &rgb, ImageFormat::WebP);
    save("rgb.bmp", &rgb, ImageFormat::Bmp);
    save("rgb.gif", &rgb, ImageFormat::Gif);
    save("rgb.ppm", &rgb, ImageFormat::Pnm);
    save("rgb.tiff", &rgb, ImageFormat::Tiff);
    save("grey16.png", &DynamicImage::ImageLuma16(rgb.to_luma16()), ImageFormat::Png);
    save("rgba16.tiff", &DynamicImage::ImageRgba16(rgb.to_rgba16()), ImageFormat::Tiff);
    save("alpha.png", &DynamicImage::ImageLumaA8(rgb.to_luma_alpha8()), ImageFormat::Png);
    // The header of a photo of 60000 x 60000 pixels, and nothing of it.
    let mut bomb = Cursor::new(Vec::new());
    DynamicImage::new_luma8(1, 1).write_to(&mut bomb, ImageFormat::Pnm).expect("a photo");
    seed("photo", "bomb.pgm", b"P5\n60000 60000\n255\n");
    seed("photo", "animated.gif", &animation());
}

fn animation() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    let frame = |grey: u8| image::Frame::new(image::RgbaImage::from_pixel(4, 4, image::Rgba([grey; 4])));
    encoder.encode_frames([frame(0), frame(255)]).expect("frames");
    drop(encoder);
    bytes
}

/// A protobuf field that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("a seed is small");
    // A length from 128 up takes two bytes.
    let varint = if length < 128 { vec![length] } else { vec![length, 1] };
    [&[number << 3 | 2][..], &varint, bytes].concat()
}

fn models() {
    let value = |name: &str, axes: &[u8]| {
        let axis = |&length: &u8| field(1, &if length == 0 { vec![] } else { vec![1 << 3, length] });
        let shape: Vec<u8> = axes.iter().flat_map(axis).collect();
        let tensor = [vec![1 << 3, 1], field(2, &shape)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let node = |operator: &str, from: &str, to: &str| {
        [field(1, from.as_bytes()), field(2, to.as_bytes()), field(4, operator.as_bytes())].concat()
    };
    let model = |graph: &[Vec<u8>]| [vec![1 << 3, 8], field(7, &graph.concat())].concat();
    let network = [
        field(1, &node("Conv", "x", "c")),
        field(1, &node("Relu", "c", "r")),
        field(1, &node("Gemm", "r", "y")),
        field(11, &value("x", &[0, 3, 8, 8])),
        field(12, &value("y", &[0, 5])),
        field(13, &value("c", &[0, 4, 6, 6])),
        field(13, &value("r", &[0, 4, 6, 6])),
    ];
    seed("onnx", "network.onnx", &model(&network));
    let attribute =
        [field(1, b"perm"), [8u8, 0, 8, 2, 8, 3, 8, 1].map(|b| if b == 8 { 8 << 3 } else { b }).to_vec()];
    let transposed = [node("Transpose", "x", "t"), field(5, &attribute.concat())].concat();
    let inner = field(1, &node("Relu", "x", "z"));
    let branch = [node("If", "b", "y"), field(5, &[field(1, b"then"), field(6, &inner)].concat())].concat();
    let strange = [
        field(1, &transposed),
        field(1, &branch),
        field(11, &value("x", &[1, 3, 8, 8])),
        field(12, &value("y", &[1, 4, 8, 8])),
        field(13, &value("t", &[1, 8, 8, 3])),
    ];
    seed("onnx", "branches.onnx", &model(&strange));
}

/// An ELF file of headers alone: one segment and one section, which lie in the file.
fn libraries() {
    let mut file = vec![0; 64 + 56 + 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let mut put = |at: usize, value: u64, length: usize| {
        file[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
    };
    // The file is a shared object for x86-64 of version 1.
    [(16, 3), (18, 62)].into_iter().for_each(|(at, value)| put(at, value, 2));
    put(20, 1, 4);
    // Where its tables are, and how many headers of which size.
    [(32, 64), (40, 120)].into_iter().for_each(|(at, value)| put(at, value, 8));
    [(52, 64), (54, 56), (56, 1), (58, 64), (60, 1)].into_iter().for_each(|(at, value)| put(at, value, 2));
    // A segment that is loaded: its place and its size in the file.
    put(64, 1, 4);
    put(64 + 8, 0, 8);
    put(64 + 32, 184, 8);
    seed("library", "headers.so", &file);
    file[64 + 32] = 185;
    seed("library", "cut-segment.so", &file);
}

fn archives() {
    let archive = |name: &str, members: &[&str], method: zip::CompressionMethod| {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for member in members {
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            archive.start_file(*member, options).expect("a member");
            archive.write_all(b"1").expect("its bytes");
        }
        seed("torch_file", name, archive.finish().expect("an archive").get_ref());
    };
    let script = ["m/code/a.py", "m/constants.pkl", "m/data.pkl"];
    archive("script.pt", &script, zip::CompressionMethod::Stored);
    archive("deflated.pt", &script, zip::CompressionMethod::Deflated);
    archive("checkpoint.pth", &["m/data.pkl", "m/data/0"], zip::CompressionMethod::Stored);
    seed("torch_file", "pickle.pth", b"\x80\x02}q\x00.");
}

/// Bytes that decide the arguments of calls have no form of their own: the first ones make plain calls.
fn calls() {
    for target in ["c_api", "c_plugin"] {
        for value in [0u8, 1, 2, 3, 5, 7] {
            seed(target, &format!("all-{value}"), &[value; 96]);
        }
        let steps: Vec<u8> = (0..192).collect();
        seed(target, "counting", &steps);
    }
}
