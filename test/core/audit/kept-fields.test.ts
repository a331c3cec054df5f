import { describe, expect, it } from 'vitest';

import { FieldKeeper } from '../../../src/core/audit/kept-fields';
import { RawJson, TRUE } from '../../../src/core/json/raw';

const fieldsOf = (members: Record<string, string>): Map<string, RawJson> =>
  new Map(Object.entries(members).map(([key, text]) => [key, text === 'true' ? TRUE : new RawJson(text)]));

describe('what an audit keeps of a session', () => {
  it('has the value of each member that checks ask for', () => {
    const members = {
      session_id: '"aaaa0001"',
      title: '"A title that nobody asks for"',
      workspace: '"/srv/work"',
      message_count: '4',
      created_at: '1777000000.25',
      updated_at: '"no number"',
      pending_started_at: 'NaN',
      is_cli_session: 'true',
    };
    const fields = fieldsOf(members);
    const kept = new FieldKeeper().keep('aaaa0001', fields);
    for (const key of Object.keys(members).filter((name) => name !== 'title')) {
      expect([key, kept.get(key)?.value()]).toEqual([key, fields.get(key)!.value()]);
    }
    expect(kept.has('parent_session_id')).toBe(false);
    expect(() => kept.get('title')).toThrow('No check was to ask for title');
  });

  it('tells a session that calls itself by another id', () => {
    const kept = new FieldKeeper().keep('aaaa0001', fieldsOf({ session_id: '"bbbb0001"' }));
    expect(kept.get('session_id')?.value()).toBe('bbbb0001');
  });

  it('is one object for all sessions that have the same', () => {
    const keeper = new FieldKeeper();
    const [first, second] = ['aaaa0001', 'aaaa0002'].map((id) =>
      keeper.keep(id, fieldsOf({ workspace: '"/srv/work"' })),
    );
    expect(first.get('workspace')).toBe(second.get('workspace'));
  });
});
