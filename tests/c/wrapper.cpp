// Asserts what scorecam.hpp does: wrapper PLUGIN MODEL
//
// PLUGIN is the toy plugin, MODEL takes 3 x 32 x 32. Built in each of the header's modes, together with
// wrapper_engine.cpp. Printed is one line when all holds.
#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "check.hpp"

// In wrapper_engine.cpp.
void engines();

namespace {

using scorecam::Flow;
using scorecam::Image;
using scorecam::PixelFormat;
using scorecam::View;

constexpr std::size_t kWidth = 40, kHeight = 30;

std::vector<std::uint8_t> some_photo() {
    std::vector<std::uint8_t> pixels(3 * kWidth * kHeight);
    for (std::size_t i = 0; i < pixels.size(); i++) {
        pixels[i] = static_cast<std::uint8_t>(i * i / 7 + i / 11);
    }
    return pixels;
}

void views() {
    std::vector<float> values(6);
    std::iota(values.begin(), values.end(), 0.0f);
    const View<float> writable(values);
    const View<const float> readable = writable;
    CHECK(readable.data() == values.data() && readable.size() == 6 && readable[5] == 5.0f);
    const std::array<std::uint8_t, 3> bytes = {1, 2, 3};
    CHECK(View<const std::uint8_t>(bytes).size() == 3 && View<const float>().empty());
    static_assert(!std::is_constructible_v<View<float>, const std::vector<float> &>, "const stays const");
    static_assert(!std::is_constructible_v<View<float>, std::vector<float>>, "no view of a temporary");
    static_assert(!std::is_constructible_v<View<const float>, std::vector<int> &>, "no other type");
#ifdef __cpp_lib_span
    const std::span<float> span = writable;
    CHECK(View<const float>(span).data() == values.data() && span.size() == 6);
#endif

    const scorecam::Shape shape = {2, 1, 3};
    CHECK(shape.rank() == 3 && shape.count() == 6 && shape.text() == "[2, 1, 3]");
    CHECK(shape != scorecam::Shape(2, 3) && scorecam::Shape().count() == 0);
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    CHECK(scorecam::Shape(most, 2).count() == most);
    // A size below 0 is free, of whatever type it is.
    constexpr std::int64_t free_size = -1;
    CHECK(scorecam::Shape(-1, 3, std::int8_t{-128}, free_size) == scorecam::Shape(0, 3, 0, 0));
    const scorecam::Tensor tensor(shape, values);
    CHECK(tensor.view().item(1).data() == tensor.data() + 3 && tensor.view().item(1).size() == 3);
}

void owners(const scorecam::Host &host, const std::string &model_path) {
    scorecam::Model empty;
    CHECK(!empty && empty.get() == nullptr);
    FAILS(SCORECAM_ERR_INVALID_HANDLE, "model", empty.layers());

    scorecam::Model model = TAKE(host.load_model(model_path));
    scorecam_model *raw = model.get();
    scorecam::Model moved = std::move(model);
    CHECK(moved && moved.get() == raw && !model);
    scorecam::Model &same = moved;
    moved = std::move(same);
    CHECK(moved.get() == raw && !TAKE(moved.layers()).empty());

    // An assignment frees what was held before, and freeing happens once.
    scorecam::Model other = TAKE(host.load_model(model_path));
    scorecam_model *freed = other.get();
    other = std::move(moved);
    CHECK(other.get() == raw && !moved);
    CHECK(scorecam_model_free(freed) == SCORECAM_ERR_INVALID_HANDLE);
    scorecam_model *ours = other.release();
    CHECK(ours == raw && !other && scorecam_model_free(ours) == SCORECAM_OK);
}

void failures(const scorecam::Host &host, const std::string &model_path) {
    const scorecam::Model model = TAKE(host.load_model(model_path));
    FAILS(SCORECAM_ERR_IO, "no-such.toy", host.load_model("no-such.toy"));
    FAILS(SCORECAM_ERR_IO, "no-such.so", host.load_plugin("no-such.so"));
    scorecam::ModelOptions load;
    load.backend = "no-such-backend";
    FAILS(SCORECAM_ERR_NOT_FOUND, "no-such-backend", host.load_model(model_path, load));
    load.backend = "toy";
    load.settings = {{"no-such-setting", "1"}};
    FAILS(SCORECAM_ERR_NOT_FOUND, "no-such-setting", host.load_model(model_path, load));
    FAILS(SCORECAM_ERR_NOT_FOUND, "axolotl", model.class_index("axolotl"));
    CHECK(scorecam::status_name(SCORECAM_ERR_NOT_FOUND) == "SCORECAM_ERR_NOT_FOUND");
    CHECK(!scorecam::version().empty());
}

void lists(const scorecam::Host &host, const scorecam::Model &model) {
    const auto plugins = TAKE(host.plugins());
    // A search has added whatever lies beside the library, in an order of its own.
    const auto is_toy = [](const scorecam::PluginInfo &plugin) { return plugin.id == "toy"; };
    const auto toy = std::find_if(plugins.begin(), plugins.end(), is_toy);
    CHECK(toy != plugins.end() && toy->path);
    CHECK(toy->kind == SCORECAM_KIND_BACKEND && toy->proof == "layout verified");
    CHECK(plugins.front().kind == SCORECAM_KIND_METHOD && !plugins.front().path);
    const auto layers = TAKE(model.layers());
    std::size_t defaults = 0;
    for (const scorecam::LayerInfo &layer : layers) {
        defaults += layer.is_default ? 1 : 0;
        CHECK(!layer.name.empty() && !layer.operation.empty() && layer.shape.rank() > 0);
    }
    CHECK(defaults == 1);
    const scorecam::ModelInfo info = TAKE(model.info());
    CHECK(info.backend == "toy" && !info.backend_reason && info.layer && info.class_count > 0);
    CHECK(info.output_kind == scorecam::OutputKind::Classes && info.channels == 3 && info.height == 32);
    FAILS(SCORECAM_ERR_INVALID_HANDLE, "model", scorecam::Model().info());
    CHECK(TAKE(model.class_index("2")) == 2 && !TAKE(model.label(2)));
}

std::vector<float> map_of(const scorecam::Model &model, const Image &image) {
    const scorecam::Explanation found = TAKE(model.explain(image));
    const auto values = TAKE(found.map(0)).values();
    return {values.begin(), values.end()};
}

void explanations(const scorecam::Model &model, const Image &photo) {
    scorecam::ExplainOptions options;
    options.classes = {3, 1};
    const scorecam::Explanation found = TAKE(model.explain(photo, options));
    CHECK(TAKE(found.targets()).size() == 2 && TAKE(found.targets())[1].class_index == 1);
    CHECK(TAKE(found.passes()) > 1 && TAKE(found.layer()) == "features");
    CHECK(TAKE(found.targets())[0].score >= 0.0 && TAKE(found.targets())[0].score <= 1.0);
    TAKE(found.warnings());
    const scorecam::MapView map = TAKE(found.map(0));
    CHECK(map.height() == 32 && map.width() == 32 && map.values().size() == 32 * 32);
    CHECK(TAKE(map.at(31, 30)) == map.data()[31 * 32 + 30] && map(31, 30) == TAKE(map.at(31, 30)));
    CHECK(TAKE(map.row(31)).data() == map.data() + 31 * 32 && TAKE(map.row(31)).size() == 32);
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "row 32, column 0", map.at(32, 0));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "column 32", map.at(0, 32));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "row 32", map.row(32));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "2", found.map(2));
    FAILS(SCORECAM_ERR_UNSUPPORTED, "no standard errors", found.errors(0));
    options.method = "rise";
    options.options = {{"passes", "40"}};
    const scorecam::Explanation masked = TAKE(model.explain(photo, options));
    const scorecam::MapView errors = TAKE(masked.errors(1));
    CHECK(errors.height() == 32 && errors.width() == 32 && errors(3, 4) > 0.0F && TAKE(masked.layer()).empty());
    CHECK(errors.data() != TAKE(masked.errors(0)).data() && TAKE(masked.measures()).at("masks") == 40.0);
    options = {};

    options.classes = {1000};
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "1000", model.explain(photo, options));
    options = {};
    options.options = {{"no-such-option", "1"}};
    FAILS(SCORECAM_ERR_NOT_FOUND, "no-such-option", model.explain(photo, options));
    options = {};
    options.preset = "no-such-preset";
    FAILS(SCORECAM_ERR_NOT_FOUND, "no-such-preset", model.explain(photo, options));
    options = {};
    options.layer = "no-such-layer";
    FAILS(SCORECAM_ERR_NOT_FOUND, "no-such-layer", model.explain(photo, options));
    options = {};
    options.top_k = 3;
    options.reference = photo;
    CHECK(TAKE(TAKE(model.explain(photo, options)).targets()).size() == 3);
}

// What a method tells of its work, by names of its own.
void measures(const scorecam::Model &model, const Image &photo) {
    const auto exact = TAKE(TAKE(model.explain(photo)).measures());
    CHECK(exact.at("channels") >= exact.at("live-maps") && exact.count("estimated-error") == 0);

    scorecam::ExplainOptions options;
    options.method = "score-cam-adaptive";
    options.options = {{"passes", "8"}};
    const scorecam::Explanation found = TAKE(model.explain(photo, options));
    const auto adaptive = TAKE(found.measures());
    const double error = adaptive.at("estimated-error");
    CHECK(TAKE(found.passes()) == 1 + 8 && error > 0.0 && error <= 1.0);
    CHECK(adaptive.at("channels") == exact.at("channels"));
    FAILS(SCORECAM_ERR_INVALID_HANDLE, "explanation", scorecam::Explanation().measures());
}

// The same photo in every way of handing it over.
void images(const scorecam::Model &model, const std::vector<std::uint8_t> &pixels) {
    const std::vector<float> expected = map_of(model, Image::photo(pixels, kWidth, kHeight));
    constexpr std::size_t gap = 5, row = 3 * kWidth;
    std::vector<std::uint8_t> padded((row + gap) * kHeight), planes(pixels.size()),
        bgra(4 * kWidth * kHeight);
    std::vector<std::uint16_t> wide(pixels.size());
    for (std::size_t i = 0; i < pixels.size(); i++) {
        const std::size_t pixel = i / 3, channel = i % 3;
        padded[i / row * (row + gap) + i % row] = pixels[i];
        planes[channel * kWidth * kHeight + pixel] = pixels[i];
        bgra[4 * pixel + 2 - channel] = pixels[i];
        wide[i] = static_cast<std::uint16_t>(pixels[i] * 257);
    }
    CHECK(map_of(model, Image::photo(padded, kWidth, kHeight, PixelFormat::Rgb, row + gap)) == expected);
    const Image planar = Image::photo(planes, kWidth, kHeight).with_layout(scorecam::Layout::Chw);
    CHECK(map_of(model, planar) == expected);
    CHECK(map_of(model, Image::photo(bgra, kWidth, kHeight, PixelFormat::Bgra)) == expected);
    CHECK(map_of(model, Image::photo(wide, kWidth, kHeight)) == expected);

    const Image short_of_data = Image::photo(pixels, kWidth, kHeight + 1);
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "image", model.explain(short_of_data));
    const std::vector<float> tensor(3 * 32 * 32, 0.25f);
    CHECK(map_of(model, Image::tensor(tensor, 3, 32, 32)).size() == 32 * 32);
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "data_size", model.explain(Image::tensor(tensor, 3, 32, 33)));
}

void progress(const scorecam::Model &model, const Image &photo) {
    scorecam::ExplainOptions options;
    std::uint64_t last = 0, expected = 0;
    options.progress = [&](std::uint64_t passes, std::uint64_t of) {
        last = passes;
        expected = of;
        return Flow::Continue;
    };
    const scorecam::Explanation found = TAKE(model.explain(photo, options));
    CHECK(last > 1 && last == TAKE(found.passes()) && expected >= last - 1);

    int calls = 0;
    options.progress = [&](std::uint64_t, std::uint64_t) {
        return ++calls < 2 ? Flow::Continue : Flow::Cancel;
    };
    FAILS(SCORECAM_ERR_CANCELLED, "", model.explain(photo, options));
    CHECK(calls == 2);

#ifdef __cpp_exceptions
    struct Stop {
        int at;
    };
    calls = 0;
    options.progress = [&](std::uint64_t, std::uint64_t) -> Flow { throw Stop{++calls}; };
    int caught = 0;
    try {
        static_cast<void>(model.explain(photo, options));
    } catch (const Stop &stop) {
        caught = stop.at;
    }
    CHECK(caught == 1 && calls == 1);
    // The model is as before.
    TAKE(model.explain(photo));
#endif
}

void overlays(const scorecam::Model &model, const std::vector<std::uint8_t> &pixels) {
    const Image photo = Image::photo(pixels, kWidth, kHeight);
    const scorecam::Explanation found = TAKE(model.explain(photo));
    scorecam::OverlayOptions options;
    const std::vector<std::uint8_t> drawn = TAKE(found.overlay(photo));
    CHECK(drawn.size() == pixels.size() && drawn != pixels);
    options.opacity = 0.0f;
    CHECK(TAKE(found.overlay(photo, options)) == pixels);
    options.colormap = "rainbow";
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "rainbow", found.overlay(photo, options));

    constexpr std::size_t row = 3 * kWidth, stride = row + 8;
    std::vector<std::uint8_t> rows((kHeight - 1) * stride + row, 0xaa);
    TAKE(found.overlay_into(rows, photo, {}, stride));
    for (std::size_t y = 0; y < kHeight; y++) {
        CHECK(std::equal(&drawn[y * row], &drawn[y * row] + row, &rows[y * stride]));
        CHECK(y + 1 == kHeight || rows[y * stride + row] == 0xaa);
    }
    const View<std::uint8_t> small(rows.data(), pixels.size() - 1);
    FAILS(SCORECAM_ERR_BUFFER_TOO_SMALL, std::to_string(pixels.size()).c_str(),
          found.overlay_into(small, photo));
    // A photo that claims more than memory holds is an error before it is an allocation.
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "photo", found.overlay(Image::photo(pixels, 65535, 65535)));
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "photo", found.overlay(Image::photo(pixels, most, most)));

    const Image lying = photo.with_orientation(6);
    CHECK(lying.upright_width() == kHeight && lying.upright_height() == kWidth);
    const scorecam::Explanation turned = TAKE(model.explain(lying));
    CHECK(TAKE(turned.overlay(lying)).size() == pixels.size());
}

// Boxes and regions in pixels of a photo of which the model sees a crop.
void located(const scorecam::Model &model, const std::vector<std::uint8_t> &pixels) {
    constexpr std::size_t height = kWidth / 2;
    const Image photo = Image::photo(pixels, kWidth, height);
    const scorecam::Explanation found = TAKE(model.explain(photo));
    const double left = TAKE(found.placement())->photo_rect[0];
    CHECK(left == kWidth / 4);
    const auto largest = TAKE(found.boxes(0, {0.5, scorecam::Areas::Largest}));
    const auto all = TAKE(found.boxes(0, {0.5, scorecam::Areas::All}));
    CHECK(largest.size() == 1 && !all.empty() && all[0].rect == largest[0].rect);
    CHECK(largest[0].energy > 0.0 && largest[0].energy <= 1.0 && TAKE(found.boxes(0)).size() == 1);
    const auto everything = TAKE(found.boxes(0, {0.0, scorecam::Areas::All}));
    const scorecam::Edges crop = {left, 0.0, kWidth - left, height};
    CHECK(everything.size() == 1 && everything[0].rect == crop && everything[0].energy == 1.0);
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "threshold", found.boxes(0, {1.5, scorecam::Areas::All}));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "target 1", found.boxes(1));

    const scorecam::Evidence whole = TAKE(found.region(0, {crop}));
    CHECK(whole.energy == 1.0 && whole.lift == 1.0 && whole.share == 1.0 && whole.pointing);
    const scorecam::Evidence on_box = TAKE(found.region(0, {{0, 0, kWidth / 2.0, height}}));
    std::vector<std::uint8_t> mask(kWidth * height);
    for (std::size_t i = 0; i < mask.size(); i++) {
        mask[i] = i % kWidth < kWidth / 2 ? 255 : 0;
    }
    const scorecam::Evidence on_mask =
        TAKE(found.region(0, Image::photo(mask, kWidth, height, PixelFormat::Gray)));
    CHECK(on_box.energy == on_mask.energy && on_box.roc_area == on_mask.roc_area);
    CHECK(*on_box.energy > 0.0 && *on_box.energy < 1.0 && on_box.share == 0.5);
    const scorecam::Evidence twice = TAKE(found.region(0, {{0, 0, 9, 9}, {0, 0, kWidth / 2.0, height}}));
    CHECK(twice.energy == on_box.energy && twice.rank_accuracy == on_box.rank_accuracy);
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "lies outside", found.region(0, {{0, 0, left, 1}}));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "or neither", found.region(0, std::vector<scorecam::Edges>()));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "the mask has", found.region(0, Image::photo(pixels, 10, 10)));
    FAILS(SCORECAM_ERR_INVALID_HANDLE, "explanation", scorecam::Explanation().boxes(0));
}

// What Result gives where it is a temporary.
void results(const scorecam::Model &model, const Image &photo) {
#ifdef SCORECAM_NO_EXCEPTIONS
    using scorecam::Result;
    static_assert(std::is_same_v<decltype(*std::declval<Result<std::string>>()), std::string>);
    static_assert(std::is_same_v<decltype(std::declval<Result<std::string>>().value()), std::string>);
    static_assert(std::is_same_v<decltype(*std::declval<Result<std::string> &>()), std::string &>);
    static_assert(std::is_constructible_v<bool, Result<std::string>>, "whether there is one");
    static_assert(!std::is_constructible_v<bool, Result<bool>>, "whether which?");
    static_assert(!std::is_constructible_v<bool, Result<std::optional<int>>>, "whether which?");
    std::size_t letters = 0;
    for (const scorecam::LayerInfo &layer : *model.layers()) {
        letters += layer.name.size();
    }
    for (const scorecam::LayerInfo &layer : model.layers().value()) {
        letters -= layer.name.size();
    }
    CHECK(letters == 0);
    const Result<bool> no = false;
    CHECK(no.ok() && !*no && !no.value());
    const auto found = model.explain(photo);
    CHECK(found && TAKE(found->map(0)).height() == 32);
#else
    static_cast<void>(model), static_cast<void>(photo);
#endif
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s PLUGIN MODEL\n", argv[0]);
        return 2;
    }
    views();
    const std::vector<std::uint8_t> pixels = some_photo();
    const Image photo = Image::photo(pixels, kWidth, kHeight);
    scorecam::Model model, cropping;
    {
        const scorecam::Host host = TAKE(scorecam::Host::create());
        TAKE(host.load_plugin(argv[1]));
        owners(host, argv[2]);
        model = TAKE(host.load_model(argv[2]));
        scorecam::ModelOptions crop;
        crop.manifest = "[input]\nfit = \"crop\"\ncrop_fraction = 1.0\n";
        cropping = TAKE(host.load_model(argv[2], crop));
        failures(host, argv[2]);
        lists(host, model);
    }
    // Without their host from here on.
    explanations(model, photo);
    measures(model, photo);
    images(model, pixels);
    progress(model, photo);
    overlays(model, pixels);
    located(cropping, pixels);
    results(model, photo);
    engines();
    std::puts("all holds");
    return 0;
}
