#include "cfft.h"

#include <cmath>
#include <complex>
#include <new>
#include <stdexcept>
#include <vector>

#include <kissfft/kissfft.hh>

namespace {

using Complex = std::complex<double>;

/* Lengths with a prime factor above this go by Bluestein: KISS FFT takes p^2 steps for a factor p. */
constexpr std::size_t largest_factor = 61;

bool has_large_factor(std::size_t n) {
  for (std::size_t p = 2; p * p <= n; ++p)
    while (n % p == 0) {
      if (p > largest_factor) return true;
      n /= p;
    }
  return n > largest_factor;
}

/* exp(i pi numerator / denominator), the angle reduced exactly first. */
Complex root(uint64_t numerator, uint64_t denominator) {
  const double angle = M_PI * (double)(numerator % (2 * denominator)) / (double)denominator;
  return {std::cos(angle), std::sin(angle)};
}

/* A transform of length n as a convolution whose length is a power of two: jk = (j^2 + k^2 - (k - j)^2) / 2
 * (L. Bluestein, A linear filtering approach to the computation of discrete Fourier transform, 1970). */
class Bluestein {
 public:
  Bluestein(std::size_t n, bool inverse)
      : length(n), size(power_above(2 * n - 1)), forward(size, false), backward(size, true), chirp(n), filter(size),
        work(size), spectrum(size) {
    std::vector<Complex> taps(size);
    for (std::size_t j = 0; j < n; ++j) {
      const Complex w = root((uint64_t)j * j, n);
      chirp[j] = inverse ? w : std::conj(w);
      taps[j] = std::conj(chirp[j]);
      if (j > 0) taps[size - j] = taps[j];
    }
    forward.transform(taps.data(), filter.data());
  }

  void operator()(const Complex *from, Complex *to) {
    for (std::size_t j = 0; j < size; ++j) work[j] = j < length ? from[j] * chirp[j] : Complex(0);
    forward.transform(work.data(), spectrum.data());
    for (std::size_t k = 0; k < size; ++k) spectrum[k] *= filter[k];
    backward.transform(spectrum.data(), work.data());
    for (std::size_t k = 0; k < length; ++k) to[k] = work[k] * chirp[k] / (double)size;
  }

 private:
  static std::size_t power_above(std::size_t n) {
    std::size_t power = 1;
    while (power < n) power *= 2;
    return power;
  }

  std::size_t length, size;
  kissfft<double> forward, backward;
  std::vector<Complex> chirp, filter, work, spectrum;
};

template <typename Transform> void rows(Complex *data, std::size_t n, int64_t count, Transform transform) {
  std::vector<Complex> row(n);
  for (int64_t i = 0; i < count; ++i, data += n) {
    transform(data, row.data());
    std::copy(row.begin(), row.end(), data);
  }
}

}  // namespace

int cfft_transform(double *pairs, int64_t n, int64_t count, int inverse) {
  if (n <= 1) return 0;
  try {
    /* C++ lays a complex number out as its two parts, real part first. */
    Complex *data = reinterpret_cast<Complex *>(pairs);
    if (has_large_factor((std::size_t)n)) {
      Bluestein bluestein((std::size_t)n, inverse != 0);
      rows(data, (std::size_t)n, count, [&](const Complex *from, Complex *to) { bluestein(from, to); });
    } else {
      const kissfft<double> plan((std::size_t)n, inverse != 0);
      rows(data, (std::size_t)n, count, [&](const Complex *from, Complex *to) { plan.transform(from, to); });
    }
    return 0;
  } catch (const std::bad_alloc &) {
    return -1;
  } catch (const std::length_error &) {
    return -1;
  }
}
