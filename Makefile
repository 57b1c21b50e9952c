# Every target is described by the text behind its two hashes; `make` prints them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

FUZZTIME ?= 30s
GO ?= go

# The tools have a module of their own, so that what they need stays out of ours. Go builds each once and
# keeps it in its cache; golangci-lint takes two to three minutes then.
TOOL := $(GO) tool -modfile=tools/go.mod
GO_FILES = git ls-files -co --exclude-standard -- '*.go'

.DEFAULT_GOAL := help
.PHONY: help demo build test check format screenshots chaos fuzz cover bench bench-short bench-posts bench-go soak scaleout clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## gate, store and capture mailbox in one process; sends samples, shows what happens
	$(GO) run ./cmd/consentgate demo

build: ## bin/consentgate, static; the version comes from the build info
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/consentgate ./cmd/consentgate

test: ## install what the tests need, then run all of them with the race detector
	script/bootstrap
	script/bench-bootstrap
	$(GO) test -race -vet=off -shuffle=on -timeout 10m ./...

check: ## format, vet, lint, import directions, module files
	@unformatted=$$($(GO_FILES) | xargs -r $(TOOL) gofumpt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make format mends it):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) golangci-lint run ./...
	$(GO) test -vet=off ./internal/layout
	$(GO) mod tidy -diff
	$(GO) mod verify

format: ## format all Go files
	$(GO_FILES) | xargs -r $(TOOL) gofumpt -w

screenshots: ## the pictures of docs/img anew, by the browser tests
	script/bootstrap
	SCREENSHOTS="$$PWD/docs/img" $(GO) test -count 1 ./internal/e2e -run Browser

chaos: ## 10,000 one-click POSTs while the gate is killed 20 times and Redis comes and goes; CHAOS_SEED repeats a run
	script/bootstrap
	CHAOS_POSTS=10000 CHAOS_KILLS=20 $(GO) test -count 1 -v -timeout 20m ./internal/e2e -run Chaos

fuzz: ## run every fuzz target for FUZZTIME (30s)
	FUZZTIME=$(FUZZTIME) script/fuzz

cover: ## coverage of all tests together, in coverage.out
	script/bootstrap
	script/bench-bootstrap
	$(GO) test -vet=off -timeout 10m -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

# BENCH holds flags: make bench BENCH='-rounds 7'; `go run ./bench -h` lists them.
bench: ## install its peers, measure every row of docs/performance.md, write bench/results (some 40 minutes)
	script/bench-bootstrap
	$(GO) run ./bench $(BENCH)

bench-short: ## the same with small numbers, in a minute or two: shows that it works, not how fast the gate is
	script/bench-bootstrap
	$(GO) run ./bench -short -out "$$(mktemp -d)" $(BENCH)

# POSTS holds flags: make bench-posts POSTS='-rate 4000'; `go run ./bench posts -h` lists them.
bench-posts: ## 2,000 one-click POSTs a second beside mail: how long they take, half a minute
	script/bench-bootstrap
	$(GO) run ./bench posts $(POSTS)

# Twice into files, then: go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt
COUNT ?= 10
bench-go: ## Go benchmarks of the hot pieces, COUNT (10) times, for benchstat
	script/bootstrap
	@$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 2h ./gate ./smtpproxy/... ./store/... ./unsub ./internal/journal ./internal/seal

SOAK ?= 10m
soak: ## mixed traffic for SOAK (10m); fails where memory, descriptors or goroutines grow or mail is lost
	script/bench-bootstrap
	$(GO) run ./bench soak -time $(SOAK)

scaleout: ## one to three gates behind haproxy on a Redis Cluster, one of them killed (some 5 minutes)
	script/bench-bootstrap
	$(GO) run ./bench scaleout

clean: ## remove what the targets above made
	rm -rf bin coverage.out
