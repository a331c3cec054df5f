import { nextToken } from '../json/tokens';

/** One kind of secret: what it looks like, and which group of the expression, or the next one, is to go (else all of it). */
interface Pattern {
  kind: string;
  regex: RegExp;
  group?: number;
  /** Whether a match is none after all. */
  unless?: (secret: string) => boolean;
}

/** What may stand around a name and a value: quotes, also those of a JSON text inside of one. */
const QUOTES = `["'\\\\]{0,8}`;
/** Ends of names whose value is a secret. */
const SECRET_NAME = `(?:api|access|secret|private|account|auth|encryption|master|signing)[_-]?key|secret|token|passw(?:or)?d|passphrase|credentials?|_pass|_pwd`;
/** A value that no quotation marks hold together. */
const BARE = `[^\\s"'\`\\\\,;&(){}[\\]<>$]`;

/** What stands in the place of a secret, and is none: a word, a mask, code that gets it from elsewhere. */
const NO_SECRET =
  /^(?:[\d.]+|\*+|[xX]+|(?:undefined|required|optional|incorrect|invalid|missing|provided|expired|disabled|enabled|redacted|string|boolean|number|object|your[-_].*)[.!?]?|(?:process|os|self|this|args|config|settings|env|req|request|res|response|results?|data|opts|options|params)\.[a-z_].*|[$<].*|\{\{.*)$/i;
const isNoSecret = (secret: string): boolean => NO_SECRET.test(secret);
const hasNoDigit = (secret: string): boolean => !/\d/.test(secret);

const HOME_NAME = `[^\\s/"'\`:;,<>|*?()[\\]{}\\\\]`;

/**
 * What `--redact` looks for, in this order (the table in docs/export.md says it
 * in words). Every expression is bounded, so that no text makes it slow.
 */
const PATTERNS: readonly Pattern[] = [
  {
    kind: 'private-key',
    // Of one that is cut off, as much as it may be.
    regex:
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^]{0,65536}?-----END [A-Z0-9 ]{0,40}-----|[^]{0,16384})/g,
  },
  { kind: 'jwt', regex: /\beyJ[\w-]{8,4096}\.[\w-]{8,8192}\.[\w-]{4,4096}/g },
  // A class of a style sheet is words: sk-folding-cube.
  { kind: 'api-key', regex: /\bsk-[\w-]{16,}/g, unless: (secret) => /^sk(?:-[a-z]+){2,}$/.test(secret) },
  { kind: 'api-key', regex: /\b[rsp]k_(?:live|test)_\w{16,}/g },
  {
    kind: 'api-key',
    regex: /\b(?:gsk_[A-Za-z0-9]{20,}|(?:xai|nvapi|pplx|tvly)-[\w-]{20,}|SG\.[\w-]{16,64}\.[\w-]{16,64})/g,
    unless: hasNoDigit,
  },
  { kind: 'github-token', regex: /\b(?:gh[opusr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})/g },
  { kind: 'gitlab-token', regex: /\bglpat-[\w-]{16,}/g },
  { kind: 'aws-key', regex: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g },
  { kind: 'google-key', regex: /\b(?:AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})/g },
  { kind: 'slack-token', regex: /\b(?:xox[a-z]|xapp)-[\w-]{10,}/g },
  {
    kind: 'webhook',
    regex:
      /\bhttps:\/\/(?:hooks\.slack\.com\/(?:services|workflows)|(?:\w{1,16}\.)?discord(?:app)?\.com\/api\/webhooks)\/([\w/-]{10,})/g,
    group: 1,
  },
  { kind: 'huggingface-token', regex: /\bhf_[A-Za-z0-9]{20,}/g },
  { kind: 'npm-token', regex: /\bnpm_[A-Za-z0-9]{30,}/g },
  { kind: 'pypi-token', regex: /\bpypi-[\w-]{40,}/g },
  { kind: 'telegram-token', regex: /(?<!\d)\d{8,10}:AA[\w-]{28,62}(?![\w-])/g },
  { kind: 'password', regex: /\b[a-z][a-z0-9+.-]{1,15}:\/\/[^\s/:@]{0,64}:([^\s/"'`<>]{1,256})@/gi, group: 1 },
  {
    kind: 'password',
    regex: /\bcurl\b[^\n]{0,256}?\s(?:-u|--user)[\s=]{0,2}["'\\]{0,8}[^\s:"'\\]{1,64}:([^\s"'\\]{1,256})/g,
    group: 1,
  },
  {
    kind: 'authorization',
    regex: new RegExp(
      `\\bauthorization${QUOTES}\\s{0,8}[:=]\\s{0,8}${QUOTES}(?:basic|bearer|token|api-?key|negotiate)\\s{1,8}([^\\s"'\\\\]{4,})`,
      'gi',
    ),
    group: 1,
  },
  {
    kind: 'authorization',
    regex: new RegExp(`\\bauthorization${QUOTES}\\s{0,8}[:=]\\s{0,8}${QUOTES}([\\w.~+/=-]{16,})`, 'gi'),
    group: 1,
    unless: hasNoDigit,
  },
  { kind: 'bearer-token', regex: /\bbearer\s{1,8}([\w.~+/=-]{16,})/gi, group: 1, unless: hasNoDigit },
  {
    kind: 'cookie',
    regex: new RegExp(
      `\\b(?:set-)?cookie${QUOTES}\\s{0,8}:\\s{0,8}${QUOTES}([\\w-]{1,64}=[^\\s"'\\\\]{4}[^\\r\\n"'\\\\]{0,4096})`,
      'gi',
    ),
    group: 1,
  },
  {
    // As a shell or an .env file has it: all up to the next space.
    kind: 'secret',
    regex:
      /(?<![\w$])[A-Z0-9_]{0,64}?(?:(?:API|ACCESS|SECRET|PRIVATE)_?KEY|SECRET|TOKEN|PASSW(?:OR)?D|PASSPHRASE|_PASS|_PWD)=([^\s"'`\\$(<{][^\s"'`\\]{3,256})/g,
    group: 1,
    unless: isNoSecret,
  },
  {
    kind: 'secret',
    regex: new RegExp(
      `(?:${SECRET_NAME})${QUOTES}\\s{0,8}[:=]\\s{0,8}\\\\{0,7}(?:"([^"\\\\\\r\\n]{6,256})\\\\{0,7}"|'([^'\\\\\\r\\n]{6,256})\\\\{0,7}')`,
      'gi',
    ),
    group: 1,
    unless: isNoSecret,
  },
  {
    kind: 'secret',
    regex: new RegExp(`(?:${SECRET_NAME})${QUOTES}\\s{0,8}[:=]\\s{0,8}${QUOTES}(${BARE}{8,})(?!${BARE}|\\()`, 'gi'),
    group: 1,
    unless: isNoSecret,
  },
  {
    kind: 'secret',
    regex: new RegExp(
      `\\b(?!\\w*PUBLIC)[A-Z][A-Z0-9_]{0,63}_KEY${QUOTES}\\s{0,2}[:=]\\s{0,2}${QUOTES}(${BARE}{16,})`,
      'g',
    ),
    group: 1,
    unless: hasNoDigit,
  },
  {
    kind: 'home',
    regex: new RegExp(
      `(?<![\\w.~-])(?:/mnt/[a-z]|/[a-zA-Z]|/(?:var|usr|export|System/Volumes/Data))?/(?:home|Users)/${HOME_NAME}{1,64}`,
      'g',
    ),
  },
  {
    kind: 'home',
    // A name may have spaces where it is plain that it goes on.
    regex: new RegExp(
      `\\b[a-z]:\\\\{1,8}users\\\\{1,8}(?:${HOME_NAME}{1,32}(?: ${HOME_NAME}{1,32}){1,2}(?=\\\\)|${HOME_NAME}{1,64})`,
      'gi',
    ),
  },
];

/** Names of members whose value is a secret whatever it looks like: `api_key`, `x-api-key`, `clientSecret`. */
const SECRET_KEY = new RegExp(
  `^(?:.{0,64}[_-])?(?:${SECRET_NAME}|authorization|cookie)$|passw(?:or)?d$|passphrase$`,
  'i',
);
const SECRET_CAMEL_KEY =
  /[a-z0-9](?:(?:Api|Access|Secret|Private|Encryption|Signing)Key|Secret|Token|Credentials?|Authorization|Cookie)$/;

/** The pattern of a placeholder, so that none is made of one. */
const PLACEHOLDER = /^\[[a-z-]+-\d+\]/;

/**
 * Puts placeholders where there are secrets: `[api-key-1]`. One secret has one
 * placeholder, wherever it stands, so that what belongs together can still be
 * seen to.
 */
export class Redactor {
  /** How many were put, by kind. */
  readonly counts: Record<string, number> = {};
  private readonly placeholders = new Map<string, string>();
  private readonly distinct: Record<string, number> = {};
  private readonly patterns: readonly Pattern[];

  /** @param homes directories that are somebody's home, besides those that look like one. */
  constructor(homes: readonly string[] = []) {
    const own = homes
      .filter((home) => home.length > 1)
      .map((home) => ({
        kind: 'home',
        regex: new RegExp(`(?<![\\w.~-])${home.replace(/[^\w/]/g, '\\$&')}(?![\\w.-])`, 'g'),
      }));
    this.patterns = [...PATTERNS, ...own];
  }

  get count(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  /** A text without its secrets. */
  text(text: string): string {
    if (text.length < SHORTEST) return text;
    let out = text;
    for (const pattern of this.patterns) {
      out = out.replace(pattern.regex, (match: string, ...groups: unknown[]) => {
        const secret = pattern.group === undefined ? match : String(groups[pattern.group - 1] ?? groups[pattern.group]);
        if (PLACEHOLDER.test(secret) || pattern.unless?.(secret)) return match;
        const at = match.lastIndexOf(secret);
        return match.slice(0, at) + this.placeholder(pattern.kind, secret) + match.slice(at + secret.length);
      });
    }
    return out;
  }

  /**
   * A JSON value without its secrets: in strings, in keys, and whole where the
   * key says that it is one. All else keeps its spelling.
   *
   * @param key the member whose value it is.
   */
  json(text: string, key?: string): string {
    let out = '';
    let copied = 0;
    const frames: { isObject: boolean; key: string | undefined; expectKey: boolean }[] = [];
    for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
      const { start, end } = token;
      const top = frames.at(-1);
      switch (text.charCodeAt(start)) {
        case 0x7b:
        case 0x5b: {
          const isObject = text.charCodeAt(start) === 0x7b;
          // The items of a list are what the list's key says.
          frames.push({ isObject, key: isObject ? undefined : top ? top.key : key, expectKey: isObject });
          break;
        }
        case 0x7d:
        case 0x5d:
          frames.pop();
          break;
        case 0x2c:
          if (top?.isObject) top.expectKey = true;
          break;
        case 0x3a:
          break;
        case 0x22: {
          const word = text.slice(start, end);
          const isKey = top?.expectKey ?? false;
          const value = decoded(word);
          const redacted = isKey ? this.text(value) : this.valueOf(value, top ? top.key : key);
          if (redacted !== value) {
            out += text.slice(copied, start) + JSON.stringify(redacted);
            copied = end;
          }
          if (isKey) {
            top!.key = value;
            top!.expectKey = false;
          }
        }
      }
    }
    return out + text.slice(copied);
  }

  private valueOf(value: string, key: string | undefined): string {
    if (key === undefined || value === '' || !isSecretKey(key) || PLACEHOLDER.test(value)) return this.text(value);
    return this.placeholder('secret', value);
  }

  private placeholder(kind: string, secret: string): string {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    let placeholder = this.placeholders.get(secret);
    if (placeholder === undefined) {
      this.distinct[kind] = (this.distinct[kind] ?? 0) + 1;
      placeholder = `[${kind}-${this.distinct[kind]}]`;
      this.placeholders.set(secret, placeholder);
    }
    return placeholder;
  }
}

const isSecretKey = (key: string): boolean => SECRET_KEY.test(key) || SECRET_CAMEL_KEY.test(key);

/** Nothing that is looked for is shorter. */
const SHORTEST = 5;

function decoded(word: string): string {
  return word.includes('\\') ? (JSON.parse(word) as string) : word.slice(1, -1);
}

/** All kinds of secrets that are looked for. */
export const KINDS: readonly string[] = [...new Set(PATTERNS.map(({ kind }) => kind))];
