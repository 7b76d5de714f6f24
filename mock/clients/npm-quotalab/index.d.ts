type Json = Record<string, unknown>;

/** One provider of a running mock. */
export declare class Mock {
  readonly name: string;
  readonly url: string;
  /** The base URL of OpenAI-compatible clients. */
  readonly baseURL: string;
  readonly key: string;
  readonly keys: string[];
  readonly models: string[];
  /** The environment variables of the SDKs, of all providers of the mock together. */
  readonly env: Record<string, string>;
  /** Those of this provider alone. */
  readonly variables: Record<string, string>;
  control(method: string, path: string, body?: unknown): Promise<Json>;
  reset(): Promise<Json>;
  state(): Promise<Json>;
  limits(levels: Json): Promise<Json>;
  advance(duration: string): Promise<Json>;
  fault(fault: string | number | Json, options?: Json): Promise<Json>;
  answer(answer: string | Json, options?: Json): Promise<Json>;
  settings(settings: Json): Promise<Json>;
  requests(query?: Record<string, string>): Promise<Json[]>;
  verdict(query?: Record<string, string>): Promise<Json>;
  stop(): Promise<void>;
}

/** Starts a mock. Returns its first provider; `others` has the further ones by name. */
export declare function startMock(options?: {
  args?: string[];
  binary?: string;
}): Promise<Mock & { others: Record<string, Mock> }>;
