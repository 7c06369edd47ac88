# The two commands are "make try" and "make test"; each sets up what it needs.

KERNELS = 5.10 6.1 6.12 7.3
QEMU = qemu-system-x86_64=qemu-system-x86
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: try test test-deep build lint kernels bench-start bench-events bench-hit bench-attach bench-build bench-image bench-compile

# A real kernel in a throwaway machine, at work, with a probe in it.
try: build
	@scripts/setup.sh $(QEMU)
	@bin/ktrap lab --fetch >/dev/null
	@echo '$$ ktrap lab --load all -- ktrap trace unix_stream_connect --duration 10s'
	@bin/ktrap lab --load all -- ktrap trace unix_stream_connect --duration 10s
	@if [ -e /sys/bus/event_source/devices/kprobe ]; then \
		echo 'The same on the kernel of this machine: sudo bin/ktrap trace unix_stream_connect'; \
	else \
		echo 'The kernel of this machine has no kprobes; where it has: sudo bin/ktrap trace unix_stream_connect'; \
	fi

test: lint kernels
	@go run ./internal/livetest -unit

# The long, seeded forms of the tests that "make test" samples.
test-deep: lint kernels
	@go run ./internal/livetest -unit -deep

build:
	@echo 'building bin/ktrap'
	@scripts/build.sh bin/ktrap

lint:
	@echo 'gofmt, vet, staticcheck'
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	@go vet -tags live,vm ./...
	@$(STATICCHECK) -tags live,vm ./...

# The race detector needs a C compiler, the pages a browser to be looked at in.
kernels: build
	@scripts/setup.sh $(QEMU) qemu-system-aarch64=qemu-system-arm gcc=gcc,libc6-dev objdump=binutils chromium=chromium \
		lz4=lz4 zstd=zstd lzop=lzop xz=xz-utils bzip2=bzip2
	@for kernel in $(KERNELS); do bin/ktrap lab --fetch -k $$kernel >/dev/null || exit 1; done
	@bin/ktrap lab --fetch -k 6.12 --arch arm64 >/dev/null

# ktrap beside its peers, on one kernel: see internal/bench for what is measured.
bench-start: build
	@scripts/setup.sh $(QEMU) bpftrace=bpftrace
	@CGO_ENABLED=0 go run ./internal/bench start

bench-events: build
	@scripts/setup.sh $(QEMU) bpftrace=bpftrace perf=linux-perf
	@CGO_ENABLED=0 go run ./internal/bench -runs 3 events

# What a hit costs, beside bpftrace (K=7.3 for another kernel), and what handlers
# execute, beside clang.
K = 6.12
bench-hit: build
	@scripts/setup.sh $(QEMU) bpftrace=bpftrace clang=clang
	@CGO_ENABLED=0 go build -o bin/bench ./internal/bench
	@bin/bench -k $(K) -runs 1 hit
	@bin/bench twins

# What it takes to compile a hundred lines, whole processes.
bench-build: build
	@scripts/setup.sh $(QEMU)
	@CGO_ENABLED=0 go run ./internal/bench build

# Hundreds of probes in one function, beside the same made by hand.
bench-attach: build
	@scripts/setup.sh $(QEMU)
	@CGO_ENABLED=0 go run ./internal/bench -k $(K) -runs 3 attach

bench-image: build
	@scripts/setup.sh objdump=binutils
	@CGO_ENABLED=0 go build -o bin/bench ./internal/bench
	@bin/bench -runs 10 image

bench-compile:
	@scripts/setup.sh clang=clang
	@CGO_ENABLED=0 go run ./internal/bench compile
