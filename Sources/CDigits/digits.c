#include "digits.h"

// Embedded rather than looked up, so that a program finds it wherever it is installed.
static const uint8_t digits[] = {
#embed "digits.csv.gz"
};

const uint8_t *cresset_digits_csv_gz(size_t *count) {
    *count = sizeof digits;
    return digits;
}
