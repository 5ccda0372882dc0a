#include "cresset_backend.h"

/* The sizes every reader of the tables relies on; the whole layout is compared
 * with a golden file by the tests. */
_Static_assert(sizeof(CressetInstruction) == 24, "instructions are 24 bytes");
_Static_assert(sizeof(CressetDLTensor) == 48, "the layout of DLPack's DLTensor");
_Static_assert(sizeof(CressetScalar) == 8, "scalars are 8 bytes");
