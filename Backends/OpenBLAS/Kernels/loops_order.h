/* loops_order.h: keys whose unsigned order is that of the elements. Part of loops_table.h.
 *
 * NaN is above everything and zeros of both signs are equal. `flip` is all ones for the
 * reverse order. The smallest key is returned. */

#define KEYS(dtype, P, K, value)                                                                                       \
  static uint64_t keys_##dtype(int64_t n, const void *ap, void *keys, uint64_t flip) {                                 \
    const P *a = ap;                                                                                                   \
    K *r = keys, reverse = (K)flip, least = (K) - 1;                                                                   \
    EACH {                                                                                                             \
      P x = a[i];                                                                                                      \
      K key = (K)(value) ^ reverse;                                                                                    \
      r[i] = key;                                                                                                      \
      least = key < least ? key : least;                                                                               \
    }                                                                                                                  \
    return least;                                                                                                      \
  }

/* The magnitude of a float as an integer; negative ones count down from the middle. */
#define FLOAT_KEY(K, sign, infinity)                                                                                   \
  ((x & (K)(sign - 1)) > infinity ? (K) - 1 : x & sign ? (K)(sign - (x & (K)(sign - 1))) : (K)(x | sign))

KEYS(bool, uint8_t, uint32_t, x)
KEYS(uint8, uint8_t, uint32_t, x)
KEYS(int8, int8_t, uint32_t, (uint32_t)x ^ 0x80000000u)
KEYS(int16, int16_t, uint32_t, (uint32_t)x ^ 0x80000000u)
KEYS(int32, int32_t, uint32_t, (uint32_t)x ^ 0x80000000u)
KEYS(int64, int64_t, uint64_t, (uint64_t)x ^ 0x8000000000000000u)
KEYS(float16, uint16_t, uint32_t, FLOAT_KEY(uint32_t, 0x8000u, 0x7c00u))
KEYS(bfloat16, uint16_t, uint32_t, FLOAT_KEY(uint32_t, 0x8000u, 0x7f80u))
KEYS(float32, uint32_t, uint32_t, FLOAT_KEY(uint32_t, 0x80000000u, 0x7f800000u))
KEYS(float64, uint64_t, uint64_t, FLOAT_KEY(uint64_t, 0x8000000000000000u, 0x7ff0000000000000u))
