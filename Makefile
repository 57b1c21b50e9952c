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
.PHONY: help demo build test check format fuzz cover clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## gate, store and capture mailbox in one process; sends samples, shows what happens
	$(GO) run ./cmd/consentgate demo

build: ## bin/consentgate, static; the version comes from the build info
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/consentgate ./cmd/consentgate

test: ## install what the tests need, then run all of them with the race detector
	script/bootstrap
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

fuzz: ## run every fuzz target for FUZZTIME (30s)
	FUZZTIME=$(FUZZTIME) script/fuzz

cover: ## coverage of all tests together, in coverage.out
	script/bootstrap
	$(GO) test -vet=off -timeout 10m -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

clean: ## remove what the targets above made
	rm -rf bin coverage.out
