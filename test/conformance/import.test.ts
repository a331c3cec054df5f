import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { buildAgentDatabase } from '../support/agent-db';
import { cliJson, ROOT } from '../support/cli';
import { HAS_PYTHON, inPython } from '../support/python';
import { STORE_VECTORS, vectorStore } from '../support/store';
import { readSidecar, sidecarFile } from '../support/writing';

interface Recorded {
  now: number;
  sessions: Record<string, { status: number; imported: boolean; had: boolean; after?: Imported; keys?: number }>;
}

type Imported = Record<string, unknown> & { created_at: number; project_id: unknown; messages: Message[] };
type Message = Record<string, unknown>;

interface Result {
  import: Record<string, number>;
  sessions: { session_id: string; status: string; reason?: string }[];
}

/** What the server takes from its list, which is cut off at 20 sessions; hermesctl asks the database itself. */
const FROM_THE_LIST = [
  'title',
  'model',
  'created_at',
  'updated_at',
  'profile',
  'parent_session_id',
  'source_tag',
  'raw_source',
  'session_source',
  'source_label',
] as const;

/** What a recorded answer is for hermesctl. */
function expected(recorded: Recorded['sessions'][string]): string[] {
  if (recorded.imported) return ['imported'];
  if (recorded.status === 404) return [recorded.had ? 'skipped other-profile' : 'skipped empty'];
  // It filled in the origin of a session whose messages it left alone: see docs/differences.md.
  return recorded.had ? ['refreshed', 'unchanged', 'skipped diverged'] : ['skipped subagent'];
}

/** The server stores content that is no string undecoded: see docs/differences.md. */
function decoded(message: Message): Message {
  const { content } = message;
  if (typeof content !== 'string' || !content.startsWith('\0json:')) return message;
  return { ...message, content: JSON.parse(content.slice('\0json:'.length)) as unknown };
}

const recordings = STORE_VECTORS.map((name) => ({
  name,
  recorded: JSON.parse(
    fs.readFileSync(path.join(ROOT, 'test', 'fixtures', 'imports', `${name}.json`), 'utf8'),
  ) as Recorded,
}));

describe.each(recordings)('import-cli on $name', ({ name, recorded }) => {
  it('does what the real server did with every session of the database', async () => {
    const store = vectorStore(name);
    buildAgentDatabase(store);
    const stdin = Object.keys(recorded.sessions).join('\0');
    const run = () =>
      cliJson<Result>(['import-cli', '-', '-0', '--ensure-project'], { env: store.env, stdin: Buffer.from(stdin) });
    const { code, json } = await run();
    expect(code).toBe(0);
    const files: string[] = [];
    for (const { session_id: id, status, reason } of json.sessions) {
      const real = recorded.sessions[id];
      expect(expected(real), id).toContain(reason === undefined ? status : `${status} ${reason}`);
      if (status !== 'imported') continue;
      const { messages, project_id: project, ...after } = real.after!;
      const made = readSidecar(store, id);
      expect(Object.keys(made)).toHaveLength(real.keys!);
      expect(made['messages'], id).toEqual(messages.map(decoded));
      // Without a row in its list the server takes the time of the import.
      if (after.created_at === recorded.now) for (const key of FROM_THE_LIST) made[key] = after[key];
      else expect(made['project_id'] === null, id).toBe(project === null);
      expect(made, id).toMatchObject(after);
      files.push(fs.readFileSync(sidecarFile(store, id), 'utf8'));
    }
    expect(files.length).toBeGreaterThan(10);
    if (HAS_PYTHON) {
      const laidOut = inPython<string>('return json.dumps(json.loads(v), ensure_ascii=False, indent=2)', files);
      expect(files).toEqual(laidOut);
    }

    const { code: check } = await cliJson(['reindex', '--check'], { env: store.env });
    expect(check, 'the index agrees').toBe(0);
    const { json: again } = await run();
    expect(again.import).toMatchObject({ imported: 0, refreshed: 0, failed: 0, skipped: json.import['skipped'] });
  });

  it('imports all that the agent lists, and then finds nothing to do', async () => {
    const store = vectorStore(name);
    buildAgentDatabase(store);
    const run = () => cliJson<Result>(['import-cli', '--all'], { env: store.env });
    const { code, json } = await run();
    expect(code).toBe(0);
    expect(json.import['imported']).toBeGreaterThan(5);
    const { json: again } = await run();
    const settled = again.sessions.filter(({ status }) => status !== 'skipped').map(({ status }) => status);
    expect(new Set(settled)).toEqual(new Set(['unchanged']));
    expect(again.sessions.filter(({ status }) => status === 'skipped')).toEqual(
      json.sessions.filter(({ status }) => status === 'skipped'),
    );
    const { code: check } = await cliJson(['reindex', '--check'], { env: store.env });
    expect(check).toBe(0);
  });
});
