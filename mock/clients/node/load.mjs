// Calls a mock as a load says: load.mjs CLIENT ADDRESS KEY ARRIVALS, as load.py does for clients in Python.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createGroq } from "@ai-sdk/groq";
import { generateText } from "ai";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { MODEL, QUESTION } from "./wire.mjs";

const request = { model: MODEL, messages: QUESTION };
const CLIENTS = {
  openai: (address, apiKey) => {
    const client = new OpenAI({ apiKey, baseURL: `${address}/openai/v1` });
    return () => client.chat.completions.create(request);
  },
  "groq-sdk": (address, apiKey) => {
    const client = new Groq({ apiKey, baseURL: address });
    return () => client.chat.completions.create(request);
  },
  ai: (address, apiKey) => {
    const model = createGroq({ apiKey, baseURL: `${address}/openai/v1` })(MODEL);
    return () => generateText({ model, prompt: "hello" });
  },
};

const [client, address, key, arrivals] = process.argv.slice(2);
const call = CLIENTS[client](address, key);
console.log("ready");
await once(process.stdin, "data");
const start = performance.now();
let served = 0;
const job = async (at) => {
  await sleep(Math.max(0, start + at * 1000 - performance.now()));
  await call().then(() => (served += 1), () => {});
};
await Promise.all(arrivals.split(",").map((at) => job(Number(at))));
console.log(JSON.stringify({ served, seconds: (performance.now() - start) / 1000 }));
process.exit(0);
