// Tests of responses, embeddings and completions with the Node package `openai`.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { addressOf } from "./mock.mjs";
import { KEY, MODEL } from "./wire.mjs";

const groq = new OpenAI({ apiKey: KEY, baseURL: addressOf("available") + "/openai/v1", maxRetries: 0 });
const own = new OpenAI({ apiKey: KEY, baseURL: addressOf("openai_own") + "/v1", maxRetries: 0 });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };

for (const [name, client, model] of [["groq", groq, MODEL], ["openai", own, "gpt-5-mini"]]) {
  test(`${name}: a response`, async () => {
    const response = await client.responses.create({ model, input: "hi" });
    assert.deepEqual([response.status, response.output_text.split(" ").length], ["completed", 12]);
  });

  test(`${name}: a streamed response`, async () => {
    const response = await client.responses.stream({ model, input: "hi" }).finalResponse();
    assert.equal(response.output_text.split(" ").length, 12);
    assert.equal(response.usage.output_tokens, 12);
  });

  test(`${name}: a response with a tool`, async () => {
    const tools = [{ type: "function", name: "weather", parameters, strict: true }];
    const [call] = (await client.responses.create({ model, input: "hi", tools })).output;
    assert.deepEqual([call.type, call.name, call.arguments], ["function_call", "weather", '{"city":"example"}']);
  });
}

test("embeddings and completions", async () => {
  const { data } = await own.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
  assert.deepEqual([data.length, data[0].embedding.length], [2, 1536]);
  const { choices } = await own.completions.create({ model: "gpt-5-mini", prompt: "hi" });
  assert.equal(choices[0].text.split(" ").length, 12);
});
