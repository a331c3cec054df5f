import fc from 'fast-check';

/** A JSON value as a tree of spellings, to be laid out in any way. */
export type Spelled = string | { items: Spelled[] } | { members: [key: string, value: Spelled][] };

/** How a document is laid out. */
export interface Layout {
  name: string;
  /** Behind an opening bracket and a comma, at this depth. */
  line: (depth: number) => string;
  /** Behind a comma, where no line is broken. */
  space: string;
  colon: string;
}

const indented = (name: string, indent: string, newline = '\n'): Layout => ({
  name,
  line: (depth) => newline + indent.repeat(depth),
  space: '',
  colon: ': ',
});

export const LAYOUTS: readonly Layout[] = [
  { name: 'compact', line: () => '', space: '', colon: ':' },
  { name: 'spaced', line: () => '', space: ' ', colon: ': ' },
  indented('indent 1', ' '),
  indented('indent 2', '  '),
  indented('indent 4', '    '),
  indented('tab', '\t'),
  indented('CRLF', '  ', '\r\n'),
  { name: 'odd', line: (depth) => `\n${' '.repeat(depth)}\t`, space: '', colon: ' :\n ' },
];

export function spell(value: Spelled, layout: Layout, depth = 0): string {
  if (typeof value === 'string') return value;
  const [open, close, parts] =
    'items' in value
      ? ['[', ']', value.items.map((item) => spell(item, layout, depth + 1))]
      : ['{', '}', value.members.map(([key, inner]) => `${key}${layout.colon}${spell(inner, layout, depth + 1)}`)];
  if (parts.length === 0) return open + close;
  const line = layout.line(depth + 1);
  return `${open}${line}${parts.join(`,${layout.space}${line}`)}${layout.line(depth)}${close}`;
}

/** Numbers and words that a program which parses and writes again does not give back. */
const ODD_SCALARS = [
  '1.0',
  '-0.0',
  '-0',
  '1e400',
  '-1e400',
  '1E5',
  '1e-07',
  '0.1000',
  '12345678901234567890',
  '-98765432109876543210',
  'NaN',
  'Infinity',
  '-Infinity',
  'null',
  'true',
  'false',
  '0',
  '1777000000',
  '1777000000.25',
];
const ODD_STRINGS = [
  '""',
  '"\\u00e9"',
  '"é日本語"',
  '"\\ud83d\\ude00"',
  '"😀"',
  '"\\ud800"',
  '"\\udfff x"',
  '"a\\/b\\\\\\"c"',
  '"\\"messages\\": ["',
  '"\\u0000\\b\\f\\n\\r\\t"',
  '"\u2028\u007f"',
  '"}]{["',
];

const ODD_KEYS = [
  '"x_unknown"',
  '"10"',
  '"2"',
  '"__proto__"',
  '"constructor"',
  '""',
  '"\\u00e9"',
  '"a.b"',
  '"\\ud800"',
];
const ROLES = ['"user"', '"user"', '"assistant"', '"tool"'];
const ODD_ROLES = ['"\\u0075ser"', '"User"', 'null', '1', '["user"]'];
const TIMES = ['1777000010', '1777000010.5', '1.0', '0', 'null', '12345678901234567890'];
const ODD_TIMES = [
  '-0.0',
  '-5',
  'NaN',
  '1e400',
  'true',
  '"1777000011"',
  '" 12.5 "',
  '"1_000"',
  '"soon"',
  '[1]',
  '1e-7',
  '1e22',
];

/** What documents are made of. */
interface Parts {
  scalar: fc.Arbitrary<string>;
  key: fc.Arbitrary<string>;
  value: fc.Arbitrary<Spelled>;
  role: fc.Arbitrary<string>;
  timestamp: fc.Arbitrary<string>;
  /** A member of a message may stand there so many times. */
  times: number;
}

function partsOf(odd: boolean): Parts {
  // Not in JSON, or not in UTF-8: a program that has a faster way for what is plain takes the other one.
  const takes = (spelled: string): boolean => odd || !/NaN|Infinity|\\ud(800|fff)/.test(spelled);
  const scalar = fc.oneof(
    fc.constantFrom(...ODD_SCALARS.filter(takes)),
    fc.constantFrom(...ODD_STRINGS.filter(takes)),
    fc.string().map((s) => JSON.stringify(s)),
  );
  const key = fc.constantFrom(...ODD_KEYS.filter((spelled) => odd || !spelled.includes('\\')));
  const { value } = fc.letrec<{ value: Spelled }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }).map((items) => ({ items })),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 3 }).map((members) => ({ members })),
    ),
  }));
  return {
    scalar,
    key,
    value,
    role: fc.constantFrom(...ROLES, ...(odd ? ODD_ROLES : [])),
    timestamp: fc.constantFrom(...TIMES, ...(odd ? ODD_TIMES : [])),
    times: odd ? 2 : 1,
  };
}

/** Lists of messages, and such of them as a transcript has, with at least one user turn. */
interface Lists {
  any: fc.Arbitrary<Spelled>;
  transcript: fc.Arbitrary<Spelled>;
}

function listsOf({ scalar, key, value, role, timestamp, times }: Parts): Lists {
  const content: fc.Arbitrary<Spelled> = fc.oneof(
    scalar,
    fc.array(value, { maxLength: 2 }).map((items) => ({ items })),
  );
  // Mostly an object with its members in any order, some of them twice; now and then anything.
  const message: fc.Arbitrary<Spelled> = fc.oneof(
    {
      weight: 9,
      arbitrary: fc
        .tuple(
          fc.array(role, { maxLength: times }),
          fc.array(timestamp, { maxLength: times }),
          content,
          fc.array(fc.tuple(key, value), { maxLength: 2 }),
        )
        .chain(([roles, stamps, text, extra]) =>
          fc.shuffledSubarray<[string, Spelled]>(
            [
              ...roles.map((spelled): [string, Spelled] => ['"role"', spelled]),
              ...stamps.map((spelled): [string, Spelled] => ['"timestamp"', spelled]),
              ['"content"', text],
              ...extra,
            ],
            { minLength: 1 },
          ),
        )
        .map((members) => ({ members })),
    },
    { weight: 1, arbitrary: value },
  );
  const messages = fc.array(message, { maxLength: 6 });
  const again: Spelled = {
    members: [
      ['"role"', '"user"'],
      ['"content"', '"again?"'],
    ],
  };
  return {
    any: messages.map((items) => ({ items })),
    transcript: fc.tuple(messages, messages).map(([before, after]) => ({ items: [...before, again, ...after] })),
  };
}

const ODD = partsOf(true);
const ODD_LISTS = listsOf(ODD);
const PLAIN = partsOf(false);
const PLAIN_LISTS = listsOf(PLAIN);

export const anyValue = ODD.value;
export const messageList = ODD_LISTS.any;

export interface OddDocument {
  layout: Layout;
  bytes: Buffer;
  /** Whether its known keys stand in the order given. */
  ordered: boolean;
}

/**
 * Session documents as no server would write them and as a hand, an older
 * program or a converter might: keys in any order, some twice, some missing,
 * any layout, and values that do not survive being parsed and written again.
 */
export const oddDocument = (order: readonly string[]): fc.Arbitrary<OddDocument> =>
  documentOf(order, ODD, ODD_LISTS, '"messages"', '"mess\\u0061ges"');

/** The same of parts that a server writes: what a program may read in a faster way. */
export const plainDocument = (order: readonly string[]): fc.Arbitrary<OddDocument> =>
  documentOf(order, PLAIN, PLAIN_LISTS, '"messages"').filter(({ bytes }) => bytes[0] === 0x7b);

function documentOf(
  order: readonly string[],
  { key, value }: Parts,
  { any, transcript }: Lists,
  ...listKeys: string[]
): fc.Arbitrary<OddDocument> {
  const fields = order.filter((name) => !['messages', 'context_messages', 'read_only'].includes(name));
  const field = fc.tuple(
    fc
      .constantFrom(...fields, 'title', 'updated_at', 'message_count', 'manual_title', 'pinned', 'archived')
      .map((name) => JSON.stringify(name)),
    value,
  );
  const messages = fc.oneof({ weight: 4, arbitrary: transcript }, { weight: 1, arbitrary: any });
  const context: fc.Arbitrary<[string, Spelled][]> = fc.oneof(
    fc.constant<[string, Spelled][]>([]),
    fc.constant<[string, Spelled][]>([['"context_messages"', 'null']]),
    fc.constant<[string, Spelled][]>([['"context_messages"', { items: [] }]]),
    messages.map((list): [string, Spelled][] => [['"context_messages"', list]]),
  );
  const members = fc
    .tuple(
      fc.array(field, { maxLength: 12 }),
      fc.array(fc.tuple(fc.constantFrom(...listKeys), messages), { minLength: 0, maxLength: 2 }),
      context,
      fc.array(fc.tuple(key, value), { maxLength: 3 }),
    )
    .map(([known, lists, contexts, extra]): [string, Spelled][] => [...known, ...lists, ...contexts, ...extra]);
  return fc
    .tuple(
      members.chain((all) => fc.shuffledSubarray(all, { minLength: all.length })),
      fc.boolean(),
      fc.constantFrom(...LAYOUTS),
      fc.constantFrom('', '', '', '\ufeff'),
      fc.constantFrom('', '', '\n', ' \r\n'),
    )
    .map(([all, ordered, layout, bom, tail]) => {
      const rank = ([name]: [string, Spelled]): number => {
        const at = order.indexOf(JSON.parse(name) as string);
        return at < 0 ? order.length : at;
      };
      const chosen = ordered ? [...all].sort((a, b) => rank(a) - rank(b)) : all;
      return { layout, ordered, bytes: Buffer.from(bom + spell({ members: chosen }, layout) + tail) };
    });
}
