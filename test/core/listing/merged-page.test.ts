import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RawJson } from '../../../src/core/json/raw';
import { MergedPage } from '../../../src/core/listing/merged-page';
import { type ListedRow, SORT_KEYS, sortRows, type SortKey } from '../../../src/core/listing/query';
import { SessionRow } from '../../../src/core/session/row';

const row = fc.record({
  session_id: fc.stringMatching(/^[a-d]{1,2}$/),
  title: fc.constantFrom('x', 'Y', 'z'),
  pinned: fc.boolean(),
  updated_at: fc.integer({ min: 0, max: 3 }),
  message_count: fc.integer({ min: 0, max: 3 }),
  activity: fc.integer({ min: 0, max: 5 }),
});

const listed = ({ activity, ...fields }: Record<string, unknown>): ListedRow => ({
  row: new SessionRow(new Map(Object.entries(fields).map(([key, value]) => [key, RawJson.of(value)]))),
  activity: activity as number,
});

const told = (of: SessionRow): string => JSON.stringify([...of.entries()].map(([key, raw]) => [key, raw.text]));

it('gives the page of one list of all rows, and keeps no more than the page and what comes before it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(row, { maxLength: 12 }), { maxLength: 5 }),
      fc.constantFrom<SortKey>(...SORT_KEYS),
      fc.boolean(),
      fc.nat(6),
      fc.nat(6),
      (stores, sort, reverse, limit, offset) => {
        const page = new MergedPage({ sort, reverse, limit, offset });
        const part = page.ofEach;
        let total = 0;
        const all: ListedRow[] = [];
        stores.forEach((rows, i) => {
          const own = rows.map(listed);
          total += own.length;
          all.push(
            ...own.map(({ row: one, activity }) => ({ row: one.with({ store: RawJson.of(`s${i}`) }), activity })),
          );
          // What a store's own list gives of its rows.
          sortRows(own, sort, reverse);
          const shown = own.slice(part.offset, part.limit === 0 ? undefined : part.offset + part.limit);
          page.add(`s${i}`, {
            rows: shown.map(({ row: one }) => one),
            activities: shown.map(({ activity }) => activity),
            total: own.length,
          });
          const { rows: kept } = page as unknown as { rows: unknown[] };
          if (limit > 0) expect(kept.length).toBeLessThanOrEqual(limit + offset);
        });
        sortRows(all, sort, reverse);
        const expected = all.slice(offset, limit === 0 ? undefined : offset + limit).map(({ row: one }) => told(one));
        expect(page.page().map(told)).toEqual(expected);
        expect(page.total).toBe(total);
      },
    ),
  );
});
