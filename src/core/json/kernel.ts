import { KERNEL_CODE } from './kernel-code';

/*
 * The walk over what is sound, in WebAssembly, up to 64 bytes at a time
 * (docs/adr/0006). Its source is kernel.wat, where the layout of its memory is
 * told too.
 */

/** What of WebAssembly is used here; Node.js has it, and its types do not come with those of Node.js. */
interface WebAssemblyApi {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
}

interface Exports {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  string(pos: number, end: number): number;
  value(pos: number, end: number): number;
  items(pos: number, end: number, started: number, names: number, max: number): void;
  members(pos: number, end: number, started: number, names: number, max: number): void;
  messages(pos: number, end: number, started: number, names: number): void;
  find(pos: number, end: number, length: number): number;
}

const PAGE = 64 * 1024;
/** Where the window begins in the kernel's memory. */
const LOW = PAGE;
/** Bytes behind the window that the kernel may load, and never looks at. */
const SLACK = 64;
const MASKS = 64;
const NEEDLE = 352;
const NEEDLE_BYTES = 64;
const NAMES = 512;
const NAME_BYTES = 16;
const RECORDS = 8192;
const KNOWN = 57344;
const KNOWN_BYTES = 48;
const WORD = 4;

const STOPPED_AT = 0;
const COUNT = 1;
const AT_CLOSING = 2;
const LONE_SURROGATE = 3;
const KNOWN_COUNT = 4;
const USERS = 6;
const LAST_TIME_START = 7;
const LAST_TIME_END = 8;

/** Words of a record before the places of the wanted members. */
const ITEM_WORDS = 2;
const MEMBER_WORDS = 5;

/** Names of members to look out for: at most 32, of at most 15 plain ASCII characters each. */
export class Names {
  readonly count: number;
  /** Words of a record that {@link Kernel.items} makes of an item. */
  readonly itemWords: number;
  private readonly names: readonly string[];
  private bytes_: Buffer | undefined;

  constructor(...names: string[]) {
    this.names = names;
    this.count = names.length;
    this.itemWords = ITEM_WORDS + 2 * names.length;
  }

  /** As the kernel has them. Made when it is given them: most commands make no kernel. */
  get bytes(): Buffer {
    if (this.bytes_) return this.bytes_;
    const bytes = Buffer.alloc(this.count * NAME_BYTES);
    this.names.forEach((name, i) => bytes.write(name, i * NAME_BYTES, 'latin1'));
    return (this.bytes_ = bytes);
  }
}

const OF_MESSAGES = new Names('role', 'timestamp', '_ts', '_partial');

/** Keys to know again: at most 170, of at most 47 plain ASCII characters each. */
export class KnownKeys {
  private bytes_: Buffer | undefined;

  constructor(private readonly names: readonly string[]) {}

  get count(): number {
    return this.names.length;
  }

  /** As the kernel has them, made when it is given them. */
  get bytes(): Buffer {
    if (this.bytes_) return this.bytes_;
    const bytes = Buffer.alloc(this.count * KNOWN_BYTES);
    this.names.forEach((name, i) => {
      bytes.write(name, i * KNOWN_BYTES, 'latin1');
      bytes[(i + 1) * KNOWN_BYTES - 1] = name.length;
    });
    return (this.bytes_ = bytes);
  }
}

/**
 * ASCII to look for in documents, as it stands or in any case: 2 to 64
 * characters that JSON spells as they are, or by an escape in place of each.
 */
export class Needle {
  readonly bytes = Buffer.alloc(2 * NEEDLE_BYTES + 16);
  readonly length: number;

  private constructor(text: string, ignoreCase: boolean) {
    this.length = text.length;
    const both = ignoreCase ? [text.toLowerCase(), text.toUpperCase()] : [text, text];
    both.forEach((one, i) => this.bytes.write(one, i * NEEDLE_BYTES, 'latin1'));
    for (const char of both.join('')) {
      const code = char.charCodeAt(0);
      this.bytes[2 * NEEDLE_BYTES + (code >> 3)] |= 1 << (code & 7);
    }
  }

  /** Undefined for a text that is none. */
  static of(text: string, ignoreCase: boolean): Needle | undefined {
    return /^[ -~]{2,64}$/.test(text) && !/["\\/]/.test(text) ? new Needle(text, ignoreCase) : undefined;
  }
}

/** One instance of the kernel, with its memory, of which a window for a reader is the most. */
export class Kernel {
  /** All of its memory, by the addresses it counts in. Another one after {@link grow}. */
  bytes!: Buffer;
  /** The same as words; the records of the last walk are in there. */
  words!: Int32Array;
  private names: Names | undefined;
  private known: KnownKeys | undefined;
  private needle: Needle | undefined;

  private constructor(private readonly code: Exports) {
    this.look();
    for (let length = 1; length <= NAME_BYTES; length++) {
      const mask = MASKS + length * NAME_BYTES;
      this.bytes.fill(0xff, mask, mask + length);
    }
  }

  /** Undefined where there is no WebAssembly, or no memory for it: everything can do without. */
  static make(windowSize: number): Kernel | undefined {
    try {
      const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
      const { exports } = new Instance(new Module(Buffer.from(KERNEL_CODE, 'base64')), {});
      const code = exports as Exports;
      const missing = Math.ceil((LOW + windowSize + SLACK - code.memory.buffer.byteLength) / PAGE);
      if (missing > 0) code.memory.grow(missing);
      return new Kernel(code);
    } catch {
      return undefined;
    }
  }

  readonly low = LOW;

  /** The end of the room that a window may take. */
  get high(): number {
    return this.bytes.length - SLACK;
  }

  /** Makes the window twice as large; what is in it stays where it is. */
  grow(): void {
    this.code.memory.grow((this.bytes.length - LOW) / PAGE);
    this.look();
  }

  private look(): void {
    const { buffer } = this.code.memory;
    this.bytes = Buffer.from(buffer);
    this.words = new Int32Array(buffer);
  }

  /** From inside a string to its closing quote, to what the reader must look at itself, or to the end. */
  string(pos: number, end: number): number {
    return this.code.string(pos, end);
  }

  /** From a value's first byte behind the value; 0 where the reader must walk it itself. */
  value(pos: number, end: number): number {
    return this.code.value(pos, end);
  }

  /** Records of the items that lie whole before `end`; how many. */
  items(pos: number, end: number, started: boolean, wanted: Names): number {
    this.setNames(wanted);
    const room = (KNOWN - RECORDS) / WORD / wanted.itemWords;
    this.code.items(pos, end, started ? 1 : 0, wanted.count, Math.floor(room));
    return this.words[COUNT];
  }

  /** Passes over the messages that lie whole before `end` and are spelled plainly; how many. {@link users} and {@link lastTime} are of these. */
  messages(pos: number, end: number, started: boolean): number {
    this.setNames(OF_MESSAGES);
    this.code.messages(pos, end, started ? 1 : 0, OF_MESSAGES.count);
    return this.words[COUNT];
  }

  /** How many of the messages are the user's. */
  get users(): number {
    return this.words[USERS];
  }

  /** The last of their times that counts, in epoch seconds; undefined where none does. */
  get lastTime(): number | undefined {
    const start = this.words[LAST_TIME_START];
    return start === 0 ? undefined : Number(this.bytes.toString('latin1', start, this.words[LAST_TIME_END]));
  }

  /** Records of the members that lie whole before `end` and before the first of these names; how many. */
  members(pos: number, end: number, started: boolean, stops: Names, known: KnownKeys): number {
    this.setNames(stops);
    if (this.known !== known) {
      this.known = known;
      this.words[KNOWN_COUNT] = known.count;
      known.bytes.copy(this.bytes, KNOWN);
    }
    const room = (KNOWN - RECORDS) / WORD / MEMBER_WORDS;
    this.code.members(pos, end, started ? 1 : 0, stops.count, Math.floor(room));
    return this.words[COUNT];
  }

  /** The first place from here on at which the needle stands, or the escape of a character in it; else `end`. */
  find(pos: number, end: number, needle: Needle): number {
    if (this.needle !== needle) {
      this.needle = needle;
      needle.bytes.copy(this.bytes, NEEDLE);
    }
    return this.code.find(pos, end, needle.length);
  }

  private setNames(names: Names): void {
    if (this.names === names) return;
    this.names = names;
    names.bytes.copy(this.bytes, NAMES);
  }

  /** Where the last walk over items or members stopped: behind the last whole one. */
  get stoppedAt(): number {
    return this.words[STOPPED_AT];
  }

  /** Whether it stopped in front of the closing bracket. */
  get atClosing(): boolean {
    return this.words[AT_CLOSING] !== 0;
  }

  /** Whether a string had half a surrogate pair since this was asked last. */
  takeLoneSurrogate(): boolean {
    const seen = this.words[LONE_SURROGATE] !== 0;
    this.words[LONE_SURROGATE] = 0;
    return seen;
  }
}

/** The word of {@link Kernel.words} at which the records begin. */
export const FIRST_RECORD = RECORDS / WORD;
/**
 * Words of a record of a member: start and end of the key, start and end of
 * the value, and one of which the lowest byte tells which {@link KnownKeys} it
 * is, by its place, or {@link UNKNOWN_KEY}, and the next one is the value's first.
 */
export const MEMBER_RECORD = MEMBER_WORDS;
export const UNKNOWN_KEY = 0xff;
