// Tests of the npm package `quotalab-mock`, and of the verdict on the SDKs for Node.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { startMock } from "./quotalab-mock/index.mjs";
import { MESSAGES, MODEL, errorOf } from "./wire.mjs";

let mock;
before(async () => {
  mock = await startMock();
  Object.assign(process.env, mock.env);
});
beforeEach(() => mock.reset());
after(() => mock.stop());

const ask = (client) => client.chat.completions.create({ model: MODEL, messages: MESSAGES, max_tokens: 20 });

test("an SDK finds the mock by its environment", async () => {
  await mock.answer("Hello");
  assert.equal((await ask(new OpenAI())).choices[0].message.content, "Hello");
  const [request] = await mock.requests();
  assert.deepEqual([request.status, request.retry_count, request.key], [200, 0, 1]);
});

for (const [name, Client] of Object.entries({ openai: OpenAI, "groq-sdk": Groq })) {
  test(`${name} waits as announced`, async () => {
    await mock.limits({ rpm: "4 left" });
    await Promise.all(Array.from({ length: 5 }, () => ask(new Client())));
    const { verdict, jobs, retries } = await mock.verdict();
    assert.deepEqual([verdict, jobs, retries], ["behaved", 5, 1]);
  });
}

test("a wait that no timer of Node holds is not waited for", async () => {
  await mock.limits({ rpm: "0 left" });
  await mock.fault({ fault: { retry_after: "720h" } });
  await errorOf(ask(new Groq()));
  const { verdict, counts } = await mock.verdict();
  assert.deepEqual([verdict, counts.too_early], ["misbehaved", 2]);
});

test("faults, levels and the clock", async () => {
  const client = new OpenAI({ maxRetries: 0 });
  await mock.fault("503", { next: 1 });
  assert.equal((await errorOf(ask(client))).status, 503);
  await mock.limits({ rpd: "0 left" });
  assert.equal((await errorOf(ask(client))).status, 429);
  await mock.advance("24h");
  await ask(client);
  assert.match((await errorOf(mock.limits({ rpz: 1 }))).message, /unknown limit rpz; use one of rps, rpm/);
});

test("a binary that does not start is an error", async () => {
  assert.match((await errorOf(startMock({ args: ["--preset", "none"] }))).message, /ended with 2/);
  assert.match((await errorOf(startMock({ binary: "no-such-binary" }))).message, /ENOENT/);
});
