# Each target first runs scripts/setup, which installs what is missing and is silent otherwise.
CONFIG ?= release
PREFIX ?= /usr/local
VERSION = 0.1.0
SWIFT ?= swift
BIN = .build/$(CONFIG)
SOURCES = $(wildcard Package.swift Sources Backends Conformance Examples Tests Benchmarks)

bindir = $(DESTDIR)$(PREFIX)/bin
includedir = $(DESTDIR)$(PREFIX)/include/cresset
plugindir = $(DESTDIR)$(PREFIX)/lib/cresset
pkgconfigdir = $(DESTDIR)$(PREFIX)/lib/pkgconfig

.PHONY: all build setup demo test mutants mutate kill-table bench format lint docs install uninstall clean

all: build

setup:
	@scripts/setup

build: setup
	$(SWIFT) build -c $(CONFIG)

# make demo DATA=FOLDER trains on the MNIST files of that folder.
demo: build
	$(BIN)/cresset demo $(if $(DATA),--data '$(DATA)') $(ARGS)

# make test STAGES='lint unit' runs those alone; scripts/test --list names them.
test: setup
	@CONFIG=$(CONFIG) scripts/test $(STAGES)

# Wrong backends, each of which the conformance suite must catch; writes docs/mutants.md.
mutants: build
	@CONFIG=$(CONFIG) scripts/mutants $(ARGS)

# Wrong backends that are made by rule, 1,200 of them; writes docs/mutate.md. It takes hours, and goes on where it was.
mutate: build
	@CONFIG=$(CONFIG) scripts/mutate $(ARGS)

# Who would have caught the mutants with whose tolerances; writes docs/kill-table.md.
kill-table: build
	@CONFIG=$(CONFIG) scripts/mutate kill-table $(ARGS)

# make bench prints the table with its roofs, beside PyTorch where it is installed; FILTER, THREADS, ROUNDS, DEVICE.
bench: build
	@CONFIG=$(CONFIG) Benchmarks/table.sh

format: setup
	$(SWIFT) format --in-place --recursive --parallel $(SOURCES)

lint: setup
	@scripts/lint

# make docs ARGS=ops writes docs/ops.md alone.
docs: build
	@CONFIG=$(CONFIG) scripts/docs $(ARGS)

install: build
	install -d '$(bindir)' '$(includedir)' '$(plugindir)' '$(pkgconfigdir)'
	install -m 755 $(BIN)/cresset '$(bindir)'
	install -m 644 Sources/CBackend/include/cresset_backend.h '$(includedir)'
	install -m 755 $(BIN)/libCressetBackend*.so '$(plugindir)'
	for name in OpenBLAS OpenCL Vulkan; do \
	  install -m 644 Backends/$$name/conformance.json '$(plugindir)'/libCressetBackend$$name.conformance.json; done
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/cresset.pc.in > '$(pkgconfigdir)/cresset.pc'

uninstall: setup
	rm -f '$(bindir)/cresset' '$(includedir)/cresset_backend.h' '$(pkgconfigdir)/cresset.pc'
	rm -f '$(plugindir)'/libCressetBackend*.so '$(plugindir)'/libCressetBackend*.conformance.json
	-rmdir '$(includedir)' '$(plugindir)'

clean: setup
	$(SWIFT) package clean
	rm -rf .build/outside .build/docs .build/test-logs demo
