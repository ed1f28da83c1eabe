// Memory of kernels under test: random or unwritten, between guards that must stay as they are, and held against float64.
#pragma once
#include "hold.h"

template <class T> T unwritten() {
    if constexpr (std::is_same_v<T, int>) return -0x5A5A5A5A;
    else return from_float<T>(NAN);
}

template <class T> bool is_unwritten(T x) {
    if constexpr (std::is_same_v<T, int>) return x == unwritten<int>();
    else return as_double(x) != as_double(x);
}

inline u32 values_made;  // each one draws numbers of its own

template <class T> class Values {
    static constexpr size_t Guard = 64;
    std::vector<T> _all;
    std::mt19937 _random;

public:
    explicit Values(i64 count) : _all(size_t(count) + 2 * Guard, unwritten<T>()), _random(u32(count) + 7919u * ++values_made) { }
    Values(std::initializer_list<T> values) : Values(i64(values.size())) { std::copy(values.begin(), values.end(), data()); }

    T* data() { return _all.data() + Guard; }
    const T* data() const { return _all.data() + Guard; }
    T& operator[](i64 i) { return data()[i]; }
    T operator[](i64 i) const { return data()[i]; }
    i64 size() const { return i64(_all.size() - 2 * Guard); }
    bool operator==(const Values& other) const { return std::memcmp(data(), other.data(), size_t(size()) * sizeof(T)) == 0; }

    // Normal deviates.
    Values& random(float deviation = 1.0f, float mean = 0.0f) {
        std::normal_distribution<float> normal(mean, deviation);
        for (i64 i = 0; i < size(); i++) data()[i] = from_float<T>(normal(_random));
        return *this;
    }

    Values& random_below(int limit) {
        for (i64 i = 0; i < size(); i++) data()[i] = T(_random() % u32(limit));
        return *this;
    }

    std::vector<double> wide() const {
        std::vector<double> w(static_cast<size_t>(size()));
        for (i64 i = 0; i < size(); i++) w[size_t(i)] = as_double(data()[i]);
        return w;
    }

    void check_guards(const std::string& what) const {
        for (size_t i = 0; i < Guard; i++)
            if (!is_unwritten(_all[i]) || !is_unwritten(_all[_all.size() - 1 - i])) {
                failures++;
                std::printf("FAILED %s: written outside\n", what.c_str());
                return;
            }
    }
};

// Ascending positions, `count` of each of `sequences` sequences of `length`.
inline Values<int> some_selection(int sequences, int length, int count) {
    Values<int> selected(i64(sequences) * count);
    std::mt19937 random{u32(length)};
    std::vector<int> all(static_cast<size_t>(length));
    for (int s = 0; s < sequences; s++) {
        for (int i = 0; i < length; i++) all[size_t(i)] = i;
        std::shuffle(all.begin(), all.end(), random);
        std::sort(all.begin(), all.begin() + count);
        std::copy(all.begin(), all.begin() + count, selected.data() + i64(s) * count);
    }
    return selected;
}

inline double as_double(int x) { return x; }

template <class T> double tolerance_of() { return sizeof(T) == 2 ? 2.5e-3 : 1e-6; }

// What is there against what is wanted, all of it, and the guards.
template <class T> void hold(const std::string& what, const Values<T>& got, const std::vector<double>& want, double tolerance = tolerance_of<T>()) {
    got.check_guards(what);
    std::string name = what + (sizeof(element) == 4 ? " float32" : "");
    if (want.size() > size_t(got.size())) { failures++; std::printf("FAILED %s: too short\n", name.c_str()); return; }
    hold(name, std::vector<T>(got.data(), got.data() + got.size()), want, tolerance, [](size_t) { return true; });
    for (i64 i = i64(want.size()); i < got.size(); i++)
        if (!is_unwritten(got[i])) {
            failures++;
            std::printf("FAILED %s: element %lld was written\n", name.c_str(), i);
            return;
        }
}

inline void hold_equal(const std::string& what, const Values<int>& got, const std::vector<int>& want) {
    got.check_guards(what);
    i64 wrong = i64(want.size()) > got.size() ? 1 : 0;
    for (i64 i = 0; i < got.size() && wrong == 0; i++) wrong += got[i] != (i < i64(want.size()) ? want[size_t(i)] : unwritten<int>());
    if (wrong) failures++;
    std::printf("%-7s%s: %s\n", wrong ? "FAILED" : "ok", what.c_str(), wrong ? "differs" : "equal");
}

inline void expect(const std::string& what, bool holds) {
    if (!holds) failures++;
    std::printf("%-7s%s\n", holds ? "ok" : "FAILED", what.c_str());
}
