// SPDX-License-Identifier: Apache-2.0
//
// npm's openid-client signs in against the test server, refreshes, and is told
// of the sign-out: once by client_secret_post, once by private_key_jwt RS512.
// Its own checks are all on, the signature of the ID token's among them.

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";

const { ISSUER, CONTROL, PARTY, SECRET, KEY, SUB } = process.env;

// walk follows redirects as a browser does, up to the application's own address.
async function walk(address) {
  let cookie = "";
  for (;;) {
    const response = await fetch(address, { redirect: "manual", headers: { cookie } });
    assert.equal(response.status, 303, await response.text());
    for (const set of response.headers.getSetCookie()) {
      if (set.startsWith("wardkey-session=")) cookie = set.split(";")[0];
    }
    address = new URL(response.headers.get("location"), address);
    if (address.href.startsWith(PARTY)) return { address, cookie };
  }
}

async function told(kind) {
  for (let tries = 0; tries < 600; tries++) {
    const tokens = await (await fetch(`${PARTY}/told?client=${kind}`)).json();
    if (tokens.length > 0) return tokens[0];
    await new Promise((go) => setTimeout(go, 50));
  }
  throw new Error("no logout token came");
}

// signedOut is what an application checks in a logout token. OpenID Connect Back-Channel Logout §2.6.
async function signedOut(config, clientID, id, cookie) {
  const out = await fetch(`${new URL(ISSUER).origin}/signout`, { method: "POST", headers: { cookie, accept: "text/html" }, redirect: "manual" });
  assert.equal(out.status, 303);
  const server = config.serverMetadata();
  const { payload } = await jwtVerify(await told(clientID), createRemoteJWKSet(new URL(server.jwks_uri)), {
    issuer: server.issuer, audience: clientID, typ: "logout+jwt", requiredClaims: ["iat", "exp", "jti", "sid", "events"],
  });
  assert.equal(payload.sid, id.sid);
  assert.equal(payload.sub, id.sub);
  assert.equal(payload.nonce, undefined);
  assert.deepEqual(payload.events["http://schemas.openid.net/event/backchannel-logout"], {});
}

async function play(clientID, metadata, authentication) {
  const config = await client.discovery(new URL(ISSUER), clientID, metadata, authentication, { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] });
  const verifier = client.randomPKCECodeVerifier();
  const nonce = client.randomNonce();
  const state = client.randomState();
  const begin = client.buildAuthorizationUrl(config, {
    redirect_uri: `${PARTY}/callback`, scope: "openid profile nationalrbacaccess", nonce, state, prompt: "login", max_age: "300",
    acr_values: "AAL3_ANY", code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const named = await fetch(`${CONTROL}/persona`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ sub: SUB }) });
  assert.equal(named.status, 200, await named.text());

  const { address, cookie } = await walk(begin);
  const tokens = await client.authorizationCodeGrant(config, address, {
    pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, maxAge: 300, idTokenExpected: true,
  });
  const id = tokens.claims();
  assert.equal(id.sub, SUB);
  assert.equal(id.acr, "AAL3_ANY");
  const info = await client.fetchUserInfo(config, tokens.access_token, id.sub);
  assert.equal(info.nhsid_nrbac_roles.length, 1);

  const again = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(again.claims().sub, id.sub);
  await signedOut(config, clientID, id, cookie);
  await assert.rejects(client.fetchUserInfo(config, again.access_token, id.sub));
  await assert.rejects(client.refreshTokenGrant(config, again.refresh_token));
}

const pem = createPrivateKey(await readFile(KEY, "utf8")).export({ type: "pkcs8", format: "der" });
const key = await crypto.subtle.importKey("pkcs8", pem, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" }, false, ["sign"]);
await play("post", { client_secret: SECRET }, client.ClientSecretPost(SECRET));
await play("assertion", {}, client.PrivateKeyJwt({ key, kid: "ward-key" }));
