// Starts `quotalab mock` for a test, and controls it:
//
//   const mock = await startMock();            // or startMock({ args: ["--speed", "0", "scenario.yaml"] })
//   Object.assign(process.env, mock.env);      // SDKs find it by OPENAI_BASE_URL, GROQ_API_KEY, …
//   await mock.limits({ rpm: "0 left" });
//   …
//   assert.ok((await mock.verdict()).behaved);
//   await mock.stop();
//
// The binary is that of `binary`, of the variable QUOTALAB, or `quotalab` on the path.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** One provider of a running mock. */
export class Mock {
  constructor(provider, environment, stop) {
    const { name, url, base_url, models, accounts, environment: variables } = provider;
    const keys = accounts.flatMap((account) => account.keys);
    Object.assign(this, { name, url, baseURL: base_url, models, keys, key: keys[0], env: environment, variables, stop });
  }

  /** Sends a request to the control plane, and returns the JSON of its reply. */
  async control(method, path, body = {}) {
    const options = method === "GET" ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const reply = await fetch(`${this.url}/_quotalab/${path}`, { method, ...options });
    const json = await reply.json();
    if (!reply.ok) throw new Error(`${json.error.message}; ${json.error.help}`);
    return json;
  }

  /** Restores the start: limits, clock, random streams, faults, answers, journal. */
  reset() {
    return this.control("POST", "reset");
  }

  /** Returns the level of every limit. */
  state() {
    return this.control("GET", "state");
  }

  /** Sets levels: `limits({ rpd: "2 left", account: "a" })`. */
  limits(levels) {
    return this.control("POST", "limits", levels);
  }

  /** Advances the clock: `advance("24h")`. */
  advance(duration) {
    return this.control("POST", "clock", { advance: duration });
  }

  /** Injects a fault: `fault("503", { next: 3 })`, `fault({ sequence: [503, 429, "ok"] })`. */
  fault(fault, options = {}) {
    return this.control("POST", "faults", typeof fault === "object" ? fault : { fault: String(fault), ...options });
  }

  /** Sets an answer: `answer("Hello")`, `answer({ prompt: "weather", tool: { name: "f" } })`. */
  answer(answer, options = {}) {
    return this.control("POST", "answers", typeof answer === "string" ? { text: answer, ...options } : answer);
  }

  /** Changes settings: `settings({ speed: 0, keep_bodies: true })`. */
  settings(settings) {
    return this.control("POST", "settings", settings);
  }

  /** Returns the requests that the mock received: `requests({ last: 10 })`. */
  async requests(query = {}) {
    return (await this.control("GET", `requests?${new URLSearchParams(query)}`)).requests;
  }

  /** Returns whether the clients retried correctly, and first how many jobs ended in a refusal. */
  verdict(query = {}) {
    return this.control("GET", `verdict?${new URLSearchParams(query)}`);
  }
}

/**
 * Starts a mock. Returns its first provider; `others` has the further ones by name. `stop` ends it.
 * @param {{ args?: string[], binary?: string }} options `args` are those of `quotalab mock`; by default nothing takes any time.
 */
export async function startMock({ args = ["--speed", "0"], binary = process.env.QUOTALAB ?? "quotalab" } = {}) {
  const child = spawn(binary, ["mock", ...args, "--json", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  exited.catch(() => {}); // The race below reports it.
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([line]) => line),
    exited.then(([code]) => Promise.reject(new Error(`${binary} mock ended with ${code}`))),
  ]);
  const { providers, environment } = JSON.parse(line);
  const stop = async () => {
    child.kill();
    await exited;
  };
  const [first, ...others] = providers.map((provider) => new Mock(provider, environment, stop));
  return Object.assign(first, { others: Object.fromEntries(others.map((mock) => [mock.name, mock])) });
}
