import { isUtf8 } from 'node:buffer';

import type { OpenFile } from '../files/open-file';
import { type Kernel, KnownKeys, Names } from '../json/kernel';
import type { Window } from '../json/window';
import { MetadataFields } from '../session/fields';
import { EMPTY_TRANSCRIPT, type TranscriptFacts } from '../session/transcript';
import { WRITER_ORDER } from '../session/writer';

/** A document that is walked while all of it is in memory, and its parts as they are met. */
export interface WholeWalk {
  fields: MetadataFields;
  transcript: TranscriptFacts;
  mayHaveHazards: boolean;
}

/** Told of the parts of a document, with places in the window. */
export interface Parts {
  members(window: Buffer, records: Int32Array, taken: number): void;
  messages(keyStart: number, keyEnd: number, start: number, end: number): void;
}

/** Whatever has this key is read on its own. */
export const MESSAGES = new Names('messages');
export const KEYS = new KnownKeys(WRITER_ORDER);

const MESSAGES_KEY = Buffer.from('"messages"');

const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;

/**
 * Walks a small file as nearly all of them are, in one read and a few calls of
 * the kernel, without the reader's many steps. It decides nothing: undefined is
 * for anything that is not sound and plain, for a file that has not as many
 * bytes as it had, and where there is no kernel; the reader, which takes the
 * file from its beginning, says what that is.
 *
 * @param parts who wants to know where they are.
 */
export function walkWhole(file: OpenFile, window: Window, parts: Parts | undefined): WholeWalk | undefined {
  const { kernel } = window;
  const size = Number(file.stamp.size);
  if (!kernel || size === 0 || size > SMALL) return undefined;
  const { bytes, low } = kernel;
  // One more, to see that it is not longer by now.
  if (file.source.read(bytes, low, size + 1, 0) !== size) return undefined;
  const end = low + size;
  if (bytes[low] !== OPEN_OBJECT || !isUtf8(bytes.subarray(low, end))) return undefined;
  kernel.takeLoneSurrogate();
  return new Walk(kernel, end, parts).document(low + 1);
}

/** The reader reads so many bytes at a time: they stay in a processor's cache. */
const SMALL = 256 * 1024;

class Walk {
  private readonly fields = new MetadataFields();
  private transcript = EMPTY_TRANSCRIPT;

  constructor(
    private readonly kernel: Kernel,
    private readonly end: number,
    private readonly parts: Parts | undefined,
  ) {}

  document(first: number): WholeWalk | undefined {
    const { kernel, end, fields } = this;
    for (let pos = first, started = false; ; started = true) {
      const taken = kernel.members(pos, end, started, MESSAGES, KEYS);
      if (taken > 0) {
        fields.setTaken(kernel.bytes, kernel.words, taken);
        this.parts?.members(kernel.bytes, kernel.words, taken);
      }
      pos = this.space(kernel.stoppedAt);
      if (kernel.atClosing) {
        if (this.space(pos + 1) !== end) return undefined;
        return { fields, transcript: this.transcript, mayHaveHazards: kernel.takeLoneSurrogate() };
      }
      pos = this.messages(pos, started || taken > 0);
      if (pos === 0) return undefined;
    }
  }

  /** Stands in front of what may be the messages; where they end, or 0. */
  private messages(from: number, started: boolean): number {
    const { kernel, end } = this;
    const { bytes } = kernel;
    let key = from;
    if (started) {
      if (bytes[key] !== COMMA) return 0;
      key = this.space(key + 1);
    }
    const keyEnd = key + MESSAGES_KEY.length;
    if (keyEnd >= end || bytes.compare(MESSAGES_KEY, 0, MESSAGES_KEY.length, key, keyEnd) !== 0) return 0;
    const colon = this.space(keyEnd);
    if (bytes[colon] !== COLON) return 0;
    const start = this.space(colon + 1);
    if (start >= end || bytes[start] !== OPEN_ARRAY) return 0;
    const count = kernel.messages(start + 1, end, false);
    if (!kernel.atClosing) return 0;
    this.transcript = { count, userCount: kernel.users, lastAt: kernel.lastTime };
    const behind = this.space(kernel.stoppedAt) + 1;
    this.parts?.messages(key, keyEnd, start, behind);
    return behind;
  }

  private space(from: number): number {
    const { bytes } = this.kernel;
    let pos = from;
    while (pos < this.end && isSpace(bytes[pos])) pos++;
    return pos;
  }
}

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
