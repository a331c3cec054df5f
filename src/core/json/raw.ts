import { decodeJson } from './decode';

/**
 * A JSON value as it is spelled: `1.0` stays `1.0`, a 20-digit integer keeps
 * all its digits, `NaN` stays `NaN`, a duplicate key stays twice. What
 * hermesctl shows of a store is made of these; {@link value} is only for
 * deciding (filter, sort, compare).
 */
export class RawJson {
  private decoded: unknown;
  private isDecoded = false;

  constructor(
    readonly text: string,
    /** Whether it is one of the objects below, of which each text has but one. */
    readonly isCommon = false,
  ) {}

  static fromBytes(bytes: Buffer): RawJson {
    return new RawJson(bytes.toString('utf8'));
  }

  /** What is spelled most is one object each, told by its first byte and its length; undefined where it is anything else. */
  static common(first: number, length: number): RawJson | undefined {
    switch (first) {
      case 0x6e:
        return NULL;
      case 0x74:
        return TRUE;
      case 0x66:
        return FALSE;
      case 0x30:
        return length === 1 ? ZERO : undefined;
      case 0x7b:
        return length === 2 ? EMPTY_OBJECT : undefined;
      case 0x5b:
        return length === 2 ? EMPTY_ARRAY : undefined;
      default:
        return undefined;
    }
  }

  /** A value made here: `JSON.stringify`'s spelling. `undefined` is null. */
  static of(value: unknown): RawJson {
    return new RawJson(JSON.stringify(value ?? null));
  }

  /** A float as Python's `json` spells it: always told apart from an integer (`5.0`, `1e+22`). */
  static float(value: number): RawJson {
    return new RawJson(pythonFloat(value));
  }

  /** The value as JavaScript sees it: last duplicate key wins, big integers are rounded, `NaN` is NaN. */
  value(): unknown {
    if (!this.isDecoded) {
      this.decoded = decodeJson(this.text);
      this.isDecoded = true;
    }
    return this.decoded;
  }
}

export const NULL = new RawJson('null', true);
export const FALSE = new RawJson('false', true);
export const TRUE = new RawJson('true', true);
export const ZERO = new RawJson('0', true);
export const EMPTY_OBJECT = new RawJson('{}', true);
export const EMPTY_ARRAY = new RawJson('[]', true);

/**
 * Python's `repr` of a float. Both languages print the shortest digits that
 * read back the same; they differ in when they turn to an exponent and in how
 * they write it.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (Object.is(value, -0)) return '-0.0';
  const abs = Math.abs(value);
  if (abs !== 0 && (abs < 1e-4 || abs >= 1e16)) {
    const [digits, exponent] = value.toExponential().split('e');
    const sign = exponent.startsWith('-') ? '-' : '+';
    return `${digits}e${sign}${exponent.slice(1).padStart(2, '0')}`;
  }
  const plain = String(value);
  return /[.e]/.test(plain) ? plain : `${plain}.0`;
}
