import { describe, expect, it } from 'vitest';

import { readTranscript } from '../../../src/core/agent-db/messages';
import { withAgentDatabase } from '../../../src/core/agent-db/open';
import { executed, PLAIN_SCHEMA } from '../../support/agent-db';
import { testDeps } from '../../support/deps';
import { temporaryDirectory } from '../../support/store';

const newFile = (): string => `${temporaryDirectory()}/state.db`;

const SESSIONS = `INSERT INTO sessions (id, source, started_at, ended_at, end_reason, parent_session_id) VALUES
  ('first', 'cli', 100, 200, 'compression', NULL), ('second', 'cli', 200, NULL, NULL, 'first'),
  ('fork', 'telegram', 200, NULL, NULL, 'first');`;

/** A database with a message of session `first` for each of these sets of columns. */
function withMessages(...messages: Record<string, string | number | null>[]): string {
  const sql = (value: string | number | null): string =>
    value === null
      ? 'NULL'
      : typeof value === 'number'
        ? String(value)
        : `CAST(x'${Buffer.from(value).toString('hex')}' AS TEXT)`;
  const inserts = messages.map((given) => {
    const message = { session_id: 'first', role: 'user', content: 'x', timestamp: 1.5, ...given };
    return `INSERT INTO messages (${Object.keys(message).join(', ')}) VALUES (${Object.values(message).map(sql).join(', ')});`;
  });
  return executed(newFile(), `${PLAIN_SCHEMA} ${SESSIONS} ${inserts.join('\n')}`);
}

async function texts(file: string, id = 'first', from?: number): Promise<string[]> {
  return withAgentDatabase(file, testDeps(), async (database) => {
    const transcript = await readTranscript(database, id);
    const found: string[] = [];
    for await (const raw of transcript.messages(from)) found.push(raw.text);
    return found;
  });
}

const values = async (file: string, id?: string): Promise<Record<string, unknown>[]> =>
  (await texts(file, id)).map((text) => JSON.parse(text) as Record<string, unknown>);

describe('a transcript', () => {
  it('is in the order in which it was written, whatever the clock said', async () => {
    const file = withMessages(
      { content: 'a', timestamp: 3 },
      { content: 'b', timestamp: 1 },
      { content: 'c', timestamp: 2 },
    );
    expect((await values(file)).map(({ content }) => content)).toEqual(['a', 'b', 'c']);
  });

  it('leaves out what was compacted or undone', async () => {
    const file = withMessages({ content: 'gone', active: 0 }, { content: 'there' });
    expect((await values(file)).map(({ content }) => content)).toEqual(['there']);
  });

  it('has the segments before it, of the same source only', async () => {
    const file = withMessages(
      { content: '1' },
      { session_id: 'second', content: '2' },
      { session_id: 'fork', content: '3' },
    );
    expect((await values(file, 'second')).map(({ content }) => content)).toEqual(['1', '2']);
    expect((await values(file, 'fork')).map(({ content }) => content)).toEqual(['3']);
  });

  it('decodes content that is no text, as it is spelled, and leaves alone what only looks so', async () => {
    const file = withMessages(
      { content: '\0json:[{"type":"text","text":"hi","n":1.0,"big":12345678901234567890}]' },
      { content: '\0json:{broken' },
      { content: 'json:[1]' },
      { content: null },
    );
    expect((await texts(file)).map((text) => /"content": (.*), "timestamp"/.exec(text)?.[1])).toEqual([
      '[{"type":"text","text":"hi","n":1.0,"big":12345678901234567890}]',
      '"\\u0000json:{broken"',
      '"json:[1]"',
      'null',
    ]);
  });

  it('decodes tool calls and the like, also where they were encoded twice, and leaves out what is empty', async () => {
    const file = withMessages(
      { role: 'assistant', tool_calls: '[{"id":"c1"}]', reasoning: 'why', reasoning_details: '', tool_name: null },
      { role: 'assistant', tool_calls: '"[{\\"id\\":\\"c2\\"}]"', display_kind: 'hidden', display_metadata: '{"a":1}' },
      { role: 'assistant', tool_calls: 'not JSON' },
      { role: 'tool', tool_call_id: 'c1', tool_name: 'terminal' },
    );
    expect(await values(file)).toEqual([
      { role: 'assistant', content: 'x', timestamp: 1.5, tool_calls: [{ id: 'c1' }], reasoning: 'why' },
      {
        role: 'assistant',
        content: 'x',
        timestamp: 1.5,
        tool_calls: [{ id: 'c2' }],
        display_kind: 'hidden',
        display_metadata: { a: 1 },
      },
      { role: 'assistant', content: 'x', timestamp: 1.5, tool_calls: 'not JSON' },
      { role: 'tool', content: 'x', timestamp: 1.5, tool_call_id: 'c1', tool_name: 'terminal', name: 'terminal' },
    ]);
  });

  it('names the row of a message whose text for the model was another', async () => {
    const [plain, other] = await values(withMessages({}, { api_content: 'for the model' }));
    expect(plain).not.toHaveProperty('_state_db_row_id');
    expect(other).toMatchObject({ api_content: 'for the model', _state_db_row_id: 2 });
  });

  it('is read in pages, from any message on', async () => {
    const contents = Array.from({ length: 300 }, (_, i) => String(i));
    const file = withMessages(...contents.map((content) => ({ content })));
    const read = async (from?: number): Promise<unknown[]> =>
      (await texts(file, 'first', from)).map((text) => (JSON.parse(text) as { content: string }).content);
    expect(await read()).toEqual(contents);
    expect(await read(297)).toEqual(['297', '298', '299']);
    expect(await read(300)).toEqual([]);
  });

  it('does not pass for whole where messages were removed while it was read', async () => {
    const file = withMessages(...Array.from({ length: 200 }, (_, i) => ({ content: String(i) })));
    await withAgentDatabase(file, testDeps(), async (database) => {
      const { messages, count } = await readTranscript(database, 'first');
      expect(count).toBe(200);
      const read: unknown[] = [];
      const reading = (async () => {
        for await (const message of messages()) {
          if (read.push(message) === 10) executed(file, "DELETE FROM messages WHERE content = '150'");
        }
      })();
      await expect(reading).rejects.toMatchObject({ code: 'CHANGED_ON_DISK' });
      expect(read).toHaveLength(150);
    });
  });

  it('holds no lock while its reader takes time', async () => {
    const file = withMessages(...Array.from({ length: 200 }, (_, i) => ({ content: String(i) })));
    await withAgentDatabase(file, testDeps(), async (database) => {
      const { messages } = await readTranscript(database, 'first');
      let seen = 0;
      // In rollback mode a reader that held its lock would keep this writer out.
      for await (const message of messages())
        if (message && ++seen % 50 === 0) executed(file, "UPDATE sessions SET title = 'busy'");
      expect(seen).toBe(200);
    });
  });

  it('of a session that is not there is empty', async () => {
    expect(await texts(withMessages({}), "nobody'; DROP TABLE messages; --")).toEqual([]);
  });
});
