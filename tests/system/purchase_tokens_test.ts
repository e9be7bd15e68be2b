/** Purchase tokens between real processes: a token is for one deployment, which its ledger or DEPLOYMENT_ID names. */
import assert from "node:assert/strict";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { type Env, Service, startEmbedded } from "./stack.ts";

const KEY: Env = { PURCHASE_TOKEN_KEY: "k".repeat(32) };
const buyer = { order_id: "o1", user_id: "u1" };

const issue = (service: Service) =>
  service.post("/api/v1/purchase-tokens", { ...buyer, lines: [{ sku: "SKU_123", amount: 1 }] });

function buy(service: Service, token: unknown) {
  const headers = { "purchase-token": String(token) };
  return service.post("/api/v1/inventory/deduct", { ...buyer, sku: "SKU_123", amount: 1 }, headers);
}

/** The demo, sold with a token only. */
async function startDemo(): Promise<Service> {
  const service = await startEmbedded(await dataDir("tokens"), { ...KEY, DEMO_STOCK: "1" });
  const rules = { opens_at: null, closes_at: null, quota: null, purchase_token: true, expected: 0 };
  assert.equal((await service.put("/api/v1/inventory/SKU_123/rules", rules)).status, 200);
  return service;
}

Deno.test("purchase tokens: two deployments with the same key and namespace refuse each other's", async () => {
  await using one = await startDemo();
  await using other = await startDemo();
  const { purchase_token } = (await issue(one)).body;
  const refused = await buy(other, purchase_token);
  assert.deepEqual([refused.status, refused.body.code], [403, "purchase_token_invalid"]);
  assert.equal((await buy(one, purchase_token)).status, 200);
});

Deno.test("purchase tokens: with Redis they wait for the ledger's id, unless DEPLOYMENT_ID gives it", async () => {
  const env = {
    ...KEY,
    REDIS_URL: sharedRedis().url,
    DATABASE_URL: await sharedPostgres().freshDatabase(),
    NAMESPACE: freshNamespace(),
  };
  // No worker has made the ledger: it says nothing of the deployment.
  await using early = await Service.start("api", env);
  const { status, body } = await issue(early);
  assert.deepEqual([status, body.code], [503, "unarmed"]);
  const DEPLOYMENT_ID = crypto.randomUUID();
  await using named = await Service.start("api", { ...env, DATABASE_URL: "", DEPLOYMENT_ID });
  const { purchase_token } = (await issue(named)).body;
  const [payload = ""] = String(purchase_token).split(".");
  const bytes = Uint8Array.fromBase64(payload, { alphabet: "base64url" });
  assert.equal(JSON.parse(new TextDecoder().decode(bytes)).deployment, DEPLOYMENT_ID);
});
