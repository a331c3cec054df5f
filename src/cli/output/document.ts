import { HermesctlError, type Warning } from '../../core/errors';
import { RawJson } from '../../core/json/raw';
import { renderJson } from '../../core/json/render';
import type { Sink } from './sink';

/** What a failure looks like in JSON. */
export interface ErrorEnvelope {
  code: string;
  exit: number;
  message: string;
  hint?: string;
  details: Record<string, unknown>;
}

export function errorEnvelope(error: HermesctlError): ErrorEnvelope {
  const { code, exit, message, hint, details } = error;
  return { code, exit, message, ...(hint === undefined ? {} : { hint }), details };
}

/** A value for output: the store's spelling, or a computed one. */
export type OutputValue = RawJson | RawFields | string | number | boolean | null | OutputValue[];

/** An object for output, in this order. */
export interface RawFields {
  [key: string]: OutputValue;
}

/**
 * Spells values for output on one line. `NaN` and infinities become null, each
 * with a warning that names where it stood. What is undefined, which the types
 * do not allow and a cast may let in, is spelled as `JSON.stringify` does it:
 * null, and of an object no member.
 */
export class Renderer {
  constructor(
    private readonly warn: (warning: Warning) => void,
    private readonly keepNonFinite = false,
  ) {}

  render(value: OutputValue | undefined, path: string): string {
    if (value === undefined) return 'null';
    if (value instanceof RawJson) return this.raw(value, path);
    if (Array.isArray(value)) return `[${value.map((item, i) => this.render(item, `${path}[${i}]`)).join(',')}]`;
    if (typeof value === 'object' && value !== null) return this.entries(Object.entries(value), path);
    return JSON.stringify(value);
  }

  entries(entries: Iterable<[string, OutputValue | undefined]>, path: string): string {
    let out = '{';
    for (const [key, value] of entries) {
      if (value === undefined) continue;
      out += `${out === '{' ? '' : ','}${JSON.stringify(key)}:${this.render(value, `${path}.${key}`)}`;
    }
    return `${out}}`;
  }

  raw(value: RawJson, path: string): string {
    return renderJson(value.text, {
      keepNonFinite: this.keepNonFinite,
      onNonFinite: (inner, word) =>
        this.warn({
          code: 'NOT_FINITE',
          message: `${path}${inner} is ${word}, which JSON does not know; it is shown as null.`,
          path: `${path}${inner}`,
        }),
    });
  }
}

/**
 * Writes the one JSON document of a command, piece by piece: named results
 * first, `warnings` last, and `error` after them where the command failed
 * midway. Whatever happens, what was opened is closed.
 */
export class JsonDocument {
  private opened = false;
  private inArray = false;
  private ended = false;

  constructor(
    private readonly out: Sink,
    readonly renderer: Renderer,
  ) {}

  member(name: string, value: OutputValue): void {
    const text = this.renderer.render(value, name); // first: a failure must not leave half a member
    this.key(name);
    this.out.write(text);
  }

  /** An array of any length; items are rendered as they come, so that memory does not grow with it. */
  async array<T>(
    name: string,
    items: Iterable<T> | AsyncIterable<T>,
    render: (item: T, path: string) => string,
  ): Promise<void> {
    this.key(name);
    this.out.write('[');
    this.inArray = true;
    let i = 0;
    const put = (item: T): void => {
      const text = render(item, `${name}[${i}]`);
      this.out.write(`${i === 0 ? '\n' : ',\n'}${text}`);
      i++;
    };
    // What is there already is not waited for: a turn of the queue for each of a hundred rows is felt.
    if (Symbol.asyncIterator in items) for await (const item of items) put(item);
    else for (const item of items) put(item);
    this.inArray = false;
    this.out.write(i === 0 ? ']' : '\n]');
  }

  /**
   * As {@link array}, of items that are handed over by whoever finds them, and
   * put by `put`. It is begun with the first: what fails before is no failure
   * midway.
   */
  async pushed<T>(
    name: string,
    put: (item: T, path: string, out: Sink) => void,
    find: (push: (item: T) => void) => Promise<void>,
  ): Promise<void> {
    let i = 0;
    const begin = (): void => {
      this.key(name);
      this.out.write('[');
    };
    await find((item) => {
      if (i === 0) begin();
      this.inArray = true;
      this.out.put(i === 0 ? '\n' : ',\n');
      put(item, `${name}[${i}]`, this.out);
      i++;
    });
    if (i === 0) begin();
    this.inArray = false;
    this.out.write(i === 0 ? ']' : '\n]');
  }

  /**
   * An array whose items somebody else writes to the output: each on a line of its own, all but the first after a
   * comma.
   */
  async items(name: string, work: (out: Sink) => Promise<void>): Promise<void> {
    this.key(name);
    this.out.write('[');
    this.inArray = true;
    await work(this.out);
    this.inArray = false;
    this.out.write('\n]');
  }

  /** An array whose items are at hand as they are to be written, with a comma and a line break between them. */
  itemsAtHand(name: string, items: Uint8Array): void {
    this.key(name);
    this.out.write('[');
    if (items.length > 0) {
      this.out.write('\n');
      this.out.writeBytes(items);
      this.out.write('\n');
    }
    this.out.write(']');
  }

  /** A computed result of any size, streamed by json-stream-stringify. */
  async computed(name: string, value: unknown): Promise<void> {
    const { JsonStreamStringify } = await import('json-stream-stringify');
    this.key(name);
    for await (const chunk of new JsonStreamStringify(value, undefined, undefined, false, 64 * 1024)) {
      this.out.write(String(chunk));
    }
  }

  end(warnings: readonly Warning[], error?: HermesctlError): void {
    if (this.ended) return;
    this.ended = true;
    if (this.inArray) this.out.write('\n]');
    const midway = this.opened;
    if (!midway && error) this.plain('error', errorEnvelope(error));
    this.plain('warnings', warnings);
    if (midway && error) this.plain('error', errorEnvelope(error));
    this.out.write('}\n');
    this.out.flush();
  }

  private plain(name: string, value: unknown): void {
    this.key(name);
    this.out.write(JSON.stringify(value));
  }

  private key(name: string): void {
    this.out.write(`${this.opened ? ',' : '{'}${JSON.stringify(name)}:`);
    this.opened = true;
  }
}
