// Tests of the `openai` and `groq-sdk` packages, which have the same generated interface.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { FAILURES, KEY, MODEL, QUESTION, WHISPER, address, announcedWait, failure, wav } from "./wire.mjs";

// Each class, the path after the address, and its account.
const SDKS = { openai: [OpenAI, "/openai/v1", "openai-node"], "groq-sdk": [Groq, "", "groq-node"] };
const ERRORS = { 401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError", 503: "InternalServerError" };

for (const [name, [Client, base, account]] of Object.entries(SDKS)) {
  const at = (provider, key = KEY, options = {}) =>
    new Client({ apiKey: key, baseURL: address(provider) + base, maxRetries: 0, ...options });
  const ask = (client, { model = MODEL, max_tokens = 100, ...more } = {}) =>
    client.chat.completions.create({ model, messages: QUESTION, max_tokens, ...more });

  describe(name, () => {
    test("a completion", async () => {
      const { choices, usage } = await ask(at("available"));
      assert.deepEqual([choices[0].finish_reason, usage.completion_tokens], ["stop", 12]);
      assert.equal(choices[0].message.content.split(" ").length, 12);
    });

    test("a stream", async () => {
      const choices = [];
      for await (const chunk of await ask(at("available"), { stream: true })) choices.push(...chunk.choices);
      assert.equal(choices.filter((choice) => choice.delta.content).length, 12);
      assert.equal(choices.at(-1).finish_reason, "stop");
    });

    test("the models", async () => {
      const models = [];
      for await (const model of (await at("available").models.list()).data) models.push(model.id);
      assert.deepEqual(models, [MODEL]);
      assert.equal((await at("available").models.retrieve(MODEL)).id, MODEL);
      assert.equal((await failure(at("available").models.retrieve("gpt-2"))).status, 404);
    });

    test("audio", async () => {
      const transcribe = (seconds) =>
        at("audio").audio.transcriptions.create({ model: WHISPER, file: new File([wav(seconds)], "question.wav") });
      assert.equal((await transcribe(2)).text.split(" ").length, 5);
      assert.equal((await failure(transcribe(7201))).status, 413);
    });

    test("a token limit", async () => {
      const { data, response } = await ask(at("limited", account), { model: "many-words", max_tokens: 5900 }).withResponse();
      assert.equal(data.usage.completion_tokens, 5900);
      assert.equal(response.headers.get("x-ratelimit-limit-tokens"), "6000");
      const refusal = await failure(ask(at("limited", account), { model: "many-words", max_tokens: 500 }));
      assert.ok(refusal instanceof Client.RateLimitError);
      assert.match(refusal.message, /tokens per minute \(TPM\): Limit 6000, Used 5/);
      assert.equal(Number(refusal.headers.get("retry-after")), Math.ceil(announcedWait(refusal.message)));
    });

    test("a refusal, and the client's own retry", async () => {
      const model = "every-two-seconds";
      await ask(at("limited", account), { model });
      const refusal = await failure(ask(at("limited", account), { model }));
      assert.ok(refusal instanceof Client.RateLimitError);
      assert.match(refusal.headers.get("retry-after"), /^[12]$/);
      const since = performance.now();
      await ask(at("limited", account, { maxRetries: 2 }), { model });
      assert.ok((performance.now() - since) / 1000 >= announcedWait(refusal.message) - 0.1);
    });

    for (const { name, provider, key = account, model, maxTokens, status, code } of FAILURES) {
      test(name, async () => {
        const error = await failure(ask(at(provider, key), { model, max_tokens: maxTokens }));
        assert.ok(error instanceof Client[ERRORS[status] ?? "APIError"]);
        assert.deepEqual([error.status, (error.error?.error ?? error.error)?.code], [status, code]);
      });
    }

    test("a whole reply that is cut", async () => {
      const error = await failure(ask(at("cut")));
      assert.match(`${error} ${error.cause}`, /terminated|other side closed|Premature close/);
    });

    test("a stream that is cut", async () => {
      const words = [];
      const error = await failure(
        (async () => {
          for await (const chunk of await ask(at("cut"), { stream: true })) {
            words.push(...chunk.choices.map((choice) => choice.delta.content).filter(Boolean));
          }
        })(),
      );
      assert.match(`${error} ${error.cause}`, /terminated|other side closed|Premature close/);
      assert.equal(words.length, 6, "half of the tokens arrived");
    });
  });
}
