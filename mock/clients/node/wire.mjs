// What the tests of all clients say to the mock, and read from its refusals.

export const KEY = "default";
export const MODEL = "openai/gpt-oss-20b";
export const QUESTION = [{ role: "user", content: "hello" }];

export const WHISPER = "whisper-large-v3";

/** A file that declares so many seconds of sound: 16,000 bytes for each, of which none are there. */
export function wav(seconds) {
  const file = Buffer.alloc(44);
  file.write("RIFF$\0\0\0WAVEfmt ", "latin1");
  [16, 0x10001, 8000, 16000, 0x100002].forEach((number, place) => file.writeUInt32LE(number, 16 + 4 * place));
  file.write("data", 36, "latin1");
  file.writeUInt32LE(16000 * seconds, 40);
  return file;
}

/** The root URL of a provider of ../scenario.yaml, told by `run` in the environment. */
export const address = (provider) => process.env[`MOCK_${provider.toUpperCase()}`];

/** What each way to fail looks like on the wire; no key means the client's own. */
export const FAILURES = [
  { name: "too large", provider: "limits", model: "many-words", maxTokens: 7000, status: 413, code: "rate_limit_exceeded" },
  { name: "wrong key", provider: "serves", key: "nobody", model: MODEL, maxTokens: 10, status: 401, code: "invalid_api_key" },
  { name: "unknown model", provider: "serves", key: KEY, model: "gpt-2", maxTokens: 10, status: 404, code: "model_not_found" },
  { name: "flex is full", provider: "flex_is_full", key: KEY, model: MODEL, maxTokens: 10, status: 498, code: "capacity_exceeded" },
  { name: "overload", provider: "is_overloaded", key: KEY, model: MODEL, maxTokens: 10, status: 503, code: undefined },
];

/** The wait that a refusal names, in seconds: `Please try again in 1m2.5s.` */
export function announcedWait(message) {
  const [, minutes, seconds, unit] = message.match(/try again in (?:(\d+)m)?([\d.]+)(ms|s)\./);
  return 60 * Number(minutes ?? 0) + Number(seconds) / (unit === "ms" ? 1000 : 1);
}

/** What a promise fails with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was served");
}
