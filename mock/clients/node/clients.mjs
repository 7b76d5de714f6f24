// The table of the clients for Node. A client takes its address and its key from the environment variables that
// `quotalab mock --json` prints for its provider. load.mjs, ask.mjs and matrix.test.mjs create every client here, and the table
// in ../../README.md has a row for each.

import Anthropic from "@anthropic-ai/sdk";
import { createGroq } from "@ai-sdk/groq";
import { createOpenAI } from "@ai-sdk/openai";
import { FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { APICallError, Output, RetryError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { FORECAST, QUESTION, WEATHER } from "./wire.mjs";

const MESSAGES = [{ role: "user", content: QUESTION }];
const retriesOf = (retries) => (retries === undefined ? {} : { maxRetries: retries });

/** Returns the wait of a refusal in seconds: `retry-after-ms`, otherwise `retry-after`. Undefined if there is none. */
function waitOf(headers) {
  const [milliseconds, seconds] = ["retry-after-ms", "retry-after"].map((name) => headers.get(name));
  return milliseconds ? Number(milliseconds) / 1000 : seconds ? Number(seconds) : undefined;
}

const refusalOfSdk = (error) => [error.constructor.name, error.status, waitOf(error.headers)];

async function collect(parts, textOf) {
  const texts = [];
  for await (const part of parts) texts.push(textOf(part));
  return texts.filter(Boolean);
}

/** Chat completions with the packages `openai` and `groq-sdk`, which one generator made. */
function chat(client, model) {
  const tools = [{ type: "function", function: { name: "weather", parameters: WEATHER } }];
  const complete = (more, messages = MESSAGES) => client.chat.completions.create({ model, messages, ...more });
  return {
    ask: async () => (await complete()).choices[0].message.content,
    stream: async () => collect(await complete({ stream: true }), (chunk) => chunk.choices[0]?.delta.content),
    callTool: async () => {
      const { message } = (await complete({ tools })).choices[0];
      const [call] = message.tool_calls;
      const result = { role: "tool", tool_call_id: call.id, content: "12 degrees" };
      const after = await complete({ tools }, [...MESSAGES, message, result]);
      return [JSON.parse(call.function.arguments), after.choices[0].message.content];
    },
    structured: async () => {
      const response_format = { type: "json_schema", json_schema: { name: "forecast", schema: FORECAST, strict: true } };
      return JSON.parse((await complete({ response_format })).choices[0].message.content);
    },
    refusal: refusalOfSdk,
  };
}

/** The API of responses with the package `openai`. */
function responses(client, model) {
  const tools = [{ type: "function", name: "weather", parameters: WEATHER, strict: true }];
  const respond = (more) => client.responses.create({ model, input: QUESTION, ...more });
  return {
    ask: async () => (await respond()).output_text,
    stream: async () =>
      collect(await respond({ stream: true }), (event) => event.type === "response.output_text.delta" && event.delta),
    callTool: async () => {
      const [call] = (await respond({ tools })).output;
      const result = { type: "function_call_output", call_id: call.call_id, output: "12 degrees" };
      const after = await respond({ tools, input: [...MESSAGES, call, result] });
      return [JSON.parse(call.arguments), after.output_text];
    },
    structured: async () => {
      const format = { type: "json_schema", name: "forecast", schema: FORECAST, strict: true };
      return JSON.parse((await respond({ text: { format } })).output_text);
    },
    refusal: refusalOfSdk,
  };
}

function anthropic(client, model) {
  const tools = [{ name: "weather", input_schema: WEATHER }];
  const create = (more) => client.messages.create({ model, max_tokens: 1000, messages: MESSAGES, ...more });
  return {
    ask: async () => (await create()).content[0].text,
    stream: async () => {
      const parts = [];
      await client.messages
        .stream({ model, max_tokens: 1000, messages: MESSAGES })
        .on("text", (text) => parts.push(text))
        .finalMessage();
      return parts;
    },
    callTool: async () => {
      const { content } = await create({ tools });
      const call = content.find((block) => block.type === "tool_use");
      const result = { type: "tool_result", tool_use_id: call.id, content: "12 degrees" };
      const turns = [{ role: "assistant", content }, { role: "user", content: [result] }];
      return [call.input, (await create({ tools, messages: [...MESSAGES, ...turns] })).content[0].text];
    },
    structured: async () =>
      JSON.parse((await create({ output_config: { format: { type: "json_schema", schema: FORECAST } } })).content[0].text),
    refusal: refusalOfSdk,
  };
}

/** The SDK retries only as it is told, and does not read the announced wait. */
function gemini(model, retries) {
  const retryOptions = retries ? { attempts: retries + 1 } : undefined;
  const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY, httpOptions: { retryOptions } });
  const generate = (config, contents = QUESTION) => client.models.generateContent({ model, contents, config });
  const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: WEATHER }] }];
  const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } };
  return {
    ask: async () => (await generate()).text,
    stream: async () => collect(await client.models.generateContentStream({ model, contents: QUESTION }), (part) => part.text),
    callTool: async () => {
      const { functionCalls, candidates } = await generate({ tools, toolConfig });
      const result = { functionResponse: { name: "weather", response: { result: "12 degrees" } } };
      const turns = [{ role: "user", parts: [{ text: QUESTION }] }, candidates[0].content, { role: "user", parts: [result] }];
      return [functionCalls[0].args, (await generate({ tools, toolConfig }, turns)).text];
    },
    structured: async () => {
      const config = { responseMimeType: "application/json", responseJsonSchema: FORECAST };
      return JSON.parse((await generate(config)).text);
    },
    // The error has the body as its message.
    refusal: (error) => {
      const { details } = JSON.parse(error.message).error;
      const { retryDelay } = details.find((detail) => detail["@type"].endsWith("RetryInfo"));
      return [error.name, error.status, parseFloat(retryDelay)];
    },
  };
}

/** Vercel's package `ai` with the model of a provider. */
function ai(model, retries) {
  const options = { model, prompt: QUESTION, ...retriesOf(retries) };
  return {
    ask: async () => (await generateText(options)).text,
    stream: async () => collect(streamText(options).textStream, (text) => text),
    callTool: async () => {
      const calls = [];
      const weather = tool({ inputSchema: jsonSchema(WEATHER), execute: (input) => calls.push(input) && "12 degrees" });
      const { text } = await generateText({ ...options, tools: { weather }, stopWhen: stepCountIs(3) });
      return [calls[0], text];
    },
    structured: async () => (await generateText({ ...options, output: Output.object({ schema: jsonSchema(FORECAST) }) })).output,
    refusal: (error) => {
      const last = RetryError.isInstance(error) ? error.lastError : error;
      const name = APICallError.isInstance(last) ? "APICallError" : last.name;
      return [name, last.statusCode, waitOf(new Headers(last.responseHeaders))];
    },
  };
}

const groqModel = (model) =>
  createGroq({ apiKey: process.env.GROQ_API_KEY, baseURL: `${process.env.GROQ_BASE_URL}/openai/v1` })(model);
const sdk = (Class, shape) => (model, retries) => shape(new Class(retriesOf(retries)), model);

const single = (name, provider, refusal, create) => ({ packages: [name], provider, refusal, create });
const vercel = (name, provider, modelOf) => ({
  packages: ["ai", name],
  provider,
  refusal: "APICallError",
  create: (model, retries) => ai(modelOf(model), retries),
});

/**
 * Each client: its packages, the provider of ../matrix.yaml that it calls, the name of its error for a 429, and the function that
 * creates it. `create(model)` leaves the retries as they are by default. `retries` is set if it does not retry by default;
 * `ownWaits` if it waits as it likes.
 */
export const CLIENTS = {
  openai: single("openai", "openai", "RateLimitError", sdk(OpenAI, chat)),
  "openai, responses": single("openai", "openai", "RateLimitError", sdk(OpenAI, responses)),
  "openai at Groq": single("openai", "groq", "RateLimitError", sdk(OpenAI, chat)),
  "groq-sdk": single("groq-sdk", "groq", "RateLimitError", sdk(Groq, chat)),
  "@anthropic-ai/sdk": single("@anthropic-ai/sdk", "anthropic", "RateLimitError", sdk(Anthropic, anthropic)),
  "@google/genai": { ...single("@google/genai", "gemini", "ApiError", gemini), retries: 2, ownWaits: true },
  "ai, @ai-sdk/groq": vercel("@ai-sdk/groq", "groq", groqModel),
  "ai, @ai-sdk/openai": vercel("@ai-sdk/openai", "openai", (model) => createOpenAI()(model)),
};

/** The clients that gateway.test.mjs has at the routes of ../gateway.yaml. */
export const THROUGH_GATEWAY = {
  openai: CLIENTS.openai,
  "groq-sdk": CLIENTS["groq-sdk"],
  "ai, @ai-sdk/openai": vercel("@ai-sdk/openai", "gateway", (model) => createOpenAI().chat(model)),
};
