// Tests of Vercel's package `ai` with the provider `@ai-sdk/groq`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createGroq } from "@ai-sdk/groq";
import { APICallError, Output, RetryError, generateText, jsonSchema, stepCountIs, streamText, tool, transcribe } from "ai";
import { addressOf } from "./mock.mjs";
import { FAILURES, KEY, MODEL, WHISPER, announcedWait, errorOf, wav } from "./wire.mjs";

const ACCOUNT = "ai-sdk";
const modelOf = (provider, model = MODEL, key = KEY) =>
  createGroq({ apiKey: key, baseURL: `${addressOf(provider)}/openai/v1` })(model);
const ask = (model, options = {}) =>
  generateText({ model, prompt: "hello", maxOutputTokens: 100, maxRetries: 0, ...options });

test("a completion", async () => {
  const { text, finishReason, usage } = await ask(modelOf("available"));
  assert.deepEqual([finishReason, usage.outputTokens, text.split(" ").length], ["stop", 12, 12]);
});

test("a stream", async () => {
  const stream = streamText({ model: modelOf("available"), prompt: "hello" });
  const parts = [];
  for await (const part of stream.textStream) parts.push(part);
  assert.equal(parts.length, 12);
  assert.equal(await stream.finishReason, "stop");
  assert.equal((await stream.usage).outputTokens, 12);
});

const CITY = jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] });

test("a tool call, and text after its result", async () => {
  const cities = [];
  const weather = tool({ inputSchema: CITY, execute: ({ city }) => cities.push(city) });
  const { steps, finishReason } = await ask(modelOf("available"), { tools: { weather }, stopWhen: stepCountIs(5) });
  assert.deepEqual([steps.length, finishReason, cities.length], [2, "stop", 1]);
});

test("an object", async () => {
  const { output } = await ask(modelOf("available"), { output: Output.object({ schema: CITY }) });
  assert.equal(typeof output.city, "string");
});

test("audio", async () => {
  const model = createGroq({ apiKey: KEY, baseURL: `${addressOf("audio")}/openai/v1` }).transcription(WHISPER);
  const { text, durationInSeconds } = await transcribe({
    model,
    audio: wav(2),
    providerOptions: { groq: { responseFormat: "verbose_json" } },
  });
  assert.deepEqual([text.split(" ").length, durationInSeconds], [5, 2]);
});

test("the client retries a refusal after the announced wait", async () => {
  const model = modelOf("limited", "every-two-seconds", ACCOUNT);
  await ask(model);
  const refusal = await errorOf(ask(model));
  assert.ok(APICallError.isInstance(refusal));
  assert.deepEqual([refusal.statusCode, refusal.isRetryable], [429, true]);
  assert.match(refusal.responseHeaders["retry-after"], /^[12]$/);
  const since = performance.now();
  await ask(model, { maxRetries: 2 });
  assert.ok((performance.now() - since) / 1000 >= announcedWait(refusal.message) - 0.1);
});

test("the final error has the error of every attempt", async () => {
  const error = await errorOf(ask(modelOf("overloaded"), { maxRetries: 1 }));
  assert.ok(RetryError.isInstance(error));
  assert.deepEqual(error.errors.map((each) => each.statusCode), [503, 503]);
});

for (const { name, provider, key = ACCOUNT, model, maxTokens, status, code } of FAILURES) {
  test(name, async () => {
    const error = await errorOf(ask(modelOf(provider, model, key), { maxOutputTokens: maxTokens }));
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, status);
    assert.equal(JSON.parse(error.responseBody).error.code, code);
    assert.equal(error.isRetryable, status >= 500, "498 and 413 are not retried");
  });
}

test("a cut reply", async () => {
  await errorOf(ask(modelOf("cut")));
});

test("a cut stream", async () => {
  const stream = streamText({ model: modelOf("cut"), prompt: "hello", onError: () => {} });
  const parts = [];
  const error = await errorOf(
    (async () => {
      for await (const part of stream.textStream) parts.push(part);
    })(),
  );
  assert.match(error.message, /Failed to process successful response/);
  assert.equal(parts.length, 6, "half of the tokens arrived");
});
