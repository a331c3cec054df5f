// A small store as the server leaves one, for the demo and for the smoke test.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** The store of the demo: `webui` and `hermes` below `root`. Times count back from `now`, in epoch seconds. */
export function makeDemoStore(root, now = Date.now() / 1000) {
  const stateDir = path.join(root, 'webui');
  const hermesHome = path.join(root, 'hermes');
  const sessions = path.join(stateDir, 'sessions');
  mkdirSync(sessions, { recursive: true });
  mkdirSync(hermesHome, { recursive: true });

  const write = (id, ago, fields, turns) => {
    const began = now - ago;
    const messages = turns.map(([role, content, more], i) => ({ role, content, timestamp: began + 20 * i, ...more }));
    const updated = began + 20 * turns.length;
    const session = {
      session_id: id,
      title: 'Untitled',
      workspace: '/home/ada/projects/site',
      model: 'anthropic/claude-sonnet-4',
      created_at: began,
      updated_at: updated,
      ...fields,
      message_count: messages.length,
      messages,
    };
    writeFileSync(path.join(sessions, `${id}.json`), JSON.stringify(session, null, 2));
  };

  write('4f1c09ab72de', 2 * DAY, { title: 'Release checklist', pinned: true, project_id: '9a0b1c2d3e4f' }, [
    ['user', 'What is left before we can release 2.4?'],
    ['assistant', 'Three things: the changelog, the migration note, and a tag.'],
  ]);
  write(
    '0821b8fe2f4b',
    3 * HOUR,
    { title: 'Fix the flaky parser test', input_tokens: 18240, output_tokens: 2115, estimated_cost: 0.0864 },
    [
      ['user', 'test_parser fails one time in ten. Why?'],
      [
        'assistant',
        'Let me run it a few times.',
        {
          tool_calls: [
            {
              id: 'call_1',
              type: 'function',
              function: {
                name: 'terminal',
                arguments: '{"command":"for i in 1 2 3; do pytest -q test_parser.py; done"}',
              },
            },
          ],
        },
      ],
      [
        'tool',
        '1 passed\n1 passed\nE  AssertionError: [2, 1] != [1, 2]\n1 failed',
        { tool_name: 'terminal', tool_call_id: 'call_1' },
      ],
      [
        'assistant',
        'The order of a set is not fixed. Sort before you compare:\n\n```python\nassert sorted(tokens) == [1, 2]\n```\n\nWith this it passed 200 times in a row.',
      ],
    ],
  );
  write(
    'c3d2a1b0e9f8',
    26 * HOUR,
    {
      title: '旅行計画 🗾 京都三日間',
      model: 'openai/gpt-5',
      input_tokens: 5120,
      output_tokens: 980,
      estimated_cost: 0.0131,
    },
    [
      ['user', '京都で三日間、歩いて回れる計画を立ててください。'],
      ['assistant', '一日目は東山、二日目は嵐山、三日目は伏見はいかがでしょう。🍵'],
    ],
  );
  write('7e6d5c4b3a29', 40 * DAY, { title: 'Old server notes', archived: true, profile: 'work' }, [
    ['user', 'Summarise the notes on the old server.'],
    ['assistant', 'It ran Debian 11 and was switched off in March.'],
  ]);
  write('cron_nightly_20260501_030000', 8 * HOUR, { title: 'Cron: nightly backup', source_tag: 'cron' }, [
    ['user', 'Check that last night’s backup is complete.'],
    ['assistant', 'It is: 1,204 files, 3.1 GB.'],
  ]);
  write('b0b1b2b3b4b5', 10 * HOUR, {}, []);

  // What a full disk leaves of a session that a careless program was saving.
  writeFileSync(path.join(sessions, 'dead00beef00.json'), '{\n  "session_id": "dead00beef00",\n  "title": "Cut sho');
  writeFileSync(
    path.join(stateDir, 'projects.json'),
    JSON.stringify([{ project_id: '9a0b1c2d3e4f', name: 'Website', color: '#6366f1', profile: 'default' }], null, 2),
  );
  makeAgentDatabase(path.join(hermesHome, 'state.db'), now);
  return { stateDir, hermesHome };
}

/** What the agent has of its own: a talk in a terminal that was compressed once, with a task given away, and a chat. */
function makeAgentDatabase(file, now) {
  // Not imported: in a fresh clone the demo's first step installs it.
  const Database = createRequire(import.meta.url)('better-sqlite3');
  const database = new Database(file);
  database.exec(`
    CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, model TEXT, title TEXT, parent_session_id TEXT,
      started_at REAL NOT NULL, ended_at REAL, end_reason TEXT, message_count INTEGER DEFAULT 0,
      input_tokens INTEGER DEFAULT 0, output_tokens INTEGER DEFAULT 0, estimated_cost_usd REAL);
    CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, role TEXT NOT NULL,
      content TEXT, tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL NOT NULL,
      active INTEGER NOT NULL DEFAULT 1);
    CREATE INDEX idx_messages_session ON messages(session_id, timestamp);`);
  const session = database.prepare('INSERT INTO sessions VALUES (?,?,?,?,?,?,?,?,?,1200,300,0.004)');
  const message = database.prepare(
    'INSERT INTO messages (session_id, role, content, tool_name, timestamp) VALUES (?,?,?,?,?)',
  );
  const write = (id, ago, { source, title, parent, reason }, turns) => {
    const began = now - ago;
    const ended = reason ? began + 20 * turns.length : null;
    session.run(id, source, 'openai/gpt-5', title ?? null, parent ?? null, began, ended, reason ?? null, turns.length);
    for (const [i, [role, content]] of turns.entries()) {
      message.run(id, role, content, role === 'tool' ? 'terminal' : null, began + 20 * i);
    }
  };
  const [first, second] = ['20260501_081500_3fa9c1', '20260501_094500_77b0d2'];
  write(first, 6 * HOUR, { source: 'cli', title: 'Why is the build slow?', reason: 'compression' }, [
    ['user', 'The build takes four minutes. Find out why.'],
    ['tool', 'real 3m58s'],
    ['assistant', 'Three of the four minutes are the same tests, run twice.'],
  ]);
  write('20260501_081520_c0ffee', 6 * HOUR - 30, { source: 'subagent', parent: first, reason: 'done' }, [
    ['user', 'List the tests that run twice.'],
    ['assistant', 'All below test/e2e.'],
  ]);
  write(second, 5 * HOUR, { source: 'cli', parent: first }, [
    ['user', 'Run them once, then.'],
    ['assistant', 'Done: it takes 58 seconds now.'],
  ]);
  write('20260430_201000_1a2b3c4d', 26 * HOUR, { source: 'telegram', title: 'Dinner' }, [
    ['user', 'Is the bakery open tomorrow?'],
    ['assistant', 'Yes, from seven.'],
  ]);
  database.close();
}
