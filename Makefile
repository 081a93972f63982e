# Thin: each target is one call. What a build needs of the machine beyond git, make, Node and npm, debcast sees to itself.
#   make image            conf/base.ts → image/base/
#   make image CONF=gateway
#   make image ARGS="--verbose --mirror http://mirror.example/debian"

CONF ?= base
ARGS ?=
DEBCAST = bin/debcast
NODE_LEAST = 20.19.2

.PHONY: image tar disk vm check test test-long bench clean

image tar disk vm check: node_modules/.debcast-run
	@$(DEBCAST) $@ -c $(CONF) $(ARGS)

clean: node_modules/.debcast-run
	@$(DEBCAST) clean $(ARGS)

# Tests want vitest, lint and types too.
test: node_modules/.debcast-dev
	@npx --no-install vitest run --project unit --project real --project alone $(ARGS)

test-long: node_modules/.debcast-dev
	@npx --no-install vitest run --project long $(ARGS)

# Beside other programs that make the same Debian, as far as they are installed; `make bench ARGS=--help` says what can be chosen.
bench: node_modules/.debcast-dev
	@node test/bench/bench.mjs $(ARGS)

# The stamps lie in node_modules, so that they go when it goes. A full install is also good enough to build images.
node_modules/.debcast-run: package-lock.json | node-is-there
	@if [ -e node_modules/.debcast-dev ] && [ ! package-lock.json -nt node_modules/.debcast-dev ]; then touch $@; else npm ci --omit=dev --no-fund --no-audit --loglevel=error && touch $@; fi

node_modules/.debcast-dev: package-lock.json | node-is-there
	@npm ci --no-fund --no-audit --loglevel=error && touch $@ node_modules/.debcast-run

.PHONY: node-is-there
node-is-there:
	@command -v node >/dev/null || { \
	  printf '%s\n' 'error: debcast runs on Node, and there is no `node` here' '' 'hint: apt-get install nodejs npm   (Debian 13; older releases carry an older Node, see nodejs.org)' >&2; exit 1; }
	@node -e 'const at = (v) => v.split(".").reduce((n, part) => n * 1000 + Number(part), 0); process.exit(at(process.versions.node) < at("$(NODE_LEAST)") ? 1 : 0)' || { \
	  printf '%s\n' "error: debcast needs Node $(NODE_LEAST) or newer, and this one is $$(node -p process.versions.node)" '' 'hint: apt-get install nodejs npm   (Debian 13), or put a newer `node` first in PATH' >&2; exit 1; }
	@command -v npm >/dev/null || { printf '%s\n' 'error: there is no `npm` here' '' 'hint: apt-get install npm' >&2; exit 1; }
