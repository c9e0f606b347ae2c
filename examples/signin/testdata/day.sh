#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A day at the test server, with curl alone: a sign-in, eight hours later, a
# fault, a pulled card. ISSUER and CONTROL are what the server printed, APP is
# the application's address and SECRET its secret.
set -eu

fail() { echo "day.sh: $1" >&2; exit 1; }

# control PATH JSON tells the control port something.
control() { curl -sS --fail -H 'Content-Type: application/json' -d "$2" "$CONTROL$1" >/dev/null || fail "control $1 $2"; }

# member NAME prints a string member of the JSON on standard input.
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

# payload prints the claims of a JWT.
payload() {
	body=$(echo "$1" | cut -d. -f2 | tr '_-' '/+')
	while [ $((${#body} % 4)) -ne 0 ]; do body="$body="; done
	echo "$body" | base64 -d
}

# signin SUB signs somebody in without a page, and prints the token endpoint's answer.
signin() {
	control /persona "{\"sub\":\"$1\"}"
	back=$(curl -sS -L -o /dev/null -w '%{url_effective}' "$ISSUER/authorize?client_id=ward&response_type=code&scope=openid%20profile%20nationalrbacaccess&state=s&redirect_uri=$APP/callback")
	code=$(echo "$back" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
	[ -n "$code" ] || fail "no code came back: $back"
	curl -sS --fail -d grant_type=authorization_code -d "code=$code" -d "redirect_uri=$APP/callback" -d client_id=ward --data-urlencode "client_secret=$SECRET" "$ISSUER/access_token"
}

# userinfo TOKEN prints the status of an answer.
userinfo() { curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" "$ISSUER/userinfo"; }

# accepted prints how many logout tokens the application has taken.
accepted() { curl -sS "$CONTROL/logouts" | grep -c '"result": "accepted"' || true; }

echo "a sign-in"
tokens=$(signin 900000000101)
access=$(echo "$tokens" | member access_token)
payload "$(echo "$tokens" | member id_token)" | grep -q '"wardkey_test":true' || fail "the token does not say that it is a test's"
[ "$(userinfo "$access")" = 200 ] || fail "userinfo is not there"

echo "eight hours later"
control /clock '{"add":"8h"}'
[ "$(userinfo "$access")" = 401 ] || fail "userinfo outlived the session"
[ "$(accepted)" = 1 ] || fail "the application was not told of the end"

echo "a fault"
control /fault '{"name":"wrong-aud"}'
payload "$(signin 900000000102 | member id_token)" | grep -q '"aud":"another-client"' || fail "the audience is right"
control /fault '{"name":""}'

echo "a pulled card"
access=$(signin 900000000103 | member access_token)
control /card '{"do":"pull"}'
[ "$(userinfo "$access")" = 401 ] || fail "userinfo outlived the card's stay in its reader"
[ "$(accepted)" = 2 ] || fail "the application was not told of the pulled card"

control /reset '{}'
