#include "templates.h"

static const char header[] = {
#embed "../CBackend/include/cresset_backend.h"
    , 0};
static const char c_backend[] = {
#embed "c/backend.c.in"
    , 0};
static const char c_makefile[] = {
#embed "c/Makefile.in"
    , 0};
static const char c_readme[] = {
#embed "c/README.md.in"
    , 0};
static const char swift_package[] = {
#embed "swift/Package.swift.in"
    , 0};
static const char swift_backend[] = {
#embed "swift/Backend.swift.in"
    , 0};
static const char swift_interpreter[] = {
#embed "swift/Interpreter.swift.in"
    , 0};
static const char swift_readme[] = {
#embed "swift/README.md.in"
    , 0};

static const CressetTemplate templates[] = {
    {"c", "cresset_backend.h", header},
    {"c", "@NAME@_backend.c", c_backend},
    {"c", "Makefile", c_makefile},
    {"c", "README.md", c_readme},
    {"swift", "Package.swift", swift_package},
    {"swift", "Sources/@TYPE@Backend/@TYPE@Backend.swift", swift_backend},
    {"swift", "Sources/@TYPE@Backend/Interpreter.swift", swift_interpreter},
    {"swift", "README.md", swift_readme},
};

CressetTemplate cresset_template(size_t k) {
  return k < sizeof templates / sizeof *templates ? templates[k] : (CressetTemplate){0};
}
