/* loops_recurrent.h: the gates of an LSTM for one row of a batch. Part of loops_table.h. */

#define LSTM(S, T)                                                                                                     \
  static inline __attribute__((always_inline)) T lstm_sigmoid_##S(T x) { return 1 / (1 + cresset_exp_##S(-x)); }       \
  /* In the order input, forget, cell, output. */                                                                      \
  static void lstm_gates_##S(int64_t n, void *gp, const void *cellp, void *hiddenp, void *nextp) {                     \
    T *g = gp, *hidden = hiddenp, *next = nextp;                                                                       \
    const T *cell = cellp;                                                                                             \
    EACH {                                                                                                             \
      T in = lstm_sigmoid_##S(g[i]), forget = lstm_sigmoid_##S(g[n + i]), out = lstm_sigmoid_##S(g[3 * n + i]);        \
      T c = forget * cell[i] + in * cresset_tanh_##S(g[2 * n + i]);                                                    \
      next[i] = c;                                                                                                     \
      hidden[i] = out * cresset_tanh_##S(c);                                                                           \
    }                                                                                                                  \
  }                                                                                                                    \
  static void lstm_gradient_##S(int64_t n, void *gp, const void *cellp, const void *nextp, const void *hp, void *cp) { \
    T *g = gp, *c = cp;                                                                                                \
    const T *cell = cellp, *next = nextp, *h = hp;                                                                     \
    EACH {                                                                                                             \
      T in = lstm_sigmoid_##S(g[i]), forget = lstm_sigmoid_##S(g[n + i]), out = lstm_sigmoid_##S(g[3 * n + i]);        \
      T new = cresset_tanh_##S(g[2 * n + i]), bent = cresset_tanh_##S(next[i]);                                        \
      T d = c[i] + h[i] * out * (1 - bent * bent);                                                                     \
      g[i] = d * new * in * (1 - in);                                                                                  \
      g[n + i] = d * cell[i] * forget * (1 - forget);                                                                  \
      g[2 * n + i] = d * in * (1 - new * new);                                                                         \
      g[3 * n + i] = h[i] * bent * out * (1 - out);                                                                    \
      c[i] = d * forget;                                                                                               \
    }                                                                                                                  \
  }
LSTM(f32, float)
LSTM(f64, double)
