// The rows of the tables of clients that ../table.py writes.

import { readFileSync, writeFileSync } from "node:fs";

const versionOf = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;

/** Returns a row, without outcomes. */
export function rowOf(client, { packages, retries, ownWaits }) {
  const versions = Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
  const retry = { is_configured_to_retry: retries !== undefined, waits_as_announced: !ownWaits };
  return { client, language: "Node", versions, features: {}, not_offered: {}, ...retry };
}

/** Writes the rows of a table to its folder in CLIENTS_RESULTS. */
export const writeRows = (table, rows) =>
  writeFileSync(`${process.env.CLIENTS_RESULTS}/${table}/node.json`, JSON.stringify(rows, null, 1));
