import type { BigIntStats } from 'node:fs';

import type { FileStamp } from '../files/stamp';

/** What is remembered of a session file: its version, and the digest of the row that was made of it. */
export interface RememberedRow {
  stamp: FileStamp;
  /** A character for each byte. */
  digest: string;
}

/** What is remembered of the index as a whole: its digest, and its version as text where its times can tell a change. */
export interface RememberedIndex {
  digest: string;
  stamp: string | null;
}

interface Header {
  format: typeof FORMAT;
  key: string;
  rows: number;
  /** Bytes of the ids. */
  ids: number;
  index: RememberedIndex | null;
  isComplete: boolean;
}

const FORMAT = 'hermesctl index rows 1';
const DIGEST_BYTES = 20;
const STAMP_PARTS = 5;
const NEWLINE = 0x0a;

/**
 * The rows that are remembered, as they are kept in a file: a line of JSON, then
 * all stamps, all digests and all ids, each in one piece. They are looked at
 * where they stand, for there may be hundreds of thousands.
 */
export class RememberedRows {
  readonly ids: readonly string[];
  private readonly stamps: BigInt64Array;
  private readonly digests: Buffer;
  private places: Map<string, number> | undefined;

  private constructor(
    private readonly header: Header,
    private readonly body: Buffer,
  ) {
    const stampBytes = header.rows * STAMP_PARTS * BigInt64Array.BYTES_PER_ELEMENT;
    this.stamps = new BigInt64Array(new Uint8Array(body.subarray(0, stampBytes)).buffer);
    const digestBytes = header.rows * DIGEST_BYTES;
    this.digests = body.subarray(stampBytes, stampBytes + digestBytes);
    this.ids = header.rows === 0 ? [] : body.toString('latin1', stampBytes + digestBytes).split('\n');
  }

  /** The rows that a file has; undefined where it is broken or not one of these. */
  static from(bytes: Buffer): RememberedRows | undefined {
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) return undefined;
    try {
      const header = JSON.parse(bytes.toString('utf8', 0, end)) as Header | null;
      if (header?.format !== FORMAT) return undefined;
      const body = bytes.subarray(end + 1);
      const perRow = STAMP_PARTS * BigInt64Array.BYTES_PER_ELEMENT + DIGEST_BYTES;
      if (body.length !== header.rows * perRow + header.ids) return undefined;
      const remembered = new RememberedRows(header, body);
      return remembered.ids.length === header.rows ? remembered : undefined;
    } catch (error) {
      // No JSON, or counts that no body can have.
      if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** The file of these rows. */
  static spell(
    key: string,
    ids: readonly string[],
    rows: readonly RememberedRow[],
    { index, isComplete }: { index: RememberedIndex | undefined; isComplete: boolean },
  ): Buffer {
    const stamps = new BigInt64Array(ids.length * STAMP_PARTS);
    rows.forEach(({ stamp }, i) => {
      const at = i * STAMP_PARTS;
      stamps[at] = stamp.dev;
      stamps[at + 1] = stamp.ino;
      stamps[at + 2] = stamp.size;
      stamps[at + 3] = stamp.mtimeNs;
      stamps[at + 4] = stamp.ctimeNs;
    });
    const digests = Buffer.from(rows.map(({ digest }) => digest).join(''), 'latin1');
    const names = Buffer.from(ids.join('\n'), 'latin1');
    const header: Header = {
      format: FORMAT,
      key,
      rows: ids.length,
      ids: names.length,
      index: index ?? null,
      isComplete,
    };
    return assemble(header, Buffer.from(stamps.buffer), digests, names);
  }

  /** The file of the same rows, with something else said of the index. */
  spelled(index: RememberedIndex): Buffer {
    return assemble({ ...this.header, index }, this.body);
  }

  get key(): string {
    return this.header.key;
  }

  get index(): RememberedIndex | undefined {
    return this.header.index ?? undefined;
  }

  /** Whether the index had one row for each of these, and no other. */
  get isComplete(): boolean {
    return this.header.isComplete;
  }

  placeOf(id: string): number | undefined {
    if (!this.places) {
      this.places = new Map();
      for (const [place, known] of this.ids.entries()) this.places.set(known, place);
    }
    return this.places.get(id);
  }

  row(place: number): RememberedRow {
    const at = place * STAMP_PARTS;
    const [dev, ino, size, mtimeNs, ctimeNs] = this.stamps.subarray(at, at + STAMP_PARTS);
    const digest = this.digests.toString('latin1', place * DIGEST_BYTES, (place + 1) * DIGEST_BYTES);
    return { stamp: { dev, ino, size, mtimeNs, ctimeNs }, digest };
  }

  /** Whether a file is the version that is remembered. */
  isStamp(place: number, { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): boolean {
    const { stamps } = this;
    const at = place * STAMP_PARTS;
    return (
      stamps[at] === dev &&
      stamps[at + 1] === ino &&
      stamps[at + 2] === size &&
      stamps[at + 3] === mtimeNs &&
      stamps[at + 4] === ctimeNs
    );
  }
}

function assemble(header: Header, ...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...parts]);
}
