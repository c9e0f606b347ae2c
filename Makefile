# SPDX-License-Identifier: Apache-2.0

# make demo    install what the demo needs, start it, print its address
# make test    install what tests need, run all of them, skip none
# make rows    which rows of the requirements tests have shown (rows.tsv)
# make bench   benchmarks beside their baselines, the goals' lines last
# make lint    golangci-lint, vet, builds without cgo and for Windows, NOTICE
# make fmt     format as make lint asks
# make fuzz    every fuzz test for FUZZTIME
# make cover   statement coverage, package by package
# make notice  write NOTICE anew

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := test
.PHONY: demo test rows bench lint fmt fuzz cover notice

# The tools that tests use: each one's absence is a failure (internal/need).
REQUIRED := cc softhsm openssl pkcs11-tool strace browser postgres nss opencryptoki p11-kit opensc gnutls pkits node python3-authlib
TIMEOUT  := 20m
FUZZTIME ?= 10s

LINTER_VERSION := v2.15.0
LINTER         := .build/golangci-lint-$(LINTER_VERSION)/golangci-lint

demo:
	@scripts/setup.sh demo
	go run ./examples/estate

test:
	@scripts/setup.sh test
	REQUIRE='$(REQUIRED)' go test -timeout $(TIMEOUT) ./...

# A failing test must not hide the rows that are shown, nor pass unnoticed.
rows:
	@scripts/setup.sh test
	@mkdir -p .build
	@status=0; REQUIRE='$(REQUIRED)' go test -timeout $(TIMEOUT) -json ./... >.build/test.json || status=$$?; \
	go run ./internal/rows -table rows.tsv <.build/test.json; \
	if [ $$status -ne 0 ]; then echo 'rows: some tests failed, see make test' >&2; fi; exit $$status

bench:
	@scripts/setup.sh test
	@mkdir -p .build
	@packages=$$(grep -rlE '^func Benchmark' --include='*_test.go' . | xargs -rn1 dirname | sort -u); \
	REQUIRE='$(REQUIRED)' go test -run '^$$' -bench . -benchmem -timeout 60m $$packages | tee .build/bench.txt
	@echo; grep -oE 'bench: .* goal=.*' .build/bench.txt || echo 'bench: no goal was measured'

lint: $(LINTER)
	@scripts/setup.sh lint
	@unformatted=$$(gofmt -l $$(find . -name '*.go' -not -path './.build/*')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted >&2; exit 1; fi
	go vet ./...
	$(LINTER) run ./...
	CGO_ENABLED=0 go build ./...
	GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc go build ./card/...
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go vet ./card/...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go vet ./card/...
	go run ./internal/notice -check NOTICE

$(LINTER):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTER_VERSION)

fmt: $(LINTER)
	$(LINTER) fmt ./...

fuzz:
	@scripts/fuzz.sh '$(FUZZTIME)'

cover:
	@scripts/setup.sh test
	@mkdir -p .build
	REQUIRE='$(REQUIRED)' go test -timeout $(TIMEOUT) -coverprofile=.build/cover.out ./...
	@go tool cover -func=.build/cover.out | tail -n 1

notice:
	@mkdir -p .build
	go run ./internal/notice >.build/NOTICE
	mv .build/NOTICE NOTICE
