// The second half of wrapper.cpp, a translation unit of its own: engines of the application.
#include <algorithm>
#include <atomic>
#include <thread>

#include "check.hpp"

void engines();

namespace {

using scorecam::Error;
using scorecam::Image;
using scorecam::Outcome;
using scorecam::Tensor;
using scorecam::TensorView;
using scorecam::View;

constexpr std::size_t kChannels = 3, kSide = 8, kArea = kSide * kSide, kClasses = 2;

// What happened to the engines of a test.
struct Account {
    std::atomic<int> made{0}, destroyed{0}, described{0}, forwards{0}, masked{0};
};

// What an engine does in place of a forward pass.
enum class Fault { None, NoDescription, OurError, StandardError, OutOfMemory, Number, FewValues, NoTensor };

Outcome<std::vector<Tensor>> failing(Fault fault) {
#ifdef __cpp_exceptions
    switch (fault) {
        case Fault::StandardError:
            throw std::runtime_error("the runtime broke\nin two");
        case Fault::OutOfMemory:
            throw std::bad_alloc();
        case Fault::Number:
            throw 7;
        default:
            break;
    }
#endif
    if (fault == Fault::FewValues) {
        return std::vector<Tensor>{Tensor({1, kClasses}, {1.0f}), Tensor({1, kChannels, kSide, kSide})};
    }
    if (fault == Fault::NoTensor) {
        return std::vector<Tensor>{Tensor(), Tensor()};
    }
    return scorecam::detail::failed<std::vector<Tensor>>(SCORECAM_ERR_UNSUPPORTED, "the runtime is shy");
}

// Its layer is its input, and class c is the mean of channel c.
class Means : public scorecam::Engine {
   public:
    explicit Means(Account &account, Fault fault = Fault::None) : account_(account), fault_(fault) {
        ++account.made;
    }
    ~Means() override { ++account_.destroyed; }

    Outcome<scorecam::ModelDescription> describe() const override {
        ++account_.described;
        if (fault_ == Fault::NoDescription) {
            return scorecam::detail::failed<scorecam::ModelDescription>(SCORECAM_ERR_MODEL, "no weights");
        }
        scorecam::ModelDescription description;
        description.input.shape = {0, kChannels, kSide, kSide};
        description.outputs = {{"scores", {0, kClasses}, SCORECAM_OUTPUT_LOGITS}};
        description.layers = {{"pixels", "Identity", {kChannels, kSide, kSide}, SCORECAM_LAYER_MAPS}};
        description.default_layer = 0;
        description.preferred_batch = 2;
        return description;
    }

    Outcome<std::vector<Tensor>> forward(const scorecam::Inputs &inputs,
                                         View<const std::string_view> wanted) const override {
        ++account_.forwards;
        if (fault_ != Fault::None) {
            return failing(fault_);
        }
        const TensorView batch = inputs.images();
        const auto images = static_cast<std::size_t>(batch.shape()[0]);
        Tensor scores({images, kClasses});
        for (std::size_t i = 0; i < images * kClasses; i++) {
            const float *channel = batch.item(i / kClasses).data() + i % kClasses * kArea;
            for (std::size_t j = 0; j < kArea; j++) {
                scores[i] += channel[j] / float{kArea};
            }
        }
        std::vector<Tensor> made;
        for (const std::string_view name : wanted) {
            made.push_back(name == "scores" ? scores : Tensor(batch));
        }
        return made;
    }

   protected:
    Account &account_;

   private:
    Fault fault_;
};

// Can do everything.
class AbleMeans final : public Means {
   public:
    using Means::Means;

    std::uint32_t abilities() const override {
        return SCORECAM_ABILITY_GRADIENTS | SCORECAM_ABILITY_RUN_FROM | SCORECAM_ABILITY_MASKED;
    }

    Outcome<Tensor> gradients(const scorecam::Inputs &inputs, const std::string &layer,
                              View<const scorecam::NamedTensor> cotangents) const override {
        const TensorView batch = inputs.images();
        CHECK(layer == "pixels" && batch.shape()[0] == 1 && inputs.others().empty());
        CHECK(cotangents.size() == 1 && cotangents[0].name == "scores");
        CHECK(cotangents[0].tensor.shape() == scorecam::Shape(1, kClasses));
        Tensor slope(batch.shape());
        for (std::size_t i = 0; i < kClasses * kArea; i++) {
            slope[i] = cotangents[0].tensor[i / kArea] / float{kArea};
        }
        return slope;
    }

    // Two masks a batch.
    Outcome<void> masked(const scorecam::MaskedRequest &request,
                         View<const std::string_view> wanted) const override {
        ++account_.masked;
        CHECK(request.inputs().images().shape() == scorecam::Shape(1, kChannels, kSide, kSide));
        CHECK(wanted.size() == 1 && wanted[0] == "scores" && !request.inputs().cancelled());
        const auto masks = static_cast<std::size_t>(request.masks().shape()[0]);
        CHECK(request.image_of(masks - 1) == 0 && request.batch_size() > 0);
        for (std::size_t first = 0; first < masks; first += 2) {
            const std::size_t count = std::min<std::size_t>(2, masks - first);
            Tensor scores({count, kClasses});
            for (std::size_t i = 0; i < scores.size(); i++) {
                scores[i] = request.masks().item(first + i / kClasses)[0];
            }
#ifdef SCORECAM_NO_EXCEPTIONS
            if (const auto handed = request.each(count, {std::move(scores)}); !handed) {
                return handed;
            }
#else
            request.each(count, {std::move(scores)});
#endif
        }
        return Outcome<void>();
    }
};

std::vector<float> some_input() {
    std::vector<float> input(kChannels * kArea);
    for (std::size_t i = 0; i < input.size(); i++) {
        input[i] = static_cast<float>(i * 37 % 101) / 100.0f;
    }
    return input;
}

std::vector<float> map_of(const scorecam::Explanation &found) {
    const auto values = TAKE(found.map(0)).values();
    return {values.begin(), values.end()};
}

scorecam::ModelOptions no_such_manifest() {
    scorecam::ModelOptions options;
    options.manifest_file = "no-such.toml";
    return options;
}

void an_engine_is_a_model(const scorecam::Host &host, const Image &input) {
    Account account;
    scorecam::Explanation found;
    {
        scorecam::Model model = TAKE(host.adopt(std::make_unique<Means>(account)));
        CHECK(account.made == 1 && account.described == 1 && account.destroyed == 0);
        CHECK(TAKE(model.layers()).front().name == "pixels");
        found = TAKE(model.explain(input));
        CHECK(account.forwards > 1 && TAKE(found.passes()) == 4);

        std::vector<std::thread> threads;
        const std::vector<float> expected = map_of(found);
        std::atomic<int> equal{0};
        for (int i = 0; i < 4; i++) {
            threads.emplace_back([&] { equal += map_of(TAKE(model.explain(input))) == expected ? 1 : 0; });
        }
        for (std::thread &thread : threads) {
            thread.join();
        }
        CHECK(equal == 4);
        scorecam::Model moved = std::move(model);
        CHECK(account.destroyed == 0);
    }
    CHECK(account.destroyed == 1 && TAKE(found.targets()).size() == 1);

    // Whoever shares an engine keeps it.
    const auto shared = std::make_shared<Means>(account);
    TAKE(host.adopt(shared));
    CHECK(account.destroyed == 1 && shared.use_count() == 1);
}

void an_engine_that_is_refused_is_let_go(const scorecam::Host &host) {
    Account account;
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "engine", host.adopt(nullptr));
    FAILS(SCORECAM_ERR_IO, "no-such.toml", host.adopt(std::make_unique<Means>(account), no_such_manifest()));
    CHECK(account.made == 1 && account.destroyed == 1);
    FAILS(SCORECAM_ERR_INVALID_HANDLE, "host", scorecam::Host().adopt(std::make_unique<Means>(account)));
    CHECK(account.made == 2 && account.destroyed == 2);
    FAILS(SCORECAM_ERR_MODEL, "no weights",
          host.adopt(std::make_unique<Means>(account, Fault::NoDescription)));
    CHECK(account.made == 3 && account.destroyed == 3);
}

void what_an_engine_throws_becomes_a_status(const scorecam::Host &host, const Image &input) {
    const auto explain_with = [&](Fault fault) {
        Account account;
        const scorecam::Model model = TAKE(host.adopt(std::make_unique<Means>(account, fault)));
        return model.explain(input);
    };
    FAILS(SCORECAM_ERR_UNSUPPORTED, "the runtime is shy", explain_with(Fault::OurError));
    FAILS(SCORECAM_ERR_PLUGIN, "1 values", explain_with(Fault::FewValues));
    FAILS(SCORECAM_ERR_PLUGIN, "0 values", explain_with(Fault::NoTensor));
#ifdef __cpp_exceptions
    FAILS(SCORECAM_ERR_INTERNAL, "the runtime broke in two", explain_with(Fault::StandardError));
    FAILS(SCORECAM_ERR_INTERNAL, "memory ran out", explain_with(Fault::OutOfMemory));
    FAILS(SCORECAM_ERR_INTERNAL, "not a std::exception", explain_with(Fault::Number));
#endif
}

void abilities_are_used(const scorecam::Host &host, const Image &input) {
    Account account;
    const scorecam::Model able = TAKE(host.adopt(std::make_unique<AbleMeans>(account)));
    const scorecam::Model plain = TAKE(host.adopt(std::make_unique<Means>(account)));
    scorecam::ExplainOptions options;
    options.method = "grad-cam";
    TAKE(able.explain(input, options));
    FAILS(SCORECAM_ERR_UNSUPPORTED, "gradients", plain.explain(input, options));
    CHECK(account.masked == 0);
    TAKE(able.explain(input));
    CHECK(account.masked == 1);
    // A callback's wish to stop goes through the engine and back.
    options.method.clear();
    options.progress = [](std::uint64_t passes, std::uint64_t) {
        return passes < 2 ? scorecam::Flow::Continue : scorecam::Flow::Cancel;
    };
    FAILS(SCORECAM_ERR_CANCELLED, "", able.explain(input, options));
    CHECK(account.masked == 2);
}

int released = 0;

void a_table_is_released_once(const scorecam::Host &host, const Image &input) {
    Account account;
    const auto shared = std::make_shared<const Means>(account);
    scorecam_backend table = scorecam::detail::engine_table(nullptr);
    table.release = [](void *model) {
        released++;
        scorecam::detail::release_engine(model);
    };
    const auto held = [&] { return new scorecam::detail::HeldEngine(shared); };
    {
        const scorecam::Model model = TAKE(host.adopt(table, held()));
        TAKE(model.explain(input));
        CHECK(released == 0 && shared.use_count() == 2);
    }
    CHECK(released == 1 && shared.use_count() == 1);
    // After a failure the model is still the caller's.
    scorecam::detail::HeldEngine *ours = held();
    FAILS(SCORECAM_ERR_IO, "no-such.toml", host.adopt(table, ours, no_such_manifest()));
    CHECK(released == 1);
    delete ours;
    table.forward = nullptr;
    FAILS(SCORECAM_ERR_PLUGIN, "forward", host.adopt(table, nullptr));
    CHECK(released == 1);
}

}  // namespace

void engines() {
    const std::vector<float> values = some_input();
    const Image input = Image::tensor(values, kChannels, kSide, kSide);
    const scorecam::Host host = TAKE(scorecam::Host::create());
    an_engine_is_a_model(host, input);
    an_engine_that_is_refused_is_let_go(host);
    what_an_engine_throws_becomes_a_status(host, input);
    abilities_are_used(host, input);
    a_table_is_released_once(host, input);
}
