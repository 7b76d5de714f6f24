// Starts `quotalab gateway` on ../gateway.yaml.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

// The key of the provider whose keys the scenario takes from the environment.
const KEY_VARIABLE = "MISTRAL_KEY_OF_THE_GATEWAY";

/** Starts a gateway whose providers are these mocks. Returns its root URL, and the function that ends it. */
export async function startGateway(mocks) {
  const settings = mocks.flatMap(({ name, baseURL }) => ["--set", `providers.${name}.base_url=${baseURL}`]);
  const options = ["--listen", "127.0.0.1:0", "--log", "nothing", ...settings];
  const child = spawn(process.env.QUOTALAB, ["gateway", process.env.CLIENTS_GATEWAY, ...options], {
    env: { ...process.env, [KEY_VARIABLE]: KEY_VARIABLE },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [exited, errors] = [once(child, "exit"), text(child.stderr)];
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([line]) => line),
    errors.then((errors) => Promise.reject(new Error(`the gateway does not listen: ${errors}`))),
  ]);
  const [, url] = line.match(/^gateway on (http:\S+)\/v1,/);
  const stop = async () => {
    child.kill();
    await exited;
  };
  return { url, stop };
}
