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

const scalar = fc.oneof(
  fc.constantFrom(...ODD_SCALARS),
  fc.constantFrom(...ODD_STRINGS),
  fc.string().map((s) => JSON.stringify(s)),
);
const oddKey = fc.constantFrom(
  '"x_unknown"',
  '"10"',
  '"2"',
  '"__proto__"',
  '"constructor"',
  '""',
  '"\\u00e9"',
  '"a.b"',
  '"\\ud800"',
);

export const anyValue: fc.Arbitrary<Spelled> = fc.letrec<{ value: Spelled }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((items) => ({ items })),
    fc.array(fc.tuple(oddKey, tie('value')), { maxLength: 3 }).map((members) => ({ members })),
  ),
})).value;

const role = fc.constantFrom(
  '"user"',
  '"user"',
  '"assistant"',
  '"tool"',
  '"\\u0075ser"',
  '"User"',
  'null',
  '1',
  '["user"]',
);
const timestamp = fc.constantFrom(
  '1777000010',
  '1777000010.5',
  '1.0',
  '0',
  '-0.0',
  '-5',
  'null',
  'NaN',
  '1e400',
  'true',
  '"1777000011"',
  '" 12.5 "',
  '"1_000"',
  '"soon"',
  '[1]',
  '12345678901234567890',
  '1e-7',
  '1e22',
);
const content: fc.Arbitrary<Spelled> = fc.oneof(
  scalar,
  fc.array(anyValue, { maxLength: 2 }).map((items) => ({ items })),
);

/** A message: mostly an object with its members in any order, some of them twice; now and then anything. */
const message: fc.Arbitrary<Spelled> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(
        fc.array(role, { minLength: 0, maxLength: 2 }),
        fc.array(timestamp, { maxLength: 2 }),
        content,
        fc.array(fc.tuple(oddKey, anyValue), { maxLength: 2 }),
      )
      .chain(([roles, times, text, extra]) =>
        fc.shuffledSubarray<[string, Spelled]>(
          [
            ...roles.map((value): [string, Spelled] => ['"role"', value]),
            ...times.map((value): [string, Spelled] => ['"timestamp"', value]),
            ['"content"', text],
            ...extra,
          ],
          { minLength: 1 },
        ),
      )
      .map((members) => ({ members })),
  },
  { weight: 1, arbitrary: anyValue },
);

export const messageList: fc.Arbitrary<Spelled> = fc.array(message, { maxLength: 6 }).map((items) => ({ items }));

/** Messages as a transcript has them, with at least one user turn. */
const transcript: fc.Arbitrary<Spelled> = fc.tuple(messageList, message, messageList).map(([before, , after]) => ({
  items: [
    ...(before as { items: Spelled[] }).items,
    {
      members: [
        ['"role"', '"user"'],
        ['"content"', '"again?"'],
      ],
    },
    ...(after as { items: Spelled[] }).items,
  ],
}));

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
export function oddDocument(order: readonly string[]): fc.Arbitrary<OddDocument> {
  const fields = order.filter((key) => !['messages', 'context_messages', 'read_only'].includes(key));
  const field = fc.tuple(
    fc
      .constantFrom(...fields, 'title', 'updated_at', 'message_count', 'manual_title', 'pinned', 'archived')
      .map((key) => JSON.stringify(key)),
    anyValue,
  );
  const messages = fc.oneof({ weight: 4, arbitrary: transcript }, { weight: 1, arbitrary: messageList });
  const context: fc.Arbitrary<[string, Spelled][]> = fc.oneof(
    fc.constant<[string, Spelled][]>([]),
    fc.constant<[string, Spelled][]>([['"context_messages"', 'null']]),
    fc.constant<[string, Spelled][]>([['"context_messages"', { items: [] }]]),
    messages.map((list): [string, Spelled][] => [['"context_messages"', list]]),
  );
  const members = fc
    .tuple(
      fc.array(field, { maxLength: 12 }),
      fc.array(fc.tuple(fc.constantFrom('"messages"', '"mess\\u0061ges"'), messages), { minLength: 0, maxLength: 2 }),
      context,
      fc.array(fc.tuple(oddKey, anyValue), { maxLength: 3 }),
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
      const rank = ([key]: [string, Spelled]): number => {
        const at = order.indexOf(JSON.parse(key) as string);
        return at < 0 ? order.length : at;
      };
      const chosen = ordered ? [...all].sort((a, b) => rank(a) - rank(b)) : all;
      return { layout, ordered, bytes: Buffer.from(bom + spell({ members: chosen }, layout) + tail) };
    });
}
