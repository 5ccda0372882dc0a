/* loops_convert.h: elements in storage to blocks and back. Part of loops_table.h. */

/* Rounding to nearest even and denormals come with the arithmetic; NaN stays a (quiet) NaN. */
static inline __attribute__((always_inline)) uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}
static inline __attribute__((always_inline)) float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

static inline __attribute__((always_inline)) float from_bfloat16(uint16_t h) { return float_of((uint32_t)h << 16); }

static inline __attribute__((always_inline)) uint16_t to_bfloat16(float x) {
  uint32_t u = bits_of(x), rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = (u >> 16 & 0x8000) | 0x7fc0;
  return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

#if HAS_HALF
static inline __attribute__((always_inline)) float from_float16(uint16_t h) {
  _Float16 x;
  memcpy(&x, &h, 2);
  return (float)x;
}
static inline __attribute__((always_inline)) uint16_t to_float16(float x) {
  _Float16 y = (_Float16)x;
  uint16_t h;
  memcpy(&h, &y, 2);
  return h;
}
#else
/* Scaling by a power of two moves float16's exponent range onto float32's, denormals
 * included; what had the largest exponent was infinity or NaN. */
static inline __attribute__((always_inline)) float from_float16(uint16_t h) {
  uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
  uint32_t finite = bits_of(float_of(magnitude) * 0x1p112f), special = magnitude | 0x7f800000;
  return float_of(((h & 0x7c00) == 0x7c00 ? special : finite) | sign);
}
/* Below 2^-14 a float16 is a multiple of 2^-24, and adding 0.5 to such a float32 rounds it to one. */
static inline __attribute__((always_inline)) uint16_t to_float16(float x) {
  uint32_t u = bits_of(x), magnitude = u & 0x7fffffff, sign = u >> 16 & 0x8000;
  uint32_t small = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000;
  uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  uint32_t h = magnitude < (113u << 23) ? small : normal;
  h = magnitude >= 0x47800000 ? 0x7c00 : h; /* 65536 and above; 65520 rounds up to infinity by itself */
  h = magnitude > 0x7f800000 ? 0x7e00 : h;
  return (uint16_t)(h | sign);
}
#endif

#define NARROW(name, T, value)                                                                                         \
  static void narrow_##name(OP_ARGUMENTS) {                                                                            \
    UNUSED_OPERANDS;                                                                                                   \
    T *r = rp;                                                                                                         \
    const T *a = ap;                                                                                                   \
    EACH {                                                                                                             \
      T x = a[i];                                                                                                      \
      r[i] = (value);                                                                                                  \
    }                                                                                                                  \
  }
NARROW(uint8, int32_t, (uint8_t)x)
NARROW(int8, int32_t, (int8_t)(uint8_t)x)
NARROW(int16, int32_t, (int16_t)(uint16_t)x)
NARROW(float16, float, from_float16(to_float16(x)))
NARROW(bfloat16, float, from_bfloat16(to_bfloat16(x)))

static inline __attribute__((always_inline)) void turn(size_t size, int64_t rows, int64_t columns, void *r, int64_t r_row,
                                                       const void *p, int64_t p_column) {
  switch (size) {
    case 1: transpose_1(rows, columns, r, r_row, p, p_column, false); break;
    case 2: transpose_2(rows, columns, r, r_row, p, p_column, false); break;
    case 4: transpose_4(rows, columns, r, r_row, p, p_column, false); break;
    default: transpose_8(rows, columns, r, r_row, p, p_column, false);
  }
}

/* Three ways through a box: rows of neighbours; the rows themselves neighbours (a
 * transposed operand: go down the columns); anything else. A column stride of 0 is
 * one value for the whole row. */
#define LOAD(name, P, T, value)                                                                                        \
  static void load_##name(int64_t rows, int64_t columns, void *rp, const char *p, int64_t row, int64_t column) {       \
    T *r = rp;                                                                                                         \
    int64_t n = columns;                                                                                               \
    if (column == (int64_t)sizeof(P)) {                                                                                \
      for (int64_t j = 0; j < rows; j++, p += row, r += columns) {                                                     \
        const P *a = (const P *)(const void *)p;                                                                       \
        EACH {                                                                                                         \
          P x = a[i];                                                                                                  \
          r[i] = (value);                                                                                              \
        }                                                                                                              \
      }                                                                                                                \
    } else if (column == 0) {                                                                                          \
      for (int64_t j = 0; j < rows; j++, p += row, r += columns) {                                                     \
        P x = *(const P *)(const void *)p;                                                                             \
        T y = (value);                                                                                                 \
        EACH r[i] = y;                                                                                                 \
      }                                                                                                                \
    } else if (row == (int64_t)sizeof(P) && rows > 1) {                                                                \
      if (_Generic((T)0, P: true, default: false)) {                                                                   \
        turn(sizeof(P), rows, columns, rp, columns *(int64_t)sizeof(P), p, column);                                    \
      } else                                                                                                           \
        EACH_PLAIN for (int64_t j = 0; j < rows; j++) {                                                                \
          P x = *(const P *)(const void *)(p + i * column + j * (int64_t)sizeof(P));                                   \
          r[j * columns + i] = (value);                                                                                \
        }                                                                                                              \
    } else {                                                                                                           \
      for (int64_t j = 0; j < rows; j++, p += row, r += columns) EACH_PLAIN {                                          \
          P x = *(const P *)(const void *)(p + i * column);                                                            \
          r[i] = (value);                                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
  }
LOAD(1, uint8_t, uint8_t, x)
LOAD(2, uint16_t, uint16_t, x)
LOAD(4, uint32_t, uint32_t, x)
LOAD(8, uint64_t, uint64_t, x)
LOAD(uint8, uint8_t, int32_t, x)
LOAD(int8, int8_t, int32_t, x)
LOAD(int16, int16_t, int32_t, x)
LOAD(float16, uint16_t, float, from_float16(x))
LOAD(bfloat16, uint16_t, float, from_bfloat16(x))

#define STORE(name, P, T, value)                                                                                       \
  static void store_##name(int64_t rows, int64_t columns, char *p, int64_t row, int64_t column, const void *ap) {      \
    const T *a = ap;                                                                                                   \
    int64_t n = columns;                                                                                               \
    if (column == (int64_t)sizeof(P)) {                                                                                \
      for (int64_t j = 0; j < rows; j++, p += row, a += columns) {                                                     \
        P *r = (P *)(void *)p;                                                                                         \
        EACH {                                                                                                         \
          T x = a[i];                                                                                                  \
          r[i] = (P)(value);                                                                                           \
        }                                                                                                              \
      }                                                                                                                \
    } else if (row == (int64_t)sizeof(P) && rows > 1) {                                                                \
      if (_Generic((T)0, P: true, default: false)) {                                                                   \
        turn(sizeof(P), columns, rows, p, column, ap, columns *(int64_t)sizeof(P));                                    \
      } else                                                                                                           \
        EACH_PLAIN for (int64_t j = 0; j < rows; j++) {                                                                \
          T x = a[j * columns + i];                                                                                    \
          *(P *)(void *)(p + i * column + j * (int64_t)sizeof(P)) = (P)(value);                                        \
        }                                                                                                              \
    } else {                                                                                                           \
      for (int64_t j = 0; j < rows; j++, p += row, a += columns) EACH_PLAIN {                                          \
          T x = a[i];                                                                                                  \
          *(P *)(void *)(p + i * column) = (P)(value);                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
  }
STORE(1, uint8_t, uint8_t, x)
STORE(4, uint32_t, uint32_t, x)
STORE(8, uint64_t, uint64_t, x)
STORE(uint8, uint8_t, int32_t, (uint8_t)x)
STORE(int8, uint8_t, int32_t, (uint8_t)x)
STORE(int16, uint16_t, int32_t, (uint16_t)x)
STORE(float16, uint16_t, float, to_float16(x))
STORE(bfloat16, uint16_t, float, to_bfloat16(x))
