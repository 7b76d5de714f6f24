// The parts of requests that the tests of all clients send, and a parser of refusals.

export const KEY = "default";
export const MODEL = "openai/gpt-oss-20b";
export const QUESTION = [{ role: "user", content: "hello" }];

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

/** Returns the root URL of a provider of ../scenario.yaml. The script ../run sets it in the environment. */
export const addressOf = (provider) => process.env[`MOCK_${provider.toUpperCase()}`];

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
