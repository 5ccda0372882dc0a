// zlib inflates the gzip files that data sets come in.
#include <zlib.h>
