#ifndef CRESSET_DIGITS_H
#define CRESSET_DIGITS_H

#include <stddef.h>
#include <stdint.h>

/// The gzip file of the handwritten digits: one image a line, 64 pixels from 0 to 16 and the digit.
const uint8_t *_Nonnull cresset_digits_csv_gz(size_t *_Nonnull count);

#endif
