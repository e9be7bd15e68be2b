/**
 * The floor of the comparison: what Deno's server costs when nothing is sold. Parses the JSON body and answers a JSON
 * object.
 *
 *     deno run -A bench/peers/bare.ts 8080
 *
 * @module
 */
const headers = { "content-type": "application/json" };

Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0]) }, async (request) => {
  const { SKU: sku } = JSON.parse(await request.text());
  return new Response(JSON.stringify({ success: true, sku, new_stock: 1 }), { headers });
});
