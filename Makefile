# Everything there is to do here; `make help` lists it. Options of the balancer: make start ARGS="--replicas 5"
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ARGS ?=
POOL := $(or $(LB_POOL),ringlb)
# not what somebody gives as PORT=8080, which is nothing to the balancer
override PORT := $(or $(LB_PORT),5000)
override ADMIN_PORT := $(or $(LB_ADMIN_PORT),5001)

# The token of the admin port, which make run publishes on this machine's loopback address. It is made once and kept here,
# unless LB_ADMIN_TOKEN or LB_ADMIN_TOKEN_FILE gives one; it guards the admin port alone.
TOKEN_FILE := .admin-token
OWN_TOKEN := $(LB_ADMIN_TOKEN)$(LB_ADMIN_TOKEN_FILE)
DASHBOARD := http://localhost:$(ADMIN_PORT)$(if $(OWN_TOKEN),, with the token in $(TOKEN_FILE))

# compose as a plugin of docker (v2), else the program of its own (v1); its project is the pool, in letters it takes
COMPOSE = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) -p $(PROJECT)
PROJECT := $(shell printf %s '$(POOL)' | tr 'A-Z.' 'a-z-')
export DOCKER_GID ?= $(shell stat -Lc %g /var/run/docker.sock 2>/dev/null || echo 0)
run logs stop: export LB_NETWORK ?= $(POOL)

# npm writes this file at the end of an install
INSTALLED := node_modules/.package-lock.json
NODE := node_modules/.bin/node

.PHONY: help start test check bench analyze build run logs stop swarm swarm-stop clean \
  writable engine compose

help: ## Lists what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

$(INSTALLED): package.json package-lock.json | writable
	@echo "installing what it needs from npm, once; this can take a minute"
	@npm ci --include=dev --no-audit --no-fund --loglevel=error
	@touch $@

$(NODE): $(INSTALLED)
	@[ -x $@ ] || { echo "npm runs no install scripts here (ignore-scripts), and it is one that brings Node.js:" \
	  "run \"npm rebuild node --ignore-scripts=false\"" >&2; exit 1; }

# dist is another user's after one sudo make start
writable:
	@for path in "$(CURDIR)" "$(CURDIR)/dist"; do \
	  [ ! -e "$$path" ] || [ -w "$$path" ] || { \
	    echo "ringlb is installed and built where it is, and you may not write to $$path:" \
	      "make it yours with chown, or use a clone of your own" >&2; exit 1; }; \
	done

start: $(NODE) ## Serves on port 5000 over replicas that are child processes; ARGS="…" are its options
	@npm run build --silent
# not by npm: it would hand Ctrl-C on to a program that the terminal has told already
	@exec $(NODE) -- dist/lib/main.js $(ARGS)

test: $(NODE) ## Runs all tests; those that need a Docker engine are skipped where there is none
	@npm test --silent

check: $(NODE) ## Format, lint, types and tests
	@npm run check --silent

bench: $(NODE) ## Measures ring lookups; its options in ARGS
	@npm run bench --silent -- $(ARGS)

analyze: $(NODE) ## Studies distribution, scaling, failure and hash functions; writes analysis/report.html
	@npm run build --silent
	@exec $(NODE) bench/analyze.ts $(ARGS)

engine:
	@docker version >/dev/null || { echo "this needs a Docker engine; without one there is make start" >&2; exit 1; }

compose:
	@docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || { \
	  echo "this needs Docker Compose, as a plugin of docker or as docker-compose;" \
	    "without it there is docker run: docs/drivers.md" >&2; exit 1; }

build: engine ## Builds the images ringlb and ringlb-replica
	@echo "building the images ringlb and ringlb-replica; the first time this can take minutes"
	@docker build --quiet --force-rm --tag ringlb-replica --target replica .
	@docker build --quiet --force-rm --tag ringlb --target balancer .

run: engine compose build ## Serves on port 5000 from containers: the balancer and its replicas
ifeq ($(OWN_TOKEN),)
	@[ ! -e $(TOKEN_FILE) ] || [ -r $(TOKEN_FILE) ] || { \
	  echo "$(TOKEN_FILE) is another user's, as after sudo make run: make it yours with chown" >&2; exit 1; }
	@[ -s $(TOKEN_FILE) ] || { (umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >$(TOKEN_FILE)); \
	  echo "admin token, kept in $(TOKEN_FILE): $$(cat $(TOKEN_FILE))"; }
	@LB_ADMIN_HOST=0.0.0.0 LB_ADMIN_TOKEN=$$(cat $(TOKEN_FILE)) \
	  LB_ADMIN_TOKEN_SCOPE=$(or $(LB_ADMIN_TOKEN_SCOPE),admin) $(COMPOSE) up --detach --no-build --remove-orphans
else
	@LB_ADMIN_HOST=0.0.0.0 $(COMPOSE) up --detach --no-build --remove-orphans
endif
	@for try in $$(seq 40); do \
	  docker exec $(POOL) ringlb health >/dev/null 2>&1 && { \
	    echo "ringlb serves on http://localhost:$(PORT), its dashboard on $(DASHBOARD)"; \
	    echo "make logs, make stop"; exit 0; }; \
	  [ "$$(docker inspect --format '{{.State.Restarting}}' $(POOL))" = false ] || break; \
	  sleep 1; \
	done; \
	docker logs --tail 20 $(POOL); \
	echo "ringlb is not ready; its last lines are above. make logs follows them, make stop ends it" >&2; exit 1

logs: engine compose ## Follows the log of the balancer that make run started
	@$(COMPOSE) logs --follow --tail=100 balancer

stop: engine compose ## Stops what make run started, and removes every container, network and claim of the pool
	@$(COMPOSE) stop
	@docker ps --all --quiet --filter label=ringlb.pool=$(POOL) | xargs -r docker rm --force --volumes >/dev/null
	@$(COMPOSE) down --volumes --remove-orphans
	@docker network ls --quiet --filter label=ringlb.pool=$(POOL) | xargs -r docker network rm >/dev/null
	@docker volume ls --quiet --filter label=ringlb.pool=$(POOL) | xargs -r docker volume rm >/dev/null

swarm: engine ## Deploys balancers on the managers of this engine's Swarm, and replicas on its nodes
	@docker info --format '{{.Swarm.ControlAvailable}}' | grep -q true || \
	  { echo "this engine is no manager of a Swarm: run \"docker swarm init\", or set DOCKER_HOST" >&2; exit 1; }
	@docker stack deploy --compose-file stack.yml ringlb
	@echo "ringlb serves on port $(PORT) of every manager; make swarm-stop"

swarm-stop: engine ## Removes what make swarm deployed, and every service of the pool
	@docker service rm ringlb_balancer >/dev/null 2>&1 || true
	@docker service ls --quiet --filter label=ringlb.pool=$(POOL) | xargs -r docker service rm >/dev/null
	@docker stack rm ringlb
	@for try in $$(seq 60); do \
	  docker network inspect $${LB_NETWORK:-ringlb} >/dev/null 2>&1 || exit 0; \
	  docker network rm $${LB_NETWORK:-ringlb} >/dev/null 2>&1; sleep 1; \
	done; echo "the network $${LB_NETWORK:-ringlb} is still in use" >&2; exit 1

clean: ## Stops, and removes images and everything that was installed or built
	@if docker info >/dev/null 2>&1; then \
	  $(MAKE) stop; \
	  docker image rm --force ringlb ringlb-replica ringlb-replica:test >/dev/null 2>&1; \
	  docker image prune --force --filter label=ringlb.stage >/dev/null; \
	fi
	@rm -rf node_modules dist coverage analysis $(TOKEN_FILE)
