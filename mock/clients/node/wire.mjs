// The parts of requests that the tests of all clients send, and a parser of refusals.

import assert from "node:assert/strict";

export const KEY = "default";
export const MODEL = "openai/gpt-oss-20b";
export const QUESTION = "What is the weather in Lisbon?";
export const MESSAGES = [{ role: "user", content: QUESTION }];

/** An answer of several words, with letters beyond ASCII. */
export const ANSWER = "Lisbon expects 21 °C tomorrow — sunny, with a light breeze from the Atlantic.";

const object = (properties) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });

/** The schema of the arguments of the tool `weather`. */
export const WEATHER = object({
  city: { type: "string", minLength: 2, maxLength: 40 },
  days: { type: "integer", minimum: 1, maximum: 7 },
  unit: { type: "string", enum: ["celsius", "fahrenheit"] },
});

export function assertWeather({ city, days, unit, ...others }) {
  assert.ok(typeof city === "string" && city.length >= 2 && city.length <= 40);
  assert.ok(Number.isInteger(days) && days >= 1 && days <= 7);
  assert.ok(["celsius", "fahrenheit"].includes(unit));
  assert.deepEqual(others, {});
}

/** The schema of structured output: nested, with a list, an enumeration and a boolean. */
export const FORECAST = object({
  place: object({ name: { type: "string" }, country: { type: "string", enum: ["PT", "ES"] } }),
  degrees: { type: "array", items: { type: "integer" } },
  sunny: { type: "boolean" },
});

export function assertForecast({ place, degrees, sunny, ...others }) {
  assert.deepEqual(Object.keys(place).sort(), ["country", "name"]);
  assert.ok(typeof place.name === "string" && ["PT", "ES"].includes(place.country));
  assert.ok(degrees.every(Number.isInteger));
  assert.equal(typeof sunny, "boolean");
  assert.deepEqual(others, {});
}

export const WHISPER = "whisper-large-v3";

/** Returns a WAV file whose header declares this number of seconds of sound (16,000 bytes per second), without the sound. */
export function wav(seconds) {
  const file = Buffer.alloc(44);
  file.write("RIFF$\0\0\0WAVEfmt ", "latin1");
  [16, 0x10001, 8000, 16000, 0x100002].forEach((number, index) => file.writeUInt32LE(number, 16 + 4 * index));
  file.write("data", 36, "latin1");
  file.writeUInt32LE(16000 * seconds, 40);
  return file;
}

/** Each failure with its status and code. If it has no key, the key of the client's own account is used. */
export const FAILURES = [
  { name: "oversize", provider: "limited", model: "many-words", maxTokens: 7000, status: 413, code: "rate_limit_exceeded" },
  { name: "invalid key", provider: "available", key: "unknown", model: MODEL, maxTokens: 10, status: 401, code: "invalid_api_key" },
  { name: "unknown model", provider: "available", key: KEY, model: "gpt-2", maxTokens: 10, status: 404, code: "model_not_found" },
  { name: "flex is full", provider: "flex_full", key: KEY, model: MODEL, maxTokens: 10, status: 498, code: "capacity_exceeded" },
  { name: "overload", provider: "overloaded", key: KEY, model: MODEL, maxTokens: 10, status: 503, code: undefined },
];

/** Returns the wait in the message of a refusal, in seconds: `Please try again in 1m2.5s.` */
export function announcedWait(message) {
  const [, minutes, seconds, unit] = message.match(/try again in (?:(\d+)m)?([\d.]+)(ms|s)\./);
  return 60 * Number(minutes ?? 0) + Number(seconds) / (unit === "ms" ? 1000 : 1);
}

/** Returns the error of a promise that must fail. */
export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the request was served");
}
