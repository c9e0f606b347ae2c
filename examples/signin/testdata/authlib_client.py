# SPDX-License-Identifier: Apache-2.0
"""Authlib signs in against the test server, refreshes, and is told of the
sign-out: once by client_secret_post, once by private_key_jwt RS512."""

import os
import time

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken

ISSUER, CONTROL, PARTY = os.environ["ISSUER"], os.environ["CONTROL"], os.environ["PARTY"]
SECRET, KEY, SUB = os.environ["SECRET"], os.environ["KEY"], os.environ["SUB"]
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"

server = requests.get(ISSUER + "/.well-known/openid-configuration", timeout=30).json()
keys = JsonWebKey.import_key_set(requests.get(server["jwks_uri"], timeout=30).json())
signed = JsonWebToken(["RS256"])


def walk(address):
    """Follows redirects as a browser does, up to the application's own address."""
    browser = requests.Session()
    while not address.startswith(PARTY):
        answer = browser.get(address, allow_redirects=False, timeout=30)
        assert answer.status_code == 303, answer.text
        address = requests.compat.urljoin(address, answer.headers["Location"])
    return browser, address


def told(client_id):
    for _ in range(600):
        tokens = requests.get(PARTY + "/told", params={"client": client_id}, timeout=30).json()
        if tokens:
            return tokens[0]
        time.sleep(0.05)
    raise AssertionError("no logout token came")


def five_minutes():
    """A fresh one for each use: Authlib's own is good for an hour, longer than the national service takes, and one with
    claims of ours keeps its jti."""
    return PrivateKeyJWT(server["token_endpoint"], claims={"exp": int(time.time()) + 300}, alg="RS512")


def play(client_id, secret, method, assertion=None):
    session = OAuth2Session(
        client_id, secret, token_endpoint_auth_method=method, scope="openid profile nationalrbacaccess",
        redirect_uri=PARTY + "/callback", code_challenge_method="S256",
    )
    verifier, nonce = generate_token(48), generate_token()
    address, state = session.create_authorization_url(
        server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, prompt="login", acr_values="AAL3_ANY")
    named = requests.post(CONTROL + "/persona", json={"sub": SUB}, timeout=30)
    assert named.status_code == 200, named.text

    browser, back = walk(address)
    if assertion:
        session.register_client_auth_method(assertion())
    tokens = session.fetch_token(server["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)
    claims = signed.decode(
        tokens["id_token"], keys, claims_cls=CodeIDToken,
        claims_options={"iss": {"essential": True, "value": server["issuer"]}, "aud": {"essential": True, "value": client_id}},
        claims_params={"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]},
    )
    claims.validate(leeway=60)
    assert claims["sub"] == SUB
    info = session.get(server["userinfo_endpoint"], timeout=30).json()
    assert info["sub"] == claims["sub"] and len(info["nhsid_nrbac_roles"]) == 1

    if assertion:
        session.register_client_auth_method(assertion())
    again = session.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"])
    assert again["access_token"] != tokens["access_token"]

    out = browser.post(server["issuer"] + "/signout", headers={"Accept": "text/html"}, allow_redirects=False, timeout=30)
    assert out.status_code == 303, out.text
    end = signed.decode(told(client_id), keys, claims_options={
        "iss": {"essential": True, "value": server["issuer"]}, "aud": {"essential": True, "value": client_id},
        "iat": {"essential": True}, "exp": {"essential": True}, "jti": {"essential": True},
        "sub": {"essential": True, "value": claims["sub"]}, "sid": {"essential": True, "value": claims["sid"]},
    })
    end.validate(leeway=60)
    assert end["events"] == {LOGOUT: {}} and "nonce" not in end
    assert session.get(server["userinfo_endpoint"], timeout=30).status_code == 401


with open(KEY, encoding="ascii") as file:
    private = file.read()
play("post", SECRET, "client_secret_post")
play("assertion", private, "private_key_jwt", five_minutes)
