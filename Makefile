# Concord. `make run` and `make test` are all that a fresh clone needs.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build web test bench sim fuzz lint conformance cluster cluster-down clean

# The binary is static and needs no C compiler; only the race detector in `make test` does.
BIN := bin/concord
DATA ?= ./data
SEEDS ?= 1000
START ?= 1
FUZZTIME ?= 30s
SUITE ?= short
CONFORMANCE ?=
CLUSTER ?= ./data/cluster

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build and start a coordinator for development on ./data (DATA=dir, ARGS="--log-level debug")
	$(BIN) serve --dev --data $(DATA) $(ARGS)

build: ## build bin/concord; needs Go alone
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/concord

web: ## build the console into web/console/dist, checked and tested; needs Node.js (the binary does not)
	.ci/parts/node.sh install
	.ci/web build

screenshots: build ## take the pictures of the console anew, by its tests in a browser; look at them before you commit
	.ci/parts/node.sh install
	.ci/parts/chromium.sh install
	.ci/web screenshots

test: ## install what is missing (as root), then run every test there is, real clients and databases included
	.ci/test

bench: build ## measure the binary over the protocol (SUITE=short, full, closed, ladder, ...)
	go run ./bench -suite $(SUITE) -concord $(BIN)

sim: ## run the deterministic simulation with more seeds (SEEDS=n, START=first)
	go test ./sim -count 1 -timeout 0 -run '^TestSeeds$$' -v -args -sim.seeds $(SEEDS) -sim.start $(START)

fuzz: ## fuzz every target for FUZZTIME each (FUZZTIME=10m)
	.ci/fuzz $(FUZZTIME)

lint: ## vet, format and style
	go vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "run gofmt -w $$unformatted"; exit 1; }
	go test ./internal/tidy
	go mod tidy -diff
	[ ! -d web/console/node_modules ] || (cd web/console && npm run --silent check && npm run --silent lint)

conformance: build ## run Seata's own clients against the binary (CONFORMANCE="-pl seata-1.8.0 -Dtest=TccTest")
	.ci/parts/java.sh install
	.ci/parts/mariadb.sh install
	conformance/run.sh $(BIN) $(CONFORMANCE)

cluster: build ## start two nodes with MariaDB, RocketMQ and ZooKeeper in ./data/cluster (CLUSTER=dir NODES=3 BROKERS=2m2s)
	deploy/cluster.sh up $(CLUSTER) $(BIN)

cluster-down: ## stop exactly what `make cluster` started (CLUSTER=dir)
	deploy/cluster.sh down $(CLUSTER)

clean: ## remove what was built; ./data stays
	rm -rf bin .parts
	go clean -testcache
	find conformance -type d -name target -prune -exec rm -rf {} +
