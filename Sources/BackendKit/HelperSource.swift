/// Functions that rendered programs call for what the dialects lack or leave undefined.
///
/// One text for all dialects, in the macros of `Dialect.preamble` and in the form of the portable
/// maths: a function starts with `FN ` in the first column and ends with a `}` there.
enum HelperSource {
    static func text(_ dialect: Dialect) -> String {
        conversions + integers + philox
            + (dialect.language == .glsl ? isNaNByBits : isNaNByComparison) + floats
            + (dialect.emulatesFMA ? fma : "")
            + (dialect.language == .glsl ? widening + roundingF64 : "")
    }

    /// Half-width floats by integer operations, and float to integer with every case defined.
    private static let conversions = """
        FN f32 cresset_from_f16(u32 h) {
          u32 sign = (h & 0x8000u) << 16;
          u32 exponent = (h >> 10) & 31u;
          u32 fraction = h & 1023u;
          u32 normal = (exponent + (exponent == 31u ? 224u : 112u)) << 23 | fraction << 13;
          // A denormal is a multiple of 2^-24.
          u32 tiny = BITS_F32(TO_F32(fraction) * FROM_BITS_F32(0x33800000u));
          return FROM_BITS_F32(sign | (exponent == 0u ? tiny : normal));
        }

        FN u32 cresset_to_f16(f32 x) {
          u32 bits = BITS_F32(x);
          u32 a = bits & 0x7fffffffu;
          u32 rounded = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
          // Below 2^-14 the unit is 2^-24; a shift beyond the mantissa gives 0.
          u32 distance = 126u - (a >> 23);
          u32 shift = distance < 31u ? distance : 31u;
          u32 mantissa = (a & 0x7fffffu) | 0x800000u;
          u32 whole = mantissa >> (shift & 31u);
          u32 rest = mantissa - (whole << (shift & 31u));
          u32 middle = (1u << (shift & 31u)) >> 1;
          u32 up = rest > middle || (rest == middle && (whole & 1u) == 1u) ? 1u : 0u;
          u32 result = a < 0x38800000u ? whole + up : rounded;
          result = a >= 0x477ff000u ? 0x7c00u : result;
          result = a > 0x7f800000u ? 0x7e00u : result;
          return ((bits >> 16) & 0x8000u) | result;
        }

        FN f32 cresset_from_bf16(u32 h) {
          return FROM_BITS_F32(h << 16);
        }

        FN u32 cresset_to_bf16(f32 x) {
          u32 bits = BITS_F32(x);
          u32 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
          return (bits & 0x7fffffffu) > 0x7f800000u ? ((bits >> 16) & 0x8000u) | 0x7fc0u : rounded;
        }

        FN i32 cresset_f32_to_i32(f32 x) {
          bool fits = x >= FROM_BITS_F32(0xcf000000u) && x < FROM_BITS_F32(0x4f000000u);
          return fits ? TO_I32(fits ? x : TO_F32(0)) : TO_I32(0x80000000u);
        }

        FN i64 cresset_f32_to_i64(f32 x) {
          bool fits = x >= FROM_BITS_F32(0xdf000000u) && x < FROM_BITS_F32(0x5f000000u);
          return fits ? TO_I64(fits ? x : TO_F32(0)) : TO_I64(PACK_U64(0x80000000u, 0u));
        }

        FN i32 cresset_f64_to_i32(f64 x) {
          bool fits = x > FROM_BITS_F64(PACK_U64(0xc1e00000u, 0x00200000u)) && x < FROM_BITS_F64(PACK_U64(0x41e00000u, 0u));
          return fits ? TO_I32(fits ? x : TO_F64(0)) : TO_I32(0x80000000u);
        }

        FN i64 cresset_f64_to_i64(f64 x) {
          bool fits = x >= FROM_BITS_F64(PACK_U64(0xc3e00000u, 0u)) && x < FROM_BITS_F64(PACK_U64(0x43e00000u, 0u));
          return fits ? TO_I64(fits ? x : TO_F64(0)) : TO_I64(PACK_U64(0x80000000u, 0u));
        }


        """

    /// Division of magnitudes: languages leave a zero divisor, MIN / -1 and signs of remainders open.
    private static let integers = """
        FN u32 cresset_magnitude_i32(i32 x) {
          return x < 0 ? 0u - TO_U32(x) : TO_U32(x);
        }

        FN u64 cresset_magnitude_i64(i64 x) {
          return x < TO_I64(0) ? TO_U64(0) - TO_U64(x) : TO_U64(x);
        }

        FN i32 cresset_div_i32(i32 x, i32 y) {
          u32 q = cresset_magnitude_i32(x) / (y == 0 ? 1u : cresset_magnitude_i32(y));
          return y == 0 ? 0 : TO_I32((x < 0) == (y < 0) ? q : 0u - q);
        }

        FN i32 cresset_rem_i32(i32 x, i32 y) {
          u32 r = cresset_magnitude_i32(x) % (y == 0 ? 1u : cresset_magnitude_i32(y));
          return TO_I32(x < 0 ? 0u - r : r);
        }

        FN i64 cresset_div_i64(i64 x, i64 y) {
          bool zero = y == TO_I64(0);
          u64 q = cresset_magnitude_i64(x) / (zero ? TO_U64(1) : cresset_magnitude_i64(y));
          return zero ? TO_I64(0) : TO_I64((x < TO_I64(0)) == (y < TO_I64(0)) ? q : TO_U64(0) - q);
        }

        FN i64 cresset_rem_i64(i64 x, i64 y) {
          u64 r = cresset_magnitude_i64(x) % (y == TO_I64(0) ? TO_U64(1) : cresset_magnitude_i64(y));
          return TO_I64(x < TO_I64(0) ? TO_U64(0) - r : r);
        }

        FN i32 cresset_shl_i32(i32 x, i32 count) {
          return TO_U32(count) < 32u ? TO_I32(TO_U32(x) << (TO_U32(count) & 31u)) : 0;
        }

        FN i32 cresset_shr_i32(i32 x, i32 count) {
          return x >> (TO_U32(count) < 32u ? TO_U32(count) : 31u);
        }

        FN i32 cresset_ushr_i32(i32 x, i32 count) {
          return TO_U32(count) < 32u ? TO_I32(TO_U32(x) >> (TO_U32(count) & 31u)) : 0;
        }

        FN i64 cresset_shl_i64(i64 x, i64 count) {
          u32 shift = TO_U32(count) & 63u;
          return TO_U64(count) < TO_U64(64) ? TO_I64(TO_U64(x) << shift) : TO_I64(0);
        }

        FN i64 cresset_shr_i64(i64 x, i64 count) {
          return x >> (TO_U64(count) < TO_U64(64) ? TO_U32(count) & 63u : 63u);
        }

        FN i64 cresset_ushr_i64(i64 x, i64 count) {
          u32 shift = TO_U32(count) & 63u;
          return TO_U64(count) < TO_U64(64) ? TO_I64(TO_U64(x) >> shift) : TO_I64(0);
        }


        """

    /// Philox4x32-10 (Salmon et al., 2011): four random words from a key and a counter.
    private static let philox = """
        FN u32x4 cresset_philox(i64 key, i64 counter) {
          u32 k0 = TO_U32(TO_U64(key));
          u32 k1 = TO_U32(TO_U64(key) >> 32);
          u32 c0 = TO_U32(TO_U64(counter));
          u32 c1 = TO_U32(TO_U64(counter) >> 32);
          u32 c2 = 0u;
          u32 c3 = 0u;
          for (i32 n = 0; n < 10; ++n) {
            u64 p = TO_U64(0xd2511f53u) * TO_U64(c0);
            u64 q = TO_U64(0xcd9e8d57u) * TO_U64(c2);
            c0 = TO_U32(q >> 32) ^ c1 ^ k0;
            c1 = TO_U32(q);
            c2 = TO_U32(p >> 32) ^ c3 ^ k1;
            c3 = TO_U32(p);
            k0 += 0x9e3779b9u;
            k1 += 0xbb67ae85u;
          }
          return MAKE_U32X4(c0, c1, c2, c3);
        }


        """

    private static let widening = """
        FN i64 cresset_i32_to_i64(i32 x) {
          return TO_I64(PACK_U64(TO_U32(x >> 31), TO_U32(x)));
        }


        """

    private static let isNaNByBits = """
        FN bool cresset_isnan_f32(f32 x) {
          return (BITS_F32(x) & 0x7fffffffu) > 0x7f800000u;
        }

        FN bool cresset_isnan_f64(f64 x) {
          return (BITS_F64(x) & PACK_U64(0x7fffffffu, 0xffffffffu)) > PACK_U64(0x7ff00000u, 0u);
        }


        """

    private static let isNaNByComparison = """
        FN bool cresset_isnan_f32(f32 x) {
          return x != x;
        }

        FN bool cresset_isnan_f64(f64 x) {
          return x != x;
        }


        """

    /// The remainder is exact: the mantissa of x is brought down by as many bits as 64 hold at a time,
    /// and only the rest is kept, as in a division on paper.
    private static let floats = """
        FN f32 cresset_min_f32(f32 x, f32 y) {
          return cresset_isnan_f32(x) || x < y ? x : y;
        }

        FN f32 cresset_max_f32(f32 x, f32 y) {
          return cresset_isnan_f32(x) || x > y ? x : y;
        }

        FN f64 cresset_min_f64(f64 x, f64 y) {
          return cresset_isnan_f64(x) || x < y ? x : y;
        }

        FN f64 cresset_max_f64(f64 x, f64 y) {
          return cresset_isnan_f64(x) || x > y ? x : y;
        }

        FN f32 cresset_rem_f32(f32 x, f32 y) {
          u32 sign = BITS_F32(x) & 0x80000000u;
          u32 a = BITS_F32(x) & 0x7fffffffu;
          u32 b = BITS_F32(y) & 0x7fffffffu;
          if (b == 0u || b > 0x7f800000u || a >= 0x7f800000u) {
            return FROM_BITS_F32(0x7fc00000u);
          }
          if (a < b) {
            return x;
          }
          i32 a_exponent = TO_I32(a >> 23) == 0 ? 1 : TO_I32(a >> 23);
          i32 b_exponent = TO_I32(b >> 23) == 0 ? 1 : TO_I32(b >> 23);
          u64 r = TO_U64(a < 0x800000u ? a : (a & 0x7fffffu) | 0x800000u);
          u64 m = TO_U64(b < 0x800000u ? b : (b & 0x7fffffu) | 0x800000u);
          r = r % m;
          i32 distance = a_exponent - b_exponent;
          while (distance > 0 && r != TO_U64(0)) {
            i32 step = distance < 40 ? distance : 40;
            r = (r << TO_U32(step)) % m;
            distance -= step;
          }
          // r units of 2^(b_exponent - 150); below the least normal the pattern is r itself.
          u32 rest = TO_U32(r);
          while (rest != 0u && rest < 0x800000u && b_exponent > 1) {
            rest <<= 1;
            b_exponent -= 1;
          }
          u32 result = rest < 0x800000u ? rest : (rest & 0x7fffffu) | (TO_U32(b_exponent) << 23);
          return FROM_BITS_F32(sign | result);
        }

        FN f64 cresset_rem_f64(f64 x, f64 y) {
          u64 hidden = PACK_U64(0x100000u, 0u);
          u64 infinity = PACK_U64(0x7ff00000u, 0u);
          u64 sign = BITS_F64(x) & PACK_U64(0x80000000u, 0u);
          u64 a = BITS_F64(x) ^ sign;
          u64 b = BITS_F64(y) & PACK_U64(0x7fffffffu, 0xffffffffu);
          if (b == TO_U64(0) || b > infinity || a >= infinity) {
            return FROM_BITS_F64(PACK_U64(0x7ff80000u, 0u));
          }
          if (a < b) {
            return x;
          }
          i32 a_exponent = TO_I32(TO_U32(a >> 52)) == 0 ? 1 : TO_I32(TO_U32(a >> 52));
          i32 b_exponent = TO_I32(TO_U32(b >> 52)) == 0 ? 1 : TO_I32(TO_U32(b >> 52));
          u64 r = a < hidden ? a : (a & (hidden - TO_U64(1))) | hidden;
          u64 m = b < hidden ? b : (b & (hidden - TO_U64(1))) | hidden;
          r = r % m;
          i32 distance = a_exponent - b_exponent;
          while (distance > 0 && r != TO_U64(0)) {
            i32 step = distance < 11 ? distance : 11;
            r = (r << TO_U32(step)) % m;
            distance -= step;
          }
          while (r != TO_U64(0) && r < hidden && b_exponent > 1) {
            r <<= 1;
            b_exponent -= 1;
          }
          u64 result = r < hidden ? r : (r & (hidden - TO_U64(1))) | (TO_U64(TO_U32(b_exponent)) << 52);
          return FROM_BITS_F64(sign | result);
        }


        """

    /// Fused multiply-add where the device's may round twice.
    ///
    /// f32: the product is exact in f64; the sum is rounded to odd there, after which rounding to f32
    /// is as if done once. f64: in integers, with three 64-bit limbs.
    private static let fma = """
        FN f32 cresset_fma_f32(f32 x, f32 y, f32 z) {
          f64 p = TO_F64(x) * TO_F64(y);
          f64 c = TO_F64(z);
          f64 s = p + c;
          f64 t = s - p;
          f64 e = (p - (s - t)) + (c - t);
          u64 bits = BITS_F64(s);
          bool finite = (bits & PACK_U64(0x7ff00000u, 0u)) != PACK_U64(0x7ff00000u, 0u);
          bool odd = (bits & TO_U64(1)) != TO_U64(0);
          if (finite && !odd && !(e == TO_F64(0))) {
            bool up = (e > TO_F64(0)) == (s > TO_F64(0));
            s = FROM_BITS_F64(up ? bits + TO_U64(1) : bits - TO_U64(1));
          }
          return TO_F32(s);
        }

        // The high half of a 128-bit product.
        FN u64 cresset_mul_high_u64(u64 x, u64 y) {
          u64 mask = PACK_U64(0u, 0xffffffffu);
          u64 x0 = x & mask;
          u64 x1 = x >> 32;
          u64 y0 = y & mask;
          u64 y1 = y >> 32;
          u64 low = x0 * y0;
          u64 middle = x1 * y0 + (low >> 32);
          u64 other = x0 * y1 + (middle & mask);
          return x1 * y1 + (middle >> 32) + (other >> 32);
        }

        // Index of the highest set bit of a number that is not 0.
        FN i32 cresset_top_bit_u64(u64 x) {
          i32 n = 0;
          for (i32 step = 32; step > 0; step >>= 1) {
            if ((x >> TO_U32(step)) != TO_U64(0)) {
              x >>= TO_U32(step);
              n += step;
            }
          }
          return n;
        }

        FN f64 cresset_fma_f64(f64 x, f64 y, f64 z) {
          u64 zero = TO_U64(0);
          u64 one = TO_U64(1);
          u64 sign_bit = PACK_U64(0x80000000u, 0u);
          u64 hidden = PACK_U64(0x100000u, 0u);
          u64 infinity = PACK_U64(0x7ff00000u, 0u);
          u64 a = BITS_F64(x) & ~sign_bit;
          u64 b = BITS_F64(y) & ~sign_bit;
          u64 c = BITS_F64(z) & ~sign_bit;
          bool special = a >= infinity || b >= infinity;
          if (special) {
            return x * y + z;
          }
          if (c >= infinity) {
            return z;
          }
          if (a == zero || b == zero) {
            return x * y + z;
          }
          u64 p_sign = (BITS_F64(x) ^ BITS_F64(y)) & sign_bit;
          u64 c_sign = BITS_F64(z) & sign_bit;
          // Mantissas with their top bit at 52, so that the product's is at 104 or 105.
          i32 ea = TO_I32(TO_U32(a >> 52));
          i32 eb = TO_I32(TO_U32(b >> 52));
          i32 ec = TO_I32(TO_U32(c >> 52));
          u64 ma = ea == 0 ? a : (a & (hidden - one)) | hidden;
          u64 mb = eb == 0 ? b : (b & (hidden - one)) | hidden;
          u64 mc = ec == 0 ? c : (c & (hidden - one)) | hidden;
          ea = ea == 0 ? 1 : ea;
          eb = eb == 0 ? 1 : eb;
          ec = ec == 0 ? 1 : ec;
          i32 la = 52 - cresset_top_bit_u64(ma);
          i32 lb = 52 - cresset_top_bit_u64(mb);
          ma <<= TO_U32(la);
          mb <<= TO_U32(lb);
          ea -= la;
          eb -= lb;
          if (mc != zero) {
            i32 lc = 52 - cresset_top_bit_u64(mc);
            mc <<= TO_U32(lc);
            ec -= lc;
          }
          // Both as 128-bit numbers h:l in units of 2^(e - 1075 - 62), their top bits at 114 or 115.
          u64 ph = cresset_mul_high_u64(ma << 10, mb);
          u64 pl = (ma * mb) << 10;
          i32 pe = ea + eb - 1023;
          u64 ch = mc >> 2;
          u64 cl = mc << 62;
          i32 ce = ec;
          // The smaller one's exponent is raised; bits that fall off are remembered as a sticky bit.
          i32 e = mc == zero || pe > ce ? pe : ce;
          i32 p_shift = e - pe;
          i32 c_shift = mc == zero ? 0 : e - ce;
          i32 shift = p_shift > c_shift ? p_shift : c_shift;
          bool moves_p = p_shift > 0;
          u64 h = moves_p ? ph : ch;
          u64 l = moves_p ? pl : cl;
          if (shift > 127) {
            l = (h | l) != zero ? one : zero;
            h = zero;
          } else if (shift > 0) {
            u64 lost = zero;
            if (shift >= 64) {
              lost = l;
              l = h;
              h = zero;
              shift -= 64;
            }
            if (shift > 0) {
              lost |= l << TO_U32(64 - shift);
              l = (l >> TO_U32(shift)) | (h << TO_U32(64 - shift));
              h >>= TO_U32(shift);
            }
            l |= lost != zero ? one : zero;
          }
          ph = moves_p ? h : ph;
          pl = moves_p ? l : pl;
          ch = moves_p ? ch : h;
          cl = moves_p ? cl : l;
          u64 sign = p_sign;
          if (p_sign == c_sign) {
            l = pl + cl;
            h = ph + ch + (l < pl ? one : zero);
          } else if (ph > ch || (ph == ch && pl >= cl)) {
            l = pl - cl;
            h = ph - ch - (pl < cl ? one : zero);
          } else {
            l = cl - pl;
            h = ch - ph - (cl < pl ? one : zero);
            sign = c_sign;
          }
          if ((h | l) == zero) {
            return FROM_BITS_F64(zero);
          }
          // Rounds h:l to 53 bits, or to multiples of 2^-1074.
          i32 top = h != zero ? 64 + cresset_top_bit_u64(h) : cresset_top_bit_u64(l);
          i32 exponent = top + e - 114;
          i32 drop = top - 52;
          if (exponent < 1) {
            drop += 1 - exponent;
          }
          u64 m = zero;
          if (drop <= 0) {
            m = l << TO_U32(-drop);
          } else {
            u64 rest = zero;
            u64 middle = zero;
            bool below = false;
            if (drop > 127) {
              below = true;
            } else if (drop > 64) {
              m = h >> TO_U32(drop - 64);
              rest = h & ((one << TO_U32(drop - 64)) - one);
              middle = one << TO_U32(drop - 65);
              below = l != zero;
            } else if (drop == 64) {
              m = h;
              rest = l;
              middle = sign_bit;
            } else {
              m = (l >> TO_U32(drop)) | (h << TO_U32(64 - drop));
              rest = l & ((one << TO_U32(drop)) - one);
              middle = one << TO_U32(drop - 1);
            }
            bool tie = rest == middle && middle != zero && !below;
            bool above = middle != zero && (rest > middle || (rest == middle && below));
            if (above || (tie && (m & one) == one)) {
              m += one;
            }
          }
          // A carry out of the mantissa raises the exponent by itself.
          u64 result = exponent < 1 ? m : m + (TO_U64(TO_U32(exponent - 1)) << 52);
          if (exponent >= 2047 || result >= infinity) {
            result = infinity;
          }
          return FROM_BITS_F64(sign | result);
        }


        """

    /// Rounding to integers of doubles, which shader compilers get from libraries of varying quality.
    private static let roundingF64 = """
        FN f64 cresset_trunc_f64(f64 x) {
          u64 bits = BITS_F64(x);
          i32 exponent = TO_I32(TO_U32(bits >> 52) & 2047u) - 1023;
          u64 sign = bits & PACK_U64(0x80000000u, 0u);
          u64 fraction = PACK_U64(0xfffffu, 0xffffffffu) >> TO_U32(exponent < 0 || exponent > 52 ? 0 : exponent);
          u64 kept = exponent >= 52 ? bits : bits & ~fraction;
          return FROM_BITS_F64(exponent < 0 ? sign : kept);
        }

        FN f64 cresset_floor_f64(f64 x) {
          f64 t = cresset_trunc_f64(x);
          return t > x ? t - TO_F64(1) : t;
        }

        FN f64 cresset_ceil_f64(f64 x) {
          f64 t = cresset_trunc_f64(x);
          f64 up = t + TO_F64(1);
          return t < x ? up : t;
        }

        FN f64 cresset_round_f64(f64 x) {
          f64 t = cresset_trunc_f64(x);
          f64 rest = x - t;
          f64 half_t = t * FROM_BITS_F64(PACK_U64(0x3fe00000u, 0u));
          bool odd = !(cresset_trunc_f64(half_t) == half_t);
          bool up = rest > FROM_BITS_F64(PACK_U64(0x3fe00000u, 0u)) || (rest == FROM_BITS_F64(PACK_U64(0x3fe00000u, 0u)) && odd);
          bool down = rest < FROM_BITS_F64(PACK_U64(0xbfe00000u, 0u)) || (rest == FROM_BITS_F64(PACK_U64(0xbfe00000u, 0u)) && odd);
          return up ? t + TO_F64(1) : (down ? t - TO_F64(1) : t);
        }


        """
}
