// A small store as the server leaves one, for the demo and for the smoke test.
import { mkdirSync, writeFileSync } from 'node:fs';
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
  return { stateDir, hermesHome };
}
