#include "goldens.h"

// Embedded rather than looked up, so that an installed command has it too.
static const uint8_t goldens[] = {
#embed "goldens.safetensors.gz"
};

const uint8_t *cresset_goldens_gz(size_t *count) {
    *count = sizeof goldens;
    return goldens;
}
