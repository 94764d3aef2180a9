# ampd. `make help` lists what there is.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=

# The runtime goes into the programs, so that a target machine needs no toolchain.
RELEASE = -c release --static-swift-stdlib
BIN = .build/release
VENV = .build-venv
PYTEST = $(VENV)/bin/python -m pytest -q Tests/Live

.PHONY: help build check test demo install uninstall vectors prerequisites clean

help:
	@echo 'make build     build ampd and amp, optimised, in $(BIN)'
	@echo 'make demo      see the main job done on real files (DEMO_FILES=DIR for others)'
	@echo 'make check     the quick tests, in about a minute once built'
	@echo 'make test      all tests, installing what they need'
	@echo 'make install   to PREFIX ($(PREFIX)), below DESTDIR'
	@echo 'make vectors   record the test vectors anew from Twisted'

prerequisites:
	@scripts/prerequisites

build: prerequisites
	swift build $(RELEASE) --product ampd
	swift build $(RELEASE) --product amp

# Leaves out what takes long: the simulator, transfers through a daemon's death, slow live tests.
check: prerequisites $(VENV)/ready
	swift build --build-tests -q && swift build --product ampd -q
	swift test -q --skip-build --skip '^SimulationTests' --skip '^ClientTests'
	AMPD=.build/debug/ampd $(PYTEST) -m 'not slow' -k 'commands or streams or twisted'

test: prerequisites $(VENV)/ready build
	swift test
	AMPD=$(BIN)/ampd AMP=$(BIN)/amp $(PYTEST)

demo: build
	@scripts/demo $(DEMO_FILES)

vectors: $(VENV)/ready
	$(VENV)/bin/python Tests/AMPTests/Vectors/record.py

$(VENV)/ready:
	@scripts/prerequisites
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check 'twisted>=26' pytest
	touch $@

install:
	@test -x $(BIN)/ampd && test -x $(BIN)/amp || { echo 'run `make build` first' >&2; exit 1; }
	install -D -m 755 $(BIN)/ampd $(DESTDIR)$(PREFIX)/bin/ampd
	install -D -m 755 $(BIN)/amp $(DESTDIR)$(PREFIX)/bin/amp
	sed 's|/usr/bin/|$(PREFIX)/bin/|' systemd/ampd.service | \
		install -D -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/ampd.service
	install -m 644 systemd/ampd.socket $(DESTDIR)$(UNITDIR)/ampd.socket
	@# An administrator's own configuration stays.
	test -e $(DESTDIR)$(SYSCONFDIR)/ampd/ampd.toml || \
		install -D -m 644 etc/ampd/ampd.toml $(DESTDIR)$(SYSCONFDIR)/ampd/ampd.toml

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ampd $(DESTDIR)$(PREFIX)/bin/amp
	rm -f $(DESTDIR)$(UNITDIR)/ampd.service $(DESTDIR)$(UNITDIR)/ampd.socket

clean:
	rm -rf .build .build-tests $(VENV)
