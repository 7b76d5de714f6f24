// What every client of clients.mjs does with the mock: plain, streamed, tools, structured output, 429 and retry. Each test asserts
// what the client returned, and what the mock's journal has about its requests.

import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { CLIENTS } from "./clients.mjs";
import { startMock } from "./quotalab-mock/index.mjs";
import { rowOf, writeRows } from "./rows.mjs";
import { ANSWER, assertForecast, assertWeather, errorOf } from "./wire.mjs";

const first = await startMock({ args: [process.env.CLIENTS_MATRIX] });
const mocks = { [first.name]: first, ...first.others };
const rows = [];
after(async () => {
  await first.stop();
  writeRows("mock", rows);
});

const VARIABLES = /_(API_KEY|BASE_URL|API_BASE)$/;

for (const [name, client] of Object.entries(CLIENTS)) {
  const { provider, create, refusal, retries, ownWaits } = client;
  const row = rowOf(name, client);
  rows.push(row);

  /** A test whose outcome is that of a feature in the table. */
  const check = (feature, body) =>
    test(feature, async () => {
      row.features[feature] = ["failed"];
      await body();
      row.features[feature] = ["passed"];
    });

  describe(name, () => {
    const mock = mocks[provider];
    const [free, limited] = mock.models;
    const statuses = async () => (await mock.requests()).map((request) => request.status);
    beforeEach(async () => {
      await mock.reset();
      for (const variable of Object.keys(process.env).filter((each) => VARIABLES.test(each))) delete process.env[variable];
      Object.assign(process.env, mock.variables);
    });

    check("plain", async () => {
      await mock.answer(ANSWER);
      assert.equal(await create(free, 0).ask(), ANSWER);
      const [request, ...others] = await mock.requests();
      assert.deepEqual([request.status, request.model, request.stream, others.length], [200, free, false, 0]);
    });

    check("streamed", async () => {
      await mock.answer(ANSWER);
      const parts = await create(free, 0).stream();
      assert.equal(parts.join(""), ANSWER);
      assert.ok(parts.length > 5);
      assert.deepEqual((await mock.requests()).map(({ status, stream }) => [status, stream]), [[200, true]]);
    });

    check("tools", async () => {
      const [input, text] = await create(free, 0).callTool();
      assertWeather(input);
      assert.equal(text.split(" ").length, 12, "the completion of ../matrix.yaml");
      assert.deepEqual(await statuses(), [200, 200]);
    });

    check("structured", async () => {
      assertForecast(await create(free, 0).structured());
      assert.deepEqual(await statuses(), [200]);
    });

    check("refused", async () => {
      const client = create(limited, 0);
      await mock.limits({ rpm: "0 left" });
      const error = await errorOf(client.ask());
      const [request, ...others] = await mock.requests();
      assert.deepEqual([request.status, request.outcome, others.length], [429, "refused", 0]);
      assert.deepEqual(client.refusal(error), [refusal, 429, request.wait_s], "the client sees the announced wait");
    });

    check("retried", async () => {
      const client = create(limited, retries);
      await mock.answer(ANSWER);
      await mock.limits({ rpm: "0 left" });
      assert.equal(await client.ask(), ANSWER);
      const requests = await mock.requests();
      const served = requests.pop();
      assert.equal(served.status, 200);
      assert.ok(requests.length >= 1 && requests.length <= 3);
      assert.ok(requests.every((request) => request.status === 429));
      if (ownWaits) return;
      const [refused, ...others] = requests;
      assert.equal(others.length, 0);
      assert.ok(served.arrived_s - refused.ended_s >= refused.wait_s - 0.001);
      const { verdict, jobs_ended_in_refusal, retries: taken } = await mock.verdict();
      assert.deepEqual([verdict, jobs_ended_in_refusal, taken], ["behaved", 0, 1]);
    });
  });
}
