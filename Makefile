# "make" lists the targets. Needs Go, GNU make (3.81 or newer) and, for some targets, git and a MySQL or MariaDB, which
# tools/with-mysql.sh finds or tells how to get.

.DEFAULT_GOAL := help
.NOTPARALLEL:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X monorelay/bootstrap.version=$(VERSION) -X monorelay/bootstrap.commit=$(COMMIT)

# How long each fuzz target runs, and how often each benchmark.
FUZZTIME ?= 10s
COUNT    ?= 1
# Statement coverage that "make cover" asks for, in percent: of the rules, and of the rest.
COVER_CORE ?= 95
COVER_REST ?= 80
# A vulnerability database for "make vuln" in the place of the public one, as a URL.
VULNDB ?=
# What "make bench" passes on.
BENCH_ARGS ?=

# The main module and the nested ones; test/sdk holds the tests with the official client SDKs.
MODULES := . tools $(patsubst %/go.mod,%,$(wildcard test/sdk/go.mod))
# The folders with Go code of the main module.
FOLDERS := $(wildcard domain usecase ports adapters bootstrap test)

GOENV := $(shell go env CGO_ENABLED GOVERSION CC)
# The race detector needs cgo, which Go switches off by itself where there is no C compiler.
RACE  := $(if $(filter 1,$(firstword $(GOENV))),$(if $(shell command -v $(word 3,$(GOENV)) 2>/dev/null),-race))

# Tools are built once for each version and each Go, outside the tree.
TOOLS_DIR   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/monorelay/tools
tool         = $(TOOLS_DIR)/$(1)-$(shell awk '$$1 == "$(2)" { print $$2 }' tools/go.mod)-$(word 2,$(GOENV))
GOLANGCI    := $(call tool,golangci-lint,github.com/golangci/golangci-lint/v2)
GOVULNCHECK := $(call tool,govulncheck,golang.org/x/vuln)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Running

.PHONY: build run demo
build: ## build bin/monorelay
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o bin/monorelay .

run: ## run the server
	go run . serve

demo: ## walk through what the relay does, over real HTTP
	go run . demo

.PHONY: up down
up: ## start MySQL, two relays and a proxy with Docker Compose
	MONORELAY_VERSION=$(subst +,-,$(VERSION)) MONORELAY_COMMIT=$(COMMIT) docker compose up --detach --build --wait

down: ## stop them; the data stays
	docker compose down

## Changing

.PHONY: generate fmt hooks
generate: ## write wire_gen.go anew
	go tool wire gen .

fmt: $(GOLANGCI) ## format, modernise and tidy
	go fix ./...
	$(GOLANGCI) fmt
	@for m in $(MODULES); do (cd $$m && go mod tidy) || exit 1; done

hooks: ## let git run .githooks/pre-commit before each commit
	git config core.hooksPath .githooks

## Checking

.PHONY: check lint verify test
check: lint verify test ## lint, verify and test: what CI runs

lint: $(GOLANGCI) ## golangci-lint, over every module
	$(GOLANGCI) run ./...
	cd tools && $(GOLANGCI) run --config ../.golangci.yml ./...
	@if [ -f test/sdk/go.mod ]; then set -x; cd test/sdk && $(GOLANGCI) run --config ../../.golangci.yml ./...; fi

verify: ## what is generated, tidied or formatted is up to date
	@before=$$(git status --porcelain 2>/dev/null); \
	$(MAKE) --no-print-directory verify-each || exit 1; \
	after=$$(git status --porcelain 2>/dev/null); \
	[ "$$before" = "$$after" ] || { echo "verify: the checks changed the tree:"; echo "$$after"; exit 1; }

.PHONY: verify-each wire-check tidy-check format-check fasthttp-check compose-check
verify-each: wire-check tidy-check format-check fasthttp-check compose-check

wire-check:
	@go tool wire diff . || { echo "wire_gen.go is stale: run make generate"; exit 1; }

tidy-check:
	@for m in $(MODULES); do (cd $$m && go mod tidy -diff) || { echo "$$m/go.mod is not tidy: run make fmt"; exit 1; }; done

format-check:
	@bad=$$(gofmt -l *.go $(FOLDERS) tools); [ -z "$$bad" ] || { echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; }

# Fiber alone would choose a fasthttp that lets requests be smuggled.
FASTHTTP_MINOR := 76
fasthttp-check:
	@go list -m -f '{{.Version}}' github.com/valyala/fasthttp | awk -F '[v.]' \
		'{ n++; if ($$2 > 1 || ($$2 == 1 && $$3 + 0 >= $(FASTHTTP_MINOR))) ok++; else print "fasthttp " $$0 " is older than v1.$(FASTHTTP_MINOR).0" } \
		END { exit !(n && n == ok) }'

compose-check: ## docker-compose.yml, Dockerfile and .env.example keep their rules
	@cd tools && go run ./composecheck ../docker-compose.yml

test: ## every test, with the race detector, on a real MySQL or MariaDB
ifeq ($(RACE),)
ifeq ($(CI),true)
	@echo "test: the race detector is needed in CI; install a C compiler (and leave CGO_ENABLED alone)" >&2; exit 1
else
	@echo "test: without the race detector, which needs a C compiler"
endif
endif
	tools/with-mysql.sh $(MAKE) --no-print-directory test-each

.PHONY: test-each
test-each:
	go test $(RACE) -shuffle=on ./...
	@if [ -f test/sdk/go.mod ]; then set -x; cd test/sdk && go test $(RACE) -shuffle=on ./...; fi

.PHONY: fuzz cover bench bench-micro vuln
fuzz: ## each fuzz target for FUZZTIME (10s)
	@grep -rnoE --include='*_test.go' --exclude-dir=sdk '^func Fuzz[A-Za-z0-9_]+' $(FOLDERS) | sort | \
	while IFS=: read -r file _ target; do \
		dir=$${file%/*}; target=$${target#func }; \
		echo "$$target in $$dir"; \
		go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "./$$dir" </dev/null || exit 1; \
	done

cover: ## coverage by ring, and fail under COVER_CORE or COVER_REST
	tools/with-mysql.sh go test -shuffle=on -coverpkg=./... -coverprofile=coverage.out ./...
	@awk -v core=$(COVER_CORE) -v rest=$(COVER_REST) -f tools/cover.awk coverage.out

bench: ## the relay against nginx and the bare upstream, on this machine
	go run ./test/bench $(BENCH_ARGS)

bench-micro: ## Go benchmarks of each step, COUNT times; compare two outputs with benchstat
	go test -run='^$$' -bench=. -benchmem -count=$(COUNT) $(addprefix ./,$(addsuffix /...,$(filter-out test,$(FOLDERS))))

vuln: $(GOVULNCHECK) ## known vulnerabilities that the code can reach; VULNDB=URL for a database of one's own
	$(GOVULNCHECK) $(if $(VULNDB),-db $(VULNDB)) ./...

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .cache coverage*

# Built beside its place and moved there, so that a broken build leaves nothing behind.
define build-tool
@echo "building $(notdir $@), once"
@mkdir -p $(@D)
@cd tools && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o $@.$$$$ $(1) && mv $@.$$$$ $@
endef

$(GOLANGCI):
	$(call build-tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

$(GOVULNCHECK):
	$(call build-tool,golang.org/x/vuln/cmd/govulncheck)
