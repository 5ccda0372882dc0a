#ifndef CRESSET_GOLDENS_H
#define CRESSET_GOLDENS_H

#include <stddef.h>
#include <stdint.h>

/// A gzipped file of conformance cases that PyTorch computed; see NOTICE.
const uint8_t *_Nonnull cresset_goldens_gz(size_t *_Nonnull count);

#endif
