// Starts the mock of ../scenario.yaml for the tests of a file, and stops it after them.

import { after } from "node:test";
import { startMock } from "./quotalab-mock/index.mjs";

const first = await startMock({ args: [process.env.CLIENTS_SCENARIO] });
const mocks = { [first.name]: first, ...first.others };
after(() => first.stop());

/** Returns the root URL of a provider of ../scenario.yaml. */
export const addressOf = (provider) => mocks[provider].url;
