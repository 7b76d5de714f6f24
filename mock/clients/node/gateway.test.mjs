// What published clients do through `quotalab gateway`: the routes of ../gateway.yaml over mocks of six dialects. Each test asserts
// what the client returned, and what the journals of the mocks have. The gateway is fresh for each test, because it remembers
// refusals.

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { THROUGH_GATEWAY } from "./clients.mjs";
import { startGateway } from "./gateway.mjs";
import { startMock } from "./quotalab-mock/index.mjs";
import { rowOf, writeRows } from "./rows.mjs";
import { ANSWER, assertForecast, assertWeather, errorOf } from "./wire.mjs";

// Each is a route as well.
const PROVIDERS = ["groq", "openai", "anthropic", "gemini", "mistral", "cerebras"];
// No provider knows it, so it shows that the gateway sends the provider's own key.
const KEY_OF_CALLER = "key-of-the-caller";

const first = await startMock({ args: [process.env.CLIENTS_GATEWAY] });
const mocks = { [first.name]: first, ...first.others };
const rows = [];
after(async () => {
  await first.stop();
  writeRows("gateway", rows);
});

const statuses = async (mock) => (await mock.requests()).map((request) => request.status);

/** Leaves nothing of a limit to the targets of the route `limited`. */
const useUp = (axis) => Promise.all([mocks.groq, mocks.openai].map((mock) => mock.limits({ [axis]: "0 left" })));

for (const [name, client] of Object.entries(THROUGH_GATEWAY)) {
  const { create, refusal, retries } = client;
  const row = rowOf(name, client);
  rows.push(row);

  /** A test whose outcome is that of a feature in the table; a feature may have several, of which a failure counts. */
  const check = (feature, title, body) =>
    test(title, async () => {
      const before = row.features[feature] ?? ["passed"];
      row.features[feature] = ["failed"];
      await body();
      row.features[feature] = before;
    });

  describe(name, () => {
    let gateway;
    beforeEach(async () => {
      await Promise.all(Object.values(mocks).map((mock) => mock.reset()));
      gateway = await startGateway(Object.values(mocks));
      // The SDK of Groq adds `/openai/v1`.
      const variables = { OPENAI_BASE_URL: `${gateway.url}/v1`, GROQ_BASE_URL: gateway.url };
      Object.assign(process.env, variables, { OPENAI_API_KEY: KEY_OF_CALLER, GROQ_API_KEY: KEY_OF_CALLER });
    });
    afterEach(() => gateway.stop());

    for (const provider of PROVIDERS) {
      const mock = mocks[provider];

      check("plain", `plain, ${provider}`, async () => {
        await mock.answer(ANSWER);
        assert.equal(await create(provider, 0).ask(), ANSWER);
        const [request, ...others] = await mock.requests();
        assert.deepEqual([request.status, request.model, request.stream, others.length], [200, mock.models[0], false, 0]);
      });

      check("streamed", `streamed, ${provider}`, async () => {
        await mock.answer(ANSWER);
        const parts = await create(provider, 0).stream();
        assert.equal(parts.join(""), ANSWER);
        assert.ok(parts.length > 5);
        assert.deepEqual((await mock.requests()).map(({ status, stream }) => [status, stream]), [[200, true]]);
      });

      check("tools", `tools, ${provider}`, async () => {
        const [input, text] = await create(provider, 0).callTool();
        assertWeather(input);
        assert.equal(text.split(" ").length, 12, "the completion of ../gateway.yaml");
        assert.deepEqual(await statuses(mock), [200, 200]);
      });

      check("structured", `structured, ${provider}`, async () => {
        assertForecast(await create(provider, 0).structured());
        assert.deepEqual(await statuses(mock), [200]);
      });
    }

    check("unknown_model", "unknown model", async () => {
      const error = await errorOf(create("gpt-2", 0).ask());
      assert.equal(error.status ?? error.statusCode, 404);
      assert.match(error.message, /the model `gpt-2` is neither a route nor a target of this gateway/);
      for (const mock of Object.values(mocks)) assert.deepEqual(await statuses(mock), []);
    });

    check("fallback", "fallback", async () => {
      await Promise.all([mocks.groq, mocks.cerebras].map((mock) => mock.answer(ANSWER)));
      const chat = create("chat", 0);
      for (let request = 0; request < 11; request++) assert.equal(await chat.ask(), ANSWER);
      const [atFirst, atSecond] = [await statuses(mocks.groq), await statuses(mocks.cerebras)];
      assert.deepEqual(atFirst.slice(0, 5), [200, 200, 200, 200, 200]);
      assert.ok(atSecond.every((status) => status === 200));
      assert.equal(atFirst.filter((status) => status === 200).length + atSecond.length, 11);
    });

    check("refused", "refused", async () => {
      const chat = create("limited", 0);
      await useUp("rpd");
      const since = performance.now();
      const error = await errorOf(chat.ask());
      const took = (performance.now() - since) / 1000;
      const [errorClass, status, wait] = chat.refusal(error);
      assert.deepEqual([errorClass, status], [refusal, 429]);
      assert.match(error.message, /route `limited`: no target can serve it before its deadline/);
      const [[atFirst], [atSecond]] = [await mocks.groq.requests(), await mocks.openai.requests()];
      assert.deepEqual([atFirst.status, atSecond.status], [429, 429]);
      const announced = Math.min(atFirst.wait_s, atSecond.wait_s);
      // In milliseconds, rounded up.
      assert.ok(wait >= announced - took && wait <= announced + 0.001);
    });

    check("retried", "retried", async () => {
      await Promise.all([mocks.groq, mocks.openai].map((mock) => mock.answer(ANSWER)));
      const chat = create("limited", retries);
      await useUp("rpm");
      assert.equal(await chat.ask(), ANSWER);
      const requests = [...(await mocks.groq.requests()), ...(await mocks.openai.requests())];
      const [served, ...others] = requests.filter((request) => request.status === 200);
      const refused = requests.filter((request) => request.status === 429);
      assert.deepEqual([others.length, refused.length], [0, 2], "the gateway's refusal announces when the first target is free");
      assert.ok(served.arrived_s - refused[0].ended_s >= refused[0].wait_s - 0.001);
    });
  });
}
