#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh demo|test|lint installs what that command needs and this machine
# lacks, on Debian and Ubuntu: as root by itself, else through sudo, else it
# names the packages and stops. Where nothing is missing it does nothing and
# needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }

# has_file PATTERN...: one of the patterns matches a file.
has_file() { compgen -G "$1" >/dev/null || { [ $# -gt 1 ] && shift && has_file "$@"; }; }

has_softhsm() {
	if [ -n "${SOFTHSM2_MODULE:-}" ]; then [ -e "$SOFTHSM2_MODULE" ]; return; fi
	has_file '/usr/lib/*-linux-*/softhsm/libsofthsm2.so' '/usr/lib*/softhsm/libsofthsm2.so' \
		'/usr/local/lib/softhsm/libsofthsm2.so' '/opt/homebrew/lib/softhsm/libsofthsm2.so'
}
has_compiler() { has cc && { [ "$(uname)" != Linux ] || [ -e /usr/include/stdlib.h ]; }; }
has_library() { has_file "/usr/lib/*-linux-*/$1" "/usr/lib64/$1" "/usr/lib/$1"; }
has_program() { has "$1" || [ -x "/usr/sbin/$1" ]; }
has_nss() { [ -n "${NSS_MODULE:-}" ] || has_library libsoftokn3.so || has_library nss/libsoftokn3.so; }
has_pkits() { [ -n "${PKITS:-}" ] || [ -d /usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data ]; }
has_browser() { has chromium || has chromium-browser || has google-chrome || has google-chrome-stable; }
has_authlib() { has python3 && python3 -c 'import authlib, requests' 2>/dev/null || /usr/bin/python3 -c 'import authlib, requests' 2>/dev/null; }
has_postgres() { has initdb || has_file '/usr/lib/postgresql/*/bin/initdb'; }

# Ubuntu's package has another name than Debian's.
chromium_package() {
	if grep -qs '^ID=ubuntu' /etc/os-release; then echo chromium-browser; else echo chromium; fi
}

# What tests use from npm stands in .build/npm, by the lock file in scripts/npm.
npm_packages=.build/npm
has_npm_packages() { cmp -s scripts/npm/package-lock.json "$npm_packages/package-lock.json"; }

# The folder gets its name when it is whole.
install_npm_packages() {
	rm -rf "$npm_packages" "$npm_packages.new"
	mkdir -p "$npm_packages.new"
	cp scripts/npm/package.json scripts/npm/package-lock.json "$npm_packages.new"
	npm ci --prefix "$npm_packages.new" --no-audit --no-fund --ignore-scripts >&2
	mv "$npm_packages.new" "$npm_packages"
}

# missing SET prints the packages that stand for what a set lacks.
missing() {
	case $1 in
	demo | test)
		has_softhsm || echo softhsm2
		has_compiler || echo gcc libc6-dev
		has openssl || echo openssl
		;;
	esac
	case $1 in
	test)
		has pkcs11-tool || echo opensc
		has_library opensc-pkcs11.so || echo opensc-pkcs11
		has_program pcscd || echo pcscd
		has_library pcsc/drivers/serial/libifdvpcd.so || echo vsmartcard-vpcd
		has_nss || echo libnss3
		has certutil || echo libnss3-tools
		has_program pkcsslotd || echo opencryptoki
		has p11-kit || echo p11-kit
		has_library pkcs11/p11-kit-client.so || echo p11-kit-modules
		has certtool || echo gnutls-bin
		has_library engines-3/pkcs11.so || echo libengine-pkcs11-openssl
		has_pkits || echo python3-cryptography-vectors
		has strace || echo strace
		has_browser || chromium_package
		has_postgres || echo postgresql
		has_authlib || echo python3-authlib python3-requests
		has_npm_packages || has npm || echo npm
		;;
	lint)
		has_compiler || echo gcc libc6-dev
		has x86_64-w64-mingw32-gcc || echo gcc-mingw-w64-x86-64
		;;
	esac
}

stop() {
	echo "setup: $1" >&2
	exit 1
}

case ${1:-} in
demo | test | lint) ;;
*) stop 'say demo, test or lint' ;;
esac
has go || stop 'Go 1.26 or newer is needed: https://go.dev/doc/install'

# install PACKAGE... installs what Debian calls so.
install() {
	has apt-get || stop "missing here: what Debian calls $*"
	as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		as_root=(sudo)
		[ -t 0 ] || as_root=(sudo -n)
		if ! has sudo || ! "${as_root[@]}" true; then
			stop "as root, please run: apt-get install $*"
		fi
	fi
	echo "setup: installing $*" >&2
	# Tests start the daemons that they need, apart from the machine's: none starts
	# because it was installed, unless this machine has a policy of its own.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap '"${as_root[@]}" rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
		"${as_root[@]}" chmod 755 "$policy"
	fi
	"${as_root[@]}" apt-get update -q >&2
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

read -ra packages <<<"$(missing "$1" | tr '\n' ' ')"
if [ ${#packages[@]} -gt 0 ]; then
	install "${packages[@]}"
	left=$(missing "$1" | tr '\n' ' ')
	[ -z "$left" ] || stop "still missing after the installation: $left"
fi
if [ "$1" = test ] && ! has_npm_packages; then install_npm_packages; fi
