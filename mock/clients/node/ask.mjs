// Sends one request with a client's default settings: ask.mjs CLIENT ADDRESS. The server records what arrives.

import { createGroq } from "@ai-sdk/groq";
import { generateText } from "ai";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { MODEL, QUESTION } from "./wire.mjs";

const CLIENTS = {
  openai: (address) =>
    new OpenAI({ apiKey: "k", baseURL: `${address}/openai/v1` }).chat.completions.create({ model: MODEL, messages: QUESTION }),
  "groq-sdk": (address) =>
    new Groq({ apiKey: "k", baseURL: address }).chat.completions.create({ model: MODEL, messages: QUESTION }),
  ai: (address) => generateText({ model: createGroq({ apiKey: "k", baseURL: `${address}/openai/v1` })(MODEL), prompt: "hello" }),
};

const [client, address] = process.argv.slice(2);
await CLIENTS[client](address);
