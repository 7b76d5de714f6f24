// Calls a mock as a load says: load.mjs CLIENT MODEL ARRIVALS, as load.py does for clients in Python.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { CLIENTS } from "./clients.mjs";

const [name, model, arrivals] = process.argv.slice(2);
const client = CLIENTS[name].create(model);
console.log("ready");
await once(process.stdin, "data");
const start = performance.now();
let served = 0;
const job = async (at) => {
  await sleep(Math.max(0, start + at * 1000 - performance.now()));
  await client.ask().then(() => (served += 1), () => {});
};
await Promise.all(arrivals.split(",").map((at) => job(Number(at))));
console.log(JSON.stringify({ served, seconds: (performance.now() - start) / 1000 }));
process.exit(0);
