// Sends one request with a client's default settings: ask.mjs CLIENT MODEL. The client finds the server by its environment.

import { CLIENTS } from "./clients.mjs";

const [name, model] = process.argv.slice(2);
await CLIENTS[name].create(model).ask();
