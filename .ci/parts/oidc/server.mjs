// An OpenID provider for tests: the npm package oidc-provider with its forms for development, at which anybody signs in
// with any name and password. Usage: node server.mjs DIR PUBLICURL
//
// People get the claim "groups" by their name: ops, admins, or none. The client "robot" gets tokens by its own secret:
// for the resource urn:concord:api, for urn:other, and for urn:concord:short, whose audience is that of the first and
// which last for two seconds. PUBLICURL is where the server under test is reached; its client is "concord".
import { createServer } from "node:http";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Provider } from "oidc-provider";

const [dir, publicURL] = process.argv.slice(2);
const groups = { bo: ["ops"], ada: ["admins", "ops"] };
const resource = (audience, seconds) => ({
  scope: "api", audience, accessTokenTTL: seconds, accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } },
});
const resources = {
  "urn:concord:api": resource("urn:concord:api", 300),
  "urn:concord:short": resource("urn:concord:api", 2),
  "urn:other": resource("urn:other", 300),
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "concord", client_secret: "provider-secret", grant_types: ["authorization_code"],
        redirect_uris: [`${publicURL}/auth/callback`],
        post_logout_redirect_uris: [`${publicURL}/auth/signed-out`],
      },
      {
        client_id: "robot", client_secret: "robot-secret", grant_types: ["client_credentials"], redirect_uris: [],
        response_types: [],
      },
    ],
    pkce: { required: () => true },
    conformIdTokenClaims: false, // the ID token has the claims of its scopes, as with most providers
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    scopes: ["openid", "groups"],
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: `sub-${id}`, preferred_username: id, groups: groups[id] ?? [] }),
    }),
    extraTokenClaims: () => ({ groups: ["ops"] }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_, name) => resources[name] },
    },
    cookies: { keys: ["only for tests"] },
    ttl: { Session: 600, Interaction: 600, Grant: 600, IdToken: 300 },
  });
  provider.on("server_error", (_, error) => console.error(error));
  server.on("request", provider.callback());
  writeFileSync(join(dir, "issuer.new"), issuer);
  renameSync(join(dir, "issuer.new"), join(dir, "issuer"));
});
