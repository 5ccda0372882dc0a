/* loops_scatter.h: values applied to places. Part of loops_table.h. */

static bool offsets(int64_t n, int64_t *offset, const int64_t *index, int64_t size, int64_t stride) {
  uint64_t wrong = 0;
  EACH_TWICE {
    int64_t x = index[i] < 0 ? (int64_t)((uint64_t)index[i] + (uint64_t)size) : index[i];
    wrong |= (uint64_t)x >= (uint64_t)size;
    offset[i] = (int64_t)((uint64_t)x * (uint64_t)stride);
  }
  return !wrong;
}

/* `x` is what is there, `y` the value; both widened. */
#define SCATTER(name, dtype, P, T, WIDEN, NARROW_TO, value)                                                            \
  static void scatter_##name##_##dtype(int64_t n, char *p, const int64_t *offset, const char *a, int64_t a_stride) {   \
    EACH_PLAIN {                                                                                                       \
      if (offset[i] == INT64_MIN) continue;                                                                            \
      P *place = (P *)(void *)(p + offset[i]);                                                                         \
      T x = WIDEN(*place), y = WIDEN(*(const P *)(const void *)(a + i * a_stride));                                    \
      (void)x;                                                                                                         \
      *place = (P)NARROW_TO(value);                                                                                    \
    }                                                                                                                  \
  }                                                                                                                    \
  static void scatter_run_##name##_##dtype(int64_t n, char *p, int64_t p_stride, const char *a, int64_t a_stride) {    \
    if (p_stride == (int64_t)sizeof(P) && a_stride == (int64_t)sizeof(P)) {                                            \
      P *r = (P *)(void *)p;                                                                                           \
      const P *b = (const P *)(const void *)a;                                                                         \
      EACH {                                                                                                           \
        T x = WIDEN(r[i]), y = WIDEN(b[i]);                                                                            \
        (void)x;                                                                                                       \
        r[i] = (P)NARROW_TO(value);                                                                                    \
      }                                                                                                                \
    } else                                                                                                             \
      EACH_PLAIN {                                                                                                     \
        P *place = (P *)(void *)(p + i * p_stride);                                                                    \
        T x = WIDEN(*place), y = WIDEN(*(const P *)(const void *)(a + i * a_stride));                                  \
        (void)x;                                                                                                       \
        *place = (P)NARROW_TO(value);                                                                                  \
      }                                                                                                                \
  }

#define SAME(x) (x)
#define SCATTERS(dtype, P, T, WIDEN, NARROW_TO, sum, product, high, low)                                                \
  SCATTER(set, dtype, P, P, SAME, SAME, y)                                                                             \
  SCATTER(add, dtype, P, T, WIDEN, NARROW_TO, sum)                                                                     \
  SCATTER(mul, dtype, P, T, WIDEN, NARROW_TO, product)                                                                 \
  SCATTER(max, dtype, P, T, WIDEN, NARROW_TO, high)                                                                    \
  SCATTER(min, dtype, P, T, WIDEN, NARROW_TO, low)
#define SCATTER_INTS(dtype, P, T)                                                                                      \
  SCATTERS(dtype, P, T, SAME, SAME, (uint64_t)x + (uint64_t)y, (uint64_t)x *(uint64_t)y, x > y ? x : y, x < y ? x : y)
#define SCATTER_FLOATS(dtype, P, T, WIDEN, NARROW_TO)                                                                  \
  SCATTERS(dtype, P, T, WIDEN, NARROW_TO, x + y, x *y, (x > y || x != x) ? x : y, (x < y || x != x) ? x : y)

SCATTERS(bool, uint8_t, uint8_t, SAME, SAME, x | y, x &y, x | y, x &y)
SCATTER_INTS(uint8, uint8_t, int32_t)
SCATTER_INTS(int8, int8_t, int32_t)
SCATTER_INTS(int16, int16_t, int32_t)
SCATTER_INTS(int32, int32_t, int32_t)
SCATTER_INTS(int64, int64_t, int64_t)
SCATTER_FLOATS(float16, uint16_t, float, from_float16, to_float16)
SCATTER_FLOATS(bfloat16, uint16_t, float, from_bfloat16, to_bfloat16)
SCATTER_FLOATS(float32, float, float, SAME, SAME)
SCATTER_FLOATS(float64, double, double, SAME, SAME)
