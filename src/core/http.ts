/** One HTTP request. The core speaks to a network only through {@link Http}, so that every answer and failure can be injected. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute, `http:` or `https:`; what varies in it is URL-encoded by the caller. */
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** For the whole exchange, from the look-up of the name to the last byte of the answer: a trickle does not prolong it. */
  timeoutMs: number;
  /** Gives the request up: it fails as `aborted`. */
  signal?: AbortSignal;
}

/** An answer, whatever its status: only what came without one is a failure. Redirections are answers; nothing follows them. */
export interface HttpResponse {
  status: number;
  /** By lower-case name; of several with one name, joined by `, `. */
  headers: Readonly<Record<string, string>>;
  /** The whole body, as UTF-8. */
  body: string;
}

/**
 * - `unreachable`: no connection (refused, no such host, TLS failed).
 * - `reset`: the connection broke, or what came back was no HTTP.
 * - `timeout`: the time was up.
 * - `aborted`: the caller's signal.
 * - `too-large`: the answer is beyond what anybody would read.
 */
export type HttpFailureKind = 'unreachable' | 'reset' | 'timeout' | 'aborted' | 'too-large';

/** A request that got no answer. Its words hold neither headers nor body, nor a password of the URL. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  constructor(
    readonly kind: HttpFailureKind,
    /**
     * Whether the server may have read the request, and so may have done what
     * it asks: a connection stood. Where it is false a repetition is safe.
     */
    readonly sent: boolean,
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

export interface Http {
  /** @throws HttpFailure where no answer came. */
  request(request: HttpRequest): Promise<HttpResponse>;
}
